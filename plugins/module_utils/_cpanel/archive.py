# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One archive of a release, built on the controller: the same bytes for the same files and the same time."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import typing as t

from .._common.errors import RunbookError
from .._release.manifest import Entry, Manifest

_PIECE = 1 << 20


class _Hashed(io.RawIOBase):
    """A file that is hashed while it is read."""

    def __init__(self, stream: t.BinaryIO) -> None:
        self._stream, self.digest = stream, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self.digest.update(piece)
        return piece


def fit(manifest: Manifest) -> None:
    """Refuse what this backend can't make or can't prove: links, and names that are not UTF-8 (its answers are JSON)."""
    for entry in manifest.entries:
        if entry.kind == "l":
            raise RunbookError(
                f"{entry.path} is a symbolic link, which can't be made through cPanel's API;"
                " put the file itself there, or deploy with backend: sftp"
            )
        try:
            entry.path.encode("utf-8")
        except UnicodeEncodeError:
            shown = entry.path.encode("utf-8", "backslashreplace").decode()
            raise RunbookError(f"the name {shown} is not UTF-8, and cPanel's API can't name it; rename the file") from None


def build(source: str, manifest: Manifest, made: int, out: t.BinaryIO) -> int:
    """Write the manifest's files from the folder ``source`` as .tar.gz to ``out``; returns its size in bytes.

    ``made`` (epoch seconds) becomes every file's time of change: a browser that has an older release's file of the same size must see
    that it is another one. Memory is one piece of a file. ``RunbookError`` when a file is no longer what the manifest says.
    """
    began = out.tell()
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=out, mtime=made) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT, bufsize=_PIECE) as archive,
    ):
        for entry in manifest.entries:
            _add(archive, source, entry, made)
    return out.tell() - began


def _add(archive: tarfile.TarFile, source: str, entry: Entry, made: int) -> None:
    info = tarfile.TarInfo(f"./{entry.path}")
    info.mtime, info.mode = made, entry.mode
    if entry.kind == "d":
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
        return
    info.size = entry.size
    changed = RunbookError(f"{source}/{entry.path} was changed while it was staged; run the deploy again")
    try:
        fd = os.open(f"{source}/{entry.path}", os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise changed from None
    with os.fdopen(fd, "rb") as stream:
        if os.fstat(fd).st_size != entry.size:
            raise changed
        hashed = _Hashed(stream)
        archive.addfile(info, t.cast(t.IO[bytes], hashed))
    if hashed.digest.hexdigest() != entry.digest:
        raise changed
