# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drill_restore`` and ``drill_report``: options in, use case, result out."""

from __future__ import annotations

import typing as t

from .._common import clock
from .._common.argspec import ArgumentSpec, complete
from .._common.commands import parse
from .._common.errors import InvalidInput
from .._common.runner import Run
from .._common.times import parse_duration, parse_moment
from .._database import sidecar
from .._database.ask import kinds_of
from .._database.check_options import QUERY
from .._database.checks import parse_checks
from .._database.options import LOGIN, WRITERS, engine_of, identity_of, jobs_of, login_of, state_dir_of
from .._database.query import db_query
from .._database.writers import Writers
from .._offsite.copy import OFFSITE, offsite_copy
from . import evidence
from .rehearse import Drill, Fetch, rehearse

SCENARIOS = ("backup_restore", "database_corruption")

DRILL = LOGIN.merge(WRITERS).merge(
    ArgumentSpec(
        {
            "scenario": {"type": "str", "choices": list(SCENARIOS), "default": "backup_restore"},
            "name": {"type": "str", "required": True},
            "dest": {"type": "path"},
            "src": {"type": "str", "default": "latest"},
            "as_of": {"type": "str"},
            "encryption_identity": {"type": "str", "no_log": True},
            "encryption_identity_file": {"type": "path"},
            "jobs": {"type": "int", "default": 1},
            "work_dir": {"type": "path", "default": "/var/tmp"},  # noqa: S108 - only names that can't be guessed
            "offsite": {"type": "dict"},
            "offsite_config": {"type": "dict", "no_log": True},
            "smoke_checks": {"type": "list", "elements": "dict", "default": []},
            "smoke_commands": {"type": "list", "elements": "raw", "default": []},
            "smoke_timeout": {"type": "float", "default": 600},
            "state_dir": {"type": "path"},
            "check_space": {"type": "bool", "default": True},
        },
        mutually_exclusive=[("encryption_identity", "encryption_identity_file"), ("dest", "offsite")],
        required_one_of=[("dest", "offsite")],
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
        dest=options["dest"] or "",
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
        fetch=_fetch(options, run) if options["offsite"] else None,
        ask=_ask(options, run) if options["smoke_checks"] else None,
    )
    return rehearse(engine_of(options), drill, options["scenario"], run)


def _fetch(options: t.Mapping[str, t.Any], run: Run) -> Fetch:
    identity = options["src"] if sidecar.is_id(options["src"]) else ""
    if options["as_of"] or not (identity or options["src"] == "latest"):
        raise InvalidInput("with offsite, src is latest or an id; a moment or a path needs the backups in dest")
    chosen = {"select": "ids", "ids": [identity]} if identity else {"select": "latest"}
    secret = {"config": options["offsite_config"]} if options["offsite_config"] else {}
    # Checked now, so that a mistake is told before anything is done; the folder is known later.
    given = complete(
        OFFSITE, {**options["offsite"], **secret, **chosen, "direction": "fetch", "dest": "/", "name": options["name"]}, "offsite"
    )
    return lambda folder: offsite_copy({**given, "dest": folder}, run)


def _ask(options: t.Mapping[str, t.Any], run: Run) -> t.Callable[[str], str]:
    login = {name: options[name] for name in LOGIN.options}
    given = complete(QUERY, {**login, "checks": options["smoke_checks"]}, "smoke_checks")
    parse_checks(given, kinds_of(options["engine"]))
    return lambda name: str(db_query({**given, "database": name}, run)["msg"])


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
