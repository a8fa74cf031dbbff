# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore a backup: beside the live database, proven there, and only then given its name."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import secrets
import time
import typing as t

from .._common import clock
from .._common.errors import RunbookError
from .._common.progress import Progress
from .._common.runner import Run
from . import backup, sidecar
from .engine import Engine, Part
from .journal import Entry, Journal, Kept
from .model import Selection
from .parts import Codec, read_part, stored_as_written
from .restore_request import Request, check, check_target
from .streams import pieces
from .writers import Writers


class _Clock:
    """What each phase took."""

    def __init__(self) -> None:
        self.phases: list[dict[str, t.Any]] = []

    @contextlib.contextmanager
    def phase(self, name: str) -> t.Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.phases.append({"name": name, "seconds": round(time.monotonic() - began, 3)})


def restore(engine: Engine, request: Request, run: Run) -> dict[str, t.Any]:
    """The restored database as ``{changed, target, mode, id, phases, rows, tables, previous, safety_backup, recovered, notes}``.

    Until the switch nothing but the side database is touched; a failure before it, or in it, leaves the live one as it was, and
    says so. What a killed run left is finished or undone first; if it had come so far that this very backup is live, that is all.
    """
    check(engine, request)
    journal = Journal(request.state_dir, engine.kind, request.where, request.target)
    if run.check_mode:
        return _predict(engine, request, journal)
    with journal.locked():
        recovered, finished = settle(engine, journal, request.writers)
        _drop_expired(engine, journal)
        if finished and finished.backup == request.backup.id and request.mode == "swap":
            return _result(request, _Clock(), recovered, previous=finished.previous, safety=finished.safety)
        check_target(engine, request)
        work = _Restore(engine, request, journal, run)
        result = {"swap": work.swap, "scratch": work.scratch, "in_place": work.in_place}[request.mode]()
        result["recovered"] = recovered
        return result


