# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cPanel account, reached how."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t
import urllib.parse

from .._common.errors import InvalidInput

PORT = 2083


@dataclasses.dataclass(frozen=True)
class Account:
    """One account of one cPanel server. ``timeout`` in seconds, for a connection and for each silence of the server;
    ``bandwidth_limit`` in kB/s for what is sent, 0 for none. The token is in no text that is made of this."""

    host: str
    user: str
    token: str = dataclasses.field(repr=False)
    port: int = PORT
    scheme: str = "https"
    validate_certs: bool = True
    ca_path: str = ""
    timeout: float = 30.0
    bandwidth_limit: int = 0

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"{self.user} on {self.host}:{self.port}"


def _own_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def account_from_options(remote: t.Mapping[str, t.Any]) -> Account:
    """The account that the ``remote`` option describes; ``InvalidInput`` for one that can't be."""
    host, user, token = (str(remote.get(name) or "").strip() for name in ("host", "user", "token"))
    for name, value in (("host", host), ("user", user), ("token", token)):
        if not value:
            raise InvalidInput(f"remote needs {name} for backend cpanel; a token is made in cPanel under Security, Manage API Tokens")
    scheme, port = "https", int(remote.get("port") or PORT)
    if "://" in host:
        parts = urllib.parse.urlsplit(host)
        try:
            scheme, host, port = parts.scheme, parts.hostname or "", int(remote.get("port") or parts.port or PORT)
        except ValueError:
            raise InvalidInput("the port in remote.host is not a number; give the name alone, and remote.port beside it") from None
    host = host.strip("[]")
    if not host or any(letter.isspace() or letter in "/@?#\\" for letter in host):
        raise InvalidInput("remote.host must be the name or address of the cPanel server, for example cpanel.example.com")
    if scheme != "https" and not (scheme == "http" and _own_machine(host)):
        raise InvalidInput(f"remote.host asks for {scheme}, which would send the token readable for everybody; give the name alone")
    if any(letter.isspace() or letter == ":" for letter in user):
        raise InvalidInput("remote.user must be the name of the cPanel account, without spaces or colons")
    if any(not 0x21 <= ord(letter) <= 0x7E for letter in token):
        raise InvalidInput(
            "remote.token has characters that no token has (spaces, line breaks); copy it again from cPanel, Manage API Tokens"
        )
    return Account(
        host=host,
        user=user,
        token=token,
        port=port,
        scheme=scheme,
        validate_certs=remote.get("validate_certs") is not False,
        ca_path=str(remote.get("ca_path") or ""),
        timeout=float(remote.get("timeout") or 30),
        bandwidth_limit=int(remote.get("bandwidth_limit") or 0),
    )
