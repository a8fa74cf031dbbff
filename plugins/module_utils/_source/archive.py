# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacking an archive that nobody vouches for: tar (plain, gzip, bzip2, xz, zstd) and zip.

Everything is checked while it is written into an empty folder of this process's own, which is removed when anything is
wrong. What an archive may hold is decided in ``archive_tree``; how it is read, in ``archive_tar`` and ``archive_zip``.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import typing as t
import zlib

from .._common.errors import InvalidInput, Refused, RunbookError
from .archive_tar import Read, is_header, unpack_tar
from .archive_tree import TreeWriter, Unpacked
from .archive_zip import declared_bytes, unpack_zip

__all__ = ["DEFAULT_MAX_BYTES", "DEFAULT_MAX_FILES", "Unpacked", "recognise", "unpack", "unpack_tar_stream"]

DEFAULT_MAX_BYTES = 8 << 30
DEFAULT_MAX_FILES = 500_000
_XZ_MEMORY = 256 << 20

Format = t.Literal["tar", "gzip", "bzip2", "xz", "zstd", "zip"]

_FOREIGN = {b"7z\xbc\xaf\x27\x1c": "7-Zip", b"Rar!\x1a\x07": "RAR"}


def recognise(archive_path: str, name: str | None = None) -> Format:
    """The format of an archive, by its content; ``InvalidInput`` (with ``name``) when it is none of those we unpack."""
    with open(archive_path, "rb") as stream:
        head = stream.read(512)
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"BZh"):
        return "bzip2"
    if head.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50):
        return "zstd"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if head[257:262] == b"ustar" or is_header(head):
        return "tar"
    what = next((f"a {kind} archive" for magic, kind in _FOREIGN.items() if head.startswith(magic)), "not an archive" if head else "empty")
    raise InvalidInput(f"{name or archive_path} is {what}; give a .tar, .tar.gz, .tar.bz2, .tar.xz, .tar.zst or .zip file")


def unpack(
    archive_path: str,
    dest: str,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
    max_files: int = DEFAULT_MAX_FILES,
    strip_components: int = 0,
    name: str | None = None,
) -> Unpacked:
    """Unpack an archive into ``dest``, which is made (or is an empty folder) and is removed when unpacking fails.

    Files keep their permission bits but for setuid, setgid, sticky and write for group and others; times and owners are
    not kept. ``strip_components`` leading folders are cut from every name; a file that would be left without a name is
    an error. ``name`` replaces ``archive_path`` in messages. Raises ``InvalidInput`` (no archive), ``Refused`` (hostile,
    damaged, too large, no space) or ``RunbookError`` (``zstd`` is missing).
    """
    name = name or archive_path
    form = recognise(archive_path, name)
    with _dest(dest, name, max_bytes, max_files, strip_components) as tree:
        with open(archive_path, "rb") as stream:
            _need_space(dest, name, stream, form)
            if form == "zip":
                unpack_zip(stream, tree, max_bytes=max_bytes, max_files=max_files)
            else:
                with _plain(stream, form, name) as read:
                    unpack_tar(_guarded(read, tree), tree, max_files=max_files)
        return tree.finish()


def unpack_tar_stream(
    read: Read,
    dest: str,
    *,
    name: str,
    complete: t.Callable[[], None],
    max_bytes: int = DEFAULT_MAX_BYTES,
    max_files: int = DEFAULT_MAX_FILES,
) -> Unpacked:
    """``unpack`` for a plain tar that another process is writing; ``complete`` raises if that process failed."""
    with _dest(dest, name, max_bytes, max_files, 0) as tree:
        try:
            unpack_tar(read, tree, max_files=max_files)
        except Refused:
            complete()  # the writer's own error explains a cut stream better
            raise
        complete()
        return tree.finish()


@contextlib.contextmanager
def _dest(dest: str, archive: str, max_bytes: int, max_files: int, strip_components: int) -> t.Iterator[TreeWriter]:
    """A writer into the new or empty folder ``dest``; on any error the folder is removed."""
    if strip_components < 0:
        raise InvalidInput(f"strip_components is {strip_components}; it must be 0 or more")
    try:
        os.mkdir(dest, 0o700)
    except FileExistsError:
        if os.path.islink(dest) or not os.path.isdir(dest) or os.listdir(dest):
            raise Refused(f"{dest} exists and is no empty folder; archives are only unpacked into a new one") from None
    try:
        tree = TreeWriter(dest, archive=archive, max_bytes=max_bytes, max_files=max_files, strip_components=strip_components)
        try:
            yield tree
        finally:
            tree.close()
    except BaseException:
        shutil.rmtree(dest, ignore_errors=True)
        raise


