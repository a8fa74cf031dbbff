# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slack: an incoming webhook, or chat.postMessage with a bot's token.

Facts: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, https://docs.slack.dev/reference/methods/chat.postMessage
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._http.client import Exchange, Headers
from .message import Message
from .post import HttpTarget, json_of, text_of
from .target import Verdict
from .text import fit, pieces

API = "https://slack.com/api/chat.postMessage"

_SECTION, _TEXT_SECTIONS = 3000, 12  # of 50 blocks and 40,000 characters in all
_FIELDS, _FIELD = 10, 2000
# Answers of chat.postMessage that are about the token or the channel, so that the message is still good.
_MISCONFIGURED = frozenset(
    [
        "access_denied",
        "account_inactive",
        "channel_not_found",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "invalid_auth",
        "is_archived",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "not_in_channel",
        "org_login_required",
        "restricted_action",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    ]
)
_LATER = frozenset(["internal_error", "ratelimited", "rate_limited", "service_unavailable", "team_added_to_org"])
# These say that something of it may have happened.
_UNKNOWN = frozenset(["fatal_error", "request_timeout"])


def escape(text: str) -> str:
    """Nothing in the text is a mention, link or entity."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def blocks(message: Message) -> list[dict[str, t.Any]]:
    """The message as Block Kit."""
    found = [_section(f"*{fit(message.headline, 1000, escape)}*")]
    found += [_section(part) for part in pieces(message.text, _SECTION, _TEXT_SECTIONS, escape)]
    fields = [
        {"type": "mrkdwn", "text": f"*{fit(name, 100, escape)}*\n{fit(value, _FIELD - 110, escape)}"}
        for name, value in message.fields[:_FIELDS]
    ]
    if fields:
        found.append({"type": "section", "fields": fields})
    if message.link:
        found.append(_section(f"<{escape(message.link)}>"))
    found.append({"type": "context", "elements": [{"type": "mrkdwn", "text": fit(message.origin, 1000, escape)}]})
    return found


def _section(text: str) -> dict[str, t.Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@dataclasses.dataclass(frozen=True)
class SlackWebhook(HttpTarget):
    """200 and the body ``ok``; anything else in a 200 is an answer that Slack does not document."""

    def payload(self, message: Message, identity: str) -> dict[str, t.Any]:
        return {"text": fit(message.headline, _SECTION, escape), "blocks": blocks(message)}

    def accepted(self, exchange: Exchange) -> Verdict:
        if exchange.status == 200 and exchange.body.strip() == b"ok":
            return Verdict("delivered")
        return Verdict(
            "rejected", f"status {exchange.status}, {text_of(exchange) or 'an empty body'} instead of ok; is this a Slack webhook?"
        )

    def accepted_in_part(self, exchange: Exchange) -> Verdict:
        if exchange.status == 200 and b"ok".startswith(exchange.body.strip()):
            return Verdict("delivered")
        return self.accepted(exchange)


@dataclasses.dataclass(frozen=True)
class SlackApi(HttpTarget):
    """200 and ``"ok": true`` in the body; errors come with 200 too."""

    token: str = dataclasses.field(default="", repr=False)
    channel: str = ""
    thread_ts: str = ""

    def payload(self, message: Message, identity: str) -> dict[str, t.Any]:
        thread = {"thread_ts": self.thread_ts} if self.thread_ts else {}
        return {"channel": self.channel, "text": fit(message.headline, _SECTION, escape), "blocks": blocks(message), **thread}

    def headers(self, body: bytes, identity: str) -> Headers:
        return [("Authorization", f"Bearer {self.token}")]

    def accepted(self, exchange: Exchange) -> Verdict:
        answer = json_of(exchange)
        if answer.get("ok") is True:
            return Verdict("delivered")
        if not answer or answer.get("ok") is not False:
            return Verdict("rejected", f"status {exchange.status} without ok, {text_of(exchange) or 'an empty body'}; is this Slack's API?")
        error = str(answer.get("error") or "unknown_error")
        if error in _MISCONFIGURED:
            return Verdict("misconfigured", f"{error} for channel {self.channel}")
        if error in _LATER:
            return Verdict("later", error, self.retry_after(exchange))
        return Verdict("unknown" if error in _UNKNOWN else "rejected", error)

    def accepted_in_part(self, exchange: Exchange) -> Verdict:
        # ``ok`` comes first in all of Slack's answers.
        if re.match(rb'\s*{\s*"ok"\s*:\s*true\b', exchange.body):
            return Verdict("delivered")
        return Verdict("unknown", "an answer cut off in mid-body")
