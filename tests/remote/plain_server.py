# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SFTP server that is not OpenSSH: plain version 3 as the draft has it, with whatever trouble a test asks for. It is paramiko's."""

from __future__ import annotations

import dataclasses
import errno
import logging
import os
import pathlib
import socket
import threading
import typing as t

import paramiko
from paramiko.message import Message
from paramiko.sftp import CMD_INIT, CMD_VERSION

USER, PASSWORD = "tenant", "correct horse battery staple"
# Versions of OpenSSH's extensions that the server would announce if told to.
_OFFERS = {"posix-rename@openssh.com": "1"}


@dataclasses.dataclass
class Trouble:
    """What is wrong with the server. Names are relative to its root, without a slash in front.

    ``posix_rename``: whether there is that extension. ``links``: whether names can be symbolic links. ``writes``: how many bytes fit
    in all (None: no end). ``deny``: whether a name may not be changed. ``swallow``: of which names it acknowledges bytes without
    keeping them. ``corrupt``: of which names it keeps other bytes. ``drop_after``: the request, counted from 1, at which the connection is
    gone; a negative number counts only requests that change something. ``lose_reply``: carry out that request before dropping.
    """

    posix_rename: bool = False
    links: bool = True
    writes: int | None = None
    deny: t.Callable[[str], bool] = lambda name: False
    swallow: t.Callable[[str], bool] = lambda name: False
    corrupt: t.Callable[[str], bool] = lambda name: False
    drop_after: int = 0
    lose_reply: bool = False


@dataclasses.dataclass
class Seen:
    """What was asked: every request, those that change something, the changes in words."""

    requests: int = 0
    changes: int = 0
    words: list[str] = dataclasses.field(default_factory=list)


class PlainServer:
    """Serves ``root`` on ``port`` of 127.0.0.1; ``trouble`` may be exchanged while it runs."""

    def __init__(self, root: pathlib.Path, trouble: Trouble | None = None) -> None:
        self.root = str(root)
        self.trouble, self.seen = trouble or Trouble(), Seen()
        self.host_key = paramiko.ECDSAKey.generate()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = t.cast(int, self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._transports: list[paramiko.Transport] = []
        # paramiko tells of every connection that ends early, which is what they are here for.
        logging.getLogger("paramiko").setLevel(logging.CRITICAL)

    def __enter__(self) -> PlainServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.close()
        for transport in self._transports:
            transport.close()

    def known_hosts(self, path: pathlib.Path) -> str:
        path.write_text(f"[127.0.0.1]:{self.port} {self.host_key.get_name()} {self.host_key.get_base64()}\n")
        return str(path)

    def well(self, **trouble: t.Any) -> None:
        """Only this trouble from now on, and count anew."""
        self.trouble, self.seen = Trouble(**trouble), Seen()

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.host_key)
            transport.set_subsystem_handler("sftp", _Protocol, _Files, self)
            self._transports.append(transport)
            threading.Thread(target=self._greet, args=(transport,), daemon=True).start()

    @staticmethod
    def _greet(transport: paramiko.Transport) -> None:
        try:
            transport.start_server(server=_Door())
        except (paramiko.SSHException, EOFError, OSError):
            transport.close()

    def count(self, words: str) -> bool:
        """Note a request that changes something (``words``) or one that does not (empty). Whether it may be answered."""
        with self._lock:
            self.seen.requests += 1
            if words:
                self.seen.changes += 1
                self.seen.words.append(words)
            limit = self.trouble.drop_after
            return not limit or (self.seen.requests < limit if limit > 0 else self.seen.changes < -limit)

    def room(self, size: int) -> bool:
        with self._lock:
            if self.trouble.writes is None:
                return True
            if self.trouble.writes < size:
                return False
            self.trouble.writes -= size
            return True


class _Door(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if (username, password) == (USER, PASSWORD) else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


_CHANGES = {3: "open", 6: "write", 9: "setstat", 10: "fsetstat", 13: "remove", 14: "mkdir", 15: "rmdir", 18: "rename", 20: "symlink"}
_PATHS = {3: 1, 9: 1, 13: 1, 14: 1, 15: 1, 18: 2, 20: 2}
_EXTENDED = 200


class _Protocol(paramiko.SFTPServer):
    """paramiko's, but it announces what it was told to announce and counts what it is asked."""

    def __init__(self, channel: t.Any, name: str, server: t.Any, files: t.Any, plain: PlainServer) -> None:
        super().__init__(channel, name, server, files, plain)
        self._plain = plain

    def _send_server_version(self) -> int:
        kind, data = self._read_packet()
        assert kind == CMD_INIT
        message = Message()
        message.add_int(3)
        if self._plain.trouble.posix_rename:
            for offer, version in _OFFERS.items():
                message.add_string(offer)
                message.add_string(version)
        self._send_packet(CMD_VERSION, message)
        return 3

    def _process(self, kind: int, number: int, message: t.Any) -> None:
        word = _CHANGES.get(kind, "")
        if kind == 3 and not _opens_to_write(message):
            word = ""
        if kind == _EXTENDED:
            word = "extended"
        elif word:
            word = " ".join([word, *_names(kind, message)])
        going = self._plain.count(word)
        if going or self._plain.trouble.lose_reply:
            if not going:
                # Done, but nobody hears of it.
                self._send_packet = lambda *_words: None
            super()._process(kind, number, message)
        if not going:
            for transport in self._plain._transports:
                transport.close()


def _names(kind: int, message: t.Any) -> list[str]:
    """The paths that a request is about."""
    where = message.packet.tell()
    names = [message.get_text() for _each in range(_PATHS.get(kind, 0))]
    message.packet.seek(where)
    return names


def _opens_to_write(message: t.Any) -> bool:
    where = message.packet.tell()
    message.get_text()
    flags = message.get_int()
    message.packet.seek(where)
    return bool(flags & 0x1A)  # write, create, truncate


def _answer(error: OSError) -> int:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return paramiko.SFTP_NO_SUCH_FILE
    return paramiko.SFTP_PERMISSION_DENIED if error.errno in (errno.EACCES, errno.EPERM) else paramiko.SFTP_FAILURE


class _Handle(paramiko.SFTPHandle):
    def __init__(self, plain: PlainServer, name: str, fd: int, flags: int) -> None:
        super().__init__(flags)
        self._plain, self._name, self._fd = plain, name, fd

    def close(self) -> None:
        os.close(self._fd)

    def read(self, offset: int, length: int) -> t.Any:
        return os.pread(self._fd, length, offset)

    def write(self, offset: int, data: bytes) -> int:
        trouble = self._plain.trouble
        if trouble.swallow(self._name):
            return paramiko.SFTP_OK
        if not self._plain.room(len(data)):
            return paramiko.SFTP_FAILURE
        if trouble.corrupt(self._name):
            data = bytes(reversed(data))
        try:
            os.pwrite(self._fd, data, offset)
        except OSError as error:
            return _answer(error)
        return paramiko.SFTP_OK

    def stat(self) -> t.Any:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self._fd))

    def chattr(self, attributes: t.Any) -> int:
        try:
            _set(self._fd, attributes)
        except OSError as error:
            return _answer(error)
        return paramiko.SFTP_OK


