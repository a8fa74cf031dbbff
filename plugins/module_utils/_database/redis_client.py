# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaking to a Redis or Valkey server: RESP over TCP, TLS or a unix socket, with nothing but the standard library."""

from __future__ import annotations

import contextlib
import shlex
import socket
import ssl
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .model import Login

_CHUNK = 1 << 16
# Which questions may be asked that the server does not itself call read only: administrators' views.
_VIEWS = frozenset(["INFO", "SLOWLOG LEN", "SLOWLOG GET", "CLIENT LIST", "MEMORY STATS", "LATENCY LATEST", "LASTSAVE", "ROLE"])
_MARK = 40
# For connecting and the TLS handshake, in seconds: a server that does not speak TLS never answers one.
_CONNECTING = 5.0

Value = t.Union[None, int, bytes, "RedisError", t.List["Value"]]


class RedisError(RunbookError):
    """The server's answer was an error; ``code`` is its first word (``NOPERM``, ``ERR`` …)."""

    @property
    def code(self) -> str:
        return self.message.split(" ", 1)[0]


class RedisConnection:
    """A logged-in connection; every error is one line that names the server."""

    def __init__(self, login: Login, timeout: float = 60.0) -> None:
        self.where = login.where
        self._buffer = bytearray()
        try:
            self._socket = _connect(login)
            self._socket.settimeout(timeout)
        except (OSError, ValueError) as error:
            raise RunbookError(f"no Redis server answers on {self.where}: {getattr(error, 'strerror', None) or error}") from None
        try:
            if login.password or login.user:
                words = ["AUTH", *([login.user] if login.user else []), login.password]
                self.command(*words)
            self.command("PING")
        except RedisError as error:
            self.close()
            if error.code in ("WRONGPASS", "NOAUTH", "NOPERM") or "AUTH" in error.message:
                raise RunbookError(f"Redis on {self.where} refuses the log-in: {error.message}") from None
            raise RunbookError(f"Redis on {self.where} is not ready: {error.message}") from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> RedisConnection:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()

    def command(self, *words: str | bytes | int) -> Value:
        """The server's answer; ``RedisError`` when that is an error."""
        self.send(*words)
        answer = self.answer()
        if isinstance(answer, RedisError):
            raise answer
        return answer

    def text(self, *words: str | bytes | int) -> str:
        """A short textual answer; empty when there is none."""
        answer = self.command(*words)
        return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else "" if answer is None else str(answer)

    def send(self, *words: str | bytes | int) -> None:
        with self._gone():
            self._socket.sendall(encode(words))

    def answer(self) -> Value:
        """The next answer; an error is returned, not raised, so that answers to many commands stay in step."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._exactly(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.answer() for _number in range(int(rest))]
        raise RunbookError(f"what answers on {self.where} is not a Redis server")

    def receive_rdb(self, target: t.BinaryIO) -> int:
        """Have the server send its data set as to a new replica, as of one moment; the number of bytes written to ``target``.

        The server is asked to send without a file of its own (``capa eof``): a backup must not fill the server's disk.
        """
        for words in (("REPLCONF", "capa", "eof"), ("REPLCONF", "rdb-only", "1")):
            with contextlib.suppress(RedisError):  # servers before 6.2 don't know the second
                self.command(*words)
        self.send("SYNC")
        line = self._line()
        while not line:  # a line break a second keeps the connection open until the server is ready
            line = self._line()
        if line.startswith(b"$EOF:"):
            return self._until_mark(line[5:], target)
        if line.startswith(b"$") and line[1:].isdigit():
            return self._copy(int(line[1:]), target)
        said = line.lstrip(b"-").decode("utf-8", "replace")
        raise RunbookError(f"Redis on {self.where} does not send its data: {said}")

    def _copy(self, size: int, target: t.BinaryIO) -> int:
        left = size
        while left:
            data = self._some(min(left, _CHUNK))
            target.write(data)
            left -= len(data)
        return size

    def _until_mark(self, mark: bytes, target: t.BinaryIO) -> int:
        """Without a length the data ends with 40 bytes that were announced; whatever ends otherwise was cut."""
        if len(mark) != _MARK:
            raise RunbookError(f"Redis on {self.where} announced its data in an unknown way")
        written, held = 0, b""
        while held[-_MARK:] != mark:
            held += self._some(_CHUNK)
            if len(held) > _MARK:
                target.write(held[:-_MARK])
                written += len(held) - _MARK
                held = held[-_MARK:]
        return written

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _CHUNK:
                raise RunbookError(f"what answers on {self.where} is not a Redis server")
            self._buffer += self._receive()
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._buffer += self._receive()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _some(self, most: int) -> bytes:
        if self._buffer:
            return self._exactly(min(most, len(self._buffer)))
        return self._receive(most)

    def _receive(self, most: int = _CHUNK) -> bytes:
        with self._gone():
            data = self._socket.recv(most)
        if not data:
            raise RunbookError(f"Redis on {self.where} closed the connection in the middle of an answer")
        return data

    @contextlib.contextmanager
    def _gone(self) -> t.Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunbookError(f"the connection to Redis on {self.where} broke: {error.strerror or error}") from None


def encode(words: t.Sequence[str | bytes | int]) -> bytes:
    """A command as the protocol has it: counted, so no character is special."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape")
        parts += [b"$%d\r\n" % len(data), data, b"\r\n"]
    return b"".join(parts)


