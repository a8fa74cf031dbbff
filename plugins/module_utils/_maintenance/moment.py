# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When maintenance is expected to end, and what ``Retry-After`` says about it."""

from __future__ import annotations

import datetime
import email.utils

from .._common.errors import InvalidInput

DEFAULT_RETRY_AFTER = 300
LONGEST_RETRY_AFTER = 31 * 24 * 3600

# Not from the locale: the page is in English whatever the host's language is.
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def check_until(moment: datetime.datetime, now: datetime.datetime) -> None:
    """``InvalidInput`` unless maintenance could end then."""
    if moment <= now:
        here = now.astimezone(moment.tzinfo).isoformat(timespec="seconds")
        raise InvalidInput(f"until {moment.isoformat()} is past (it is {here} on the host)")
    if moment - now > datetime.timedelta(days=366):
        raise InvalidInput(f"until {moment.isoformat()} is more than a year away; is the year right?")


def check_retry_after(seconds: int) -> None:
    """``InvalidInput`` unless the number can be a ``Retry-After``."""
    if not 1 <= seconds <= LONGEST_RETRY_AFTER:
        raise InvalidInput(f"retry_after {seconds} is not between 1 and {LONGEST_RETRY_AFTER} seconds (31 days)")


def retry_header(retry_after: int | None, until: datetime.datetime | None, now: datetime.datetime) -> str:
    """The value of ``Retry-After``: seconds when they were asked for, else the date of ``until``.

    A date, because it stays right while time passes and nothing rewrites it; once it is past it would invite everybody at once.
    """
    if retry_after is not None:
        return str(retry_after)
    if until is not None and until > now:
        return email.utils.format_datetime(until.astimezone(datetime.timezone.utc), usegmt=True)
    return str(DEFAULT_RETRY_AFTER)


def in_words(seconds: int) -> str:
    """A duration as a visitor would say it: ``about 5 minutes``."""
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"about {count} {name}{'' if count == 1 else 's'}"
    return "a minute"


def for_people(moment: datetime.datetime) -> str:
    """``Thursday 31 January 2030, 22:30 (UTC+01:00)``, in the zone that the operator gave."""
    zone = moment.strftime("%z")
    zone = "UTC" if zone in ("+0000", "-0000") else f"UTC{zone[:3]}:{zone[3:5]}"
    return f"{_DAYS[moment.weekday()]} {moment.day} {_MONTHS[moment.month - 1]} {moment.year}, {moment:%H:%M} ({zone})"
