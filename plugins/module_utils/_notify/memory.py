# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which messages are news to a target.

Of each alert that a target was told of, its severity and when it was last told are remembered until it is resolved.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._common import clock
from .._common.times import in_words
from .message import Message, severe

# An alert that nobody resolved nor repeated for so long is forgotten, or the memory would grow for ever.
_FORGOTTEN = 90 * 86400.0
_REMEMBERED_IDS = 500


@dataclasses.dataclass
class Memory:
    """``alerts`` maps a key to {severity, since, sent_at, count}; ``delivered`` are the identities of the last messages."""

    alerts: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    delivered: list[str] = dataclasses.field(default_factory=list)

    def copy(self) -> Memory:
        """An independent one, to think ahead with."""
        return Memory({key: dict(alert) for key, alert in self.alerts.items()}, list(self.delivered))

    def told(self, message: Message, identity: str, now: float) -> None:
        """Remember that the target was told."""
        self.delivered = [*self.delivered, identity][-_REMEMBERED_IDS:]
        if message.state == "event":
            return
        known = self.alerts.pop(message.key, None)
        if message.state == "firing":
            moment = clock.stamp(now)
            self.alerts[message.key] = {
                "severity": message.severity,
                "since": (known or {}).get("since", moment),
                "sent_at": moment,
                "count": int((known or {}).get("count", 0)) + 1,
            }
        self.alerts = {key: alert for key, alert in self.alerts.items() if now - clock.seconds(alert["sent_at"]) < _FORGOTTEN}

    def to_dict(self) -> dict[str, t.Any]:
        return {"format": 1, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, found: t.Mapping[str, t.Any]) -> Memory:
        """The memory of a state file; ``ValueError``, ``TypeError`` or ``KeyError`` when it is none."""
        alerts = {
            str(key): {**alert, "severity": str(alert["severity"]), "sent_at": str(alert["sent_at"])}
            for key, alert in found["alerts"].items()
        }
        return cls(alerts, [str(identity) for identity in found["delivered"]])


def for_target(message: Message, memory: Memory, least: str) -> Message | None:
    """The message as a target of this least severity is told it, None when it is not.

    An alert that falls below it is over for a target that was told of it.
    """
    if message.state == "resolved" or severe(message, least):
        return message
    if message.state == "firing" and message.key in memory.alerts:
        return dataclasses.replace(message, state="resolved")
    return None


def why_not(message: Message, memory: Memory, now: float, repeat: float) -> str:
    """Why the message is no news; empty when it is. ``repeat`` in seconds, 0 for never again."""
    if message.state == "event":
        return ""
    known = memory.alerts.get(message.key)
    if known is None:
        return "nothing to resolve, it was never told of this alert" if message.state == "resolved" else ""
    if message.state == "resolved" or known["severity"] != message.severity:
        return ""
    passed = now - clock.seconds(known["sent_at"])
    # A clock that was set back must not silence an alert.
    if passed < -60 or (repeat and passed >= repeat):
        return ""
    return f"already told {in_words(max(0.0, passed))} ago" + (f", told again after {in_words(repeat)}" if repeat else "")
