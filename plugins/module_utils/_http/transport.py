# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections with a deadline and a stopwatch: name, TCP, proxy, TLS."""

from __future__ import annotations

import dataclasses
import io
import os
import socket
import threading
import time
import typing as t

from .._common.errors import InvalidInput
from .address import Node, Target
from .certificate import Certificate, parse_certificate

if t.TYPE_CHECKING:
    import ssl

_TIMEOUTS = (socket.timeout, TimeoutError)


class NoAnswer(Exception):
    """The server gave no usable answer; the text says why, in words that follow "got".

    ``phase`` is what was being done: before "ttfb" nothing of the request has been sent.
    """

    phase = ""


class CertificateRejected(NoAnswer):
    """The server's certificate did not verify."""


class Deadline:
    """The moment at which one request, all its phases together, has taken too long."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left, more than 0; raises ``TimeoutError`` when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class Stopwatch:
    """Milliseconds of each phase, the phases following each other."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self.phase = "dns"
        self._start = self._last = time.perf_counter()

    def lap(self, phase: str, following: str, now: float | None = None) -> None:
        """End ``phase``; errors from here on belong to ``following``."""
        moment = time.perf_counter() if now is None else now
        self.phases[phase] = (moment - self._last) * 1000
        self._last = moment
        self.phase = following

    def stop(self) -> None:
        """End the whole."""
        self.phases["total"] = (time.perf_counter() - self._start) * 1000


@dataclasses.dataclass(frozen=True)
class TlsSettings:
    """How https servers are verified and what is shown to those that ask for a client certificate."""

    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None

    def context(self) -> ssl.SSLContext:
        """A new TLS context; raises ``InvalidInput`` when a file of the settings can't be used."""
        import ssl

        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH) if self.ca_path is None else self._own_authority(ssl)
        if not self.validate_certs:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_cert is not None:
            try:
                # A key with a passphrase would be asked for on the terminal; an empty answer makes it an error instead.
                context.load_cert_chain(self.client_cert, self.client_key, password=lambda: "")
            except (OSError, ValueError) as error:
                raise InvalidInput(
                    f"client_cert {self.client_cert} (client_key {self.client_key or 'in the same file'}) can't be used: "
                    f"{_reason(error)}; give readable PEM files, the key without passphrase"
                ) from None
        return context

    def _own_authority(self, ssl: t.Any) -> t.Any:
        folder = os.path.isdir(t.cast(str, self.ca_path))
        try:
            return ssl.create_default_context(**{"capath" if folder else "cafile": self.ca_path})
        except OSError as error:
            raise InvalidInput(
                f"ca_path {self.ca_path} can't be used: {_reason(error)}; give a PEM file of certificates or a hashed folder"
            ) from None


@dataclasses.dataclass(frozen=True)
class Proxy:
    """An HTTP proxy, spoken to in plain HTTP."""

    host: str
    port: int
    authorization: str | None = dataclasses.field(default=None, repr=False)

    def headers(self) -> list[tuple[str, str]]:
        """What the proxy, and only the proxy, is told."""
        return [("Proxy-Authorization", self.authorization)] if self.authorization else []

    def __str__(self) -> str:
        return str(Node(self.host, self.port))


@dataclasses.dataclass(frozen=True)
class Route:
    """How a target is reached."""

    node: Node | None = None
    proxy: Proxy | None = None
    tls: TlsSettings = dataclasses.field(default_factory=TlsSettings)


