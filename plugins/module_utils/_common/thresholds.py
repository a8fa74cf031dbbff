# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a measured value is held against."""

from __future__ import annotations

import dataclasses
import math
import re
import typing as t

from .errors import InvalidInput, RunbookError
from .outcome import Status
from .times import parse_duration


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Beyond ``warn`` a value is a warning, beyond ``crit`` a failure; on the limit it is still allowed. ``below``: less is worse."""

    warn: float | None = None
    crit: float | None = None
    below: bool = False

    def __post_init__(self) -> None:
        for name, limit in (("warn", self.warn), ("crit", self.crit)):
            if limit is not None and not math.isfinite(limit):
                raise InvalidInput(f"{name} {limit} is no number to compare with")
        if self.warn is not None and self.crit is not None and (self.crit > self.warn if self.below else self.crit < self.warn):
            raise InvalidInput(
                f"crit {self.crit:g} is reached before warn {self.warn:g} when the value {'falls' if self.below else 'rises'}; "
                "swap them, or set direction"
            )

    def judge(self, value: float) -> tuple[Status, str]:
        """The status of a value, and which limit it broke in words (empty when none)."""
        word = "below" if self.below else "above"
        if self.crit is not None and self._beyond(value, self.crit):
            return "failed", f"{word} crit {self.crit:g}"
        if self.warn is not None and self._beyond(value, self.warn):
            return "warning", f"{word} warn {self.warn:g}"
        return "ok", ""

    def _beyond(self, value: float, limit: float) -> bool:
        return value < limit if self.below else value > limit


def parse_limit(value: t.Any, option: str, unit: str) -> float | None:
    """A limit as people write it: a number, a duration where ``unit`` is ``s``, a size such as ``500M`` where it is ``bytes``."""
    if value is None:
        return None
    if isinstance(value, bool):
        raise InvalidInput(f"{option} {value} is no number")
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    if unit == "s":
        return parse_duration(value, option)
    match = re.match(r"^([0-9]+(?:\.[0-9]+)?)([KMGT])i?B?$", str(value))
    if unit == "bytes" and match:
        return float(match.group(1)) * 1024.0 ** (1 + "KMGT".index(match.group(2)))
    raise InvalidInput(f"{option} {value!r} is no number" + {"bytes": " or size such as 500M"}.get(unit, ""))


class NotANumber(RunbookError):
    """A value that can't be compared; the text says what it is instead."""


def number(value: t.Any) -> float:
    """A server's value as a finite number; ``NotANumber`` for NULL, text, true and false, NaN and infinity."""
    if value is None:
        raise NotANumber("the value is NULL")
    if isinstance(value, bool):
        raise NotANumber(f"the value is {str(value).lower()}, not a number")
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise NotANumber(f"the value {_shown(value)} is not a number") from None
    if not math.isfinite(found):
        raise NotANumber(f"the value {found} is not a number to compare with")
    return found


def plain(value: float) -> float | int:
    """A whole number without its point, anything else with six digits after it."""
    return int(value) if value == int(value) else round(value, 6)


def _shown(value: t.Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