def _set(path: t.Any, attributes: t.Any) -> None:
    if attributes._flags & attributes.FLAG_SIZE:
        os.truncate(path, attributes.st_size)
    if attributes._flags & attributes.FLAG_PERMISSIONS:
        os.chmod(path, attributes.st_mode & 0o7777)
    if attributes._flags & attributes.FLAG_AMTIME:
        os.utime(path, (attributes.st_atime, attributes.st_mtime))


class _Files(paramiko.SFTPServerInterface):
    def __init__(self, _door: t.Any, plain: PlainServer) -> None:
        self._plain = plain

    def _path(self, name: str) -> str:
        return self._plain.root + os.path.normpath("/" + name)

    def _name(self, name: str) -> str:
        return os.path.normpath("/" + name).lstrip("/")

    def _change(self, act: t.Callable[..., object], *names: str) -> int:
        if any(self._plain.trouble.deny(self._name(name)) for name in names):
            return paramiko.SFTP_PERMISSION_DENIED
        try:
            act(*(self._path(name) for name in names))
        except OSError as error:
            return _answer(error)
        return paramiko.SFTP_OK

    def canonicalize(self, path: str) -> str:
        return os.path.normpath("/" + path)

    def list_folder(self, path: str) -> t.Any:
        try:
            return [
                paramiko.SFTPAttributes.from_stat(entry.stat(follow_symlinks=False), entry.name) for entry in os.scandir(self._path(path))
            ]
        except OSError as error:
            return _answer(error)

    def stat(self, path: str) -> t.Any:
        try:
            return paramiko.SFTPAttributes.from_stat(os.stat(self._path(path)))
        except OSError as error:
            return _answer(error)

    def lstat(self, path: str) -> t.Any:
        try:
            return paramiko.SFTPAttributes.from_stat(os.lstat(self._path(path)))
        except OSError as error:
            return _answer(error)

    def open(self, path: str, flags: int, attr: t.Any) -> t.Any:
        name = self._name(path)
        writing = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writing and self._plain.trouble.deny(name):
            return paramiko.SFTP_PERMISSION_DENIED
        if flags & os.O_CREAT and self._plain.trouble.writes == 0:
            return paramiko.SFTP_FAILURE
        mode = attr.st_mode & 0o7777 if attr._flags & attr.FLAG_PERMISSIONS else 0o644
        try:
            # Appending is the server's to do, and pwrite must go where it is told.
            fd = os.open(self._path(path), flags & ~os.O_APPEND, mode)
        except OSError as error:
            return _answer(error)
        return _Handle(self._plain, name, fd, flags)

    def remove(self, path: str) -> int:
        return self._change(os.remove, path)

    def rename(self, oldpath: str, newpath: str) -> int:
        # The draft: it is an error if there already exists a file with that name.
        if os.path.lexists(self._path(newpath)):
            return paramiko.SFTP_FAILURE
        return self._change(os.rename, oldpath, newpath)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        if not self._plain.trouble.posix_rename:
            return paramiko.SFTP_OP_UNSUPPORTED
        return self._change(os.rename, oldpath, newpath)

    def mkdir(self, path: str, attr: t.Any) -> int:
        mode = attr.st_mode & 0o7777 if attr._flags & attr.FLAG_PERMISSIONS else 0o755
        return self._change(lambda name: os.mkdir(name, mode), path)

    def rmdir(self, path: str) -> int:
        return self._change(os.rmdir, path)

    def chattr(self, path: str, attr: t.Any) -> int:
        return self._change(lambda name: _set(name, attr), path)

    def symlink(self, target_path: str, path: str) -> int:
        if not self._plain.trouble.links:
            return paramiko.SFTP_OP_UNSUPPORTED
        return self._change(lambda name: os.symlink(target_path, name), path)

    def readlink(self, path: str) -> t.Any:
        if not self._plain.trouble.links:
            return paramiko.SFTP_OP_UNSUPPORTED
        try:
            return os.readlink(self._path(path))
        except OSError as error:
            return _answer(error)
