# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of durations and of a certificate's days."""

from __future__ import annotations

import typing as t

from .certificate import Certificate
from .percentile import SHARES, percentile, too_few
from .spec import DaysLimit, Failure, LatencyLimit, Probe


def check_latency(probe: Probe, samples: t.Sequence[t.Mapping[str, float]]) -> t.Iterator[Failure]:
    """Durations over their limits; percentiles that the answered samples do not suffice for are not evaluated."""
    for limit in probe.latency:
        values = [sample[limit.phase] for sample in samples if limit.phase in sample]
        value = percentile(values, limit.percentile)
        if value is None:
            yield Failure(f"{label(limit)} within {_bound(limit)} ms", too_few(limit.percentile, len(values)), "crashed", final=True)
        elif limit.crit is not None and value > limit.crit:
            yield Failure(f"{label(limit)} within {limit.crit:g} ms", f"{value:.1f} ms", final=True)
        elif limit.warn is not None and value > limit.warn:
            yield Failure(f"{label(limit)} within {limit.warn:g} ms", f"{value:.1f} ms", "warning", final=True)


def _bound(limit: LatencyLimit) -> str:
    return f"{limit.crit if limit.crit is not None else limit.warn:g}"


def label(limit: LatencyLimit) -> str:
    """What is measured, in words."""
    return f"{limit.phase} time" if limit.percentile == "max" else f"{limit.percentile} of {limit.phase} time"


def percentiles(samples: t.Sequence[t.Mapping[str, float]]) -> dict[str, t.Any]:
    """``{p50, p95, p99, min, max, count, notes}`` of the total times in milliseconds; None with a note where too few."""
    values = [sample["total"] for sample in samples]
    found: dict[str, t.Any] = {name: rounded(percentile(values, name)) for name in SHARES}
    notes = [too_few(name, len(values)) for name in SHARES if found[name] is None]
    extremes = {"min": rounded(min(values)), "max": rounded(max(values))} if values else {"min": None, "max": None}
    return {**found, **extremes, "count": len(values), "notes": notes}


def rounded(value: float | None) -> float | None:
    """Milliseconds to the microsecond."""
    return None if value is None else round(value, 3)


def check_certificate(limit: DaysLimit, certificate: Certificate | None) -> t.Iterator[Failure]:
    """A certificate that ends too soon."""
    if certificate is None:
        yield Failure(f"a certificate valid for {limit.crit} days", "none that could be read", "crashed")
        return
    days = certificate.days_left()
    got = f"{days} days (until {certificate.not_after:%Y-%m-%d})"
    if days < limit.crit:
        yield Failure(f"a certificate valid for {limit.crit} days", got, final=True)
    elif days < limit.warn:
        yield Failure(f"a certificate valid for {limit.warn} days", got, "warning", final=True)
