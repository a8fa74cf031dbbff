# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any receiver of JSON: ``{ok, alerts, ts}``, signed when there is a key."""

from __future__ import annotations

import dataclasses
import typing as t

from .._http.client import Exchange, Headers
from .._http.sign import Credentials
from .message import Message
from .post import HttpTarget
from .target import Verdict


@dataclasses.dataclass(frozen=True)
class Webhook(HttpTarget):
    """Any status of 200 to 299. ``Idempotency-Key`` is the same for every attempt at one message."""

    credentials: Credentials = dataclasses.field(default_factory=Credentials)
    extra: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)

    def payload(self, message: Message, identity: str) -> dict[str, t.Any]:
        alert = {
            "id": identity,
            "key": message.key,
            "state": message.state,
            "severity": message.severity,
            "title": message.title,
            "text": message.text,
            "source": message.source,
            "fields": dict(message.fields),
            "link": message.link,
            "note": message.note,
            "at": message.at,
        }
        return {"ok": message.state == "resolved", "alerts": [alert], "ts": message.at}

    def headers(self, body: bytes, identity: str) -> Headers:
        signed = self.credentials.headers("POST", self.address.path, body)
        return [*self.extra, *signed, ("Idempotency-Key", identity)]

    def accepted(self, exchange: Exchange) -> Verdict:
        return Verdict("delivered")
