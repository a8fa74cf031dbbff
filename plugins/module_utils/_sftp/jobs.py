# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with files and folders over SFTP, as jobs of ``client``. Paths are the server's."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from .._common.errors import RunbookError
from .._common.progress import Advance, unseen
from . import wire
from .client import Job
from .wire import Attributes, Refusal

# Every server takes requests of this size; many refuse larger ones.
CHUNK = 32768
# Bytes of one file that are asked for or sent before its answers are waited for.
STRETCH = 1 << 19
# Answers with names that are asked for at once; OpenSSH puts a hundred names into each.
_TOLD = 3


def look(path: str) -> Job[Attributes | None]:
    """What a name is, itself and not what it points to; ``None`` without it."""
    (reply,) = yield [wire.about(wire.LSTAT, path)]
    return None if _missing(reply) else reply.attributes()


def listing(path: str) -> Job[dict[str, Attributes] | None]:
    """The names in a folder with what they are; ``None`` without the folder."""
    (opened,) = yield [wire.about(wire.OPENDIR, path)]
    return None if _missing(opened) else (yield from _names(path, opened))


def look_into(path: str) -> Job[tuple[Attributes | None, dict[str, Attributes]]]:
    """What a folder is, as ``look`` says it, and the names in it."""
    looked, opened = yield [wire.about(wire.LSTAT, path), wire.about(wire.OPENDIR, path)]
    if _missing(looked):
        if opened.code == wire.OK:
            yield [wire.close(opened.handle(), path)]
        return None, {}
    what = looked.attributes()
    return what, {} if _missing(opened) else (yield from _names(path, opened))


def _names(path: str, opened: wire.Reply) -> Job[dict[str, Attributes]]:
    found: dict[str, Attributes] = {}
    # Most folders are told in a few answers: these are asked for together with closing it, so that nobody waits for each.
    for quick in (True, False):
        if not quick:
            (opened,) = yield [wire.about(wire.OPENDIR, path)]
        handle = opened.handle()
        ended = False
        while not ended:
            replies = yield [*(wire.read_folder(handle, path) for _each in range(_TOLD)), *([wire.close(handle, path)] if quick else [])]
            for reply in replies[:_TOLD]:
                names = reply.names()
                ended = ended or not names
                found.update((name.decode("utf-8", "surrogateescape"), what) for name, what in names if name not in (b".", b".."))
            if quick:
                replies[-1].check()
                break
        if ended:
            break
    if not quick:
        (closed,) = yield [wire.close(handle, path)]
        closed.check()
    return found


def read_link(path: str) -> Job[str]:
    (reply,) = yield [wire.about(wire.READLINK, path)]
    names = reply.names()
    if len(names) != 1:
        raise Refusal(wire.FAILURE, "no target of a link", path)
    return names[0][0].decode("utf-8", "surrogateescape")


def read_file(path: str) -> Job[bytes | None]:
    """The content of a small file, ``None`` without it. A link is not followed."""
    looked, opened = yield [wire.about(wire.LSTAT, path), wire.open_file(path, wire.READING)]
    if _missing(looked):
        return None
    what = looked.attributes()
    if what.kind != "file":
        if opened.code == wire.OK:
            yield [wire.close(opened.handle(), path)]
        raise Refusal(wire.FAILURE, f"it is a {what.kind}, not a file", path)
    handle = opened.handle()
    size = what.size or 0
    if size < STRETCH:  # all of it, and one byte more than there should be, in one go
        starts = range(0, size + 1, CHUNK)
        *replies, _closed = yield [
            *(wire.read(handle, start, min(CHUNK, size + 1 - start), path) for start in starts),
            wire.close(handle, path),
        ]
        data = b"".join(reply.data() for reply in replies)
        if len(data) == size:
            return data
        (opened,) = yield [wire.open_file(path, wire.READING)]  # somebody is writing to it
        handle = opened.handle()
    parts: list[bytes] = []
    offset = 0
    while True:  # to the end, wherever that is by now
        part = yield from _read(handle, offset, max(CHUNK, size - offset), path)
        parts.append(part)
        offset += len(part)
        if not part:
            break
    yield [wire.close(handle, path)]
    return b"".join(parts)


def end_of(path: str) -> Job[tuple[int, bool]]:
    """How many bytes a file has, 0 without it, and whether its last line was never ended."""
    looked, opened = yield [wire.about(wire.LSTAT, path), wire.open_file(path, wire.READING)]
    if _missing(looked):
        return 0, False
    what, handle = looked.attributes(), opened.handle()
    size = what.size or 0
    last, _closed = yield [wire.read(handle, max(0, size - 1), 1, path), wire.close(handle, path)]
    return size, bool(size) and last.data() != b"\n"


def _read(handle: bytes, offset: int, size: int, path: str) -> Job[bytes]:
    """Up to ``size`` bytes (at most a stretch) from ``offset``; fewer only where the server sent fewer, none at the end."""
    starts = range(offset, offset + min(size, STRETCH), CHUNK)
    replies = yield [wire.read(handle, start, min(CHUNK, offset + size - start), path) for start in starts]
    read = bytearray()
    for start, reply in zip(starts, replies):
        data = reply.data()
        if start != offset + len(read):
            break  # what came before it was short
        read += data
    return bytes(read)


