# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearse the recovery of a database: from the newest backup into a scratch database, or of a copy that was damaged."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import typing as t

from .._common import clock
from .._common.commands import run_one
from .._common.errors import RunbookError
from .._common.runner import Run
from .._database import restore
from .._database.choose import choose
from .._database.engine import Engine
from .._database.model import Login
from .._database.restore_request import Mode, Request, check
from .._database.sidecar import Sidecar
from .._database.writers import Writers
from .corrupt import Corrupt, corrupt
from .phases import Phases
from .scratch import Scratches

# Brings the newest off-server copy into a folder; its result is offsite_copy's.
Fetch = t.Callable[[str], t.Mapping[str, t.Any]]


@dataclasses.dataclass(frozen=True)
class Drill:
    """What is rehearsed. ``commands`` are the smoke test, ``folder`` is where files of the drill may lie."""

    name: str
    dest: str
    state_dir: str
    login: Login
    src: str = "latest"
    as_of: str = ""
    identity: str = dataclasses.field(default="", repr=False)
    jobs: int = 1
    folder: str = "/var/tmp"  # noqa: S108 - only folders with random names in it
    commands: tuple[tuple[str, ...], ...] = ()
    timeout: float = 600.0
    writers: Writers = dataclasses.field(default_factory=Writers)
    check_space: bool = True
    fetch: Fetch | None = None
    # Asks the scratch database that is named, raises unless its answers are right, and returns a word about them.
    ask: t.Callable[[str], str] | None = None


def rehearse(engine: Engine, drill: Drill, scenario: str, run: Run, damage: Corrupt = corrupt) -> dict[str, t.Any]:
    """``{changed, scenario, started, phases, backup, rpo_seconds, scratch, left}``; a failure has the same beside its message.

    Whatever happens, the scratch database and the fetched files are gone afterwards; if not, that is a failure too.
    """
    phases, scratches = Phases(), Scratches(drill.state_dir, engine, drill.login.where, drill.writers)
    result: dict[str, t.Any] = {"changed": False, "scenario": scenario, "started": clock.now(), "backup": {}, "rpo_seconds": None}
    try:
        if run.check_mode:
            folder, made = choose(drill.src, drill.dest, drill.name, drill.as_of) if not drill.fetch else ("", None)
            if made:
                check(engine, _request(drill, folder, made, scratches.random_name(drill.folder), "scratch"))
            return {**result, "phases": [], "scratch": "", "left": []}
        with scratches.locked():
            result["left"] = scratches.drop_left()
            with contextlib.ExitStack() as stack:
                folder, made = _backup(drill, phases, scratches, stack)
                result["backup"] = made.summary()
                result["rpo_seconds"] = max(0, int(time.time() - clock.seconds(made.started)))
                name = stack.enter_context(scratches.make(drill.folder, lambda: phases.phase("drop scratch", recovery=False)))
                result["scratch"] = name
                work = _Work(engine, drill, phases, run, folder, made, name)
                if scenario == "database_corruption":
                    work.corruption(damage)
                else:
                    work.backup_restore()
    except RunbookError as error:
        error.result = {**result, **error.result, "phases": phases.to_list()}
        raise
    return {**result, "phases": phases.to_list()}


def _backup(drill: Drill, phases: Phases, scratches: Scratches, stack: contextlib.ExitStack) -> tuple[str, Sidecar]:
    dest = drill.dest
    if drill.fetch:
        dest = stack.enter_context(scratches.make_folder(drill.folder))
        with phases.phase("fetch") as words:
            fetched = drill.fetch(dest)
            words.append(f"{', '.join(str(copy['id']) for copy in fetched['copies'])} from off the server")
    with phases.phase("choose backup") as words:
        folder, made = choose(drill.src, dest, drill.name, drill.as_of)
        words.append(f"{made.id} of {made.name}")
    return folder, made


def _request(drill: Drill, folder: str, made: Sidecar, target: str, mode: Mode) -> Request:
    return Request(
        folder=folder,
        backup=made,
        target=target,
        mode=mode,
        state_dir=drill.state_dir,
        where=drill.login.where,
        identity=drill.identity,
        jobs=drill.jobs,
        writers=drill.writers if mode == "swap" else Writers(),
        check_space=drill.check_space,
    )


class _Work:
    def __init__(self, engine: Engine, drill: Drill, phases: Phases, run: Run, folder: str, made: Sidecar, name: str) -> None:
        self.engine, self.drill, self.phases, self.run = engine, drill, phases, run
        self.folder, self.made, self.name = folder, made, name

    def backup_restore(self) -> None:
        """Restored under a random name, compared with the backup's record, and used."""
        self._restore("scratch", recovery=True)
        self._smoke()

    def corruption(self, damage: Corrupt) -> None:
        """A copy is made, damaged, seen to be damaged, and replaced by the backup; then it is what it was."""
        self._restore("scratch", recovery=False)
        with self.phases.phase("corrupt", recovery=False) as words:
            words.append(damage(self.engine, self.drill.login, self.name))
        with self.phases.phase("detect", recovery=False) as words:
            found = self._differences()
            if not found:
                raise RunbookError("the damage was not noticed: the damaged copy looks like the backup")
            words.append(found[0])
        self._restore("swap", recovery=True)
        with self.phases.phase("verify integrity") as words:
            found = self._differences()
            if found:
                raise RunbookError(f"after the restore it is not what was backed up: {found[0]}")
            words.append(f"{len(self.made.inventory.tables)} tables, {self.made.inventory.rows:,} rows")
        self._smoke()

    def _restore(self, mode: Mode, *, recovery: bool) -> None:
        prefix = "" if recovery else "copy: "
        began = time.monotonic()
        try:
            done = restore.restore(self.engine, _request(self.drill, self.folder, self.made, self.name, mode), self.run)
        except RunbookError as error:
            self.phases.add(f"{prefix}restore", time.monotonic() - began, "failed", error.message, recovery=recovery)
            raise
        taken = time.monotonic() - began
        for phase in done["phases"]:
            self.phases.add(f"{prefix}{phase['name']}", phase["seconds"], recovery=recovery)
        # What lies between the phases counts too.
        self.phases.add(f"{prefix}check and record", max(0.0, taken - sum(phase["seconds"] for phase in done["phases"])), recovery=recovery)

    def _differences(self) -> list[str]:
        recorded = self.made.inventory
        try:
            found = self.engine.inventory(
                self.name, counts=bool(recorded.tables), checksums=any(facts.checksum for facts in recorded.tables.values())
            )
        except RunbookError as error:
            return [error.message]
        return recorded.differences(found)

    def _smoke(self) -> None:
        """The user's commands, which find the scratch database's name in RUNBOOK_SCRATCH and in place of ``{scratch}``."""
        if not self.drill.commands and not self.drill.ask:
            return
        with self.phases.phase("smoke test") as words:
            if self.drill.ask:
                words.append(self.drill.ask(self.name))
            for command in self.drill.commands:
                argv = [word.replace("{scratch}", self.name) for word in command]
                ran = run_one(argv, "/", {"RUNBOOK_SCRATCH": self.name}, self.drill.timeout)
                if ran.rc != 0:
                    said = (ran.stderr.strip() or ran.stdout.strip() or "it said nothing").splitlines()[-1]
                    raise RunbookError(f"{os.path.basename(argv[0])} ended with {ran.rc}: {said}")
            words += [f"{len(self.drill.commands)} commands"] if self.drill.commands else []
