# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SFTP version 3 as bytes (draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL file for its extensions)."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import stat
import struct
import typing as t

INIT, VERSION = 1, 2
OPEN, CLOSE, READ, WRITE, LSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR = 3, 4, 5, 6, 7, 9, 10, 11, 12
REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK, SYMLINK, EXTENDED = 13, 14, 15, 16, 17, 18, 19, 20, 200
STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED_REPLY = 101, 102, 103, 104, 105, 201
READING, WRITING, CREATING, TRUNCATING, EXCLUSIVE = 1, 2, 8, 16, 32
OK, EOF, NO_SUCH_FILE, FAILURE = 0, 1, 2, 4

POSIX_RENAME, HARDLINK, FSYNC, STATVFS = (
    "posix-rename@openssh.com",
    "hardlink@openssh.com",
    "fsync@openssh.com",
    "statvfs@openssh.com",
)
# The server hashes a file itself (draft-ietf-secsh-filexfer-extensions-00); offered by either name, with the algorithms it knows.
CHECK_FILE = ("check-file-handle", "check-file")
HASHED_BLOCK = 65536  # bytes; servers made with paramiko never come to an end with larger ones
_HASHES = ("sha256", "sha512", "sha384", "sha224", "sha1")

_HAS_SIZE, _HAS_IDS, _HAS_MODE, _HAS_TIMES, _HAS_EXTENDED = 1, 2, 4, 8, 0x80000000
# What version 3 says of failures, as operating systems do. A plain failure has no number: servers that keep to version 3 have none
# for "exists", "no space" or "not empty".
_ERRNO = {2: errno.ENOENT, 3: errno.EACCES, 5: errno.EBADMSG, 6: errno.ENOTCONN, 7: errno.ECONNRESET, 8: errno.EOPNOTSUPP}


class Request(t.NamedTuple):
    """One packet to send: its type, its content behind the request's number, and the name it is about, for messages."""

    type: int
    body: bytes
    name: str
    expects: int = 0  # bytes of data that the answer may carry


@dataclasses.dataclass(frozen=True)
class Attributes:
    """What the server says of a name; ``None`` for what it does not say."""

    size: int | None = None
    mode: int | None = None  # with the file's kind
    mtime: int | None = None

    @property
    def kind(self) -> str:
        """``folder``, ``file``, ``link`` or ``other``."""
        if self.mode is None:
            return "other"
        if stat.S_ISDIR(self.mode):
            return "folder"
        return "file" if stat.S_ISREG(self.mode) else "link" if stat.S_ISLNK(self.mode) else "other"


class Refusal(OSError):
    """The server said no. ``code`` is its status."""

    def __init__(self, code: int, said: str, name: str) -> None:
        number = _ERRNO.get(code, errno.EIO)
        super().__init__(number, f"the server says: {said or f'failure {code}'}", name)
        self.code = code


class Reply:
    """One packet that was received; each method reads it as what it should be, else raises ``Refusal``."""

    __slots__ = ("_body", "_type", "name")

    def __init__(self, kind: int, body: bytes, name: str) -> None:
        self._type, self._body, self.name = kind, body, name

    @property
    def code(self) -> int:
        """The status, 0 where the packet is an answer of another kind."""
        return int(struct.unpack_from(">I", self._body)[0]) if self._type == STATUS else OK

    def check(self) -> None:
        """Raise unless it is no failure."""
        if self.code != OK:
            raise self.refusal()

    def refusal(self) -> Refusal:
        said = ""
        if len(self._body) >= 8:
            said = text_at(self._body, 4)[0].decode("utf-8", "replace")
        return Refusal(self.code, " ".join(said.split())[:200], self.name)

    def handle(self) -> bytes:
        self._expect(HANDLE)
        return text_at(self._body, 0)[0]

    def data(self) -> bytes:
        """A part of a file; empty at its end."""
        if self.code == EOF:
            return b""
        self._expect(DATA)
        return text_at(self._body, 0)[0]

    def attributes(self) -> Attributes:
        self._expect(ATTRS)
        return attributes_at(self._body, 0)[0]

    def names(self) -> list[tuple[bytes, Attributes]]:
        """Names with what is said of each; none at the end of a listing."""
        if self.code == EOF:
            return []
        self._expect(NAME)
        count, at = struct.unpack_from(">I", self._body)[0], 4
        found = []
        for _number in range(count):
            name, at = text_at(self._body, at)
            _long, at = text_at(self._body, at)
            attributes, at = attributes_at(self._body, at)
            found.append((name, attributes))
        return found

    def extended(self) -> bytes:
        self._expect(EXTENDED_REPLY)
        return self._body

    def _expect(self, kind: int) -> None:
        if self._type == STATUS:
            raise self.refusal()
        if self._type != kind:
            raise Refusal(FAILURE, f"an answer of type {self._type} where {kind} was expected", self.name)


