# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a request goes: URLs, pinned nodes, and how either may be shown."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from urllib.parse import quote, urljoin, urlsplit

from .._common.errors import InvalidInput

_PORTS = {"http": 80, "https": 443}
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_HOST = re.compile(r"^[A-Za-z0-9._~%:-]+$")
# Every character that may stand in a path or query as it is; "%" is among them, so nothing is encoded twice.
_SAFE = "%/:=&?~+!$,;'@()*[]-._"


@dataclasses.dataclass(frozen=True)
class Target:
    """One absolute URL, taken apart. ``host`` is ASCII, lower case, without brackets; ``path`` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What the Host header says: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL as it is requested; may hold secrets in its query, so show ``display`` instead."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def display(self) -> str:
        """The URL with every query value masked."""
        path, mark, query = self.path.partition("?")
        shown = "&".join(_mask_parameter(part) for part in query.split("&")) if query else ""
        return f"{self.scheme}://{self.authority}{path}{mark}{shown}"

    @property
    def query_values(self) -> t.Iterator[str]:
        """The values that ``display`` masks."""
        for part in self.path.partition("?")[2].split("&"):
            name, mark, value = part.partition("=")
            yield value if mark else name

    def trusts(self, other: Target) -> bool:
        """Whether credentials meant for this URL may be sent to ``other``: the same origin, or its upgrade to https."""
        if (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port):
            return True
        upgraded = (self.scheme, self.port, other.scheme, other.port) == ("http", 80, "https", 443)
        return upgraded and self.host == other.host

    def join(self, location: str) -> Target:
        """The target of a Location header found at this URL; raises ``ValueError`` when it can't be requested."""
        return _split(urljoin(self.url, location.strip()))


@dataclasses.dataclass(frozen=True)
class Node:
    """The address that a connection really goes to; ``port`` None keeps the URL's."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def _mask_parameter(part: str) -> str:
    name, mark, value = part.partition("=")
    if not mark:
        return "***" if name else ""
    return f"{name}=***" if value else part


def without_userinfo(url: str) -> str:
    """``url`` fit for a message although it could not be parsed: no user information, no query."""
    return re.sub(r"//[^/?#]*@", "//", url).partition("?")[0]


def _split(url: str) -> Target:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise ValueError("it does not begin with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("it contains user information; give url_username and url_password instead")
    host = parts.hostname or ""
    if not host:
        raise ValueError("it names no host")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("its port is not a number from 1 to 65535")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError("its host name can't be encoded") from None
    if not _HOST.match(host):
        raise ValueError("its host name contains characters that no host name has")
    path = quote(parts.path or "/", safe=_SAFE)
    if parts.query:
        path += "?" + quote(parts.query, safe=_SAFE)
    return Target(scheme, host, port or _PORTS[scheme], path)


def parse_target(url: str, base_url: str | None) -> Target:
    """The absolute target of an option ``url``, relative ones taken below ``base_url``."""
    full = url if re.match(r"^[A-Za-z][A-Za-z0-9+.-]*://", url) or not base_url else urljoin(base_url, url)
    shown = without_userinfo(full)
    if not full:
        raise InvalidInput("url is empty; give an absolute URL, or one relative to base_url")
    if _CONTROL.search(full):
        raise InvalidInput(f"url {shown!r} contains a space or control character; write spaces as %20")
    if "://" not in full:
        raise InvalidInput(f"url {shown!r} is relative; give base_url, or begin it with http:// or https://")
    try:
        return _split(full)
    except ValueError as error:
        raise InvalidInput(f"url {shown!r} can't be probed: {error}") from None


def _port(value: t.Any, shown: t.Any) -> int:
    try:
        port = int(value)
    except (TypeError, ValueError):
        port = 0
    if not 0 < port < 65536:
        raise InvalidInput(f"{shown!r} has no port from 1 to 65535; write host:port or [IPv6]:port")
    return port


def parse_node(value: t.Any) -> Node | None:
    """An option ``connect_to``: ``host``, ``host:port``, ``[IPv6]:port`` or ``{host, port}``; empty pins nothing."""
    if value in (None, "", {}):
        return None
    if isinstance(value, t.Mapping):
        unknown = set(value) - {"host", "port"}
        if unknown or not value.get("host"):
            raise InvalidInput(f"connect_to {dict(value)!r} must have host, may have port, and nothing else")
        host, port = str(value["host"]), value.get("port")
        node = Node(host.strip("[]"), None if port is None else _port(port, value))
    else:
        text = str(value)
        bracketed = re.match(r"^\[([^\]]*)\](?::(.*))?$", text)
        if bracketed:
            node = Node(bracketed.group(1), None if bracketed.group(2) is None else _port(bracketed.group(2), text))
        elif text.count(":") == 1:
            host, _mark, number = text.partition(":")
            node = Node(host, _port(number, text))
        else:
            node = Node(text)
    if not _HOST.match(node.host):
        raise InvalidInput(f"connect_to {value!r} names no host; write host, host:port or [IPv6]:port")
    return node
