# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder as an archive whose bytes follow from what is in it: names in order, one time, owner 0, modes as the manifest has them.

The tar headers are written here, because what the standard library writes into them changed between versions of Python. What compresses
is zlib or the program zstd; another version of these may write other bytes, which unpack to the same.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import time
import typing as t
import zipfile
import zlib

from .._common.errors import InvalidInput, Refused
from .._common.process import Command, Process, find_program
from .._common.progress import Advance, unseen
from .._release.manifest import Entry, Manifest

FORMATS = ("zip", "tar.gz", "tar.zst")
# What a zip can say: 1980 to 2107, in steps of two seconds.
EARLIEST = 315532800
LATEST = 4354819198

_CHUNK = 1 << 20
_BLOCK = 512
_RECORD = 20 * _BLOCK
_BIGGEST = 8**11  # bytes from which on the size of a file needs a header of its own
_LEVEL = 6


def write_archive(stream: t.IO[bytes], form: str, root: str, manifest: Manifest, moment: int, advance: Advance = unseen) -> None:
    """Write the files of ``root`` that ``manifest`` names. ``moment``: the time of all of them, seconds since 1970.

    ``stream`` is an empty file. Raises ``Refused`` when a file is not what the manifest says (any more), ``InvalidInput`` for a name
    that an archive can't have.
    """
    for entry in manifest.entries:
        _check_name(entry)
    if form == "zip":
        _zip(stream, root, manifest, moment, advance)
    elif form == "tar.gz":
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)  # a header without name and time

        def put(data: bytes) -> None:
            stream.write(packer.compress(data))

        _tar(put, root, manifest, moment, advance)
        stream.write(packer.flush())
    else:
        # With one thread the bytes do not depend on how many processors there are.
        command = Command((find_program(["zstd"], "zstd"), "-q", "-c", "-T1", "-9", "--no-check"))
        stream.flush()
        with Process(command, stdin=subprocess.PIPE, stdout=stream) as process:
            _tar(process.write, root, manifest, moment, advance)
        stream.seek(0, os.SEEK_END)


def _check_name(entry: Entry) -> None:
    for text in (entry.path, entry.digest if entry.kind == "l" else ""):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidInput(f"the name {text!r} is not UTF-8 and would unpack as another; rename or exclude it") from None
        if "\\" in text or any(ord(char) < 32 for char in text):
            raise InvalidInput(
                f"the name {text!r} has a backslash or control character, which not every archive can have; rename or exclude it"
            )


def _content(root: str, entry: Entry) -> t.Iterator[bytes]:
    """The bytes of a file; ``Refused`` at their end when they are not those that were looked at before."""
    digest, size = hashlib.sha256(), 0
    fd = os.open(os.path.join(root, entry.path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb", buffering=0) as stream:
        while size <= entry.size:
            data = stream.read(_CHUNK)
            if not data:
                break
            digest.update(data)
            size += len(data)
            yield data[: len(data) - max(0, size - entry.size)]
    if size != entry.size or digest.hexdigest() != entry.digest:
        raise Refused(f"{entry.path} changed while it was read; run again when nothing writes to the source")


def _zip(stream: t.IO[bytes], root: str, manifest: Manifest, moment: int, advance: Advance) -> None:
    when = time.gmtime(min(max(moment, EARLIEST), LATEST))[:6]
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in manifest.entries:
            info = zipfile.ZipInfo(entry.path + "/" * (entry.kind == "d"), when)
            info.create_system = 3  # Unix, wherever it is made
            kind = {"d": stat.S_IFDIR, "l": stat.S_IFLNK, "f": stat.S_IFREG}[entry.kind]
            info.external_attr = (kind | entry.mode) << 16 | (0x10 if entry.kind == "d" else 0)
            info.compress_type = zipfile.ZIP_DEFLATED if entry.kind == "f" and entry.size else zipfile.ZIP_STORED
            if entry.kind != "f":
                archive.writestr(info, entry.digest.encode() if entry.kind == "l" else b"")
                continue
            info.file_size = entry.size  # decides whether sizes need 64 bits
            with archive.open(info, "w") as member:
                for data in _content(root, entry):
                    member.write(data)
            advance(1, entry.size)


def _tar(put: t.Callable[[bytes], object], root: str, manifest: Manifest, moment: int, advance: Advance) -> None:
    written = 0

    def write(data: bytes) -> None:
        nonlocal written
        put(data)
        written += len(data)

    for entry in manifest.entries:
        write(_header(entry, moment))
        if entry.kind == "f":
            for data in _content(root, entry):
                write(data)
            write(b"\0" * (-entry.size % _BLOCK))
            advance(1, entry.size)
    write(b"\0" * (2 * _BLOCK))
    write(b"\0" * (-written % _RECORD))


def _header(entry: Entry, moment: int) -> bytes:
    """The header of an entry, in the form of POSIX.1-2001; what does not fit into it is said in one before it."""
    name = entry.path.encode() + b"/" * (entry.kind == "d")
    link = entry.digest.encode() if entry.kind == "l" else b""
    more = b""
    for key, value, limit in ((b"linkpath", link, 100), (b"path", name, 100)):
        if len(value) > limit or not value.isascii():
            more += _record(key, value)
    size = entry.size
    if size >= _BIGGEST:
        more += _record(b"size", b"%d" % size)
        size = 0
    before = b""
    if more:
        before = _block(b"././@PaxHeader", b"x", 0o644, len(more), moment, b"") + more + b"\0" * (-len(more) % _BLOCK)
    kind = {"f": b"0", "l": b"2", "d": b"5"}[entry.kind]
    return before + _block(name, kind, entry.mode, size, moment, link)


def _record(key: bytes, value: bytes) -> bytes:
    """``<length> key=value`` and a line feed, where the length counts itself."""
    length = len(key) + len(value) + 3
    total = length + len(str(length))
    total = length + len(str(total))
    return b"%d %s=%s\n" % (total, key, value)


def _block(name: bytes, kind: bytes, mode: int, size: int, moment: int, link: bytes) -> bytes:
    fields = [name[:100].ljust(100, b"\0"), b"%07o\0" % mode, b"0000000\0", b"0000000\0", b"%011o\0" % size, b"%011o\0" % moment, b" " * 8]
    fields += [kind, link[:100].ljust(100, b"\0"), b"ustar\x0000", b"root".ljust(32, b"\0"), b"root".ljust(32, b"\0")]
    block = b"".join(fields).ljust(_BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
