# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which SSH server to connect to, as whom, and by which key it is known."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._common.errors import InvalidInput

SSH_PORT = 22


@dataclasses.dataclass(frozen=True)
class Account:
    """An account on an SSH server. Paths are absolute; what is secret is not shown when this is printed.

    ``use_agent`` of None: the agent's keys are tried when there is neither password nor key. ``fingerprint`` is ``SHA256:…``.
    ``jump`` is the server to go through.
    """

    host: str
    user: str
    port: int = SSH_PORT
    password: str | None = dataclasses.field(default=None, repr=False)
    private_key: str | None = None
    passphrase: str | None = dataclasses.field(default=None, repr=False)
    use_agent: bool | None = None
    known_hosts: str | None = None
    fingerprint: str | None = None
    jump: Account | None = None
    timeout: float = 30

    @property
    def address(self) -> str:
        """Host and port as known_hosts has them: the port only where it is an unusual one."""
        return self.host if self.port == SSH_PORT else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        return f"{self.user}@{self.address}"

    @property
    def with_agent(self) -> bool:
        """Whether the keys of the SSH agent are to be tried."""
        return self.use_agent if self.use_agent is not None else not (self.password or self.private_key)


def account_from_options(remote: t.Mapping[str, t.Any] | None) -> Account:
    """The account that ``remote`` (see ``_remote/options.py``; only what is for SSH is looked at) describes, or ``InvalidInput``."""
    remote = remote or {}
    given = remote.get("timeout")
    timeout = 30.0 if given is None else float(given)
    if not 0 < timeout < float("inf"):
        raise InvalidInput(f"remote.timeout {timeout:g} is not a number of seconds above 0")
    if not 1 <= int(1 if remote.get("connections") is None else remote["connections"]) <= 16:
        raise InvalidInput(f"remote.connections {remote['connections']} is not between 1 and 16")
    if remote.get("bandwidth_limit") is not None and int(remote["bandwidth_limit"]) < 1:
        raise InvalidInput(f"remote.bandwidth_limit {remote['bandwidth_limit']} is not a number of kilobytes per second above 0")
    return _account(remote, "remote", timeout, None)


def _account(given: t.Mapping[str, t.Any], name: str, timeout: float, target: t.Mapping[str, t.Any] | None) -> Account:
    """``target`` is what lies behind, when this is the server to go through."""
    host = str(given.get("host") or "").strip()
    user = str(given.get("user") or (target or {}).get("user") or "").strip()
    port = SSH_PORT if given.get("port") is None else int(given["port"])
    for option, value in (("host", host), ("user", user)):
        if not value:
            raise InvalidInput(f"{name}.{option} is missing; it says {'where the host is' if option == 'host' else 'as whom to log in'}")
        if re.search(r"[\s\x00-\x1f\x7f]", value):
            raise InvalidInput(f"{name}.{option} {value!r} must not contain spaces or control characters")
    if not 0 < port < 65536:
        raise InvalidInput(f"{name}.port {port} is not a port; give a number between 1 and 65535")
    fingerprint = given.get("fingerprint")
    if given.get("private_key_passphrase") and not given.get("private_key"):
        raise InvalidInput(f"{name}.private_key_passphrase is given without {name}.private_key; give the key file too")
    jump = given.get("jump")
    return Account(
        host=host.strip("[]"),
        user=user,
        port=port,
        password=given.get("password") or None,
        private_key=given.get("private_key") or None,
        passphrase=given.get("private_key_passphrase") or None,
        use_agent=given.get("use_agent"),
        known_hosts=given.get("known_hosts") or (target or {}).get("known_hosts") or None,
        fingerprint=_fingerprint(str(fingerprint), name) if fingerprint else None,
        jump=_account(jump, f"{name}.jump", timeout, given) if jump else None,
        timeout=timeout,
    )


def _fingerprint(text: str, name: str) -> str:
    # As OpenSSH shows it, or as WinSCP does: "ssh-ed25519 255 …=".
    found = re.fullmatch(r"(?:SHA256:|\S+ \d+ )([A-Za-z0-9+/_-]{43})=?", text.strip())
    if not found:
        raise InvalidInput(
            f"{name}.fingerprint {text!r} is not one; give SHA256: and 43 characters, as 'ssh-keygen -lf' shows it for the host's key"
        )
    return "SHA256:" + found.group(1).translate({ord("-"): "+", ord("_"): "/"})
