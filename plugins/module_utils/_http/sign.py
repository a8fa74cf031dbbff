# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials of a request: basic, bearer, or an HMAC over what is sent."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import time
import typing as t

from .._common.clock import stamp

# What can be signed, and how the time is written in its header.
PARTS = ("method", "path", "path_without_query", "timestamp", "body", "body_sha256", "key_id")
TIMESTAMPS = ("seconds", "milliseconds", "iso8601")
SIGNED = ("method", "path", "timestamp", "body_sha256")

# The options of a key, as suboptions of a module's ``hmac``: the one description of them, for every module that signs.
HMAC: dict[str, dict[str, t.Any]] = {
    "secret": {"type": "str", "required": True, "no_log": True},
    "key_id": {"type": "str", "no_log": False},
    "algorithm": {"type": "str", "choices": ["sha256", "sha384", "sha512"], "default": "sha256"},
    "encoding": {"type": "str", "choices": ["hex", "base64"], "default": "hex"},
    "header": {"type": "str", "default": "X-Signature"},
    "prefix": {"type": "str", "default": ""},
    "timestamp_header": {"type": "str", "default": "X-Timestamp"},
    "key_id_header": {"type": "str", "default": "X-Key-Id", "no_log": False},
    "parts": {"type": "list", "elements": "str", "choices": list(PARTS), "default": list(SIGNED)},
    "separator": {"type": "str", "default": "\n"},
    "timestamp_format": {"type": "str", "choices": list(TIMESTAMPS), "default": "seconds"},
}


def basic(username: str, password: str) -> str:
    """The value of an (Proxy-)Authorization header."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


@dataclasses.dataclass(frozen=True)
class HmacKey:
    """A shared secret and the names under which its signature travels."""

    secret: str = dataclasses.field(repr=False)
    key_id: str | None = None
    algorithm: str = "sha256"
    encoding: str = "hex"
    header: str = "X-Signature"
    timestamp_header: str = "X-Timestamp"
    key_id_header: str = "X-Key-Id"
    prefix: str = ""
    parts: tuple[str, ...] = SIGNED
    separator: str = "\n"
    timestamp_format: str = "seconds"

    def headers(self, method: str, path: str, body: bytes, timestamp: float | None = None) -> list[tuple[str, str]]:
        """The headers that sign one request; ``path`` includes the query, ``timestamp`` is in seconds since 1970."""
        moment = _written(time.time() if timestamp is None else timestamp, self.timestamp_format)
        mac = hmac.new(self.secret.encode(), self.signed(method, path, moment, body), self.algorithm)
        value = mac.hexdigest() if self.encoding == "hex" else base64.b64encode(mac.digest()).decode("ascii")
        signed = [(self.timestamp_header, moment), (self.header, self.prefix + value)]
        if self.key_id:
            signed.append((self.key_id_header, self.key_id))
        return signed

    def signed(self, method: str, path: str, timestamp: str, body: bytes) -> bytes:
        """Exactly what is signed: ``parts`` in their order, joined by ``separator``; ``timestamp`` as in its header."""
        known = {
            "method": method.encode(),
            "path": path.encode(),
            "path_without_query": path.partition("?")[0].encode(),
            "timestamp": timestamp.encode(),
            "body": body,
            "body_sha256": hashlib.sha256(body).hexdigest().encode(),
            "key_id": (self.key_id or "").encode(),
        }
        return self.separator.encode().join(known[part] for part in self.parts)


def _written(moment: float, form: str) -> str:
    """Seconds since 1970 as a timestamp header says it."""
    if form == "iso8601":
        return stamp(moment)
    return str(int(moment * 1000) if form == "milliseconds" else int(moment))


@dataclasses.dataclass(frozen=True)
class Credentials:
    """At most one way to authenticate."""

    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    bearer_token: str | None = dataclasses.field(default=None, repr=False)
    hmac: HmacKey | None = None

    def headers(self, method: str, path: str, body: bytes) -> list[tuple[str, str]]:
        """The headers of one request; made anew for each, because a signature covers method, path and time."""
        if self.bearer_token is not None:
            return [("Authorization", f"Bearer {self.bearer_token}")]
        if self.username is not None:
            return [("Authorization", basic(self.username, self.password or ""))]
        if self.hmac is not None:
            return self.hmac.headers(method, path, body)
        return []

    def secrets(self) -> t.Iterator[str]:
        """Every text that must not be shown."""
        if self.bearer_token:
            yield self.bearer_token
        if self.username is not None:
            yield basic(self.username, self.password or "").partition(" ")[2]
        if self.password:
            yield self.password
        if self.hmac is not None:
            yield self.hmac.secret
