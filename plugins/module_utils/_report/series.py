# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How something was on each of many days, in a few bytes a day."""

from __future__ import annotations

import array
import math
import typing as t

from .._common.outcome import SEVERITY
from .units import measured

_RANK: dict[str, int] = {status: rank for rank, status in enumerate(SEVERITY, 1)}


class Series:
    """Of each day the worst status, and of values the mean and the largest one. Days are numbered from 0."""

    __slots__ = ("_count", "_most", "_sum", "_worst")

    def __init__(self, days: int) -> None:
        self._worst = bytearray(days)
        self._count: array.array[int] | None = None
        self._sum: array.array[float]
        self._most: array.array[float]

    def add(self, day: int, status: str, value: t.Any = None) -> None:
        """One more result of a day."""
        rank = _RANK[status]
        if rank > self._worst[day]:
            self._worst[day] = rank
        value = measured(value)
        if value is not None and abs(value) < 1e300:
            if self._count is None:
                self._count = array.array("L", [0]) * len(self._worst)
                self._sum = array.array("d", [0.0]) * len(self._worst)
                self._most = array.array("d", [-math.inf]) * len(self._worst)
            self._count[day] += 1
            self._sum[day] += value
            self._most[day] = max(self._most[day], value)

    def statuses(self) -> list[str]:
        """The worst status of each day; empty where nothing was looked at."""
        return [SEVERITY[rank - 1] if rank else "" for rank in self._worst]

    def means(self) -> list[float | None]:
        """The mean of each day's values; None where there are none."""
        if self._count is None:
            return [None] * len(self._worst)
        return [self._sum[day] / count if count else None for day, count in enumerate(self._count)]

    def most(self) -> list[float | None]:
        """The largest of each day's values; None where there are none."""
        if self._count is None:
            return [None] * len(self._worst)
        return [self._most[day] if count else None for day, count in enumerate(self._count)]
