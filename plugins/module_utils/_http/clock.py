# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a server's clock is from this one: a signature counts only as long as the two agree."""

from __future__ import annotations

import ctypes
import dataclasses
import json
import math
import re
import typing as t
from email.utils import parsedate_to_datetime

from .._common.errors import InvalidInput
from .._common.jsonquery import NotEvaluated, show
from .._common.times import in_words, parse_moment
from .client import Exchange
from .spec import ClockLimit, Failure

# From here on a number can't be seconds since 1970 any more (that would be the year 5138).
_MILLISECONDS = 1e11
# A difference that makes a refused signature worth a word about clocks.
_SUSPICIOUS = 30.0
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


@dataclasses.dataclass(frozen=True)
class Skew:
    """``seconds`` that the server's clock is ahead of this one (less than 0: behind), known to ``within`` seconds."""

    seconds: float
    within: float

    def __str__(self) -> str:
        size = abs(self.seconds)
        amount = f"{size:.3g} s" if size < 100 else f"{size:.0f} s ({in_words(round(size))})"
        return f"a clock {amount} {'ahead' if self.seconds > 0 else 'behind'}"

    def to_dict(self, source: str) -> dict[str, t.Any]:
        """``{skew, within, source, synchronised}``; the last is about this host."""
        return {"skew": self.seconds, "within": self.within, "source": source, "synchronised": synchronised()}


class _Unreadable(Exception):
    """The answer does not tell the server's time; the text says why, in words that follow "got"."""


def check_clock(limit: ClockLimit, exchange: Exchange) -> tuple[Skew | None, list[Failure]]:
    """The skew, None where it can't be known, and what is wrong with it."""
    wanted = f"a clock within {limit.crit:g} s of this one ({limit.source})"
    try:
        skew = _read(limit, exchange)
    except _Unreadable as error:
        return None, [Failure(wanted, str(error), "crashed")]
    finest = limit.crit if limit.warn is None else limit.warn
    if skew.within > finest:
        # Within half a round trip the server may have looked at its clock at any moment.
        got = f"an answer after {exchange.phases.get('ttfb', 0.0) / 1000:.1f} s, which tells it to within {skew.within:.1f} s only"
        return skew, [Failure(f"a clock within {finest:g} s of this one ({limit.source})", got, "crashed")]
    if abs(skew.seconds) > limit.crit:
        return skew, [Failure(wanted, f"{skew}; {where_to_look()}", final=True)]
    if limit.warn is not None and abs(skew.seconds) > limit.warn:
        wanted = f"a clock within {limit.warn:g} s of this one ({limit.source})"
        return skew, [Failure(wanted, f"{skew}; {where_to_look()}", "warning", final=True)]
    return skew, []


def hint(exchange: Exchange) -> str:
    """For a signed request that was refused: a word about clocks where they may be the reason; else nothing."""
    if exchange.status not in (400, 401, 403):
        return ""
    try:
        skew = _read(ClockLimit(None, _SUSPICIOUS), exchange)
    except _Unreadable:
        return ""
    return f"the server has {skew}, which may be why; {where_to_look()}" if abs(skew.seconds) > _SUSPICIOUS else ""


def where_to_look() -> str:
    """Which of the two clocks to look at first."""
    kept = synchronised()
    if kept is None:
        return "look at both clocks (timedatectl, w32tm /query /status)"
    if kept:
        return "this host's clock is synchronised, so look at the server's (timedatectl, w32tm /query /status)"
    return "the kernel says that this host's clock is not synchronised, so look here first (timedatectl), then at the server"


def synchronised() -> bool | None:
    """Whether the kernel says that something keeps this host's clock right; None where that can't be asked."""
    try:
        # Larger than any kernel's struct timex; all zero, it changes nothing.
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def _read(limit: ClockLimit, exchange: Exchange) -> Skew:
    if limit.time is None:
        moment, step = _date(exchange)
    else:
        moment, step = _field(limit, exchange)
    trip = exchange.phases.get("ttfb", 0.0) / 1000
    # It looked at its clock about midway, and what it left out of it is half a step on average.
    seconds = moment + step / 2 - (exchange.sent_at + trip / 2)
    return Skew(round(seconds, 3), round(trip / 2 + step / 2, 3))


def _date(exchange: Exchange) -> tuple[float, float]:
    value = exchange.header("Date")
    if value is None:
        raise _Unreadable("no Date header")
    if re.fullmatch(r"\s*0*[1-9][0-9]*\s*", exchange.header("Age") or ""):
        raise _Unreadable("an answer from a cache (header Age), whose Date is an earlier one; probe an address that is not cached")
    try:
        return parsedate_to_datetime(value).timestamp(), 1.0
    except (TypeError, ValueError, OverflowError, IndexError):
        raise _Unreadable("a Date header that is no date") from None


def _field(limit: ClockLimit, exchange: Exchange) -> tuple[float, float]:
    if exchange.undecodable:
        raise _Unreadable(exchange.undecodable)
    if exchange.size > len(exchange.body):
        raise _Unreadable(f"a body of {exchange.size} bytes, more than max_body")
    if limit.time is None:
        raise _Unreadable("no field to read it from")
    try:
        _there, found = limit.time.holds(json.loads(exchange.body))
    except (ValueError, RecursionError):
        raise _Unreadable("a body that is not JSON") from None
    except NotEvaluated as error:
        raise _Unreadable(f"an answer on which it can't be evaluated ({error})") from None
    try:
        return _moment(found)
    except (InvalidInput, TypeError, ValueError, OverflowError, IndexError):
        raise _Unreadable(f"{show(found)}, which is no moment (seconds since 1970, ISO 8601 with its zone, or an HTTP date)") from None


def _moment(found: t.Any) -> tuple[float, float]:
    """Seconds since 1970, and the step in which they are counted."""
    if isinstance(found, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", found.strip()):
        found = float(found) if "." in found else int(found)
    if isinstance(found, (int, float)) and not isinstance(found, bool):
        if not math.isfinite(found) or found < 0:
            raise ValueError
        if found >= _MILLISECONDS:
            return found / 1000, 0.001
        return float(found), 1.0 if isinstance(found, int) else 0.0
    if not isinstance(found, str):
        raise TypeError
    try:
        moment = parse_moment(found, "time").timestamp()
    except InvalidInput:
        return parsedate_to_datetime(found).timestamp(), 1.0
    fraction = re.search(r":[0-9]{2}[.,]([0-9]+)", found)
    return (moment + float(f"0.{fraction[1]}"), 0.0) if fraction else (moment, 1.0)
