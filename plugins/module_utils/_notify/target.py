# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every target is to the rest: a name, and one way to be told."""

from __future__ import annotations

import dataclasses
import typing as t

from .message import Message

# "later": not taken, ask again. "misconfigured": not taken, and asking again helps only when the target's options were put right.
# "rejected": not taken, and never will be. "unknown": it may have been taken.
Kind = t.Literal["delivered", "later", "misconfigured", "rejected", "unknown"]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of one attempt. ``reason`` is one line without secrets, ``retry_after`` the seconds that the service asked for."""

    kind: Kind
    reason: str = ""
    retry_after: float | None = None


class Target(t.Protocol):
    """Somewhere to send messages to. ``pace`` is the least time between two of them, in seconds."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def least(self) -> str:
        """The least severity that is sent here."""

    @property
    def pace(self) -> float: ...

    @property
    def takes_events(self) -> bool: ...

    def send(self, message: Message, identity: str, timeout: float) -> Verdict:
        """Send one message, within ``timeout`` seconds. ``identity`` is the same however often this message is sent. Never raises."""


@dataclasses.dataclass(frozen=True)
class Common:
    """What all targets have."""

    name: str
    kind: str
    least: str = "info"
    pace: float = 0.0
    takes_events: bool = True
    secrets: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    def redact(self, text: str) -> str:
        """``text`` in one short line without this target's secrets, wherever a server may have echoed them."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
        return line if len(line) <= 200 else f"{line[:199]}…"
