# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request, one answer: HTTP/1.1 on a connection of its own."""

from __future__ import annotations

import dataclasses
import hashlib
import socket
import threading
import time
import typing as t
from http.client import HTTPException, HTTPResponse, IncompleteRead

from .address import Target
from .decode import Decoder, UndecodableBody
from .transport import Connection, Deadline, NoAnswer, Route, Stopwatch, TlsSettings, no_answer, open_connection

if t.TYPE_CHECKING:
    import ssl

Headers = t.List[t.Tuple[str, str]]

# A server that was told to close the connection does it at once; this long for one that keeps it open.
_STRAY_SECONDS = 0.25


@dataclasses.dataclass(frozen=True)
class Request:
    """What is sent; Host, Connection and Content-Length are added."""

    method: str
    target: Target
    headers: Headers = dataclasses.field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of a header that the caller gave."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclasses.dataclass(frozen=True)
class Keep:
    """What to keep of a body: its first ``size`` decoded bytes, and the digest of the bytes ``part`` (first, last)."""

    size: int = 2048
    part: tuple[int, int] | None = None


@dataclasses.dataclass
class Exchange:
    """A request and its answer.

    ``size`` and ``sha256`` are of the whole decoded body, ``body`` is its beginning; ``stray`` counts bytes that
    follow an answer that must not have a body. ``phases`` are milliseconds (dns, connect, tls, ttfb, total); ``sent_at``
    is this host's time when the request began to be sent, in seconds since 1970.
    """

    request: Request
    status: int
    reason: str
    headers: Headers
    phases: dict[str, float]
    connection: Connection
    body: bytes = b""
    size: int = 0
    sha256: str = ""
    part_sha256: str = ""
    stray: int = 0
    undecodable: str = ""
    sent_at: float = 0.0

    def header(self, name: str) -> str | None:
        """The value of a header, several joined by a comma as RFC 9110 allows; None when absent."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None


class CutOff(NoAnswer):
    """An answer that broke off in its body; ``exchange`` is what came of it."""

    def __init__(self, reason: str, exchange: Exchange) -> None:
        super().__init__(reason)
        self.exchange = exchange


class Client:
    """Sends requests, from any thread."""

    def __init__(self) -> None:
        self._contexts: dict[TlsSettings, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def context(self, settings: TlsSettings) -> ssl.SSLContext:
        """The TLS context of ``settings``, made once because that reads all of the system's authorities."""
        with self._lock:
            if settings not in self._contexts:
                self._contexts[settings] = settings.context()
            return self._contexts[settings]

    def send(self, request: Request, route: Route, keep: Keep, timeout: float) -> Exchange:
        """The answer to ``request``, all phases within ``timeout`` seconds; raises ``NoAnswer`` when there is no complete one."""
        deadline, watch = Deadline(timeout), Stopwatch()
        connection = None
        try:
            context = self.context(route.tls) if request.target.scheme == "https" else None
            connection = open_connection(request.target, route, context, deadline, watch)
            return _converse(request, route, connection, watch, keep)
        except (OSError, NoAnswer, HTTPException) as error:
            raise _explained(error, watch.phase, deadline) from None
        finally:
            if connection is not None:
                connection.wire.close()


def _explained(error: OSError | NoAnswer | HTTPException, phase: str, deadline: Deadline) -> NoAnswer:
    if isinstance(error, IncompleteRead):
        found = NoAnswer("an answer cut off in mid-body")
    elif isinstance(error, HTTPException) and not isinstance(error, OSError):
        found = NoAnswer(f"an answer that is not HTTP ({type(error).__name__}: {_line(str(error))})")
    else:
        found = no_answer(error, phase, deadline)
    found.phase = phase
    return found


def _line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:100]


def _head(request: Request, route: Route) -> bytes:
    target, given = request.target, {name.lower() for name, _value in request.headers}
    proxied = route.proxy if target.scheme == "http" else None
    lines = [f"{request.method} {target.url if proxied else target.path} HTTP/1.1"]
    if "host" not in given:
        lines.append(f"Host: {target.authority}")
    lines += [f"{name}: {value}" for name, value in request.headers]
    if "accept-encoding" not in given:
        lines.append("Accept-Encoding: identity")
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body)}")
    if proxied:
        lines += [f"{name}: {value}" for name, value in proxied.headers()]
    lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _converse(request: Request, route: Route, connection: Connection, watch: Stopwatch, keep: Keep) -> Exchange:
    wire = connection.wire
    sent_at = time.time()
    try:
        wire.sendall(_head(request, route) + request.body)
    except (BrokenPipeError, ConnectionResetError):
        pass  # a server may refuse a request before it was read to the end; its answer says more than this error
    response = HTTPResponse(t.cast(socket.socket, wire), method=request.method)
    response.begin()
    while 101 < response.status < 200:  # hints before the answer, which http.client takes for the answer
        hint, response = t.cast(t.Any, response), HTTPResponse(t.cast(socket.socket, wire), method=request.method)
        response.fp, hint.fp = hint.fp, None  # or the hint, thrown away, would close what is read on from
        response.begin()
    watch.lap("ttfb", "body", wire.first_byte)
    exchange = Exchange(
        request, response.status, response.reason, list(response.headers.items()), watch.phases, connection, sent_at=sent_at
    )
    try:
        if request.method == "HEAD" or response.status in (204, 304):
            watch.stop()
            exchange.stray = _stray(response, connection)
        else:
            try:
                _read(response, exchange, keep)
            except (OSError, HTTPException) as error:
                raise CutOff(str(_explained(error, watch.phase, connection.wire.deadline)), exchange) from None
            watch.stop()
    finally:
        response.close()
    return exchange


def _stray(response: HTTPResponse, connection: Connection) -> int:
    """Bytes after the headers of an answer without body: a broken server or proxy, and the next answer is garbage."""
    reader = t.cast(t.Any, response).fp
    if reader is None:
        return 0
    connection.wire.deadline = Deadline(_STRAY_SECONDS)
    count, end = 0, time.monotonic() + _STRAY_SECONDS
    try:
        while count < 65536 and time.monotonic() < end:
            data = reader.read1(65536)
            if not data:
                break
            count += len(data)
    except OSError:
        pass
    return count


def _read(response: HTTPResponse, exchange: Exchange, keep: Keep) -> None:
    """Read the body to its end in constant memory."""
    decoder = Decoder(exchange.header("Content-Encoding") or "")
    digest, part = hashlib.sha256(), hashlib.sha256()
    kept = bytearray()

    def take(data: bytes) -> None:
        kept.extend(data[: keep.size - len(kept)])
        digest.update(data)
        if keep.part:
            first, last = keep.part[0] - exchange.size, keep.part[1] + 1 - exchange.size
            if last > 0 and first < len(data):
                part.update(data[max(first, 0) : last])
        exchange.size += len(data)

    try:
        while True:
            data = response.read1(65536)
            if not data:
                break
            for piece in decoder.decode(data):
                # The wire can be quick and the decoding endless (a compression bomb): the deadline is for both.
                exchange.connection.wire.deadline.left()
                take(piece)
        if response.length:
            raise IncompleteRead(b"", response.length)
        decoder.end()
    except UndecodableBody as error:
        exchange.undecodable = str(error)
    finally:
        exchange.body, exchange.sha256, exchange.part_sha256 = bytes(kept), digest.hexdigest(), part.hexdigest()
