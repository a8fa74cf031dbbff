# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drill_restore``: options in, use case, result out."""

from __future__ import annotations

import typing as t

from .._common.argspec import ArgumentSpec, complete
from .._common.commands import parse
from .._common.errors import InvalidInput
from .._common.runner import Run
from .._database import sidecar
from .._database.ask import kinds_of
from .._database.check_options import QUERY
from .._database.checks import parse_checks
from .._database.options import LOGIN, WRITERS, engine_of, identity_of, jobs_of, login_of, state_dir_of
from .._database.query import db_query
from .._database.writers import Writers
from .._offsite.copy import OFFSITE, offsite_copy
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
