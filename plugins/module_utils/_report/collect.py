# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the stored history to the report's model, holding a few bytes of each day's results and the newest result of each check."""

from __future__ import annotations

import dataclasses
import typing as t

from .._checks.history import Record
from .._common import clock
from .._common.outcome import SEVERITY
from .alerts import SEVERITIES
from .changes import Look, changes_of
from .model import Check, Event, Host, Report
from .series import Series
from .units import measured

_DAY = 86400
# A result counts until its check should have been looked at twice again; after that, nobody does that check any more.
_STALE = {"hourly": 2 * _DAY, "daily": 3 * _DAY, "weekly": 15 * _DAY, "monthly": 63 * _DAY, "quarterly": 190 * _DAY}


@dataclasses.dataclass
class _Seen:
    """What is known of one check of one host while the history is read."""

    series: Series
    item: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    at: str = ""
    run: str = ""
    # The statuses of the run before the newest, and of the last run of an earlier day.
    before_run: Look | None = None
    before_day: Look | None = None


@dataclasses.dataclass(frozen=True)
class Turn:
    """A check that changed its status in the newest run: what an alert or the end of one is made of. ``before`` is empty for a new one."""

    host: str
    check: str
    before: str
    status: str
    message: str

    def to_dict(self) -> dict[str, str]:
        return dataclasses.asdict(self)


class Collector:
    """Takes records in the order they were written and gives the report of the days that end with ``now``."""

    def __init__(self, now: float, days: int) -> None:
        self.now = now
        first = now - now % _DAY - (days - 1) * _DAY
        self.since = first
        self.days = [clock.stamp(first + number * _DAY)[:10] for number in range(days)]
        self._number = {day: number for number, day in enumerate(self.days)}
        self._hosts: dict[str, dict[str, _Seen]] = {}
        self._host_days: dict[str, Series] = {}
        self._run = ("", "")

    def add(self, record: Record) -> None:
        """One more record; those of other days are left out."""
        day = self._number.get(record.at[:10])
        if day is None:
            return
        self._run = max(self._run, (record.at, record.run))
        checks = self._hosts.setdefault(record.host, {})
        host_days = self._host_days.setdefault(record.host, Series(len(self.days)))
        for item in record.checks:
            status = item["status"]
            host_days.add(day, status)
            seen = checks.get(item["name"])
            if seen is None:
                seen = checks[item["name"]] = _Seen(Series(len(self.days)))
            seen.series.add(day, status, item.get("value"))
            if seen.at and record.at < seen.at:
                continue  # two runs at once: the older one wrote later
            if seen.at:
                look = Look.of(seen.item)
                if seen.run != record.run:
                    seen.before_run = look
                if seen.at[:10] != record.at[:10]:
                    seen.before_day = look
            seen.item, seen.at, seen.run = item, record.at, record.run

    def turns(self, run: str) -> list[Turn]:
        """The checks whose status changed in ``run``, against the run before it; skipped ones have no status to change."""
        found = []
        for host, checks in sorted(self._hosts.items()):
            for name, seen in checks.items():
                before = seen.before_run.status if seen.before_run else ""
                status = seen.item["status"]
                if seen.run == run and status not in (before, "skipped") and not (status == "ok" and before in ("", "skipped")):
                    found.append(Turn(host, name, before, status, str(seen.item.get("message") or "")))
        return found

    def report(self, title: str, events: t.Sequence[Event] = (), notes: t.Sequence[str] = ()) -> Report:
        """The model of everything that was added."""
        hosts = []
        looks: dict[tuple[str, str], tuple[Look | None, Look | None]] = {}
        for name in sorted(self._hosts):
            checks = []
            for check_name, seen in self._hosts[name].items():
                age, limit = self.now - clock.seconds(seen.at), _STALE.get(str(seen.item.get("frequency")), _STALE["daily"])
                if age <= limit:
                    checks.append(_check(seen))
                    if seen.at[:10] == self.days[-1]:
                        looks[name, check_name] = (seen.before_day, Look.of(seen.item))
                elif age - _DAY <= limit:
                    looks[name, check_name] = (Look.of(seen.item), None)
            if checks:
                checks.sort(key=lambda check: -SEVERITY.index(check.status))
                hosts.append(Host(name, checks, self._host_days[name]))
        hosts.sort(key=lambda host: -SEVERITY.index(host.status))
        first = clock.stamp(self.since)
        kept = sorted((event for event in events if first <= event.at <= clock.stamp(self.now)), key=lambda event: event.at, reverse=True)
        return Report(
            title=title,
            # Not the present: what is told again is the same then, byte for byte.
            at=self._run[0] or clock.stamp(self.now),
            run=self._run[1],
            days=self.days,
            hosts=hosts,
            compared=any(before for before, _after in looks.values()),
            changes=changes_of(looks),
            events=kept,
            notes=list(notes),
        )


def _check(seen: _Seen) -> Check:
    item = seen.item
    return Check(
        name=item["name"],
        status=item["status"],
        message=str(item.get("message") or ""),
        value=item.get("value"),
        unit=str(item.get("unit") or ""),
        warn=item.get("warn"),
        crit=item.get("crit"),
        duration_ms=measured(item.get("duration_ms")) or 0.0,
        at=seen.at,
        series=seen.series,
        severity=item["severity"] if item.get("severity") in SEVERITIES else "",
    )