def _need_space(dest: str, archive_path: str, stream: t.BinaryIO, form: Format) -> None:
    """Refuse before anything is written when the archive plainly can't fit. A compressed tar needs at least its own size."""
    needed = declared_bytes(stream) if form == "zip" else os.fstat(stream.fileno()).st_size
    stream.seek(0)
    there = os.statvfs(dest)
    free = there.f_bavail * there.f_frsize
    if needed > free:
        raise Refused(f"unpacking {archive_path} needs at least {needed} bytes, {os.path.dirname(dest)} has {free} free; free some space")


def _guarded(read: Read, tree: TreeWriter) -> Read:
    """``read``, with what decompressors raise on damaged data turned into a refusal."""

    def guarded(count: int) -> bytes:
        try:
            return read(count)
        except (EOFError, zlib.error, ValueError) as error:
            reason = str(error)
        except OSError as error:
            if error.errno is not None:
                raise
            reason = str(error)
        raise tree.refused(f"is truncated or damaged ({reason}); fetch or build it again")

    return guarded


@contextlib.contextmanager
def _plain(stream: t.BinaryIO, form: Format, archive_path: str) -> t.Iterator[Read]:
    """A reader of the tar inside; leaving the block ends what decompresses it."""
    if form == "gzip":
        with gzip.GzipFile(fileobj=stream) as inner:
            yield inner.read
    elif form == "bzip2":
        bz2 = _library("bz2", archive_path)
        with bz2.BZ2File(stream) as packed:
            yield packed.read
    elif form == "xz":
        yield _Xz(stream, _library("lzma", archive_path)).read
    elif form == "zstd":
        with _Zstd(stream, archive_path) as zstd:
            yield zstd.read
    else:
        yield stream.read


def _library(name: str, archive_path: str) -> t.Any:
    """A part of the standard library that some builds of Python lack."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise RunbookError(
            f"{archive_path} needs Python's {name} module, which {sys.executable} lacks; pack it as .tar.gz or .zip"
        ) from None


class _Xz:
    """``lzma.LZMAFile`` has no memory limit; a header of a few bytes may ask for gigabytes."""

    def __init__(self, stream: t.BinaryIO, lzma: t.Any) -> None:
        self._stream = stream
        self._lzma = lzma
        self._inner: t.Any = None
        self._open()

    def _open(self) -> None:
        self._inner = self._lzma.LZMADecompressor(format=self._lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, count: int) -> bytes:
        try:
            return self._read(count)
        except self._lzma.LZMAError as error:
            raise EOFError(str(error)) from None

    def _read(self, count: int) -> bytes:
        while True:
            if self._inner.eof:
                following = self._after_padding(self._inner.unused_data)
                if not following:
                    return b""
                self._open()
            else:
                following = self._stream.read(65536) if self._inner.needs_input else b""
                if not following and self._inner.needs_input:
                    raise EOFError("the file ends before its end mark")
            data: bytes = self._inner.decompress(following, count)
            if data:
                return data

    def _after_padding(self, rest: bytes) -> bytes:
        """What follows one stream in the file: the start of another one, or nothing."""
        while True:
            rest = rest.lstrip(b"\0")
            if rest:
                return rest
            rest = self._stream.read(65536)
            if not rest:
                return b""


class _Zstd:
    """The ``zstd`` command reading the archive itself; its errors and exit status count."""

    def __init__(self, stream: t.BinaryIO, archive_path: str) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        try:
            self._process = subprocess.Popen(["zstd", "-d", "-c", "-q"], stdin=stream, stdout=subprocess.PIPE, stderr=self._stderr)
        except FileNotFoundError:
            self._stderr.close()
            raise RunbookError(f"{archive_path} is packed with zstd and the zstd command is not here; install the package zstd") from None
        self._stdout = t.cast("t.IO[bytes]", self._process.stdout)  # a pipe, as asked for

    def __enter__(self) -> _Zstd:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stdout.close()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def read(self, count: int) -> bytes:
        data = self._stdout.read(count)
        if not data and self._process.wait() != 0:
            self._stderr.seek(0)
            said = " ".join(self._stderr.read(2000).decode("utf-8", "replace").split())
            raise EOFError(said or f"zstd ended with status {self._process.returncode}")
        return data
