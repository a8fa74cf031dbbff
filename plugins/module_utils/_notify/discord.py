# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Discord: a channel's webhook, asked to wait until the message is there.

Facts: https://discord.com/developers/docs/resources/webhook#execute-webhook, https://discord.com/developers/docs/topics/rate-limits
"""

from __future__ import annotations

import dataclasses
import math
import re
import typing as t

from .._http.address import Target as Address
from .._http.client import Exchange
from .message import Message
from .post import HttpTarget, json_of, text_of
from .target import Verdict
from .text import fit, units

_CONTENT = 2000
# Of an embed: the description, and 25 fields of 256 and 1,024; 6,000 in all embeds.
_DESCRIPTION, _FIELDS, _NAME, _VALUE, _EMBED = 4000, 25, 100, 1024, 5900
_COLOURS = {"info": 0x2F7DD1, "warning": 0xE0A100, "error": 0xD9480F, "critical": 0xC92A2A, "resolved": 0x2B8A3E}


def waiting(address: Address) -> Address:
    """The webhook's address with ``wait=true``, without which Discord answers before it knows."""
    path, mark, query = address.path.partition("?")
    others = [part for part in query.split("&") if part and not part.startswith("wait=")] if mark else []
    return dataclasses.replace(address, path=f"{path}?{'&'.join([*others, 'wait=true'])}")


def escape(text: str) -> str:
    """Nothing in the text is markdown; mentions are switched off by ``allowed_mentions``."""
    return re.sub(r"([\\*_~`|>\[\]()#<])", r"\\\1", text)


@dataclasses.dataclass(frozen=True)
class Discord(HttpTarget):
    """200 and the message that was made."""

    def payload(self, message: Message, identity: str) -> dict[str, t.Any]:
        colour = _COLOURS["resolved" if message.state == "resolved" else message.severity]
        embed: dict[str, t.Any] = {"color": colour, "timestamp": message.at, "footer": {"text": fit(message.origin, 500)}}
        if message.text:
            embed["description"] = fit(message.text, _DESCRIPTION, escape)
        if message.link:
            embed.update(title=fit(message.title, 250, escape), url=message.link)
        left = _EMBED - sum(units(embed.get(name) or "") for name in ("description", "title")) - units(embed["footer"]["text"])
        fields: list[dict[str, str]] = []
        for name, value in message.fields[:_FIELDS]:
            room = min(_VALUE, left - _NAME)
            if room < 50:
                break
            fields.append({"name": fit(name, _NAME, escape), "value": fit(value, room, escape)})
            left -= sum(map(units, fields[-1].values()))
        if fields:
            embed["fields"] = fields
        return {"content": f"**{fit(message.headline, _CONTENT - 4, escape)}**", "embeds": [embed], "allowed_mentions": {"parse": []}}

    def accepted(self, exchange: Exchange) -> Verdict:
        if exchange.status == 200 and json_of(exchange).get("id"):
            return Verdict("delivered")
        return Verdict(
            "rejected", f"status {exchange.status}, {text_of(exchange) or 'an empty body'} instead of a message; is this a Discord webhook?"
        )

    def accepted_in_part(self, exchange: Exchange) -> Verdict:
        return Verdict("delivered") if exchange.status == 200 else self.accepted(exchange)

    def retry_after(self, exchange: Exchange) -> float | None:
        # The body has fractions of a second where the header has whole ones.
        asked = json_of(exchange).get("retry_after")
        if isinstance(asked, (int, float)) and not isinstance(asked, bool) and math.isfinite(asked) and asked >= 0:
            return float(asked)
        return super().retry_after(exchange)