class Wire:
    """A connected socket whose every read and write ends at the deadline; what ``http.client`` needs of a socket."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.sock = sock
        self.deadline = deadline
        self.first_byte: float | None = None

    def sendall(self, data: bytes) -> None:
        """Send all of ``data``."""
        self.sock.settimeout(self.deadline.left())
        self.sock.sendall(data)

    def makefile(self, mode: str = "rb", *_args: t.Any) -> io.BufferedReader:
        """A buffered reader; closing it leaves the socket open."""
        return io.BufferedReader(_Reader(self), 65536)

    def close(self) -> None:
        """Close the connection without waiting for the peer."""
        self.sock.close()


class _Reader(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        wire = self._wire
        wire.sock.settimeout(wire.deadline.left())
        count = wire.sock.recv_into(buffer)
        if wire.first_byte is None:
            wire.first_byte = time.perf_counter()
        return count


def _reason(error: BaseException) -> str:
    text = getattr(error, "verify_message", "") or getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error)
    return " ".join(str(text).split()) or type(error).__name__


def no_answer(error: BaseException, phase: str, deadline: Deadline) -> NoAnswer:
    """``error``, raised while in ``phase``, in words."""
    if isinstance(error, NoAnswer):
        return error
    if isinstance(error, _TIMEOUTS):
        return NoAnswer(f"no answer within {deadline.seconds:g} s (phase {phase})")
    reason = _reason(error)
    return NoAnswer(f"{reason[:1].lower()}{reason[1:]} (phase {phase})")


def _addresses(host: str, port: int, deadline: Deadline) -> list[t.Any]:
    def look_up(flags: int) -> list[t.Any]:
        # Bytes spare the import of the IDNA codec; the host is ASCII already.
        return socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM, flags=flags)

    try:
        return look_up(socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    # A name look-up can't be given a timeout, but it can be left behind.
    answer: list[t.Any] = []

    def work() -> None:
        try:
            answer.append(look_up(0))
        except (OSError, UnicodeError) as error:
            answer.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(deadline.left())
    if not answer:
        raise TimeoutError
    if isinstance(answer[0], Exception):
        raise NoAnswer(f"no address for host {host} ({_reason(answer[0])})")
    return t.cast("list[t.Any]", answer[0])


def _connect(host: str, port: int, deadline: Deadline, watch: Stopwatch) -> socket.socket:
    addresses = _addresses(host, port, deadline)
    watch.lap("dns", "connect")
    for position, (family, kind, protocol, _name, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            # A silent first address must leave time for the others.
            sock.settimeout(deadline.left() / (len(addresses) - position))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except BaseException as error:
            sock.close()
            if position == len(addresses) - 1 or not isinstance(error, OSError):
                raise
    raise NoAnswer(f"no address for host {host}")


def _tunnel(sock: socket.socket, proxy: Proxy, host: str, port: int, deadline: Deadline) -> None:
    authority = str(Node(host, port))
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", *(f"{name}: {value}" for name, value in proxy.headers())]
    sock.settimeout(deadline.left())
    sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    answer = b""
    while b"\r\n\r\n" not in answer:
        sock.settimeout(deadline.left())
        # Nothing follows the proxy's answer before this side speaks TLS, so reading on can't take too much.
        data = sock.recv(4096)
        answer += data
        if not data or len(answer) > 65536:
            break
    first = answer.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
    if len(first) < 2 or not first[0].startswith("HTTP/1.") or not first[1].startswith("2"):
        shown = " ".join(first[1:3]) if first[0].startswith("HTTP/") else "something that is not HTTP"
        raise NoAnswer(f"{shown} from proxy {proxy} to CONNECT {authority}")


@dataclasses.dataclass
class Connection:
    """An open connection and what was learnt while opening it."""

    wire: Wire
    certificate: Certificate | None = None


def open_connection(target: Target, route: Route, context: ssl.SSLContext | None, deadline: Deadline, watch: Stopwatch) -> Connection:
    """Connect for ``target``; name, proxy, TCP and TLS take their phases. Raises ``NoAnswer`` or ``OSError``."""
    node = route.node or Node(target.host)
    host, port = node.host, node.port or target.port
    proxy = route.proxy
    sock = _connect(proxy.host, proxy.port, deadline, watch) if proxy else _connect(host, port, deadline, watch)
    try:
        if proxy and target.scheme == "https":
            _tunnel(sock, proxy, host, port, deadline)
        watch.lap("connect", "tls" if context else "ttfb")
        if context is None:
            return Connection(Wire(sock, deadline))
        sock.settimeout(deadline.left())
        sock = _secure(sock, context, target)
        watch.lap("tls", "ttfb")
        der = sock.getpeercert(binary_form=True)
        try:
            certificate = parse_certificate(der) if der else None
        except ValueError:
            certificate = None
        return Connection(Wire(sock, deadline), certificate)
    except BaseException:
        sock.close()
        raise


def _secure(sock: socket.socket, context: ssl.SSLContext, target: Target) -> ssl.SSLSocket:
    import ssl

    try:
        # The name that is asked for and verified is the URL's, wherever the connection goes.
        return context.wrap_socket(sock, server_hostname=target.host)
    except ssl.SSLCertVerificationError as error:
        raise CertificateRejected(f"a certificate that does not verify ({_reason(error)})") from None
    except ssl.SSLError as error:
        if isinstance(error, _TIMEOUTS):
            raise
        raise NoAnswer(f"a failed TLS handshake ({_reason(error)})") from None


def peek_certificate(target: Target, route: Route, timeout: float) -> Certificate | None:
    """The certificate of a server whose certificate did not verify; nothing but the handshake is sent to it."""
    unverified = dataclasses.replace(route.tls, validate_certs=False, client_cert=None, client_key=None)
    try:
        connection = open_connection(target, route, unverified.context(), Deadline(timeout), Stopwatch())
    except (OSError, NoAnswer):
        return None
    connection.wire.close()
    return connection.certificate
