# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of a zip file, read with every header doubted; the standard library checks the CRC of each."""

from __future__ import annotations

import contextlib
import re
import stat
import struct
import typing as t
import zipfile
import zlib

from .archive_tree import TreeWriter, shown

_CHUNK = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_MAX_TARGET = 4096
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError, OSError)
_DRIVE = re.compile(rb"^[A-Za-z]:")


def unpack_zip(stream: t.BinaryIO, tree: TreeWriter, *, max_bytes: int, max_files: int) -> None:
    """Write every member of the zip file to ``tree``. Sizes in headers are only believed where they refuse."""
    # The standard library holds the whole directory in memory, some 600 bytes for each 46 of a hostile file.
    if _directory_size(stream) // 46 > max_files:
        raise tree.refused(f"holds more than {max_files} members (max_files)")
    with _reading(tree):
        archive = zipfile.ZipFile(stream)
    with archive:
        members = archive.infolist()
        declared = sum(member.file_size for member in members)
        if declared > max_bytes:
            raise tree.refused(f"holds {declared} bytes once unpacked, more than {max_bytes} (max_bytes)")
        for member in members:
            _member(archive, member, tree)


@contextlib.contextmanager
def _reading(tree: TreeWriter) -> t.Iterator[None]:
    """What the standard library raises on a damaged file is of many kinds; each is a refusal."""
    try:
        yield
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise tree.refused(f"is truncated or damaged ({reason}); fetch or build it again") from None


def declared_bytes(stream: t.BinaryIO) -> int:
    """Bytes that the members claim to have, for a first look at free space; 0 when the file can't be read."""
    try:
        with zipfile.ZipFile(stream) as archive:
            return sum(member.file_size for member in archive.infolist())
    except _DAMAGE:
        return 0


def _directory_size(stream: t.BinaryIO) -> int:
    """Bytes of the central directory as its end record says (also the 64-bit one); 0 when there is none."""
    end = stream.seek(0, 2)
    stream.seek(max(0, end - 65535 - 22 - 20 - 56))
    tail = stream.read()
    stream.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    size = struct.unpack_from("<L", tail, at + 12)[0] if at >= 0 and at + 16 <= len(tail) else 0
    wide = tail.rfind(b"PK\x06\x06", 0, max(at, 0))
    if wide >= 0 and wide + 48 <= len(tail):
        size = max(size if size != 0xFFFFFFFF else 0, struct.unpack_from("<Q", tail, wide + 40)[0])
    return int(size)


def _name(member: zipfile.ZipInfo) -> bytes:
    """The name as bytes: declared as UTF-8, or UTF-8 all the same (as Info-ZIP writes it), or code page 437."""
    if not member.flag_bits & 0x800:
        try:
            raw = member.orig_filename.encode("cp437")
            raw.decode("utf-8")
            return raw
        except UnicodeError:
            pass
    return member.orig_filename.encode("utf-8", "surrogateescape")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, tree: TreeWriter) -> None:
    name = _name(member)
    if b"\\" in name or _DRIVE.match(name):
        raise tree.refused(f"holds the Windows name {shown(name)} (pack it with / between folders)")
    if member.flag_bits & 0x1:
        raise tree.refused(f"holds {shown(name)}, which is encrypted")
    if member.compress_type not in _METHODS:
        raise tree.refused(f"holds {shown(name)}, packed by the unsupported method {member.compress_type} (use deflate)")
    mode = member.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if name.endswith(b"/") or kind == stat.S_IFDIR:
        if member.file_size:
            raise tree.refused(f"holds {shown(name)}, which has content but is no file")
        tree.folder(name)
    elif kind == stat.S_IFLNK:
        if member.file_size > _MAX_TARGET:
            raise tree.refused(f"holds {shown(name)}, a symbolic link with an impossible target")
        tree.symlink(name, b"".join(_content(archive, member, tree)))
    elif kind in (0, stat.S_IFREG):
        tree.file(name, mode & 0o777 if mode else 0o644, _content(archive, member, tree))
    else:
        raise tree.refused(f"holds {shown(name)}, a device, pipe or socket")


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, tree: TreeWriter) -> t.Iterator[bytes]:
    with _reading(tree):
        stream = archive.open(member)
    with stream:
        while True:
            with _reading(tree):
                chunk = stream.read(_CHUNK)  # the last, empty read is the one that checks the CRC
            if not chunk:
                return
            yield chunk
