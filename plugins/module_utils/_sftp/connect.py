# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verified, authenticated SSH connection, directly or through a jump host."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import socket
import threading
import types
import typing as t

from .._common.errors import RunbookError
from .account import Account, account_from_options
from .hostkeys import HostKey, Known, kind_of, known_for, other_fingerprint, preferred_first, verify
from .library import ssh_library
from .login import Means, log_in, means_of

if t.TYPE_CHECKING:
    import paramiko

__all__ = ["Account", "Connection", "account_from_options", "connect", "open_sftp_channel"]

# Enough in flight for 4 MiB a second over a round trip of one second; the packet size is what OpenSSH itself uses.
WINDOW, PACKET = 4 * 1024 * 1024, 32768
_KEEPALIVE = 15
# Encryption and authentication in one step is the fastest that the library has.
_FAST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")


@dataclasses.dataclass(frozen=True)
class Connection:
    """``server`` is how the server introduced itself (``SSH-2.0-…``), ``host_key`` what it was known by.

    Closing it closes its channels, and the connection to the jump host.
    """

    account: Account
    transport: paramiko.Transport
    host_key: HostKey
    jump: Connection | None = None

    @property
    def server(self) -> str:
        return str(self.transport.remote_version)

    @property
    def alive(self) -> bool:
        return bool(self.transport.is_active())

    def close(self) -> None:
        _close(self.transport, self.jump)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        self.close()


def connect(account: Account, option: str = "remote") -> Connection:
    """Connect, verify the host's key, log in. Whatever goes wrong is one ``RunbookError`` (``Refused`` when it is the host's key).

    ``option`` is what messages call the options that the account came from.
    """
    ssh_library()
    # Files first: nothing is connected when they can't be used.
    means, known = means_of(account), known_for(account)
    if account.jump is None:
        return _connected(account, means, known, None, option)
    jump = connect(account.jump, f"{option}.jump")
    try:
        return _connected(account, means, known, jump, option)
    except BaseException:
        jump.close()
        raise


def open_sftp_channel(connection: Connection) -> paramiko.Channel:
    """A channel on which the server speaks SFTP; its reads and writes time out after ``account.timeout`` seconds. Or ``RunbookError``."""
    library = ssh_library()
    account = connection.account
    try:
        channel = connection.transport.open_session(window_size=WINDOW, max_packet_size=PACKET, timeout=account.timeout)
    except (library.SSHException, OSError, EOFError) as error:
        if not connection.alive:
            raise RunbookError(
                f"{account} ended the connection after logging in ({_why(error)}); ask the host's owner whether the account is blocked, "
                "or run again if it worked before"
            ) from None
        raise RunbookError(f"{account} opens no session ({_why(error)}); it may allow fewer, lower remote.connections") from None
    channel.settimeout(account.timeout)
    try:
        channel.invoke_subsystem("sftp")
    except (library.SSHException, OSError, EOFError) as error:
        with contextlib.suppress(Exception):
            channel.close()
        raise RunbookError(f"{account} offers no SFTP to this account ({_why(error)}); ask the host's owner to allow it") from None
    return t.cast("paramiko.Channel", channel)


def _connected(account: Account, means: Means, known: Known, jump: Connection | None, option: str) -> Connection:
    transport, key = _verified(account, known, jump, option)
    try:
        transport.auth_timeout = account.timeout
        _log_in(transport, account, means)
        transport.set_keepalive(_KEEPALIVE)
    except BaseException:
        _close(transport)
        raise
    return Connection(account, transport, key, jump)


def _log_in(transport: paramiko.Transport, account: Account, means: Means) -> None:
    try:
        log_in(transport, account, means)
    except (ssh_library().SSHException, OSError, EOFError) as error:
        raise RunbookError(f"the connection to {account.address} broke while logging in ({_why(error)}); run again") from None


