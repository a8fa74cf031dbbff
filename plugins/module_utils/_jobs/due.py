# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a job should have run last, by the five fields of cron and this host's clock."""

from __future__ import annotations

import datetime

from . import schedule

# The 29th of February comes every eight years at worst.
_DAYS = 8 * 366


def last_due(cron: str, now: float) -> float | None:
    """Seconds since 1970 of the last time at or before ``now`` that the fields name; None when there was none for years."""
    minutes, hours, days, months, weekdays = schedule.numbers(cron, "the schedule")
    latest = datetime.datetime.fromtimestamp(now)
    for back in range(_DAYS):
        day = latest.date() - datetime.timedelta(days=back)
        by_day = days is None or day.day in days
        by_weekday = weekdays is None or day.isoweekday() % 7 in {one % 7 for one in weekdays}
        fits = by_day or by_weekday if schedule.either_day(cron) else by_day and by_weekday
        if not fits or (months is not None and day.month not in months):
            continue
        for hour in sorted(range(24) if hours is None else hours, reverse=True):
            for minute in sorted(range(60) if minutes is None else minutes, reverse=True):
                due = datetime.datetime.combine(day, datetime.time(hour, minute)).timestamp()
                if due <= now:
                    return due
    return None
