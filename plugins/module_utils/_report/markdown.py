# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as Markdown, for tickets and chat."""

from __future__ import annotations

import re
import typing as t

from .model import Report, text_of

# All that Markdown, its tables and the HTML inside it give a meaning to.
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#|~&])")


def render(report: Report) -> str:
    """What is not well first, then what changed, the hosts, and the latest events."""
    bad = [(host, check) for host, check in report.checks() if check.status in ("crashed", "failed", "warning")]
    parts = [f"# {_text(report.title)}: {report.status}", f"{_text(report.at)}, {_text(report.summary())}"]
    parts += [f"> {_text(note)}" for note in report.notes]
    if bad:
        rows = [(host.name, check.name, check.status, text_of(check.value, check.unit), check.message) for host, check in bad]
        parts += ["## Not well", _table(("host", "check", "status", "value", "message"), rows)]
    if report.changes:
        changes = [(one.kind, one.host, one.check, one.before, one.after) for one in report.changes]
        parts += ["## Changed since yesterday", _table(("change", "host", "check", "before", "now"), changes)]
    hosts = [
        (host.name, host.status, *(str(host.count(status)) for status in ("ok", "warning", "failed", "crashed", "skipped")), host.at)
        for host in report.hosts
    ]
    parts += ["## Hosts", _table(("host", "status", "ok", "warning", "failed", "crashed", "skipped", "last seen"), hosts)]
    if report.events:
        events = [(one.at, one.kind, one.host, one.title, one.status, one.message) for one in report.events[:20]]
        parts += ["## Deploys and drills", _table(("when", "what", "host", "name", "status", "message"), events)]
    return "\n\n".join(parts) + "\n"


def _text(value: t.Any) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def _table(heads: t.Sequence[str], rows: t.Iterable[t.Sequence[t.Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *([_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
