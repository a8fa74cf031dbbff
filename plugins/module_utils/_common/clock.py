# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as the records write them: UTC, ISO 8601, whole seconds."""

from __future__ import annotations

import datetime
import time


def now() -> str:
    """The present, for example ``2026-11-21T10:15:00Z``."""
    return stamp(time.time())


def stamp(seconds: float) -> str:
    """Seconds since the epoch as a record writes them."""
    return datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> float:
    """Seconds since the epoch of a record's time; 0 when it can't be read (the longest ago)."""
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
    except (ValueError, TypeError):
        return 0.0


def ago(text: str) -> str:
    """How long ago a record's time is, in words."""
    passed = max(0, int(time.time() - seconds(text)))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if passed >= size:
            count = passed // size
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return f"{passed} seconds ago"