def _verified(account: Account, known: Known, jump: Connection | None, option: str) -> tuple[paramiko.Transport, HostKey]:
    """A transport whose host key is the right one. With a fingerprint nothing says which of the server's keys it is of,
    so another kind is asked for until it is found."""
    shown: list[HostKey] = []
    while True:
        try:
            transport = _negotiated(account, known, jump, {key.kind for key in shown})
        except _NoSuchKey as error:
            raise (other_fingerprint(account, shown, option) if shown else RunbookError(error.message)) from None
        try:
            key = HostKey(kind_of(transport.get_remote_server_key().get_name()), transport.get_remote_server_key().asbytes())
            if verify(account, known, key, option):
                return transport, key
            if key.kind in {one.kind for one in shown}:
                # It does not show what was asked for; it could go on like that for ever.
                raise other_fingerprint(account, shown, option)
            shown.append(key)
        except BaseException:
            _close(transport)
            raise
        _close(transport)


class _NoSuchKey(RunbookError):
    """Server and client have no kind of key in common, of those that are left."""


def _negotiated(account: Account, known: Known, jump: Connection | None, without: set[str]) -> paramiko.Transport:
    library = ssh_library()
    transport = library.Transport(_stream(account, jump), default_window_size=WINDOW, default_max_packet_size=PACKET)
    transport.banner_timeout = transport.handshake_timeout = transport.channel_timeout = account.timeout
    security = transport.get_security_options()
    security.ciphers = tuple(sorted(security.ciphers, key=lambda name: name not in _FAST_CIPHERS))
    security.key_types = tuple(name for name in preferred_first(known, security.key_types) if kind_of(name) not in without)
    done = threading.Event()
    try:
        if not security.key_types:
            raise _NoSuchKey(f"{account.address} has no host key of a kind that is supported")
        transport.start_client(event=done)
        in_time = done.wait(account.timeout)
        if in_time and transport.is_active() and transport.saved_exception is None:
            return t.cast("paramiko.Transport", transport)
        error = transport.saved_exception
    except BaseException:
        _close(transport)
        raise
    _close(transport)
    if not in_time:
        raise RunbookError(f"{account.address} did not answer as an SSH server within {account.timeout:g} s; check host and port") from None
    if isinstance(error, library.IncompatiblePeer):
        raise _NoSuchKey(f"{account.address} and this end have no common method ({_why(error)}); the server needs an update")
    if "Indecipherable" in str(error):
        raise RunbookError(f"{account.address} does not speak SSH; check host and port")
    raise RunbookError(f"{account.address} ended the connection at once ({_why(error)}); it may limit connections, wait and run again")


def _stream(account: Account, jump: Connection | None) -> t.Any:
    """What the SSH connection runs over: a socket, or a channel of the jump host."""
    if jump is None:
        return _socket(account)
    library = ssh_library()
    where = (account.host, account.port)
    try:
        return jump.transport.open_channel("direct-tcpip", where, ("127.0.0.1", 0), WINDOW, PACKET, account.timeout)
    except library.ChannelException as error:
        forbidden = error.code == 1
        did = "does not forward" if forbidden else "cannot connect"
        advice = "let it allow TCP forwarding to there" if forbidden else "check host and port as seen from there"
        raise RunbookError(f"{jump.account} {did} to {account.address}; {advice}") from None
    except (library.SSHException, OSError, EOFError) as error:
        raise RunbookError(f"{jump.account} did not connect to {account.address} ({_why(error)}); check host and port") from None


def _socket(account: Account) -> socket.socket:
    where = f"{account.host} port {account.port}"
    try:
        stream = socket.create_connection((account.host, account.port), account.timeout)
    except (socket.gaierror, UnicodeError):
        raise RunbookError(f"the name {account.host} has no address; check remote.host and the name service") from None
    except (socket.timeout, TimeoutError):
        raise RunbookError(f"{where} did not answer within {account.timeout:g} s; check host, port and firewall") from None
    except ConnectionRefusedError:
        raise RunbookError(f"{where} refuses connections; check the port, and that the SSH server runs") from None
    except OSError as error:
        raise RunbookError(f"{where} cannot be reached ({error.strerror or error}); check host and network") from None
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A host that is gone is noticed although nothing says so.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with contextlib.suppress(OSError):
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * (account.timeout + _KEEPALIVE)))
    return stream


def _close(transport: paramiko.Transport, jump: Connection | None = None) -> None:
    with contextlib.suppress(Exception):
        transport.close()
    if jump is not None:
        jump.close()


def _why(error: BaseException | None) -> str:
    if isinstance(error, OSError) and error.errno == errno.ECONNRESET:
        return "connection reset"
    return " ".join(str(error or "").split())[:160] or "connection closed"
