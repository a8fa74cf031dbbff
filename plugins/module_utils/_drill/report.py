# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drill_report``: options in, use case, result out."""

from __future__ import annotations

import typing as t

from .._common import clock
from .._common.argspec import ArgumentSpec
from .._common.runner import Run
from .._common.times import parse_duration, parse_moment
from . import evidence

REPORT = ArgumentSpec(
    {
        "scenario": {"type": "str", "required": True},
        "subject": {"type": "str", "required": True},
        "evidence_dir": {"type": "path", "default": "/var/lib/runbook/evidence"},
        "started": {"type": "str"},
        "phases": {"type": "list", "elements": "dict", "default": []},
        "checks": {"type": "list", "elements": "dict", "default": []},
        "rpo_seconds": {"type": "float"},
        "rto_target": {"type": "str", "default": "0"},
        "rpo_target": {"type": "str", "default": "0"},
        "error": {"type": "str", "default": ""},
        "details": {"type": "dict", "default": {}},
        "fail": {"type": "bool", "default": True},
    }
)


def drill_report(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """See ``evidence.report_drill``; fails when the drill did, unless ``fail`` is false."""
    started = clock.stamp(parse_moment(options["started"], "started").timestamp()) if options["started"] else clock.now()
    report = evidence.Report(
        scenario=options["scenario"],
        subject=options["subject"],
        folder=options["evidence_dir"],
        started=started,
        phases=options["phases"],
        rpo_seconds=options["rpo_seconds"],
        rto_target=parse_duration(options["rto_target"], "rto_target"),
        rpo_target=parse_duration(options["rpo_target"], "rpo_target"),
        checks=options["checks"],
        error=options["error"],
        details=options["details"],
    )
    result = evidence.report_drill(report, run)
    if options["fail"]:
        evidence.fail(result)
    return result
