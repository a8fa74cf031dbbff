# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drill_restore`` and ``drill_report``: options in, use case, result out."""

from __future__ import annotations

import typing as t

from .._common import clock
from .._common.argspec import ArgumentSpec
from .._common.commands import parse
from .._common.runner import Run
from .._common.times import parse_duration, parse_moment
from .._database.options import LOGIN, WRITERS, engine_of, identity_of, jobs_of, login_of, state_dir_of
from .._database.writers import Writers
from . import evidence
from .rehearse import Drill, rehearse

SCENARIOS = ("backup_restore", "database_corruption")

DRILL = LOGIN.merge(WRITERS).merge(
    ArgumentSpec(
        {
            "scenario": {"type": "str", "choices": list(SCENARIOS), "default": "backup_restore"},
            "name": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "src": {"type": "str", "default": "latest"},
            "as_of": {"type": "str"},
            "encryption_identity": {"type": "str", "no_log": True},
            "encryption_identity_file": {"type": "path"},
            "jobs": {"type": "int", "default": 1},
            "work_dir": {"type": "path", "default": "/var/tmp"},  # noqa: S108 - only names that can't be guessed
            "smoke_commands": {"type": "list", "elements": "raw", "default": []},
            "smoke_timeout": {"type": "float", "default": 600},
            "state_dir": {"type": "path"},
            "check_space": {"type": "bool", "default": True},
        },
        mutually_exclusive=[("encryption_identity", "encryption_identity_file")],
    )
)

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


def drill_restore(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """See ``rehearse.rehearse``."""
    drill = Drill(
        name=options["name"],
        dest=options["dest"],
        state_dir=state_dir_of(options),
        login=login_of(options),
        src=options["src"],
        as_of=options["as_of"] or "",
        identity=identity_of(options),
        jobs=jobs_of(options),
        folder=options["work_dir"],
        commands=tuple(map(tuple, parse(options["smoke_commands"]))),
        timeout=options["smoke_timeout"],
        writers=Writers.of(options),
        check_space=options["check_space"],
    )
    return rehearse(engine_of(options), drill, options["scenario"], run)


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
