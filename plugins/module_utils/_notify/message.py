# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be told, independent of where."""

from __future__ import annotations

import dataclasses
import hashlib
import socket
import typing as t

from .._common import clock
from .._common.errors import InvalidInput
from .._http.address import parse_target
from .text import clean, fit, isolated, one_line

# Least first.
SEVERITIES = ("info", "warning", "error", "critical")
STATES = ("firing", "resolved", "event")

# What is longer is no message; a log belongs behind the link. Services cut far earlier.
_LONGEST = 100_000
_LONGEST_TITLE = 250


@dataclasses.dataclass(frozen=True)
class Message:
    """One message. ``key`` names the alert that it is about, ``at`` is when it was made (UTC), ``fields`` are (name, value).

    ``note`` says what became of the message on its way, when that is worth saying.
    """

    key: str
    state: str
    severity: str
    title: str
    text: str
    source: str
    at: str
    link: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    note: str = ""

    @property
    def label(self) -> str:
        """What kind of message it is, in one word."""
        return "RESOLVED" if self.state == "resolved" else self.severity.upper()

    @property
    def headline(self) -> str:
        """One line: what kind of message, and its title."""
        return self.title if self.state == "event" else f"{self.label}: {isolated(self.title)}"

    @property
    def origin(self) -> str:
        """One line: from where, when, and what became of it on its way."""
        return " · ".join(part for part in (isolated(self.source), self.at, self.note) if part)

    @property
    def lines(self) -> list[str]:
        """Everything below the headline, for services that only know text."""
        named = [f"{isolated(name)}: {isolated(value)}" for name, value in self.fields]
        return [line for line in (self.text, *named, self.link, self.origin) if line]

    def to_dict(self) -> dict[str, t.Any]:
        return {**dataclasses.asdict(self), "fields": [list(field) for field in self.fields]}

    @classmethod
    def from_dict(cls, found: t.Mapping[str, t.Any]) -> Message:
        """The message of a spool file; ``ValueError``, ``TypeError`` or ``KeyError`` when it is none."""
        values = {**found, "fields": tuple((str(name), str(value)) for name, value in found["fields"])}
        message = cls(**values)
        if message.state not in STATES or message.severity not in SEVERITIES:
            raise ValueError("no state or severity that is known")
        return message


def severe(message: Message, least: str) -> bool:
    """Whether the message is at least as severe as ``least``."""
    return SEVERITIES.index(message.severity) >= SEVERITIES.index(least)


def parse_message(given: t.Mapping[str, t.Any], position: int) -> Message:
    """One item of the option ``messages``, which is number ``position``; ``InvalidInput`` when it can't be sent."""
    title = one_line(given["title"])
    if not title:
        raise InvalidInput(f"message {position} has an empty title; say in a few words what happened")
    source = one_line(given.get("source") or socket.gethostname())
    key = given.get("key")
    if key is not None and (not key.strip() or key != one_line(key)):
        raise InvalidInput(f"message {title!r}: its key is empty or has line breaks or stray spaces; give one line, or leave it out")
    try:
        link = parse_target(given["link"], None).url if given.get("link") else ""
    except InvalidInput as error:
        raise InvalidInput(f"message {title!r}: link: {error.message}") from None
    fields = tuple((one_line(name), clean(value)) for name, value in (given.get("fields") or {}).items())
    return Message(
        key=key or hashlib.sha256(f"{source}\0{title}".encode()).hexdigest()[:32],
        state=given["state"],
        severity=given["severity"],
        title=fit(title, _LONGEST_TITLE),
        text=fit(clean(str(given.get("text") or "")[: 2 * _LONGEST]), _LONGEST),
        source=source,
        at=clock.now(),
        link=link,
        fields=tuple((name, value) for name, value in fields if name and value),
    )
