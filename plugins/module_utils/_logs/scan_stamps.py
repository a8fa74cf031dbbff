# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as logs write them, with or without their zone, to seconds since 1970."""

from __future__ import annotations

import datetime
import functools
import re
import time
import typing as t
import zoneinfo

from .._common.errors import InvalidInput

_MONTHS = {name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_UTC = datetime.timezone.utc
# How far from their order lines may be in a log: several processes write, and Apache notes when a request began.
DISORDER = 120.0
# Local time repeats or leaves out an hour twice a year.
_CHANGE_OF_CLOCKS = 3600.0

_CLOCK_TIME = rb"(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
_ZONE = rb" ?(Z|UTC|GMT|[+-]\d\d:?\d\d)?"
_YEAR_FIRST = re.compile(rb"(\d{4})[-/](\d\d)[-/](\d\d)[T ] ?" + _CLOCK_TIME + _ZONE)
_DAY_FIRST = re.compile(rb"(\d\d)[-/ ]([A-Z][a-z]{2})[-/ ](\d{4})[: ]" + _CLOCK_TIME + _ZONE)
_APACHE = re.compile(rb"[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) " + _CLOCK_TIME + rb" (\d{4})")
_NO_YEAR = re.compile(rb"([A-Z][a-z]{2}) ([ \d]\d) " + _CLOCK_TIME)
_EPOCH = re.compile(rb"(\d{10})(\d{3}|\.\d+)?$")


def zone_of(name: str, option: str = "time_zone") -> datetime.tzinfo | None:
    """The zone of times that name none: ``local`` (None), ``utc``, an offset (``+02:00``) or a name (``Europe/Berlin``)."""
    if name.lower() == "local":
        return None
    if name.lower() in ("utc", "z"):
        return _UTC
    match = re.match(r"^([+-])(\d\d):?(\d\d)$", name)
    if match and int(match.group(2)) < 24:
        return _fixed(name.encode())
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(f"{option} {name!r} is no zone that this host knows; give local, utc, +02:00 or Europe/Berlin") from None


class Clock:
    """Reads the times of one log. ``now`` helps where a time has no year."""

    def __init__(self, zone: datetime.tzinfo | None, now: float) -> None:
        self.zone = zone
        self.now = now
        self.read: t.Callable[[bytes], float | None] = functools.lru_cache(maxsize=4096)(self._read)

    def disorder(self, example: bytes) -> float:
        """For how many seconds around a moment lines may be on its wrong side, in a log with times like ``example``."""
        steady = self.zone is _UTC or isinstance(self.zone, datetime.timezone) or (self.zone is None and not time.daylight)
        return DISORDER if steady or _names_zone(example) else DISORDER + _CHANGE_OF_CLOCKS

    def midnight(self, days_ago: int) -> float:
        """The beginning of a day in the log's zone."""
        today = datetime.datetime.fromtimestamp(self.now, self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return (today - datetime.timedelta(days=days_ago)).timestamp()

    def _read(self, text: bytes) -> float | None:
        """Seconds since 1970, None for what is no time."""
        match = _YEAR_FIRST.match(text)
        if match:
            year, month, day, *rest, zone = match.groups()
            return self._seconds(int(year), int(month), int(day), rest, zone)
        match = _DAY_FIRST.match(text)
        if match:
            day, name, year, *rest, zone = match.groups()
            return self._seconds(int(year), _MONTHS.get(name, 0), int(day), rest, zone)
        match = _APACHE.match(text)
        if match:
            name, day, *rest, year = match.groups()
            return self._seconds(int(year), _MONTHS.get(name, 0), int(day), rest, None)
        match = _NO_YEAR.match(text)
        if match:
            return self._without_year(match)
        match = _EPOCH.match(text)
        if match:
            whole, more = match.groups()
            return int(whole) + (0.0 if not more else float(more) if more.startswith(b".") else int(more) / 1000)
        return None

    def _without_year(self, match: re.Match[bytes]) -> float | None:
        name, day, *rest = match.groups()
        this_year = datetime.datetime.fromtimestamp(self.now, self.zone).year
        # A day's tolerance for clocks; what would be later than that was written last year. 29 February needs a leap year.
        for year in range(this_year + 1, this_year - 4, -1):
            found = self._seconds(year, _MONTHS.get(name, 0), int(day), rest, None)
            if found is not None and found <= self.now + 86400:
                return found
        return None

    def _seconds(self, year: int, month: int, day: int, rest: t.Sequence[bytes | None], zone: bytes | None) -> float | None:
        hour, minute, second, fraction = rest
        try:
            moment = datetime.datetime(
                year,
                month,
                day,
                int(hour or 0),
                int(minute or 0),
                min(int(second or 0), 59),  # a leap second
                tzinfo=self.zone if not zone else _fixed(zone),
            )
            return moment.timestamp() + (float(b"0." + fraction) if fraction else 0.0)
        except (ValueError, OverflowError, OSError):
            return None


def _names_zone(text: bytes) -> bool:
    match = _YEAR_FIRST.match(text) or _DAY_FIRST.match(text)
    return bool(match.groups()[-1]) if match else bool(_EPOCH.match(text))


@functools.lru_cache(maxsize=64)
def _fixed(zone: bytes) -> datetime.tzinfo:
    if zone in (b"Z", b"UTC", b"GMT"):
        return _UTC
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return datetime.timezone(datetime.timedelta(minutes=-minutes if zone.startswith(b"-") else minutes))
