# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one model of results that every rendering is made from."""

from __future__ import annotations

import dataclasses
import typing as t

from .._common.outcome import SEVERITY, Status, overall
from .series import Series

# A change is worth a look in this order.
ChangeKind = t.Literal["worse", "new", "gone", "value", "better"]
EventKind = t.Literal["deploy", "rollback", "drill", "other"]


@dataclasses.dataclass
class Check:
    """The newest result of one check of one host, and how it was on the days before. ``at`` is when it was looked at."""

    name: str
    status: Status
    message: str
    value: t.Any
    unit: str
    warn: t.Any
    crit: t.Any
    duration_ms: float
    at: str
    series: Series
    severity: str = ""  # how bad it would be, where the checklist says so

    def to_dict(self) -> dict[str, t.Any]:
        """The result item, with ``at``."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "series"}


@dataclasses.dataclass
class Host:
    """A host and the newest result of each of its checks. ``days`` has the worst status of each day, as in ``Series``."""

    name: str
    checks: list[Check]
    days: Series

    @property
    def status(self) -> Status:
        return overall(check.status for check in self.checks)

    @property
    def at(self) -> str:
        """When the host was last looked at."""
        return max([check.at for check in self.checks], default="")

    def count(self, status: str) -> int:
        return sum(check.status == status for check in self.checks)


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that happened to a host at a moment: a deploy, a drill."""

    at: str
    kind: EventKind
    title: str
    status: Status
    host: str = ""
    message: str = ""


@dataclasses.dataclass(frozen=True)
class Change:
    """What is different from the day before. ``before`` and ``after`` are statuses, or values with their unit for ``value``."""

    kind: ChangeKind
    host: str
    check: str
    before: str
    after: str
    message: str = ""


@dataclasses.dataclass
class Report:
    """Everything that is known at ``at``. ``days`` are the dates of the series, oldest first; hosts, events and changes are sorted."""

    title: str
    at: str
    run: str
    days: list[str]
    hosts: list[Host]
    # Whether there was a day before to compare with; without one nothing is known of changes.
    compared: bool
    changes: list[Change]
    events: list[Event]
    notes: list[str]

    @property
    def status(self) -> Status:
        return overall(host.status for host in self.hosts)

    def checks(self) -> t.Iterator[tuple[Host, Check]]:
        """Every check with its host."""
        for host in self.hosts:
            for check in host.checks:
                yield host, check

    def counts(self) -> dict[str, int]:
        """How many checks have each status, the worst first."""
        found = dict.fromkeys(reversed(SEVERITY), 0)
        for _host, check in self.checks():
            found[check.status] += 1
        return t.cast("dict[str, int]", found)

    def summary(self) -> str:
        """One line: how many checks on how many hosts, and how many of them are not well."""
        counts = self.counts()
        total = sum(counts.values())
        bad = ", ".join(f"{counts[name]} {name}" for name in ("crashed", "failed", "warning") if counts[name])
        return f"{bad or 'all ok'}, {total} check{'' if total == 1 else 's'} on {len(self.hosts)} host{'' if len(self.hosts) == 1 else 's'}"


def text_of(value: t.Any, unit: str) -> str:
    """A value with its unit for people; empty when there is none."""
    if value is None or value == "":
        return ""
    if isinstance(value, float):
        value = f"{value:.6g}"
    return f"{value}{'' if unit in ('%', '') else ' '}{unit}"
