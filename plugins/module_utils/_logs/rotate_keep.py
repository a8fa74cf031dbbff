# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rotated files are too many, too old or too large together."""

from __future__ import annotations

import dataclasses
import typing as t

from .rotate_names import Rotated

DAY = 86400.0


@dataclasses.dataclass(frozen=True)
class Limits:
    """For the rotated files of one log: how many, how old in days, how many bytes together; ``None`` is no limit."""

    keep: int | None = None
    max_days: float | None = None
    max_total: float | None = None


def too_much(family: t.Sequence[Rotated], limits: Limits, now: float) -> list[tuple[Rotated, str]]:
    """What has to go, with the reason. ``family`` has the newest first; whatever their size, the newest stays within ``max_total``."""
    found, total = [], 0
    for count, one in enumerate(family):
        total += one.size
        if limits.keep is not None and count >= limits.keep:
            found.append((one, f"more than {limits.keep} are kept"))
        elif limits.max_days is not None and now - one.moment > limits.max_days * DAY:
            found.append((one, f"older than {limits.max_days:g} days"))
        elif limits.max_total is not None and count and total > limits.max_total:
            found.append((one, f"together larger than {limits.max_total / 1e6:g} MB"))
    return found
