# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The days of single checks in a few bytes, as the page's script reads them (``assets.SCRIPT``)."""

from __future__ import annotations

import itertools
import typing as t

_LETTERS = {"": "-", "ok": "o", "warning": "w", "failed": "f", "crashed": "c", "skipped": "s"}
_LEVELS = "0123456789abcdefghijklmnopqrstuvwxyz"


def runs(statuses: t.Iterable[str]) -> str:
    """``o88f1w1``: 88 days ok, one failed, one with a warning; ``-`` where nothing was looked at."""
    return "".join(f"{_LETTERS[status]}{sum(1 for _day in days)}" for status, days in itertools.groupby(statuses))


def levels(values: t.Sequence[float | None]) -> str:
    """A character a day, ``0`` for the lowest value to ``z`` for the highest, ``-`` for none; empty when no two days have one."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    size = (high - low) or 1.0
    middle = len(_LEVELS) // 2 if low == high else 0
    return "".join("-" if value is None else _LEVELS[middle + int((value - low) / size * (len(_LEVELS) - 1) + 0.5)] for value in values)
