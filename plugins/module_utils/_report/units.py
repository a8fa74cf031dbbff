# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the units of values tell of them."""

from __future__ import annotations

import math
import typing as t

# Milliseconds in a unit that latencies are given in. Seconds are ages and lengths of work, which are no latencies.
LATENCY = {"ms": 1.0, "us": 0.001, "µs": 0.001}
ROOM = frozenset(["%", "B", "kB", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB", "bytes"])
# How many of something there are is drawn like a size, but may well be another number every morning.
COUNTS = frozenset(["rows", "lines", "messages", "requests", "entries", "jobs", "files", "backups"])


def group_of(unit: str) -> t.Literal["latency", "size", ""]:
    """Which trends a value belongs to."""
    if unit in LATENCY:
        return "latency"
    return "size" if unit in ROOM or unit in COUNTS else ""


def measured(value: t.Any) -> float | None:
    """A value that can be drawn and compared; None for anything that is no finite number (true and false are none)."""
    return value if type(value) in (int, float) and math.isfinite(value) else None