def hash_file(path: str, size: int, advance: Advance = unseen) -> Job[str]:
    """The sha256 (hex) of a file, read from the server. ``size``: what it should have; more or fewer bytes give another hash."""
    (opened,) = yield [wire.open_file(path, wire.READING)]
    handle = opened.handle()
    digest = yield from _hash(handle, size, path, advance)
    (closed,) = yield [wire.close(handle, path)]
    closed.check()
    return digest


def _hash(handle: bytes, size: int, path: str, advance: Advance) -> Job[str]:
    seen, offset = hashlib.sha256(), 0
    while True:
        # One byte more than there should be tells whether there is more.
        data = yield from _read(handle, offset, size + 1 - offset, path)
        if not data:
            return seen.hexdigest()
        seen.update(data)
        offset += len(data)
        advance(0, len(data))
        if offset > size:
            return ""


@dataclasses.dataclass(frozen=True)
class Sending:
    """A file to send: from where to where, what it is to be, and at which byte to go on."""

    source: str
    path: str
    size: int
    digest: str
    mode: int
    set_mode: bool = False
    offset: int = 0
    hashed: tuple[str, str] | None = None  # by which extension, with which algorithm the server hashes what it has
    fresh: bool = False  # whether there must be no such file yet


def send_file(sending: Sending, advance: Advance = unseen) -> Job[int]:
    """Send a file and read it back, or have the server hash it. Returns how many bytes were sent; ``RunbookError`` when it did not
    arrive as it was."""
    path, flags = sending.path, wire.WRITING | wire.READING | wire.CREATING
    if not sending.offset:
        flags |= wire.TRUNCATING
    if sending.fresh:
        flags |= wire.EXCLUSIVE
    (opened,) = yield [wire.open_file(path, flags, sending.mode)]
    handle = opened.handle()
    seen, sent, at = hashlib.sha256(), 0, 0
    by_server = sending.hashed if sending.size > CHUNK else None  # what one answer holds is read as fast as it is hashed
    ours = bytearray()  # the hashes of all blocks
    more: list[wire.Request] = [wire.set_mode_of(handle, sending.mode, path)] if sending.set_mode else []
    small = sending.size <= STRETCH
    with open(sending.source, "rb") as source:
        while True:
            data = source.read(STRETCH)
            seen.update(data)
            if by_server:
                ours += wire.block_hashes(data, by_server[1])
            writes = [
                wire.write(handle, at + start, data[start : start + CHUNK], path)
                for start in range(0, len(data), CHUNK)
                if at + start + CHUNK > sending.offset
            ]
            at += len(data)
            if small:
                break
            for reply in (yield writes) if writes else ():
                reply.check()
            sent += sum(len(request.body) for request in writes)
            advance(0, len(data))
            writes = []
            if not data:
                break
    if at != sending.size or seen.hexdigest() != sending.digest:
        yield [wire.close(handle, path)]
        raise RunbookError(f"{sending.source} changed while it was sent; run the deploy again")
    if small:  # everything in one go: writing, reading back, closing
        end = sending.size + 1  # one byte more than there should be
        if by_server:
            reads = [wire.hash_of(by_server[0], handle, by_server[1], path)]
        else:
            reads = [wire.read(handle, start, min(CHUNK, end - start), path) for start in range(0, end, CHUNK)]
        *replies, closed = yield [*writes, *more, *reads, wire.close(handle, path)]
        head = len(writes) + len(more)
        for reply in replies[:head]:
            reply.check()
        if by_server:
            back = _told(replies[head], by_server[1], ours, sending.digest)
        else:
            back = hashlib.sha256(b"".join(reply.data() for reply in replies[head:])).hexdigest()
        sent = sending.size
        advance(0, sent)
    else:
        for reply in (yield more) if more else ():
            reply.check()
        back = ""
        if by_server:
            (told,) = yield [wire.hash_of(by_server[0], handle, by_server[1], path)]
            back = _told(told, by_server[1], ours, sending.digest)
        if not back:
            back = yield from _hash(handle, sending.size, path, unseen)
        (closed,) = yield [wire.close(handle, path)]
    closed.check()
    if not back:  # the server hashes, but not this file
        back = yield from hash_file(path, sending.size)
    if back != sending.digest:
        raise RunbookError(
            f"{path} did not arrive as it was sent, although the server reported success; nothing was made current."
            " Is the disk full, or is there a quota? Look at the host, then run the deploy again"
        )
    advance(1, 0)
    return sent


def _told(reply: wire.Reply, algorithm: str, ours: t.Union[bytes, bytearray], digest: str) -> str:
    """The sha256 if the server has hashed to what we did, another text if not, none if it did not hash."""
    same = wire.is_hash(reply, algorithm, ours)
    return "" if same is None else digest if same else "another"


def answers(requests: t.Sequence[wire.Request]) -> Job[list[wire.Reply]]:
    """Whatever the server says to each."""
    return (yield requests)


def check(request: wire.Request) -> Job[None]:
    (reply,) = yield [request]
    reply.check()


def remove_file(path: str) -> Job[None]:
    (reply,) = yield [wire.about(wire.REMOVE, path)]
    if not _missing(reply):
        reply.check()


def _missing(reply: wire.Reply) -> bool:
    """Whether the answer is that there is no such name. Some servers have no code of their own for a parent that is a file."""
    return reply.code == wire.NO_SUCH_FILE
