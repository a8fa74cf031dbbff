# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiving end of an upload. Self-contained: its text also runs by itself on the host, as ``python3 -c`` (see the
action ``release_stage``).

The stream is a sequence of ``<sha256 hex> <bytes>`` header lines, each followed by that many bytes; large files come in
parts, ``<sha256 hex> <bytes of all> <offset> <bytes of this>``, one after another over several streams. A first line
``zlib`` says that all the rest is one zlib stream. A file gets its name, its sha256, only when all its bytes have
arrived and hash to that name, so that an upload that is cut at any byte has lost the unfinished file alone.
"""

from __future__ import annotations

import hashlib
import io
import os
import typing as t
import zlib


class Inflating(io.RawIOBase):
    """Reads a zlib stream as the bytes it was made of."""

    def __init__(self, stream: t.BinaryIO) -> None:
        self._stream = stream
        self._inflate = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        while not self._inflate.eof:
            source = self._inflate.unconsumed_tail or self._stream.read(65536)
            try:
                data = self._inflate.decompress(source, len(buffer))
            except zlib.error as error:
                raise ValueError(f"the upload can't be decompressed ({error})") from None
            if data:
                buffer[: len(data)] = data
                return len(data)
            if not source:
                break
        return 0


def _hash_of(out: io.FileIO, offset: int, size: int) -> t.Any:
    """Go to ``offset``, where earlier parts must have ended; their hash, if this is the part that completes ``size``."""
    if os.fstat(out.fileno()).st_size < offset:
        raise ValueError("a part of a file arrived before the one that it follows")
    out.truncate(max(offset, 0))
    seen = hashlib.sha256()
    while size and out.tell() < offset:
        seen.update(out.read(1 << 20))
    out.seek(offset)
    return seen


def receive(stream: t.BinaryIO, folder: str) -> int:
    """Store every file of an upload below ``folder``. Returns how many; ``ValueError`` names what is wrong with the stream."""
    count = 0
    header = stream.readline(256)
    if header == b"zlib\n":
        stream = t.cast(t.BinaryIO, io.BufferedReader(Inflating(stream), 1 << 18))
        header = stream.readline(256)
    while header:
        digest, *numbers = header.decode("ascii").split()
        if len(digest) != 64 or len(numbers) not in (1, 3) or not header.endswith(b"\n"):
            raise ValueError("the upload was cut inside a header")
        size = int(numbers[0])
        offset, left = (int(numbers[1]), int(numbers[2])) if len(numbers) == 3 else (0, size)
        partial = f"{folder}/{digest}.partial"
        fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | (0 if offset else os.O_TRUNC), 0o600)
        with os.fdopen(fd, "rb+", buffering=0) as out:
            seen = _hash_of(out, offset, size if offset + left == size else 0)
            while left:
                data = stream.read(min(left, 1 << 20))
                if not data:
                    raise ValueError(f"the upload was cut with {left} bytes of a file to come")
                seen.update(data)
                out.write(data)
                left -= len(data)
            done = out.tell()
        if done < size:
            header = stream.readline(256)
            continue
        if seen.hexdigest() != digest:
            os.unlink(partial)
            raise ValueError(f"a file arrived as {seen.hexdigest()} instead of {digest}")
        os.rename(partial, f"{folder}/{digest}")
        count += 1
        header = stream.readline(256)
    return count
