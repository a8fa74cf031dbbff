# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lengths of time as people write them."""

from __future__ import annotations

import re

from .errors import InvalidInput

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def length(text: str, option: str) -> float:
    """Seconds of ``90``, ``30m``, ``26h``, ``10d`` or ``2w``; ``InvalidInput`` that names ``option`` for anything else."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*([smhdw]?)", text.strip())
    if not match:
        raise InvalidInput(f"{option}: {text!r} is no length of time; write 90s, 30m, 26h, 10d or 2w")
    return float(match[1]) * _UNITS[match[2]]


def words(seconds: float) -> str:
    """``26 hours``, ``3 days``: the largest unit of which there are at least two."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (unit == "minute" and seconds >= size):
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    count = int(seconds)
    return f"{count} second{'' if count == 1 else 's'}"
