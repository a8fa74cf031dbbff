# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a restore, and all that can be said against it before anything is changed."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .._common.errors import InvalidInput, Refused
from .._common.progress import megabytes
from .engine import Engine
from .sidecar import Sidecar
from .writers import Writers

Mode = t.Literal["swap", "scratch", "in_place"]
# A database that is loaded takes more than its dump: indexes, and the log of what was written.
_GROWTH = 1.6


@dataclasses.dataclass(frozen=True)
class Request:
    """What to restore, from where (``folder`` has the backup's files), to which name. ``keep_previous`` in seconds."""

    folder: str
    backup: Sidecar
    target: str
    mode: Mode
    state_dir: str
    where: str = ""
    force: bool = False
    identity: str = dataclasses.field(default="", repr=False)
    jobs: int = 1
    safety_dest: str = ""
    keep_previous: float = 0.0
    writers: Writers = dataclasses.field(default_factory=Writers)
    check_space: bool = True


def check(engine: Engine, request: Request) -> None:
    """All that can be told without changing anything."""
    made = request.backup
    if made.engine != engine.kind:
        raise InvalidInput(f"{made.id} is a backup of {made.engine}; it can't be restored with engine: {engine.kind}")
    engine.check_name(request.target)
    if made.encrypted and not request.identity:
        raise InvalidInput(f"{made.id} is encrypted; give encryption_identity, an age identity that can read it")
    if request.mode == "in_place" and not request.force:
        raise Refused(f"mode in_place empties {request.target} before it is filled; use mode: swap, or say force: true")
    if request.mode == "scratch" and request.target == made.name:
        raise Refused(f"mode scratch needs a new name, and {request.target} is the database that was backed up")
    if made.partial and request.mode != "scratch":
        raise Refused(f"{made.id} has only some of the tables of {made.name}; restore it with mode: scratch and copy what you need")
    reason = engine.refuses(made.server)
    if reason:
        raise Refused(reason)
    for part in made.parts:
        path = os.path.join(request.folder, part.file)
        if not os.path.isfile(path):
            raise Refused(f"{path} is missing, only its sidecar is there; use another backup")
        if os.path.getsize(path) != part.stored_bytes:
            raise Refused(
                f"{path} has {os.path.getsize(path):,} bytes instead of {part.stored_bytes:,}: it was cut or replaced; use another backup"
            )
    _check_space(engine, request)


def check_target(engine: Engine, request: Request) -> None:
    if request.mode == "scratch" and engine.exists(request.target):
        raise Refused(f"mode scratch never touches a database that is there already, and {request.target} is; choose another name")


def _check_space(engine: Engine, request: Request) -> None:
    """Refuse when the server keeps its data on a disk that this host sees, and it can't hold another copy."""
    folder = engine.data_folder(request.target) if request.check_space else ""
    if not folder or not os.path.isdir(folder):
        return
    space = os.statvfs(folder)
    free, need = space.f_bavail * space.f_frsize, int(request.backup.plain_bytes * _GROWTH)
    if free < need:
        raise Refused(
            f"{folder} has {megabytes(free)} free, but restoring {request.backup.name} beside the live database needs about"
            f" {megabytes(need)}; free some space or set check_space: false"
        )
