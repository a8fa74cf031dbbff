# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a job runs, as people write it, for systemd and for cron."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._common.errors import InvalidInput

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_HELP = (
    "write every 15 minutes, hourly, daily 02:00, weekly sun 03:00, monthly 1 04:00, five fields of cron, "
    "or systemd's OnCalendar such as *-*-* 02:00:00"
)
# Cron's own names; @reboot is none of its times.
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
BOOT = "@reboot"


@dataclasses.dataclass(frozen=True)
class Schedule:
    """``calendar``: systemd's ``OnCalendar`` lines, any of which counts; ``cron``: five fields, empty when cron can't say it.

    ``boot``: it is the host's start that counts, and ``cron`` is the word for it.
    """

    calendar: tuple[str, ...]
    cron: str

    @property
    def boot(self) -> bool:
        return self.cron == BOOT


def parse(text: str, job: str) -> Schedule:
    """The schedule that a text means; ``InvalidInput`` naming the job when it means none. Hours are the host's own."""
    words = text.lower().split()
    if not words:
        raise InvalidInput(f"the schedule of {job} is empty; {_HELP}")
    if words == [BOOT]:
        return Schedule((), BOOT)
    if len(words) == 1 and words[0] in NICKNAMES:
        return Schedule(_calendar(NICKNAMES[words[0]], job), NICKNAMES[words[0]])
    if words[0] == "every":
        cron = _every(words[1:], text, job)
        return Schedule(_calendar(cron, job), cron)
    if words[0] == "nightly" and len(words) == 2:
        words[0] = "daily"
    if words[0] in ("hourly", "daily", "weekly", "monthly"):
        cron = _word(words, text, job)
        return Schedule(_calendar(cron, job), cron)
    if len(words) == 5 and all(re.fullmatch(r"[0-9a-z*,/-]+", word) for word in words):
        cron = " ".join(words)
        return Schedule(_calendar(cron, job), cron)
    if not re.fullmatch(r"[\w*/.,:~ +-]+", text) or not re.search(r"[:*-]", text):
        raise InvalidInput(f"the schedule {text!r} of {job} is not understood; {_HELP}")
    return Schedule((" ".join(text.split()),), "")


def _every(words: t.Sequence[str], text: str, job: str) -> str:
    """``every 15 minutes``, ``every 6 hours``, ``every hour``: only what comes at the same minutes of each hour or hours of each day."""
    written = " ".join(words)
    match = re.fullmatch(r"(?:(\d{1,2}) )?(minute|hour|day)s?", written)
    number = int(match[1] or 1) if match else 0
    limit = {"minute": 60, "hour": 24, "day": 1}[match[2]] if match else 1
    if not match or not number or limit % number:
        raise InvalidInput(f"the schedule {text!r} of {job} is not understood; {_HELP}")
    step = "*" if number == 1 else f"*/{number}"
    return {"minute": f"{step} * * * *", "hour": f"0 {step} * * *", "day": "0 0 * * *"}[match[2]]


def _word(words: t.Sequence[str], text: str, job: str) -> str:
    """``weekly sun 03:00`` as fields of cron. A week begins on Monday, a day at midnight, unless told otherwise."""
    rest, minute, hour = list(words[1:]), 0, 0
    time = re.fullmatch(r"(\d{1,2})?:(\d{2})", rest[-1]) if rest else None
    if time:
        rest.pop()
        minute, hour = int(time[2]), int(time[1] or 0)
    day = rest.pop() if rest and words[0] in ("weekly", "monthly") else ""
    wrong_time = minute > 59 or hour > 23 or bool(time and bool(time[1]) == (words[0] == "hourly"))
    wrong_day = bool(day) and not (day[:3] in _DAYS if words[0] == "weekly" else re.fullmatch(r"[1-9]|1\d|2[0-8]", day))
    if rest or wrong_time or wrong_day:
        raise InvalidInput(f"the schedule {text!r} of {job} is not understood; {_HELP}")
    if words[0] == "hourly":
        return f"{minute} * * * *"
    if words[0] == "weekly":
        return f"{minute} {hour} * * {_DAYS.index(day[:3]) if day else 1}"
    return f"{minute} {hour} {day or 1 if words[0] == 'monthly' else '*'} * *"


def _calendar(cron: str, job: str) -> tuple[str, ...]:
    minutes, hours, days, months, weekdays = numbers(cron, job)
    time = f"{_listed(hours)}:{_listed(minutes)}:00"
    dates = f"*-{_listed(months)}-{_listed(days)}"
    named = ",".join(_DAYS[day].capitalize() for day in sorted({day % 7 for day in weekdays or ()}))
    if weekdays is None:
        return (f"{dates} {time}",)
    if not either_day(cron):
        return (f"{named} {dates} {time}",)
    return (f"{dates} {time}", f"{named} *-{_listed(months)}-* {time}")


def either_day(cron: str) -> bool:
    """Whether the day of the month and the day of the week each count alone: cron wants both only when one begins with ``*``."""
    fields = cron.split()
    return not fields[2].startswith("*") and not fields[4].startswith("*")


def _listed(numbers: t.Collection[int] | None) -> str:
    return "*" if numbers is None else ",".join(f"{number:02}" for number in sorted(numbers))


def numbers(cron: str, job: str) -> list[set[int] | None]:
    """What each of the five fields allows; None for a field that allows all."""
    return [_numbers(field, number, cron, job) for number, field in enumerate(cron.split())]


def _numbers(field: str, place: int, cron: str, job: str) -> set[int] | None:
    """All numbers that a field of cron stands for; None when that is every number."""
    if field == "*":
        return None
    low, high = _RANGES[place]
    found: set[int] = set()
    for item in field.split(","):
        match = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", item)
        try:
            if not match or (match[1] == "*" and match[2]):
                raise ValueError(item)
            first = low if match[1] == "*" else _number(match[1], place)
            last = _number(match[2], place) if match[2] else high if match[1] == "*" or match[3] else first
            step = int(match[3] or 1)
            if not low <= first <= last <= high or step < 1:
                raise ValueError(item)
        except ValueError:
            raise InvalidInput(f"{item!r} is no {_FIELDS[place]} in the schedule {cron!r} of {job}; {_HELP}") from None
        found.update(range(first, last + 1, step))
    return found


def _number(word: str, place: int) -> int:
    names: tuple[str, ...] = {3: _MONTHS, 4: _DAYS}.get(place, ())
    if word in names:
        return names.index(word) + (1 if place == 3 else 0)
    return int(word)
