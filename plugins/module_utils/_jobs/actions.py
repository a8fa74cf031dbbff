# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step of a job can do: the same use cases that the modules have."""

from __future__ import annotations

import dataclasses
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.commands import parse, run_one
from .._common.errors import RunbookError
from .._common.runner import Run, UseCase
from .._database.options import BACKUP
from .._database.prune import PRUNE, db_backup_prune
from .._database.use_cases import db_backup
from .._files.backup import files_backup
from .._files.options import FILES_BACKUP
from .._offsite.copy import OFFSITE, offsite_copy

COMMAND = ArgumentSpec(
    {
        "argv": {"type": "raw", "required": True},
        "chdir": {"type": "path", "default": "/"},
        "timeout": {"type": "float", "default": 21600},
    }
)


@dataclasses.dataclass(frozen=True)
class Action:
    """A use case with the options that it takes."""

    spec: ArgumentSpec
    use_case: UseCase


def command(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """Run a command of the user's to its end; its exit status is the step's."""
    words = parse([options["argv"]])[0]
    if run.check_mode:
        return {"changed": True}
    ran = run_one(words, options["chdir"], {}, options["timeout"])
    if ran.rc != 0:
        said = (ran.stderr.strip() or ran.stdout.strip() or "it said nothing").splitlines()[-1]
        raise RunbookError(f"{ran.command} ended with {ran.rc}: {said}")
    return {"changed": True, "stdout": ran.stdout}


ACTIONS: dict[str, Action] = {
    "db_backup": Action(BACKUP, db_backup),
    "db_backup_prune": Action(PRUNE, db_backup_prune),
    "files_backup": Action(FILES_BACKUP, files_backup),
    "offsite_copy": Action(OFFSITE, offsite_copy),
    "command": Action(COMMAND, command),
}
