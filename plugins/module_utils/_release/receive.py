# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiving end of an upload. Self-contained: its text also runs by itself on the host, as ``python3 -c`` (see the
action ``release_stage``).

The stream is a sequence of ``<sha256 hex> <bytes>`` header lines, each followed by that many bytes; a first line
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


def receive(stream: t.BinaryIO, folder: str) -> int:
    """Store every file of an upload below ``folder``. Returns how many; ``ValueError`` names what is wrong with the stream."""
    count = 0
    header = stream.readline(256)
    if header == b"zlib\n":
        stream = t.cast(t.BinaryIO, io.BufferedReader(Inflating(stream), 1 << 18))
        header = stream.readline(256)
    while header:
        digest, _space, length = header.decode("ascii").partition(" ")
        if len(digest) != 64 or not header.endswith(b"\n"):
            raise ValueError("the upload was cut inside a header")
        left, seen = int(length), hashlib.sha256()
        partial = f"{folder}/{digest}.partial"
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb", buffering=0) as out:
            while left:
                data = stream.read(min(left, 1 << 20))
                if not data:
                    raise ValueError(f"the upload was cut with {left} bytes of a file to come")
                seen.update(data)
                out.write(data)
                left -= len(data)
        if seen.hexdigest() != digest:
            os.unlink(partial)
            raise ValueError(f"a file arrived as {seen.hexdigest()} instead of {digest}")
        os.rename(partial, f"{folder}/{digest}")
        count += 1
        header = stream.readline(256)
    return count
