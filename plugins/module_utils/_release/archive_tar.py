# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of a tar stream, read with every header doubted.

The standard library's reader is not used: it takes a damaged header in the middle for the end of the archive, and reads
an extended header of any size into memory. Its parser of single headers (``TarInfo.frombuf``) is.
"""

from __future__ import annotations

import tarfile
import typing as t

from .archive_tree import TreeWriter, shown

_BLOCK = 512
_CHUNK = 1 << 20
_MAX_EXTENSION = 1 << 20  # bytes of one extended header: names and attributes, never content
_MAX_TRAILER = 64 << 20  # bytes after the end mark; tar pads to a record, of at most a few MB

_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_SPECIAL = {
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file (pack again without --sparse)",
    b"M": "a part of a multi-volume archive",
    b"D": "an incremental dump",
}

Read = t.Callable[[int], bytes]


class _Blocks:
    """Exactly as many bytes as asked for, from a reader that may return fewer."""

    def __init__(self, read: Read, tree: TreeWriter) -> None:
        self._read = read
        self._tree = tree
        self._buffer = memoryview(b"")

    def take(self, count: int) -> memoryview:
        """The next ``count`` bytes (at most a few MB)."""
        if len(self._buffer) < count:
            parts: list[t.Union[bytes, memoryview]] = [self._buffer]
            have = len(self._buffer)
            while have < count:
                part = self._read(_CHUNK)
                if not part:
                    raise self._tree.refused("is truncated; fetch or build it again")
                parts.append(part)
                have += len(part)
            self._buffer = memoryview(b"".join(parts))
        taken = self._buffer[:count]
        self._buffer = self._buffer[count:]
        return taken

    def content(self, size: int) -> t.Iterator[memoryview]:
        """``size`` bytes and the padding up to the next block, which is dropped."""
        padding = -size % _BLOCK
        while size > _CHUNK:
            yield self.take(_CHUNK)
            size -= _CHUNK
        if size or padding:
            yield self.take(size + padding)[:size]

    def drain(self) -> None:
        """Read to the end, so that the compressor's own checksum and exit status are seen."""
        rest = len(self._buffer)
        while True:
            part = self._read(_CHUNK)
            if not part:
                return
            rest += len(part)
            if rest > _MAX_TRAILER:
                raise self._tree.refused("goes on after its end mark")


def unpack_tar(read: Read, tree: TreeWriter, *, max_files: int) -> None:
    """Write every member of the tar stream to ``tree`` and read the stream to its end."""
    blocks = _Blocks(read, tree)
    extended: dict[bytes, bytes] = {}
    headers = 0
    while True:
        try:
            header = tarfile.TarInfo.frombuf(blocks.take(_BLOCK).tobytes(), "utf-8", "surrogateescape")
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            break
        except (tarfile.HeaderError, ValueError) as error:  # type: ignore[attr-defined]
            what = "is damaged" if headers else "holds no tar archive"
            raise tree.refused(f"{what} ({error})") from None
        headers += 1
        if headers > 4 * max_files + 16:  # extended headers precede members, at most a few each
            raise tree.refused(f"holds more than {max_files} members (max_files)")
        if header.size < 0:
            raise tree.refused("is damaged (a negative size)")
        if header.type in (b"x", b"X", b"g", b"L", b"K", b"V"):
            _extend(extended, header, blocks, tree)
            continue
        _member(header, extended, blocks, tree)
        extended = {}
    if extended:
        raise tree.refused("is damaged (an extended header without its member)")
    blocks.drain()


def _extend(extended: dict[bytes, bytes], header: tarfile.TarInfo, blocks: _Blocks, tree: TreeWriter) -> None:
    """Take in a header that says more about the next member (or, for a global one and a label, about nothing we use)."""
    if header.size > _MAX_EXTENSION:
        raise tree.refused(f"holds an extended header of {header.size} bytes")
    data = b"".join(blocks.content(header.size))
    if header.type == b"L":
        extended[b"path"] = data.rstrip(b"\0")
    elif header.type == b"K":
        extended[b"linkpath"] = data.rstrip(b"\0")
    elif header.type in (b"x", b"X"):
        extended.update(_records(data, tree))
    elif header.type == b"g":
        said = _records(data, tree).keys() & {b"path", b"linkpath", b"size"}
        if said:
            raise tree.refused("sets names or sizes of all its members at once")


def _records(data: bytes, tree: TreeWriter) -> dict[bytes, bytes]:
    """The ``<length> <key>=<value>\\n`` records of a pax header."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(data) and data[at]:
        space = data.find(b" ", at, at + 20)
        digits = data[at:space] if space > 0 else b""
        end = at + int(digits) if digits.isdigit() else 0
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end <= space or end > len(data) or data[end - 1 : end] != b"\n" or not equals:
            raise tree.refused("is damaged (a malformed extended header)")
        found[key] = value
        at = end
    return found


def _member(header: tarfile.TarInfo, extended: dict[bytes, bytes], blocks: _Blocks, tree: TreeWriter) -> None:
    name = extended.get(b"path", header.name.encode("utf-8", "surrogateescape"))
    size = header.size
    if b"size" in extended:
        if not extended[b"size"].isdigit():
            raise tree.refused("is damaged (a size that is no number)")
        size = int(extended[b"size"])
    if any(key.startswith(b"GNU.sparse.") for key in extended):
        raise tree.refused(f"holds {shown(name)}, a sparse file (pack again without --sparse)")
    if header.type in _FILES and not name.endswith(b"/"):
        tree.file(name, header.mode, blocks.content(size))
        return
    if header.type in _SPECIAL:
        raise tree.refused(f"holds {shown(name)}, {_SPECIAL[header.type]}")
    if size:
        raise tree.refused(f"holds {shown(name)}, which has content but is no file")
    if header.type == tarfile.DIRTYPE or header.type in _FILES:
        tree.folder(name)
        return
    target = extended.get(b"linkpath", header.linkname.encode("utf-8", "surrogateescape"))
    if header.type == tarfile.SYMTYPE:
        tree.symlink(name, target)
    elif header.type == tarfile.LNKTYPE:
        tree.hardlink(name, target)
    else:
        raise tree.refused(f"holds {shown(name)} of the unknown type {shown(header.type)}")