class _Restore:
    """One restore under the journal's lock."""

    def __init__(self, engine: Engine, request: Request, journal: Journal, run: Run) -> None:
        self.engine, self.request, self.journal, self.run = engine, request, journal, run
        self.clock = _Clock()
        token = secrets.token_hex(4)
        side = request.target if request.mode != "swap" else engine.side_name(request.target, token)
        # The one that is replaced is named after the moment, so that it can be found.
        previous = engine.side_name(request.target, time.strftime("%m%d%H%M", time.gmtime())) if request.mode == "swap" else ""
        if previous and engine.exists(previous):
            previous = engine.side_name(request.target, secrets.token_hex(4))
        self.entry = Entry(
            engine.kind,
            request.where,
            request.target,
            side,
            previous,
            request.backup.id,
            "loading",
            keep_until=time.time() + request.keep_previous,
            began=clock.now(),
        )

    def scratch(self) -> dict[str, t.Any]:
        self._fill(self.entry.side)
        self.journal.close()
        self._log()
        return _result(self.request, self.clock, "")

    def swap(self) -> dict[str, t.Any]:
        engine, entry = self.engine, self.entry
        self._fill(entry.side)
        try:
            self._safety()
            with self.clock.phase("stop writers"):
                self._stop_writers()
            with self.clock.phase("switch"):
                self._switch()
        except BaseException as error:
            self._take_back(error)
            raise
        entry.phase = "switched"
        self.journal.write(entry)
        self._start_writers()
        # Where the switch was a copy, its source is still there.
        engine.drop(entry.side)
        replaced = engine.exists(entry.previous)
        kept = self.journal.kept()
        if replaced and self.request.keep_previous > 0:
            kept.append(Kept(entry.previous, time.time() + self.request.keep_previous))
        elif replaced:
            engine.drop(entry.previous)
        self.journal.close(kept)
        self._log()
        previous = entry.previous if replaced and self.request.keep_previous > 0 else ""
        return _result(self.request, self.clock, "", previous=previous, safety=entry.safety)

    def in_place(self) -> dict[str, t.Any]:
        request, entry = self.request, self.entry
        # There is no way back from here on, so all of the backup is read before the first table goes.
        with self.clock.phase("verify backup"):
            for part in request.backup.parts:
                stored_as_written(request.folder, part)
                codec = Codec(request.backup.compression, identity=request.identity)
                with read_part(request.folder, part, codec, request.backup.encrypted) as reader:
                    for _piece in pieces(reader):
                        pass
        self._safety()
        entry.phase = "in_place"
        self.journal.write(entry)
        with self.clock.phase("stop writers"):
            self._stop_writers()
        try:
            self.engine.drop(request.target)
            self._load(request.target)
        except BaseException as error:
            if isinstance(error, RunbookError):
                way = f"restore the safety backup {entry.safety}" if entry.safety else "restore again"
                error.message += f"; {request.target} is incomplete now and its writers stay stopped: correct that and {way}"
            raise
        self._start_writers()
        self.journal.close()
        self._log()
        return _result(request, self.clock, "", safety=entry.safety)

    def _fill(self, name: str) -> None:
        self.journal.write(self.entry)
        try:
            self._load(name)
        except BaseException as error:
            self._drop_side()
            if isinstance(error, RunbookError) and self.request.mode == "swap":
                error.message += f"; {self.request.target} was not touched"
            raise

    def _load(self, name: str) -> None:
        engine, request = self.engine, self.request
        size = sum(part.stored_bytes for part in request.backup.parts)
        progress = Progress(f"restoring {request.backup.name} {request.backup.id}", self.run.say, size=size)
        codec = Codec(request.backup.compression, identity=request.identity)
        tick = functools.partial(progress.advance, 0)
        parts = [
            Part(part.name, functools.partial(read_part, request.folder, part, codec, request.backup.encrypted, tick))
            for part in request.backup.parts
        ]
        with self.clock.phase("load"):
            engine.create(name, request.backup.settings)
            try:
                engine.load(name, parts, request.backup.settings, request.jobs)
            except RunbookError:
                # A client that chokes on damaged data names a symptom; the damage is what has to be told.
                for part in request.backup.parts:
                    stored_as_written(request.folder, part)
                raise
        with self.clock.phase("verify"):
            recorded = request.backup.inventory
            found = engine.inventory(
                name,
                counts=bool(recorded.tables),
                checksums=any(facts.checksum for facts in recorded.tables.values()),
            )
            different = recorded.differences(found)
        if different:
            shown = "; ".join(different[:5]) + (f"; and {len(different) - 5} more" if len(different) > 5 else "")
            raise RunbookError(f"what was restored is not what was backed up: {shown}", differences=different)

    def _safety(self) -> None:
        request = self.request
        if not request.safety_dest or not self.engine.exists(request.target):
            return
        with self.clock.phase("safety backup"):
            wanted = backup.Request(
                request.target, request.safety_dest, Selection(), Codec(), jobs=request.jobs, check_space=request.check_space
            )
            made = backup.back_up(self.engine, wanted, dataclasses.replace(self.run, check_mode=False))
        self.entry.safety = str(made["sidecar"])
        self.journal.write(self.entry)

    def _stop_writers(self) -> None:
        if self.request.writers:
            self.entry.stopped = True
            self.journal.write(self.entry)
            self.request.writers.stop()

    def _start_writers(self) -> None:
        if self.entry.stopped:
            with self.clock.phase("start writers"):
                try:
                    self.request.writers.start()
                except RunbookError as error:
                    raise RunbookError(
                        f"{self.request.target} is restored and verified, but {error.message}; start it by hand or run this again"
                    ) from None

    def _switch(self) -> None:
        entry = self.entry

        def note(step: str, facts: t.Mapping[str, t.Any]) -> None:
            entry.phase, entry.step, entry.facts = "switching", step, dict(facts)
            self.journal.write(entry)

        note("begin", {})
        self.engine.switch(entry.live, entry.side, entry.previous, note)

    def _take_back(self, error: BaseException) -> None:
        """After a failure between the verified side and the end of the switch: live as it was, writers running, side gone."""
        entry = self.entry
        try:
            if entry.phase == "switching" and self.engine.settle(entry.live, entry.side, entry.previous, entry.step, entry.facts) == "new":
                # The step was taken although its end was not heard of; undoing it would need the same step again.
                entry.phase = "switched"
                self.journal.write(entry)
                raise RunbookError("the switch was made all the same; run this again to finish")
            if entry.stopped:
                self.request.writers.start()
                entry.stopped = False
            self._drop_side()
        except RunbookError as second:
            if isinstance(error, RunbookError):
                error.message += f"; {second.message} (what is left to do is in {self.journal.path}, run this again)"
            return
        if isinstance(error, RunbookError):
            error.message += f"; {self.request.target} serves what it did before"

    def _drop_side(self) -> None:
        """Keeps the journal when the server can't be asked, so that the next run drops it."""
        with contextlib.suppress(RunbookError):
            self.engine.drop(self.entry.side)
            self.journal.close()

    def _log(self) -> None:
        """Beside the backup: it is one that has been restored and was right. A folder that can't be written to is no failure."""
        request = self.request
        line = {
            "id": request.backup.id,
            "ended": clock.now(),
            "mode": request.mode,
            "status": "ok",
            "seconds": round(sum(float(phase["seconds"]) for phase in self.clock.phases), 3),
        }
        try:
            sidecar.log(request.folder, sidecar.RESTORES, line)
        except OSError as error:
            self.run.warn(f"the restore could not be noted in {request.folder}: {error.strerror}")


