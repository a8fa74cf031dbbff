# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments and durations as people write them into options."""

from __future__ import annotations

import datetime
import re

from .errors import InvalidInput

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_duration(text: str | int | float, option: str) -> float:
    """Seconds of ``90``, ``90s``, ``15m``, ``26h``, ``7d``, ``2w`` or ``1d12h``; ``InvalidInput`` naming the option for anything else."""
    written = str(text).strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", written):
        return float(written)
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhdw])", written)
    if not parts or "".join(number + unit for number, unit in parts) != written:
        raise InvalidInput(f"{option} {text!r} is no duration; write for example 90s, 15m, 26h, 7d or 1d12h")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def in_words(seconds: float) -> str:
    """A length of time for messages: ``26 hours``, ``3 days``; the largest unit of which there are at least two."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (unit == "minute" and seconds >= size):
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    count = int(seconds)
    return f"{count} second{'' if count == 1 else 's'}"


def parse_moment(text: str, option: str) -> datetime.datetime:
    """The moment that an ISO 8601 text with its zone, or seconds since 1970 in digits, names; to the second."""
    text = text.strip()
    try:
        if re.fullmatch(r"[0-9]+", text):
            if len(text) > 11:
                raise InvalidInput(f"{option} {text!r} is too large for seconds since 1970 (are these milliseconds?)")
            return datetime.datetime.fromtimestamp(int(text), datetime.timezone.utc)
        # Before Python 3.11 a fraction must have three or six digits, and seconds are all that counts here.
        moment = datetime.datetime.fromisoformat(re.sub(r"[.,][0-9]+", "", re.sub(r"[zZ]$", "+00:00", text)))
    except (ValueError, OverflowError, OSError):
        raise InvalidInput(
            f"{option} {text!r} is not a moment; give ISO 8601 with its zone, for example 2030-01-31T22:30:00+01:00"
        ) from None
    if moment.tzinfo is None:
        raise InvalidInput(f"{option} {text!r} names no time zone; add Z or an offset, for example {moment.isoformat()}+01:00")
    return moment.replace(microsecond=0)
