# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to tell people: each check that is not well, and each that is well again, as messages for ``notify``."""

from __future__ import annotations

import typing as t

from .model import Check, Report, text_of

SEVERITIES = ("info", "warning", "error", "critical")
# A check that was not well within so many days is said to be well again; who was never told of it is not told of that either.
_RECENT = 8
_BAD = ("warning", "failed", "crashed")


def severity_of(check: Check) -> str:
    """How bad a check is now: empty when it is well, for a warning never more than ``warning``."""
    if check.status not in _BAD:
        return ""
    if check.status == "warning":
        return "info" if check.severity == "info" else "warning"
    return check.severity or "error"


def worst(severities: t.Iterable[str]) -> str:
    """The worst of some severities; empty without any."""
    return max(severities, key=lambda one: SEVERITIES.index(one) if one else -1, default="")


def alerts_of(report: Report) -> list[dict[str, t.Any]]:
    """Messages by host and check: ``{key, state, severity, title, text, source, fields}``.

    They are the same in every run until something changes: what was told already is not told again, and a run that was killed
    before it told anybody loses nothing.
    """
    found = []
    for host, check in report.checks():
        severity = severity_of(check)
        again = check.status == "ok" and any(status in _BAD for status in check.series.statuses()[-_RECENT:])
        if not severity and not again:
            continue
        shown = {"status": check.status, "value": text_of(check.value, check.unit), "since": check.at}
        found.append(
            {
                "key": _key(report.title, host.name, check.name),
                "state": "firing" if severity else "resolved",
                "severity": severity or "info",
                "title": f"{host.name}: {check.name} {'is ok again' if again else check.status}",
                "text": check.message,
                "source": host.name,
                "fields": {name: value for name, value in shown.items() if value},
            }
        )
    found += [
        {
            "key": _key(report.title, change.host, change.check),
            "state": "resolved",
            "severity": "info",
            "title": f"{change.host}: {change.check} is no longer checked",
            "text": "",
            "source": change.host,
            "fields": {"status": change.before},
        }
        for change in report.changes
        if change.kind == "gone"
    ]
    return sorted(found, key=lambda one: -SEVERITIES.index(one["severity"]))


def _key(title: str, host: str, check: str) -> str:
    return f"{title}/{host}/{check}"