def text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def text_at(body: bytes, at: int) -> tuple[bytes, int]:
    size = struct.unpack_from(">I", body, at)[0]
    return body[at + 4 : at + 4 + size], at + 4 + size


def encode(name: str) -> bytes:
    """A name as bytes: UTF-8, and what is not as it came."""
    return name.encode("utf-8", "surrogateescape")


def attributes_at(body: bytes, at: int) -> tuple[Attributes, int]:
    flags, at = struct.unpack_from(">I", body, at)[0], at + 4
    size = mode = mtime = None
    if flags & _HAS_SIZE:
        size, at = struct.unpack_from(">Q", body, at)[0], at + 8
    if flags & _HAS_IDS:
        at += 8
    if flags & _HAS_MODE:
        mode, at = struct.unpack_from(">I", body, at)[0], at + 4
    if flags & _HAS_TIMES:
        mtime, at = struct.unpack_from(">I", body, at + 4)[0], at + 8
    if flags & _HAS_EXTENDED:
        count, at = struct.unpack_from(">I", body, at)[0], at + 4
        for _number in range(2 * count):
            _value, at = text_at(body, at)
    return Attributes(size, mode, mtime), at


def _mode(mode: int | None) -> bytes:
    return struct.pack(">I", 0) if mode is None else struct.pack(">II", _HAS_MODE, mode)


def open_file(name: str, flags: int, mode: int | None = None) -> Request:
    return Request(OPEN, text(encode(name)) + struct.pack(">I", flags) + _mode(mode), name)


def close(handle: bytes, name: str) -> Request:
    return Request(CLOSE, text(handle), name)


def read(handle: bytes, offset: int, size: int, name: str) -> Request:
    return Request(READ, text(handle) + struct.pack(">QI", offset, size), name, size)


def write(handle: bytes, offset: int, data: bytes, name: str) -> Request:
    return Request(WRITE, text(handle) + struct.pack(">QI", offset, len(data)) + data, name)


def set_mode(name: str, mode: int) -> Request:
    return Request(SETSTAT, text(encode(name)) + _mode(mode), name)


def set_mode_of(handle: bytes, mode: int, name: str) -> Request:
    return Request(FSETSTAT, text(handle) + _mode(mode), name)


def about(kind: int, name: str) -> Request:
    """A request that has nothing but a name: LSTAT, STAT, OPENDIR, REMOVE, RMDIR, REALPATH, READLINK."""
    return Request(kind, text(encode(name)), name)


def read_folder(handle: bytes, name: str) -> Request:
    return Request(READDIR, text(handle), name)


def make_folder(name: str, mode: int) -> Request:
    return Request(MKDIR, text(encode(name)) + _mode(mode), name)


def rename(old: str, new: str) -> Request:
    return Request(RENAME, text(encode(old)) + text(encode(new)), f"{old} -> {new}")


def symlink(target: str, name: str, target_first: bool) -> Request:
    """OpenSSH, and all who followed it, have the two the other way round than the draft."""
    one, other = (target, name) if target_first else (name, target)
    return Request(SYMLINK, text(encode(one)) + text(encode(other)), name)


def hash_offered(extensions: t.Mapping[str, bytes]) -> tuple[str, str] | None:
    """By which extension, with which algorithm the server hashes files; ``None`` if it does not, or only with weak ones."""
    for name in CHECK_FILE:
        known = extensions.get(name, b"").decode("ascii", "replace").split(",")
        for algorithm in _HASHES:
            if algorithm in known:
                return name, algorithm
    return None


def hash_of(extension: str, handle: bytes, algorithm: str, name: str) -> Request:
    """Ask for the hashes of all blocks of an open file."""
    return extended(extension, text(handle), text(algorithm.encode()), struct.pack(">QQI", 0, 0, HASHED_BLOCK), name=name)


def block_hashes(data: bytes, algorithm: str) -> bytes:
    """The hashes of the blocks of ``data``, one behind the other."""
    return b"".join(hashlib.new(algorithm, data[at : at + HASHED_BLOCK]).digest() for at in range(0, len(data), HASHED_BLOCK))


def is_hash(reply: Reply, algorithm: str, hashes: bytes | bytearray) -> bool | None:
    """Whether the server's answer to ``hash_of`` are those hashes; ``None`` when it gave none, or too few."""
    try:
        body = reply.extended()
        at = 0
        said, at = text_at(body, at)
        if said.startswith(b"check-file"):
            said, at = text_at(body, at)
    except (OSError, struct.error):
        return None
    # The bytes as they are (the draft), or as one text.
    left = body[at:]
    if said != algorithm.encode() or len(left) not in (len(hashes), len(hashes) + 4):
        return None
    return left.endswith(hashes)


def extended(what: str, *values: bytes, name: str = "") -> Request:
    return Request(EXTENDED, text(what.encode()) + b"".join(values), name)
