# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is different from the day before."""

from __future__ import annotations

import dataclasses
import typing as t

from .._common.outcome import SEVERITY
from .model import Change, ChangeKind, text_of
from .units import COUNTS, group_of, measured

# A latency or a size that grew or shrank so much is worth a look although it is within its limits.
_FACTOR = 1.5
_ORDER: tuple[ChangeKind, ...] = ("worse", "new", "gone", "value", "better")


@dataclasses.dataclass(frozen=True)
class Look:
    """What one look at a check found."""

    status: str
    value: t.Any
    unit: str
    message: str

    @classmethod
    def of(cls, item: t.Mapping[str, t.Any]) -> Look:
        """The look that a result item tells of."""
        return cls(item["status"], item.get("value"), str(item.get("unit") or ""), str(item.get("message") or ""))


def changes_of(looks: t.Mapping[tuple[str, str], tuple[Look | None, Look | None]]) -> list[Change]:
    """Changes by (host, check) and the looks of the day before and of today, the worst kind first. None: there was none."""
    found = []
    if not any(before for before, _after in looks.values()):
        return []  # on the first day everything would be new
    for (host, check), (before, after) in looks.items():
        change = _change(host, check, before, after)
        if change:
            found.append(change)
    return sorted(found, key=lambda one: (_ORDER.index(one.kind), -_rank(one.after), one.host, one.check))


def _rank(status: str) -> int:
    return SEVERITY.index(t.cast(t.Any, status)) if status in SEVERITY else 0


def _change(host: str, check: str, before: Look | None, after: Look | None) -> Change | None:
    if after is None:
        return Change("gone", host, check, before.status, "") if before else None
    if before is None:
        return Change("new", host, check, "", after.status, after.message)
    if "skipped" in (before.status, after.status):
        return None
    if before.status != after.status:
        kind: ChangeKind = "worse" if _rank(after.status) > _rank(before.status) else "better"
        return Change(kind, host, check, before.status, after.status, after.message)
    if before.unit == after.unit and group_of(after.unit) and after.unit not in COUNTS and _moved(before.value, after.value):
        return Change("value", host, check, text_of(before.value, before.unit), text_of(after.value, after.unit), after.message)
    return None


def _moved(before: t.Any, after: t.Any) -> bool:
    then, now = measured(before), measured(after)
    if then is None or now is None:
        return False
    low, high = sorted((abs(then), abs(now)))
    # Of nothing, and of very little, everything is a multiple.
    return bool(low > 0 and high >= 5 and high / low >= _FACTOR)
