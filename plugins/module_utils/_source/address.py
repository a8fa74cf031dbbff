# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that may carry secrets: what may be fetched, and what may be said about it."""

from __future__ import annotations

import re
import urllib.parse

from .._common.errors import InvalidInput

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f]")


def checked_url(url: str) -> str:
    """The http(s) URL in ASCII, or ``InvalidInput``. Passwords belong into options of their own, which are never shown."""
    if _FORBIDDEN.search(url):
        raise InvalidInput(f"url {safe_url(url)} contains a space or a control character; write it as %20")
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(f"url {safe_url(url)} is malformed: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise InvalidInput(f"url {safe_url(url)} is neither http nor https; name files of this machine with src")
    if not host:
        raise InvalidInput(f"url {safe_url(url)} names no host")
    if "@" in parts.netloc:
        raise InvalidInput(f"url {safe_url(url)} carries a user name or password; give them as username and password instead")
    try:
        ascii_host = host.encode("idna").decode("ascii")
    except UnicodeError:
        raise InvalidInput(f"url {safe_url(url)} names an impossible host") from None
    if ":" in ascii_host:
        ascii_host = f"[{ascii_host}]"
    netloc = ascii_host + (f":{port}" if port is not None else "")
    path = urllib.parse.quote(parts.path, safe="/%:=&~+!$,;'@()*[]")
    query = urllib.parse.quote(parts.query, safe="/%:=&~+!$,;'@()*[]?")
    return urllib.parse.urlunsplit((parts.scheme, netloc, path or "/", query, ""))


def safe_url(url: str) -> str:
    """A URL for messages: without user information, and with the values of its query hidden (signed URLs are secrets)."""
    shown = re.sub(r"(?<=//)[^/?#]*@", "", url.partition("#")[0])
    base, mark, query = shown.partition("?")
    if mark:
        base += "?" + "&".join(item.partition("=")[0] + "=***" if "=" in item else "***" for item in query.split("&"))
    base = _FORBIDDEN.sub("?", base)
    return base if len(base) <= 300 else base[:297] + "..."


def same_origin(one: str, other: str) -> bool:
    """Whether credentials for the URL ``one`` may be sent to ``other``."""
    a, b = urllib.parse.urlsplit(one), urllib.parse.urlsplit(other)
    default = {"http": 80, "https": 443}
    return (a.scheme, a.hostname, a.port or default.get(a.scheme)) == (b.scheme, b.hostname, b.port or default.get(b.scheme))
