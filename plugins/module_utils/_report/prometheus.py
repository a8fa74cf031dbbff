# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for the textfile collector of Prometheus' node exporter."""

from __future__ import annotations

import typing as t

from .._common import clock
from .model import Report
from .units import measured

# Rising with severity, so that `> 0` is "not well"; a skipped check has no opinion.
NUMBER = {"ok": 0, "warning": 1, "failed": 2, "crashed": 3, "skipped": -1}
_STATUSES = "0 ok, 1 warning, 2 failed, 3 crashed, -1 skipped"


def render(report: Report) -> str:
    """Exposition format, each sample once, families together."""
    checks = [({"host": host.name, "check": check.name}, check) for host, check in report.checks()]
    return "".join(
        [
            _family("runbook_status", f"The worst status of all checks ({_STATUSES}).", [({}, NUMBER[report.status])]),
            _family("runbook_report_timestamp_seconds", "When the report was made.", [({}, clock.seconds(report.at))]),
            _family(
                "runbook_host_status",
                f"The worst status of a host ({_STATUSES}).",
                [({"host": host.name}, NUMBER[host.status]) for host in report.hosts],
            ),
            _family(
                "runbook_check_status",
                f"The status of a check ({_STATUSES}).",
                [(labels, NUMBER[check.status]) for labels, check in checks],
            ),
            _family(
                "runbook_check_value",
                "What a check measured, in its unit.",
                [({**labels, "unit": check.unit}, check.value) for labels, check in checks if measured(check.value) is not None],
            ),
            _family(
                "runbook_check_duration_seconds",
                "How long the check took.",
                [(labels, check.duration_ms / 1000) for labels, check in checks],
            ),
            _family(
                "runbook_check_timestamp_seconds",
                "When the check was last made.",
                [(labels, clock.seconds(check.at)) for labels, check in checks],
            ),
        ]
    )


def _family(name: str, text: str, samples: t.Sequence[tuple[t.Mapping[str, str], float]]) -> str:
    lines = [f"# HELP {name} {text}\n# TYPE {name} gauge\n"] if samples else []
    for labels, value in samples:
        inside = ",".join(f'{key}="{_label(label)}"' for key, label in labels.items())
        lines.append(f"{name}{{{inside}}} {value:.15g}\n" if inside else f"{name} {value:.15g}\n")
    return "".join(lines)


def _label(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
