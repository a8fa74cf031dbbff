# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contents of one file of a log, compressed or not, as blocks of whole lines."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import json
import lzma
import os
import stat
import subprocess
import sys
import typing as t
import zlib

from .._common.errors import RunbookError
from .._common.process import Command, Process, ProgramFailed, ProgramMissing, find_program
from .rotate_names import Log
from .scan_files import LogFile

BLOCK = 1 << 18
# Of a line that is longer, what is behind this is not looked at.
LONGEST_LINE = 1 << 20
# How much of a log's beginning, and of what was read last, has to be the same for it to be the same log.
HEAD = 4096
TAIL = 32


class Moved(Exception):
    """A rotation was faster: what was found is not there any more, so look again."""


class Reader(t.Protocol):
    def read(self, size: int, /) -> bytes: ...


class Content:
    """One file, opened. ``length`` is that of its contents, None for compressed ones. Use it in a ``with`` block."""

    def __init__(self, file: LogFile) -> None:
        self.file = file
        self._fd = _open(file)
        # What is written while it is read belongs to the next time.
        self.length = None if file.compression else os.fstat(self._fd).st_size
        try:
            self.head = self._beginning()
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Content:
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self._fd)

    def pread(self, size: int, offset: int) -> bytes:
        """Bytes of an uncompressed file."""
        return os.pread(self._fd, size, offset)

    @contextlib.contextmanager
    def stream(self) -> t.Iterator[Reader]:
        """Its contents from the beginning. Damage is a ``RunbookError``."""
        kind, path = self.file.compression, self.file.path
        with os.fdopen(os.dup(self._fd), "rb") as raw:
            raw.seek(0)
            try:
                if kind == ".zst":
                    with _printed(Command((find_program(("zstd",), "zstd"), "-dcq")), raw) as reader:
                        yield reader
                else:
                    yield t.cast(Reader, _OPENERS[kind](raw))
            except ProgramMissing:
                raise
            except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, ProgramFailed, OSError) as error:
                if isinstance(error, OSError) and error.errno:
                    raise
                raise RunbookError(f"{path} is damaged or not finished: {error}") from None

    def reader(self, offset: int, until: int | None = None) -> t.Callable[[int], bytes]:
        """Reads an uncompressed file on from ``offset``, up to ``until`` or its end when it was opened."""
        position, end = offset, min(self.length or 0, until if until is not None else sys.maxsize)

        def read(size: int) -> bytes:
            nonlocal position
            data = os.pread(self._fd, min(size, end - position), position) if position < end else b""
            position += len(data)
            return data

        return read

    def tail_print(self, offset: int) -> str | None:
        """A fingerprint of what is just before ``offset``; None when there is less than that."""
        size = min(offset, TAIL)
        if self.length is not None:
            return fingerprint(self.pread(size, offset - size)) if self.length >= offset else None
        with self.stream() as stream:
            before = skip(stream, offset - size)
            data = _exactly(stream, size)
        return fingerprint(data) if before == offset - size and len(data) == size else None

    def check(self) -> None:
        """``Moved`` when it is being cut, or was cut or written anew since it was opened."""
        if being_cut(self.file.path):
            raise Moved
        if self.length is not None and (os.fstat(self._fd).st_size < self.length or self.pread(len(self.head), 0) != self.head):
            raise Moved

    def _beginning(self) -> bytes:
        if self.length is not None:
            return self.pread(HEAD, 0)
        with self.stream() as stream:
            return _exactly(stream, HEAD)


_OPENERS: dict[str, t.Callable[[t.BinaryIO], t.Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


@contextlib.contextmanager
def _printed(command: Command, given: t.BinaryIO) -> t.Iterator[Reader]:
    """What a program prints; its exit status is read when there is no more."""
    process = Process(command, stdin=given, stdout=subprocess.PIPE)
    try:
        yield _Printed(process)
    finally:
        process.kill()


class _Printed:
    def __init__(self, process: Process) -> None:
        self._process = process

    def read(self, size: int, /) -> bytes:
        data = self._process.stdout.read(size)
        if not data:
            self._process.finish()
        return data


def being_cut(path: str) -> bool:
    """Whether ``log_rotate`` is just marking and cutting a log, or was killed then."""
    folder, name = os.path.split(path)
    try:
        with open(Log(folder, name, folder).journal, "rb") as stream:
            return json.load(stream).get("state") in ("copied", "marked")
    except (OSError, ValueError, AttributeError):
        return False


def _open(file: LogFile) -> int:
    try:
        fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise RunbookError(f"{file.path} is no file; give the log itself, or format journald for what goes to standard output")
            link = os.lstat(file.path)
            # A link that somebody else put there would show them a file that only the reader may read.
            if stat.S_ISLNK(link.st_mode) and link.st_uid not in (0, os.geteuid(), status.st_uid):
                raise RunbookError(f"{file.path} is a link of user {link.st_uid} to a file of user {status.st_uid}; give the file itself")
            if (status.st_dev, status.st_ino) != file.key:
                raise Moved
        except BaseException:
            os.close(fd)
            raise
        return fd
    except FileNotFoundError:
        raise Moved from None
    except OSError as error:
        raise RunbookError(f"{file.path} can't be read: {error.strerror}; run the task as a user that may (become)") from None


def fingerprint(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def skip(stream: Reader, count: int) -> int:
    """Read past ``count`` bytes; how many there were."""
    left = count
    while left:
        data = stream.read(min(left, BLOCK))
        if not data:
            break
        left -= len(data)
    return count - left


def _exactly(stream: Reader, size: int) -> bytes:
    parts, left = [], size
    while left:
        data = stream.read(left)
        if not data:
            break
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


def lines_of(read: t.Callable[[int], bytes], offset: int) -> t.Iterator[tuple[bytes, int]]:
    """Blocks of whole lines and where in the contents each ends. What is left without a line break comes last, on its own."""
    carry, too_long = b"", False
    while True:
        data = read(BLOCK)
        if not data:
            if carry:
                yield carry, offset + len(carry)
            return
        if too_long:
            end = data.find(b"\n") + 1
            offset += end or len(data)
            too_long, data = not end, data[end:] if end else b""
        if carry:
            data = carry + data
        end = data.rfind(b"\n") + 1
        carry = data[end:]
        if end:
            offset += end
            yield (data[:end] if carry else data), offset
        if len(carry) > LONGEST_LINE:
            offset += len(carry)
            yield carry + b"\n", offset
            carry, too_long = b"", True
