# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PagerDuty: alerts by the Events API v2.

Facts: https://developer.pagerduty.com/docs/events-api-v2-overview
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from .._http.client import Exchange
from .message import Message
from .post import HttpTarget, text_of
from .target import Verdict
from .text import fit, units

API = "https://events.pagerduty.com/v2/enqueue"

_SUMMARY, _KEY = 1024, 255
_TEXT, _FIELDS, _VALUE = 50_000, 50, 1000  # of 512 KB


def dedup_key(key: str) -> str:
    """The key that an alert is known by; one that is too long becomes its digest."""
    return key if units(key) <= _KEY else hashlib.sha256(key.encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class PagerDuty(HttpTarget):
    """202: the event is queued. What it refuses with 400 it refuses for ever."""

    routing_key: str = dataclasses.field(default="", repr=False)

    def payload(self, message: Message, identity: str) -> dict[str, t.Any]:
        event: dict[str, t.Any] = {
            "routing_key": self.routing_key,
            "event_action": "resolve" if message.state == "resolved" else "trigger",
            "dedup_key": dedup_key(message.key),
            "client": "runbook.ops",
            "payload": {
                "summary": fit(message.title, _SUMMARY),
                "source": fit(message.source, _KEY) or "unknown",
                "severity": message.severity,
                "timestamp": message.at,
                "custom_details": self._details(message),
            },
        }
        if message.link:
            event["links"] = [{"href": message.link, "text": fit(message.title, 100)}]
        return event

    def _details(self, message: Message) -> dict[str, str]:
        found = {fit(name, 100): fit(value, _VALUE) for name, value in message.fields[:_FIELDS]}
        if message.text:
            found["text"] = fit(message.text, _TEXT)
        if message.note:
            found["note"] = message.note
        return found

    def accepted(self, exchange: Exchange) -> Verdict:
        if exchange.status == 202:
            return Verdict("delivered")
        return Verdict("rejected", f"status {exchange.status} instead of 202, {text_of(exchange)}; is this PagerDuty's Events API?")
