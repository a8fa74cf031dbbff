# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of logs: copied and counted, compressed and read back, in constant memory."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import subprocess
import typing as t
import zlib

from .._common.errors import RunbookError
from .._common.process import Command, Process, find_program

CHUNK = 1 << 20
_GZIP = 31  # zlib's number for "with a gzip header"


@dataclasses.dataclass(frozen=True)
class Content:
    """What a file holds: ``size`` in bytes, ``lines`` that are ended by a line break, ``digest`` (sha256)."""

    size: int
    lines: int
    digest: str

    def to_dict(self) -> dict[str, int]:
        return {"bytes": self.size, "lines": self.lines}


class Counter:
    """Counts and hashes bytes that pass by."""

    def __init__(self) -> None:
        self.size = 0
        self.lines = 0
        self._hash = hashlib.sha256()

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self.lines += data.count(b"\n")
        self._hash.update(data)

    def content(self) -> Content:
        return Content(self.size, self.lines, self._hash.hexdigest())


def chunks(fd: int, start: int = 0, end: int | None = None) -> t.Iterator[bytes]:
    """The bytes of a file from ``start`` to ``end``, or to where it ends now."""
    while end is None or start < end:
        data = os.pread(fd, CHUNK if end is None else min(CHUNK, end - start), start)
        if not data:
            return
        yield data
        start += len(data)


def measure(parts: t.Iterable[bytes]) -> Content:
    counter = Counter()
    for data in parts:
        counter.add(data)
    return counter.content()


def count(parts: t.Iterable[bytes]) -> Content:
    """Bytes and lines only, of what is not compared with anything."""
    size = lines = 0
    for data in parts:
        size += len(data)
        lines += data.count(b"\n")
    return Content(size, lines, "")


def write_all(fd: int, data: bytes, at: int | None = None) -> None:
    """Write all of ``data``, at the file's position or at a place of its own."""
    view = memoryview(data)
    while view:
        done = os.write(fd, view) if at is None else os.pwrite(fd, view, at)
        at = None if at is None else at + done
        view = view[done:]


def create(path: str, like: os.stat_result) -> int:
    """A new file to read and write, with another one's owner and mode. ``path`` is a name of our own: what a killed run left there goes."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        own(fd, like.st_uid, like.st_gid, like.st_mode & 0o7777)
    except BaseException:
        os.close(fd)
        raise
    return fd


def own(fd: int, uid: int, gid: int, mode: int) -> None:
    """Give a file an owner, a group and a mode; whose account may not give files away keeps it, closed to those who would gain by that."""
    status = os.fstat(fd)
    if (status.st_uid, status.st_gid) != (uid, gid):
        try:
            os.fchown(fd, uid, gid)
        except PermissionError:
            with contextlib.suppress(PermissionError):
                os.fchown(fd, -1, gid)
            if os.fstat(fd).st_gid != gid:
                mode &= ~0o070
    os.fchmod(fd, mode)


def check_program(compress: str) -> None:
    """What compresses is here; else one line that says what to install."""
    if compress == "zstd":
        find_program(["zstd"], "zstd")


def encode(extension: str, source: int, target: int) -> None:
    """Compress (``.gz``, ``.zst``) or copy (nothing) the file of one descriptor into that of another."""
    if extension == ".zst":
        with open(source, "rb", closefd=False) as reading, open(target, "wb", closefd=False) as writing:
            os.lseek(source, 0, os.SEEK_SET)
            with Process(Command((find_program(["zstd"], "zstd"), "-q", "-c", "-3")), stdin=reading, stdout=writing):
                pass
        return
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP) if extension == ".gz" else None
    for data in chunks(source):
        write_all(target, packer.compress(data) if packer else data)
    if packer:
        write_all(target, packer.flush())


def decoded(extension: str, fd: int, path: str) -> t.Iterator[bytes]:
    """The plain bytes of an archive; ``RunbookError`` when it is damaged."""
    if extension == ".zst":
        os.lseek(fd, 0, os.SEEK_SET)
        unpack = Command((find_program(["zstd"], "zstd"), "-q", "-d", "-c", "--memory=2048MB"))
        with open(fd, "rb", closefd=False) as reading, Process(unpack, stdin=reading, stdout=subprocess.PIPE) as process:
            while data := process.stdout.read(CHUNK):
                yield data
    elif extension == ".gz":
        yield from _gunzip(fd, path)
    else:
        yield from chunks(fd)


def _gunzip(fd: int, path: str) -> t.Iterator[bytes]:
    """All members of a gzip file, as ``zcat`` prints them."""
    unpacker = zlib.decompressobj(_GZIP)
    begun = False
    try:
        for data in chunks(fd):
            while data:
                if unpacker.eof:
                    unpacker, begun = zlib.decompressobj(_GZIP), False
                begun = True
                # In pieces: what was packed a thousand times must not be in memory at once.
                yield unpacker.decompress(data, CHUNK)
                data = unpacker.unconsumed_tail or unpacker.unused_data
        while begun and not unpacker.eof:
            more = unpacker.decompress(unpacker.unconsumed_tail, CHUNK)
            if not more:
                raise RunbookError(f"{path} ends in the middle; it is kept beside what it was made of")
            yield more
    except zlib.error as error:
        raise RunbookError(f"{path} is damaged ({error}); it is kept beside what it was made of") from None