def info(connection: RedisConnection, section: str) -> dict[str, str]:
    """A section of INFO by name."""
    lines = connection.text("INFO", section).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def keyspace(connection: RedisConnection) -> dict[int, int]:
    """Numbers of keys by the numbers of the databases that have any."""
    found = {}
    for name, facts in info(connection, "keyspace").items():
        if name.startswith("db") and name[2:].isdigit():
            found[int(name[2:])] = int(dict(fact.split("=", 1) for fact in facts.split(","))["keys"])
    return dict(sorted(found.items()))


def rows(login: Login, database: str, text: str, timeout: float) -> list[dict[str, str | None]]:
    """What a command answers, one row for each element (``value``) or fact (``name``, ``value``); only commands that read."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidInput(f"the command {text!r} can't be read: {error}") from None
    if not words:
        raise InvalidInput("the command is empty; give one that reads, for example LLEN queue")
    with RedisConnection(login, timeout) as connection:
        if database:
            connection.command("SELECT", database)
        views = {words[0].upper(), " ".join(words[:2]).upper()} & _VIEWS
        if not views and not _only_reads(connection, words[0]):
            raise InvalidInput(f"the Redis command {words[0]!r} is refused: it is not one that only reads")
        try:
            answer = connection.command(*words)
        except RedisError as error:
            raise RunbookError(f"the command {text!r} failed: {error.message}") from None
    if isinstance(answer, bytes) and words[0].upper() == "INFO":
        pairs = (line.split(":", 1) for line in answer.decode("utf-8", "replace").splitlines() if ":" in line)
        return [{"name": name, "value": value} for name, value in pairs]
    return [{"value": _shown(item)} for item in (answer if isinstance(answer, list) else [answer])]


def _only_reads(connection: RedisConnection, word: str) -> bool:
    described = connection.command("COMMAND", "INFO", word)
    first = described[0] if isinstance(described, list) and described else None
    flags = first[2] if isinstance(first, list) and len(first) > 2 else None
    return isinstance(flags, list) and b"readonly" in flags


def _shown(value: Value) -> str | None:
    if isinstance(value, list):
        return " ".join(_shown(item) or "" for item in value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return None if value is None else str(value)


def _connect(login: Login) -> socket.socket:
    if login.unix_socket:
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        plain.settimeout(_CONNECTING)
        try:
            plain.connect(login.unix_socket)
        except BaseException:
            plain.close()
            raise
        return plain
    plain = socket.create_connection((login.host or "127.0.0.1", login.port or 6379), timeout=_CONNECTING)
    # Redis can't be asked whether it speaks TLS: "prefer" means TLS where certificates are given.
    if login.ssl_mode in ("disable", "prefer", "") and not (login.ssl_mode != "disable" and (login.ca_cert or login.client_cert)):
        return plain
    try:
        context = ssl.create_default_context(cafile=login.ca_cert or None)
        context.check_hostname = login.ssl_mode == "verify-full"
        if login.ssl_mode == "require" and not login.ca_cert:
            context.verify_mode = ssl.CERT_NONE
        if login.client_cert:
            context.load_cert_chain(login.client_cert, login.client_key or None)
        return context.wrap_socket(plain, server_hostname=login.host or "127.0.0.1")
    except BaseException:
        plain.close()
        raise
