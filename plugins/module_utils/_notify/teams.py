# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft Teams: a workflow that takes an Adaptive Card, and the older connectors that take a MessageCard.

Facts: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
"""

from __future__ import annotations

import dataclasses
import html
import json
import re
import typing as t

from .._http.client import Exchange
from .message import Message
from .post import HttpTarget, text_of
from .target import Verdict
from .text import fit, right_to_left

_LARGEST = 27_000  # bytes; Teams takes 28 KB
_FIELDS, _NAME, _VALUE = 20, 60, 250
_COLOURS = {"info": "2F7DD1", "warning": "E0A100", "error": "D9480F", "critical": "C92A2A", "resolved": "2B8A3E"}
_CARD_COLOURS = {"info": "Accent", "warning": "Warning", "error": "Attention", "critical": "Attention", "resolved": "Good"}


def escape(text: str) -> str:
    """Nothing in the text is markdown."""
    return re.sub(r"([\\*_~`\[\]()#])", r"\\\1", text)


def escape_html(text: str) -> str:
    """Nothing in the text is markdown or HTML; connectors read both, and a single line break as none."""
    return html.escape(escape(text), quote=False).replace("\n", "<br>")


def _within(build: t.Callable[[int], dict[str, t.Any]]) -> dict[str, t.Any]:
    """The document with as much of the text as the service takes; ``build`` gets the length to cut it to."""
    document: dict[str, t.Any] = {}
    for length in (12_000, 6000, 3000, 1000, 0):
        document = build(length)
        if len(json.dumps(document, ensure_ascii=False).encode()) <= _LARGEST:
            break
    return document


def _tone(message: Message) -> str:
    return "resolved" if message.state == "resolved" else message.severity


@dataclasses.dataclass(frozen=True)
class TeamsWorkflow(HttpTarget):
    """202: the workflow has it."""

    def payload(self, message: Message, identity: str) -> dict[str, t.Any]:
        return _within(lambda length: self._document(message, length))

    def _document(self, message: Message, length: int) -> dict[str, t.Any]:
        body: list[dict[str, t.Any]] = [
            _block(fit(message.headline, 600, escape), weight="Bolder", size="Medium", color=_CARD_COLOURS[_tone(message)])
        ]
        # A single line break is none in a card's markdown.
        body += [_block(fit(part, length, escape)) for part in [message.text.replace("\n", "\n\n")] if part and length]
        if message.fields:
            facts = [{"title": fit(name, _NAME, escape), "value": fit(value, _VALUE, escape)} for name, value in message.fields[:_FIELDS]]
            body.append({"type": "FactSet", "facts": facts})
        body.append(_block(fit(message.origin, 500, escape), isSubtle=True, size="Small"))
        card: dict[str, t.Any] = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.5",
            "body": body,
            "msteams": {"width": "Full"},
        }
        if right_to_left(message.title):
            card["rtl"] = True
        if message.link:
            card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": message.link}]
        return {"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}]}

    def accepted(self, exchange: Exchange) -> Verdict:
        if exchange.status == 202:
            return Verdict("delivered")
        return Verdict("rejected", f"status {exchange.status} instead of 202, {text_of(exchange)}; is this a workflow's url?")


def _block(text: str, **style: t.Any) -> dict[str, t.Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **style}


@dataclasses.dataclass(frozen=True)
class TeamsConnector(HttpTarget):
    """200 and the body ``1``; what went wrong behind the connector, throttling above all, is told in a 200 too."""

    def payload(self, message: Message, identity: str) -> dict[str, t.Any]:
        return _within(lambda length: self._document(message, length))

    def _document(self, message: Message, length: int) -> dict[str, t.Any]:
        facts = [
            {"name": fit(name, _NAME, escape_html), "value": fit(value, _VALUE, escape_html)} for name, value in message.fields[:_FIELDS]
        ]
        section: dict[str, t.Any] = {"activitySubtitle": fit(message.origin, 500, escape_html), "facts": facts}
        card: dict[str, t.Any] = {
            "@type": "MessageCard",
            "@context": "https://schema.org/extensions",
            "summary": fit(message.headline, 500),
            "title": fit(message.headline, 600, escape_html),
            "themeColor": _COLOURS[_tone(message)],
            "text": fit(message.text, length, escape_html) if message.text and length else fit(message.headline, 600, escape_html),
            "sections": [section],
        }
        if message.link:
            card["potentialAction"] = [{"@type": "OpenUri", "name": "Open", "targets": [{"os": "default", "uri": message.link}]}]
        return card

    def accepted(self, exchange: Exchange) -> Verdict:
        said = text_of(exchange)
        if exchange.status == 200 and exchange.body.strip() == b"1":
            return Verdict("delivered")
        hidden = re.search(r"HTTP error (\d{3})", said)
        if hidden:
            status = int(hidden.group(1))
            kind = "later" if status == 429 or status >= 500 else "rejected" if status in (400, 413) else "misconfigured"
            return Verdict(t.cast(t.Any, kind), f"status {exchange.status}, but behind it {status}: {said}", self.retry_after(exchange))
        return Verdict("rejected", f"status {exchange.status}, {said or 'an empty body'} instead of 1; is this a connector's url?")

    def accepted_in_part(self, exchange: Exchange) -> Verdict:
        if exchange.status == 200 and exchange.body.strip() != b"1":
            return Verdict("unknown", "an answer cut off in mid-body")
        return self.accepted(exchange)
