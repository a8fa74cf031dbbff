# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that pass: read in pieces, hashed, and followed into the file that others write."""

from __future__ import annotations

import hashlib
import os
import threading
import typing as t

from .engine import Reader

# Large enough that switching between threads costs nothing, small enough that a few of them are no memory.
CHUNK = 256 << 10
# What an engine may look at to tell whether a dump is complete.
TAIL = 4096
# How often a growing file is looked at, in seconds, and of how many bytes at a time the disk is told.
_LOOK = 0.05
_FLUSH = 16 << 20
Tick = t.Callable[[int], None]
Bytes = t.Union[bytes, memoryview]


class Hash:
    """sha256, size and the last bytes of a stream."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self.size = 0
        self.tail = b""

    def update(self, data: Bytes) -> None:
        self._sha.update(data)
        self.size += len(data)
        self.tail = bytes(data[-TAIL:]) if len(data) >= TAIL else (self.tail + data)[-TAIL:]

    def digest(self) -> str:
        return self._sha.hexdigest()


class Hashing:
    """A reader that hashes what passes."""

    def __init__(self, source: Reader, seen: Hash) -> None:
        self._source, self._seen = source, seen
        self.ended = False

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._seen.update(data)
        self.ended = not data
        return data

    def readinto(self, buffer: memoryview, /) -> int:
        count = _read_into(self._source, buffer)
        self._seen.update(buffer[:count])
        self.ended = not count
        return count


class Descriptor:
    """A file's bytes, hashed and counted."""

    def __init__(self, fd: int, seen: Hash, tick: Tick) -> None:
        self._fd, self._seen, self._tick = fd, seen, tick

    def read(self, size: int, /) -> bytes:
        data = os.read(self._fd, size)
        self._seen.update(data)
        self._tick(len(data))
        return data

    def readinto(self, buffer: memoryview, /) -> int:
        count = os.readv(self._fd, [buffer])
        self._seen.update(buffer[:count])
        self._tick(count)
        return count


def pieces(reader: Reader) -> t.Iterator[memoryview]:
    """All of a reader, one piece after the other. A piece is gone when the next one is asked for: they share one buffer."""
    buffer = memoryview(bytearray(CHUNK))
    while count := _read_into(reader, buffer):
        yield buffer[:count]


def _read_into(reader: Reader, buffer: memoryview) -> int:
    """Some bytes of a reader, 0 at its end. Without a buffer of ours, memory would be given out and taken back for every piece."""
    into: t.Callable[[memoryview], int] | None = getattr(reader, "readinto", None)
    if into:
        return into(buffer)
    data = reader.read(len(buffer))
    buffer[: len(data)] = data
    return len(data)


class Growing:
    """A file that programs write: hashed and flushed while it grows, in a thread of its own."""

    def __init__(self, fd: int) -> None:
        self._fd, self._seen = fd, Hash()
        self._end = threading.Event()
        self._failure: list[BaseException] = []
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Growing:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()

    def whole(self) -> Hash:
        """When nobody writes any more: all of it."""
        self._end.set()
        self._thread.join()
        if self._failure:
            raise self._failure[0]
        return self._seen

    def _follow(self) -> None:
        buffer = memoryview(bytearray(CHUNK))
        flushed = 0
        try:
            while True:
                last = self._end.wait(_LOOK)
                while count := os.preadv(self._fd, [buffer], self._seen.size):
                    self._seen.update(buffer[:count])
                if last:
                    return
                if self._seen.size - flushed > _FLUSH:
                    # The disk works while the dump does; what is left for the end is little.
                    flushed = self._seen.size
                    os.fdatasync(self._fd)
        except BaseException as error:
            self._failure.append(error)