def settle(engine: Engine, journal: Journal, writers: Writers) -> tuple[str, Entry | None]:
    """Finish or undo what a killed run left: ``(sentence, entry)``, the entry only when its backup is live now."""
    entry = journal.open()
    if entry is None:
        return "", None
    what = f"an interrupted restore of {entry.live} from {entry.backup}"
    if entry.phase == "in_place":
        journal.close()
        safety = f"; the safety backup is {entry.safety}" if entry.safety else ""
        return f"{what} in place had left it incomplete{safety}", None
    outcome = "new" if entry.phase == "switched" else "old"
    if entry.phase == "switching":
        outcome = engine.settle(entry.live, entry.side, entry.previous, entry.step, entry.facts)
    if entry.stopped:
        writers.start()
    if outcome == "old":
        engine.drop(entry.side)
        journal.close()
        return f"{what} was undone: its side database was dropped, {entry.live} is as it was before", None
    engine.drop(entry.side)
    kept = journal.kept()
    if entry.keep_until > time.time():
        if engine.exists(entry.previous):
            kept.append(Kept(entry.previous, entry.keep_until))
    else:
        engine.drop(entry.previous)
    journal.close(kept)
    return f"{what} was finished: it had been switched already", entry


def _drop_expired(engine: Engine, journal: Journal) -> None:
    expired = journal.expired()
    for item in expired:
        engine.drop(item.name)
    if expired:
        journal.close([item for item in journal.kept() if item not in expired])


def _predict(engine: Engine, request: Request, journal: Journal) -> dict[str, t.Any]:
    entry = journal.open()
    check_target(engine, request)
    recovered = f"would first settle an interrupted restore from {entry.backup} ({entry.phase})" if entry else ""
    made = request.backup
    there = engine.exists(request.target)
    before = f"{request.target}: {'as it is' if there else 'absent'}\n"
    holds = f"{len(made.inventory.tables)} tables, {made.inventory.rows:,} rows"
    after = f"{request.target}: backup {made.id} of {made.name} from {made.ended}, {holds}\n"
    return {**_result(request, _Clock(), recovered), "diff": {"before": before, "after": after}}


def _result(request: Request, clocked: _Clock, recovered: str, previous: str = "", safety: str = "") -> dict[str, t.Any]:
    made = request.backup
    return {
        "changed": True,
        "mode": request.mode,
        "target": request.target,
        "id": made.id,
        "backup": made.summary(),
        "age_seconds": max(0, int(time.time() - clock.seconds(made.started))),
        "tables": len(made.inventory.tables),
        "rows": made.inventory.rows,
        "phases": clocked.phases,
        "seconds": round(sum(float(phase["seconds"]) for phase in clocked.phases), 3),
        "previous": previous,
        "safety_backup": safety,
        "recovered": recovered,
        "notes": list(made.notes),
    }
