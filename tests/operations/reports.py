# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports for tests: a history of many hosts, checks and days that is the same for the same seed."""

from __future__ import annotations

import random
import typing as t

from ansible_collections.runbook.ops.plugins.module_utils._checks.history import Record
from ansible_collections.runbook.ops.plugins.module_utils._common import clock
from ansible_collections.runbook.ops.plugins.module_utils._report.collect import Collector
from ansible_collections.runbook.ops.plugins.module_utils._report.model import Event, Report

NOW = clock.seconds("2026-11-22T06:00:00Z")
DAY = 86400
NASTY = "<script>alert('x')</script> & \"quoted\" | `code` \u202eabc"


def item(name: str = "disk /", status: str = "ok", value: t.Any = None, unit: str = "", **more: t.Any) -> dict[str, t.Any]:
    """A result item."""
    return {"name": name, "status": status, "value": value, "unit": unit, "message": "", "duration_ms": 1.0, **more}


def record(host: str, *items: t.Mapping[str, t.Any], ago: float = 0, run: str = "") -> Record:
    """What a run found ``ago`` days before now."""
    at = clock.stamp(NOW - ago * DAY)
    return Record(at, run or at, host, "ok", items)


def report(*records: Record, events: t.Sequence[Event] = (), days: int = 90, title: str = "Checks", notes: t.Sequence[str] = ()) -> Report:
    """The model of some records."""
    collector = Collector(NOW, days)
    for one in records:
        collector.add(one)
    return collector.report(title, events, notes)


def many(hosts: int, checks: int, days: int, seed: int = 1) -> t.Iterator[Record]:
    """A run a day on ``hosts``, with checks of four kinds, of which a few are not well."""
    dice = random.Random(seed)
    for day in range(days):
        at = clock.stamp(NOW - (days - 1 - day) * DAY)
        for host in range(1, hosts + 1):
            items = [_item(dice, day, number) for number in range(checks)]
            yield Record(at, f"run-{day}", f"web{host}.example.com", "ok", items)


def _item(dice: random.Random, day: int, number: int) -> dict[str, t.Any]:
    status = dice.choices(["ok", "warning", "failed", "crashed"], [970, 20, 8, 2])[0]
    if number % 4 == 0:
        found = item(f"page {number}", status, round(40 + day * 0.3 + dice.random() * 30, 1), "ms", warn=120, crit=400)
    elif number % 4 == 1:
        found = item(f"disk /srv/{number}", status, round(40 + day * 0.4 + dice.random() * 3, 1), "%", warn=70, crit=90)
    elif number % 4 == 2:
        found = item(f"service unit{number}.service", status, message="active (running)")
    else:
        found = item(f"queue {number}", status, dice.randrange(900), "messages", warn=1000, crit=5000)
    return found if status == "ok" else {**found, "message": "it is not as it should be, look at its log"}


def happened(days: int = 90) -> list[Event]:
    """Deploys, drills and a rollback along the days."""
    deploys = [
        Event(
            clock.stamp(NOW - day * DAY - 3000),
            "deploy",
            f"release {day}",
            "failed" if day % 3 == 2 else "ok",
            "web1.example.com",
            "deployed",
        )
        for day in range(0, days, 4)
    ]
    drills = [
        Event(clock.stamp(NOW - day * DAY - 9000), "drill", "backup_restore: shop", "ok", "db1.example.com", "recovered in 14 s")
        for day in range(0, days, 20)
    ]
    return [
        *deploys,
        *drills,
        Event(clock.stamp(NOW - 9 * DAY), "rollback", "release 12", "warning", "web1.example.com", "rolled back by hand"),
    ]


def big(hosts: int = 100, checks: int = 30, days: int = 90) -> Report:
    """The report of ``many`` results, with events."""
    collector = Collector(NOW, days)
    for one in many(hosts, checks, days):
        collector.add(one)
    return collector.report("Daily checks of www.example.com", happened(days))
