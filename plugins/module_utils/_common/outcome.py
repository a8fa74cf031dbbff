# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one result schema of probes, checks, backups and drills."""

from __future__ import annotations

import dataclasses
import typing as t

Status = t.Literal["ok", "warning", "failed", "crashed", "skipped"]

# Worst last. "crashed" outranks "failed": an expectation that could not be evaluated may hide any failure.
SEVERITY: tuple[Status, ...] = ("skipped", "ok", "warning", "failed", "crashed")


@dataclasses.dataclass
class Outcome:
    """One expectation and what became of it. ``value`` is in ``unit``; ``warn`` and ``crit`` are its limits."""

    name: str
    status: Status
    message: str = ""
    value: t.Any = None
    unit: str = ""
    warn: t.Any = None
    crit: t.Any = None
    duration_ms: float = 0.0
    details: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, t.Any]:
        """The result item ``{name, status, value, unit, warn, crit, message, duration_ms, ...details}``."""
        item = dataclasses.asdict(self)
        details = item.pop("details")
        return {**details, **item}


def overall(statuses: t.Iterable[str]) -> Status:
    """The worst of the given statuses; ``skipped`` when there are none or all were skipped."""
    worst = 0
    for status in statuses:
        worst = max(worst, SEVERITY.index(t.cast(Status, status)))
    return SEVERITY[worst]


def summary(outcomes: t.Sequence[Outcome], noun: str) -> str:
    """One line that names every outcome that is neither ok nor skipped, or counts them when all is well."""
    bad = [f"{item.name}: {item.message}" for item in outcomes if item.status not in ("ok", "skipped")]
    if not bad:
        return f"{len(outcomes)} {noun}{'' if len(outcomes) == 1 else 's'} ok"
    return f"{len(bad)} of {len(outcomes)} {noun}{'' if len(outcomes) == 1 else 's'} not ok - " + "; ".join(bad)


def name_apart(items: t.Iterable[dict[str, t.Any]]) -> None:
    """Give result items names that differ, because they are known by them: the second ``ping`` is called ``ping (2)``."""
    taken: set[str] = set()
    for item in items:
        name, number = item["name"], 1
        while item["name"] in taken:
            number += 1
            item["name"] = f"{name} ({number})"
        taken.add(item["name"])
