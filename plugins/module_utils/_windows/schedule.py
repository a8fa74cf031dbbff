# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a task runs, as people write it, in the triggers of the Task Scheduler.

A trigger is a dictionary with the keys of ``community.windows.win_scheduled_task``: ``type``, ``start_boundary`` and what the type has.
"""

from __future__ import annotations

import datetime
import re
import typing as t

from .._common.errors import InvalidInput
from .._jobs import schedule

Trigger = dict[str, t.Any]

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
# Windows takes no more triggers for one task.
MOST_TRIGGERS = 48
_DAY = 24 * 60
_SIMPLE = re.compile(r"every (?:(\d{1,5}) )?(minute|hour|day)s?(?: (\d{1,2}):(\d{2}))?")


def triggers(text: str, start: datetime.date, task: str) -> list[Trigger]:
    """The triggers that a schedule means, times by the machine's clock, from ``start`` on; ``InvalidInput`` naming the task."""
    words = " ".join(text.lower().split())
    if words in ("@boot", schedule.BOOT):
        return [{"type": "boot"}]
    if words == "@logon":
        return [{"type": "logon"}]
    simple = _SIMPLE.fullmatch(words)
    # Hours that a day holds evenly are left to cron's way, which begins anew each day.
    if simple and not (simple[2] == "hour" and not simple[3] and 24 % (int(simple[1] or 1) or 7) == 0):
        return [_every(simple, text, start, task)]
    found = schedule.parse(text, f"the task {task}")
    if not found.cron:
        raise InvalidInput(
            f"the schedule {text!r} of the task {task} can't be said to the Task Scheduler; write every 15 minutes, every 3 days 02:00, "
            "daily 02:00, weekly sun 03:00, monthly 1 04:00, @boot, @logon, or five fields of cron"
        )
    return _cron(found.cron, start, task)


def _every(match: re.Match[str], text: str, start: datetime.date, task: str) -> Trigger:
    number, unit = int(match[1] or 1), match[2]
    hour, minute = int(match[3] or 0), int(match[4] or 0)
    most = {"minute": 31 * _DAY, "hour": 31 * 24, "day": 365}[unit]
    if not 1 <= number <= most or hour > 23 or minute > 59 or (match[3] and unit != "day"):
        raise InvalidInput(f"the schedule {text!r} of the task {task} is not understood; write every 15 minutes, or every 3 days 02:00")
    if unit == "day":
        return {"type": "daily", "start_boundary": _at(start, hour * 60 + minute), "days_interval": number}
    return {
        "type": "time",
        "start_boundary": _at(start, 0),
        "repetition": {"interval": duration(number * (60 if unit == "hour" else 1) * 60), "stop_at_duration_end": False},
    }


def _cron(cron: str, start: datetime.date, task: str) -> list[Trigger]:
    minutes, hours, days, months, weekdays = schedule.numbers(cron, f"the task {task}")
    if days is not None and weekdays is not None and not schedule.either_day(cron):
        raise InvalidInput(f"the schedule {cron!r} of the task {task} wants two kinds of day at once; make it two tasks")
    if weekdays is not None and months is not None:
        raise InvalidInput(
            f"the schedule {cron!r} of the task {task} names months and days of the week, which can't be said; name one kind"
        )
    times = [hour * 60 + minute for hour in sorted(hours or range(24)) for minute in sorted(minutes or range(60))]
    kinds: list[Trigger] = []
    if days is not None or months is not None:
        kinds.append(
            {
                "type": "monthly",
                "days_of_month": ",".join(str(day) for day in sorted(days or range(1, 32))),
                "months_of_year": ",".join(MONTHS[month - 1] for month in sorted(months or range(1, 13))),
            }
        )
    if weekdays is not None:
        names = sorted({day % 7 for day in weekdays})
        kinds.append({"type": "weekly", "weeks_interval": 1, "days_of_week": ",".join(DAYS[day] for day in names)})
    found = [made for kind in kinds or [{"type": "daily", "days_interval": 1}] for made in _at_times(kind, times, start)]
    if len(found) > MOST_TRIGGERS:
        raise InvalidInput(
            f"the schedule {cron!r} of the task {task} needs {len(found)} triggers, Windows takes {MOST_TRIGGERS}; make it several tasks"
        )
    return found


def _at_times(kind: Trigger, times: t.Sequence[int], start: datetime.date) -> t.Iterator[Trigger]:
    """One trigger for times that are evenly apart, else one each. ``times`` are minutes of the day, in order."""
    steps = {later - earlier for earlier, later in zip(times, times[1:])}
    if len(steps) != 1:
        for moment in times:
            yield {**kind, "start_boundary": _at(start, moment)}
        return
    step = steps.pop()
    repetition: dict[str, t.Any] = {"interval": duration(step * 60), "stop_at_duration_end": False}
    if kind["type"] == "daily" and step <= 60 and step * len(times) == _DAY:
        # Around the clock: Windows' own way of saying it has no end.
        yield {"type": "time", "start_boundary": _at(start, times[0]), "repetition": repetition}
        return
    # Long enough for the last, too short for one more: each day begins anew, so that a change of the clock does not last.
    repetition["duration"] = duration((times[-1] - times[0] + step - 1) * 60)
    yield {**kind, "start_boundary": _at(start, times[0]), "repetition": repetition}


def _at(day: datetime.date, minutes: int) -> str:
    return f"{day.isoformat()}T{minutes // 60:02}:{minutes % 60:02}:00"


def duration(seconds: float) -> str:
    """Seconds as an ISO 8601 duration: ``PT15M``, ``P1DT2H``; ``PT0S`` for none."""
    days, rest = divmod(int(seconds), 86400)
    parts = [(rest // 3600, "H"), (rest // 60 % 60, "M"), (rest % 60, "S")]
    time = "".join(f"{number}{unit}" for number, unit in parts if number)
    return f"P{f'{days}D' if days else ''}{f'T{time}' if time else ''}" if days or time else "PT0S"


def seconds(text: t.Any) -> int | None:
    """Seconds of an ISO 8601 duration of days and less; None for anything else, such as none."""
    match = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", str(text or ""))
    if not match or not any(match.groups()):
        return None
    days, hours, minutes, rest = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest
