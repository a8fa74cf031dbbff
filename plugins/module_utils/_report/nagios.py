# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as a monitoring plugin would say it: one line and an exit status."""

from __future__ import annotations

import typing as t

from .model import Check, Report, text_of
from .units import measured

EXIT = {"ok": 0, "skipped": 0, "warning": 1, "failed": 2, "crashed": 3}
_WORD = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_UNITS = frozenset(["s", "ms", "us", "%", "B", "KB", "MB", "GB", "TB", "c"])
# What is left of plugin output is cut by some servers at 4 KB, by NRPE at 1 KB.
_NAMED = 5
_LINE = 900
_PERFDATA = 3000


def render(report: Report) -> tuple[int, str]:
    """The exit status (0 to 3, crashed is unknown) and the line, with values that trends can be made of behind ``|``."""
    status = EXIT[report.status]
    bad = [
        f"{host.name} {check.name}: {check.message or text_of(check.value, check.unit)}"
        for host, check in report.checks()
        if EXIT[check.status]
    ]
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    said = f" - {'; '.join(bad[:_NAMED])}{more}" if bad else ""
    line = _plain(f"{_WORD[status]}: {report.summary()}{said}")
    return status, f"{line[:_LINE]}{_perfdata(report)}"


def _plain(text: str) -> str:
    # What stands behind a pipe would be taken for values.
    return " ".join(text.split()).replace("|", "/")


def _perfdata(report: Report) -> str:
    parts: list[str] = []
    length = 0
    for host, check in report.checks():
        if measured(check.value) is None:
            continue
        part = _value(host.name, check)
        length += len(part) + 1
        if length > _PERFDATA:
            break
        parts.append(part)
    return f" | {' '.join(parts)}" if parts else ""


def _value(host: str, check: Check) -> str:
    name = _plain(f"{host} {check.name}").replace("'", "''").replace("=", "-")
    unit = check.unit if check.unit in _UNITS else ""
    return f"'{name}'={check.value:g}{unit};{_limit(check.warn)};{_limit(check.crit)}".rstrip(";")


def _limit(value: t.Any) -> str:
    found = measured(value)
    return "" if found is None else f"{found:g}"
