# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JUnit XML: a suite for each host, a case for each check."""

from __future__ import annotations

from .._common.markup import Markup, el
from .model import Check, Report, text_of


def render(report: Report) -> str:
    """Failed checks are failures, crashed ones errors. JUnit knows no warnings: they pass, and say so in their output."""
    suites = []
    for host in report.hosts:
        cases = [_case(host.name, check) for check in host.checks]
        suites.append(
            el(
                "testsuite",
                *cases,
                name=host.name,
                tests=len(host.checks),
                failures=host.count("failed"),
                errors=host.count("crashed"),
                skipped=host.count("skipped"),
                time=f"{sum(check.duration_ms for check in host.checks) / 1000:.3f}",
                timestamp=host.at.rstrip("Z"),
            )
        )
    counts = report.counts()
    whole = el(
        "testsuites",
        *suites,
        name=report.title,
        tests=sum(counts.values()),
        failures=counts["failed"],
        errors=counts["crashed"],
        skipped=counts["skipped"],
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{whole}\n'


def _case(host: str, check: Check) -> Markup:
    said = check.message or text_of(check.value, check.unit)
    if check.status in ("failed", "crashed"):
        inside = el("failure" if check.status == "failed" else "error", said, message=said, type=check.status)
    elif check.status == "skipped":
        inside = el("skipped", message=said)
    else:
        inside = el("system-out", f"warning: {said}" if check.status == "warning" else said)
    return el("testcase", inside, classname=host, name=check.name, time=f"{check.duration_ms / 1000:.3f}")
