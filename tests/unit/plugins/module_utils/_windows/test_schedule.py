# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._jobs import schedule as jobs
from ansible_collections.runbook.ops.plugins.module_utils._windows import schedule

START = datetime.date(2026, 1, 1)
MINUTE = datetime.timedelta(minutes=1)


def runs(triggers, first, days):
    """When triggers run, as Microsoft's documentation says of each kind; the other half of the comparison below."""
    found = set()
    end = first + datetime.timedelta(days=days)
    for trigger in triggers:
        start = datetime.datetime.fromisoformat(trigger["start_boundary"])
        repetition = trigger.get("repetition") or {}
        interval = datetime.timedelta(seconds=schedule.seconds(repetition.get("interval")) or 0)
        lasts = schedule.seconds(repetition.get("duration"))
        if trigger["type"] == "time":
            begins = [start]
        else:
            begins = [start + datetime.timedelta(days=day) for day in range((end - start).days + 1)]
        for begin in begins:
            if trigger["type"] == "daily" and (begin - start).days % trigger["days_interval"]:
                continue
            if trigger["type"] == "weekly" and schedule.DAYS[(begin.weekday() + 1) % 7] not in trigger["days_of_week"].split(","):
                continue
            if trigger["type"] == "monthly" and (
                str(begin.day) not in trigger["days_of_month"].split(",")
                or schedule.MONTHS[begin.month - 1] not in trigger["months_of_year"].split(",")
            ):
                continue
            until = end if lasts is None and interval else begin + datetime.timedelta(seconds=lasts or 0)
            while begin <= until and begin < end:
                found.add(begin)
                begin += interval or datetime.timedelta(days=10000)
    return sorted(moment for moment in found if moment >= first)


def of_cron(cron, first, days):
    minutes, hours, dates, months, weekdays = jobs.numbers(cron, "t")
    moment, found = first, []
    while moment < first + datetime.timedelta(days=days):
        by_date = dates is None or moment.day in dates
        by_weekday = weekdays is None or (moment.weekday() + 1) % 7 in {day % 7 for day in weekdays}
        day = (by_date or by_weekday) if jobs.either_day(cron) else (by_date and by_weekday)
        if (
            day
            and (months is None or moment.month in months)
            and (hours is None or moment.hour in hours)
            and (minutes is None or moment.minute in minutes)
        ):
            found.append(moment)
        moment += MINUTE
    return found


@pytest.mark.parametrize(
    "cron",
    [
        "*/15 * * * *",
        "* * * * *",
        "*/7 0-3 * * *",
        "5 * * * *",
        "0 */6 * * *",
        "0,20,40 * * * 6",
        "*/15 8-17 * * 1-5",
        "10,50 3 * * *",
        "0 2,14,15 * * *",
        "30 23 * * 0,7",
        "0 4 1 * *",
        "15 4 1,15 2,3 *",
        "0 4 13 * 5",
        "*/30 9 * 2 *",
        "0 0 * * *",
    ],
)
def test_runs_when_cron_would(cron):
    first = datetime.datetime(2026, 2, 26)
    assert runs(schedule.triggers(cron, START, "t"), first, 25) == of_cron(cron, first, 25)


@pytest.mark.parametrize(
    ("text", "trigger"),
    [
        ("every 15 minutes", {"type": "time", "repetition": {"interval": "PT15M", "stop_at_duration_end": False}}),
        ("every 90 minutes", {"type": "time", "repetition": {"interval": "PT1H30M", "stop_at_duration_end": False}}),
        ("every hour", {"type": "time", "repetition": {"interval": "PT1H", "stop_at_duration_end": False}}),
        ("every 5 hours", {"type": "time", "repetition": {"interval": "PT5H", "stop_at_duration_end": False}}),
        ("every day", {"type": "daily", "days_interval": 1}),
        ("every 3 days 02:30", {"type": "daily", "days_interval": 3, "start_boundary": "2026-01-01T02:30:00"}),
        ("Nightly 02:15", {"type": "daily", "days_interval": 1, "start_boundary": "2026-01-01T02:15:00"}),
    ],
)
def test_words(text, trigger):
    assert schedule.triggers(text, START, "t") == [{"start_boundary": "2026-01-01T00:00:00", **trigger}]


def test_what_is_no_time():
    assert schedule.triggers("@reboot", START, "t") == schedule.triggers("@boot", START, "t") == [{"type": "boot"}]
    assert schedule.triggers("@logon", START, "t") == [{"type": "logon"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("every 0 minutes", "not understood"),
        ("every 400 days", "not understood"),
        ("every 15 minutes 02:00", "not understood"),
        ("every 2 days 25:00", "not understood"),
        ("sometimes", "not understood"),
        ("61 * * * *", "no minute"),
        ("Mon..Fri *-*-* 22:00", "can't be said to the Task Scheduler"),
        ("0 4 * 2 1", "months and days of the week"),
        ("0 4 */2 * 1", "two kinds of day"),
        ("1,2,7 * * * *", "72 triggers"),
    ],
)
def test_what_can_not_be_said_is_refused(text, said):
    with pytest.raises(InvalidInput, match=said) as caught:
        schedule.triggers(text, START, "places")
    assert "places" in caught.value.message and "\n" not in caught.value.message


@pytest.mark.parametrize(("seconds", "text"), [(0, "PT0S"), (900, "PT15M"), (93600, "P1DT2H"), (90, "PT1M30S"), (86400, "P1D")])
def test_durations(seconds, text):
    assert schedule.duration(seconds) == text
    assert schedule.seconds(text) == seconds
    assert schedule.seconds("PT60M") == 3600
    assert [schedule.seconds(bad) for bad in (None, "", "P", "1h", "P1Y")] == [None] * 5
