# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that speaks HTTP to a target."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from .._http.address import Target as Address
from .._http.client import Client, CutOff, Exchange, Headers, Keep, Request
from .._http.retry import parse_retry_after
from .._http.transport import CertificateRejected, NoAnswer, Route, TlsSettings
from .message import Message
from .target import Common, Verdict

# Phases of a request in which nothing of it has been sent.
_BEFORE = ("dns", "connect", "tls")
# 408, 425: the server did not take it. 5xx: it says that it failed.
_AGAIN = (408, 425, 429)
_REFUSED_MESSAGE = (400, 406, 411, 413, 414, 415, 422)

_ANSWER = 1 << 20  # Slack repeats the whole message

CLIENT = Client()


@dataclasses.dataclass(frozen=True)
class HttpTarget(Common):
    """A target that takes one POST for each message."""

    address: Address = dataclasses.field(default_factory=lambda: Address("https", "example.com", 443, "/"), repr=False)
    tls: TlsSettings = dataclasses.field(default_factory=TlsSettings)

    def payload(self, message: Message, identity: str) -> dict[str, t.Any]:
        """The JSON document that says it."""
        raise NotImplementedError

    def headers(self, body: bytes, identity: str) -> Headers:
        """Headers besides those that every request has."""
        return []

    def accepted(self, exchange: Exchange) -> Verdict:
        """What a complete answer of status 200 to 299 means."""
        raise NotImplementedError

    def accepted_in_part(self, exchange: Exchange) -> Verdict:
        """What such an answer means when it broke off in its body; here the status has said it all."""
        return self.accepted(exchange)

    def send(self, message: Message, identity: str, timeout: float) -> Verdict:
        body = json.dumps(self.payload(message, identity), ensure_ascii=False).encode()
        headers = [("User-Agent", "runbook.ops"), ("Accept", "*/*"), ("Content-Type", "application/json; charset=utf-8")]
        request = Request("POST", self.address, [*headers, *self.headers(body, identity)], body)
        try:
            return self._judge(CLIENT.send(request, Route(tls=self.tls), Keep(_ANSWER), timeout), self.accepted)
        except CutOff as error:
            return self._judge(error.exchange, self.accepted_in_part)
        except NoAnswer as error:
            reason = self.redact(str(error))
            if isinstance(error, CertificateRejected):
                return Verdict("misconfigured", reason)
            return Verdict("later" if error.phase in _BEFORE else "unknown", reason)

    def _judge(self, exchange: Exchange, accepted: t.Callable[[Exchange], Verdict]) -> Verdict:
        if 200 <= exchange.status < 300:
            verdict = accepted(exchange)
            return dataclasses.replace(verdict, reason=self.redact(verdict.reason))
        said = text_of(exchange)
        reason = self.redact(f"status {exchange.status}" + (f", {said}" if said else ""))
        if exchange.status in _AGAIN or exchange.status >= 500:
            return Verdict("later", reason, self.retry_after(exchange))
        if exchange.status in _REFUSED_MESSAGE:
            return Verdict("rejected", reason)
        return Verdict("misconfigured", reason)

    def retry_after(self, exchange: Exchange) -> float | None:
        """Seconds that the service asks to wait."""
        return parse_retry_after(exchange.header("Retry-After"))


def text_of(exchange: Exchange) -> str:
    """The beginning of an answer's body as one line; nothing of a page."""
    text = " ".join(exchange.body[:2000].decode("utf-8", "replace").split())
    return "" if re.match(r"<(!doctype|html)", text, re.IGNORECASE) else text[:160]


def json_of(exchange: Exchange) -> dict[str, t.Any]:
    """The answer's JSON object; empty when it is none."""
    try:
        found = json.loads(exchange.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
