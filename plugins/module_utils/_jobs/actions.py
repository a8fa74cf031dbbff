# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step of a job can do: the same use cases that the modules have."""

from __future__ import annotations

import dataclasses

from .._common.argspec import ArgumentSpec
from .._common.runner import UseCase
from .._database.options import BACKUP
from .._database.prune import PRUNE, db_backup_prune
from .._database.use_cases import db_backup
from .._files.backup import files_backup
from .._files.options import FILES_BACKUP
from .._offsite.copy import OFFSITE, offsite_copy
from .run_command import COMMAND, command
from .watch import WATCH, heartbeats


@dataclasses.dataclass(frozen=True)
class Action:
    """A use case with the options that it takes."""

    spec: ArgumentSpec
    use_case: UseCase


ACTIONS: dict[str, Action] = {
    "db_backup": Action(BACKUP, db_backup),
    "db_backup_prune": Action(PRUNE, db_backup_prune),
    "files_backup": Action(FILES_BACKUP, files_backup),
    "offsite_copy": Action(OFFSITE, offsite_copy),
    "command": Action(COMMAND, command),
    "heartbeats": Action(WATCH, heartbeats),
}
