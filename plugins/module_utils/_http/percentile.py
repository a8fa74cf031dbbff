# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Percentiles that are measured, not guessed."""

from __future__ import annotations

import math
import typing as t

SHARES: dict[str, float] = {"p50": 0.50, "p95": 0.95, "p99": 0.99}

# Below 1/(1-p) samples the percentile would be the slowest sample under another name.
NEEDED: dict[str, int] = {"p50": 2, "p95": 20, "p99": 100, "max": 1}


def percentile(values: t.Sequence[float], name: str) -> float | None:
    """The nearest-rank percentile (or ``max``) of ``values``; None when there are too few to tell."""
    if len(values) < NEEDED[name]:
        return None
    ordered = sorted(values)
    if name == "max":
        return ordered[-1]
    return ordered[math.ceil(SHARES[name] * len(ordered)) - 1]


def too_few(name: str, count: int) -> str:
    """The sentence that says that, and what to do."""
    return f"{name} needs at least {NEEDED[name]} samples and there {'is' if count == 1 else 'are'} {count}"
