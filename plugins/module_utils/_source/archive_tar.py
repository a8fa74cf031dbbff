# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of a tar stream, read with every header doubted.

The standard library's reader is not used: it takes a damaged header in the middle for the end of the archive, reads an
extended header of any size into memory, and spends as long on one header as the kernel does on creating a small file.
"""

from __future__ import annotations

import struct
import typing as t

from .archive_tree import TreeWriter, shown

_BLOCK = 512
_CHUNK = 1 << 20
_MAX_EXTENSION = 1 << 20  # bytes of one extended header: names and attributes, never content
_MAX_TRAILER = 64 << 20  # bytes after the end mark; tar pads to a record, of at most a few MB
_END = bytes(_BLOCK)

# Name, mode, size, checksum, type, link target, magic, prefix (POSIX.1-1988 and later; see pax(1)).
_FIELDS = struct.Struct("100s 8s 16x 12s 12x 8s 1s 100s 6s 82x 155s 12x")
_FILES = (b"0", b"\0", b"7")
_HARDLINK, _SYMLINK, _FOLDER = b"1", b"2", b"5"
_EXTENSIONS = (b"x", b"X", b"g", b"L", b"K", b"V")  # pax (own, Solaris' and global), GNU's long name and target, a label
_SPECIAL = {
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
    b"S": "a sparse file (pack again without --sparse)",
    b"M": "a part of a multi-volume archive",
    b"D": "an incremental dump",
}

Read = t.Callable[[int], bytes]


class _Header(t.NamedTuple):
    kind: bytes
    name: bytes
    target: bytes
    size: int
    mode: int


def _number(field: bytes) -> int:
    """Octal digits, or the binary form for what does not fit; ``ValueError`` for anything else, negative ones too."""
    if field[0] & 0x80:
        if field[0] != 0x80:
            raise ValueError("a number out of range")
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip()
    if not digits:
        return 0
    if not digits.isdigit():
        raise ValueError("a number that is none")
    return int(digits, 8)


def _header(block: bytes) -> _Header | None:
    """The header in a block, ``None`` for the end mark, ``ValueError`` when it is none."""
    if block == _END:
        return None
    name, mode, size, checksum, kind, target, magic, prefix = _FIELDS.unpack(block)
    if _number(checksum) != sum(block) - sum(checksum) + 8 * 32 and not _signed(block, _number(checksum)):
        raise ValueError("its checksum is wrong")
    name = name.partition(b"\0")[0]
    if magic == b"ustar\0" and prefix[0]:
        name = prefix.partition(b"\0")[0] + b"/" + name
    return _Header(kind, name, target.partition(b"\0")[0], _number(size), _number(mode))


def is_header(block: bytes) -> bool:
    """Whether a block is a header, also one from before there was a magic number."""
    try:
        return len(block) == _BLOCK and _header(block) is not None
    except ValueError:
        return False


def _signed(block: bytes, checksum: int) -> bool:
    """Whether the checksum is right as some old tars reckoned it, with bytes above 127 as negative numbers."""
    whole: tuple[int, ...] = struct.unpack("512b", block)
    return checksum == sum(whole) - sum(whole[148:156]) + 8 * 32


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
            header = _header(blocks.take(_BLOCK).tobytes())
        except ValueError as error:
            what = "is damaged" if headers else "holds no tar archive"
            raise tree.refused(f"{what} ({error})") from None
        if header is None:
            break
        headers += 1
        if headers > 4 * max_files + 16:  # extended headers precede members, at most a few each
            raise tree.refused(f"holds more than {max_files} members (max_files)")
        if header.kind in _EXTENSIONS:
            _extend(extended, header, blocks, tree)
            continue
        _member(header, extended, blocks, tree)
        extended = {}
    if extended:
        raise tree.refused("is damaged (an extended header without its member)")
    blocks.drain()


def _extend(extended: dict[bytes, bytes], header: _Header, blocks: _Blocks, tree: TreeWriter) -> None:
    """Take in a header that says more about the next member (or, for a global one and a label, about nothing we use)."""
    if header.size > _MAX_EXTENSION:
        raise tree.refused(f"holds an extended header of {header.size} bytes")
    data = b"".join(blocks.content(header.size))
    if header.kind == b"L":
        extended[b"path"] = data.rstrip(b"\0")
    elif header.kind == b"K":
        extended[b"linkpath"] = data.rstrip(b"\0")
    elif header.kind in (b"x", b"X"):
        extended.update(_records(data, tree))
    elif header.kind == b"g":
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


def _member(header: _Header, extended: dict[bytes, bytes], blocks: _Blocks, tree: TreeWriter) -> None:
    name = extended.get(b"path", header.name)
    size = header.size
    if b"size" in extended:
        if not extended[b"size"].isdigit() or len(extended[b"size"]) > 20:
            raise tree.refused("is damaged (a size that is no number)")
        size = int(extended[b"size"])
    if any(key.startswith(b"GNU.sparse.") for key in extended):
        raise tree.refused(f"holds {shown(name)}, a sparse file (pack again without --sparse)")
    if header.kind in _FILES and not name.endswith(b"/"):
        tree.file(name, header.mode, blocks.content(size))
        return
    if header.kind in _SPECIAL:
        raise tree.refused(f"holds {shown(name)}, {_SPECIAL[header.kind]}")
    if size:
        raise tree.refused(f"holds {shown(name)}, which has content but is no file")
    if header.kind == _FOLDER or header.kind in _FILES:
        tree.folder(name)
        return
    target = extended.get(b"linkpath", header.target)
    if header.kind == _SYMLINK:
        tree.symlink(name, target)
    elif header.kind == _HARDLINK:
        tree.hardlink(name, target)
    else:
        raise tree.refused(f"holds {shown(name)} of the unknown type {shown(header.kind)}")
