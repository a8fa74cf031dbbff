# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a backup: dump one moment, store its parts, prove that they are complete, and only then write the sidecar."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import os
import shutil
import socket
import stat
import threading
import time
import typing as t

from .._common import clock
from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.files import fsync_folder
from .._common.progress import Progress, megabytes
from .._common.runner import Run, describe_os_error
from . import sidecar
from .engine import Dump, Engine, Part
from .folder import Folder
from .model import Inventory, Selection, Table
from .parts import Codec, Stopped, write_part
from .sidecar import Sidecar, StoredPart

# A dump as text of what the server calls so many bytes of data, compressed: guesses for a first backup, later the last one's size counts.
_GUESS = {"zstd": 0.4, "gzip": 0.4, "none": 1.5}
_SPARE = 16 << 20


@dataclasses.dataclass(frozen=True)
class Request:
    """What to back up, and how. ``fresh_for``: seconds for which a good backup makes another unnecessary, 0 for never."""

    name: str
    dest: str
    tables: Selection
    codec: Codec
    jobs: int = 1
    counts: bool = True
    checksums: bool = True
    revision_query: str = ""
    check_space: bool = True
    fresh_for: float = 0
    mode: int = 0o640


def back_up(engine: Engine, request: Request, run: Run) -> dict[str, t.Any]:
    """The new backup as ``{changed, id, path, sidecar, backup}``; in check mode what it would be.

    After any failure the folder has the backups that it had, and a line in ``attempts.jsonl`` that says why.
    """
    request.codec.check()
    engine.check_name(request.name)
    folder = Folder(request.dest, request.name)
    try:
        tables = request.tables.resolve(engine.tables(request.name))
        server = engine.server()
    except InvalidInput:
        raise
    except RunbookError as error:
        # Whoever asks how the backups are has to hear of it, though nothing was begun.
        if os.path.isdir(folder.path) and not run.check_mode:
            line = {"id": "", "started": clock.now(), "ended": clock.now(), "status": "failed", "message": error.message}
            sidecar.log(folder.path, sidecar.ATTEMPTS, line)
        raise
    fresh = _fresh(folder, request)
    if fresh:
        path = sidecar.sidecar_path(folder.path, fresh.id)
        return {"changed": False, "id": fresh.id, "path": folder.path, "sidecar": path, "backup": fresh.summary(), "notes": []}
    _check_space(engine, folder, request, tables)
    if run.check_mode:
        size = sum(table.bytes for table in tables)
        after = f"would write a backup of {request.name}: {len(tables)} tables, about {megabytes(size)} before compression\n"
        return {"changed": True, "id": None, "path": folder.path, "notes": [], "diff": {"before": "", "after": after}}
    with folder.locked(f"a backup of {request.name}"):
        identity, began = folder.new_id(), time.time()
        attempt = {"id": identity, "started": clock.stamp(began)}
        sidecar.log(folder.path, sidecar.ATTEMPTS, {**attempt, "status": "started"})
        try:
            made = _make(engine, request, folder, identity, began, server, sum(table.bytes for table in tables), run)
        except BaseException as error:
            message = (
                error.message
                if isinstance(error, RunbookError)
                else describe_os_error(error)
                if isinstance(error, OSError)
                else repr(error)
            )
            try:
                sidecar.log(folder.path, sidecar.ATTEMPTS, {**attempt, "ended": clock.now(), "status": "failed", "message": message})
            except OSError:
                pass  # a full disk; the line "started" without an end says the same
            raise
        sidecar.log(folder.path, sidecar.ATTEMPTS, {**attempt, "ended": made.ended, "status": "ok", "message": ""})
    return {
        "changed": True,
        "id": identity,
        "path": folder.path,
        "sidecar": sidecar.sidecar_path(folder.path, identity),
        "backup": made.summary(),
        "notes": list(made.notes),
        "diff": {"before": "", "after": f"{folder.path}/{identity}: {megabytes(made.stored_bytes)}, {made.inventory.rows:,} rows\n"},
    }


def _make(engine: Engine, request: Request, folder: Folder, identity: str, began: float, server: t.Any, size: int, run: Run) -> Sidecar:
    partial = folder.partial()
    try:
        # The dump is closed before its threads are waited for: what one of them waits for may never come after another's failure.
        with (
            concurrent.futures.ThreadPoolExecutor(request.jobs + 1) as pool,
            engine.dump(request.name, request.tables, request.jobs) as dump,
        ):
            progress = Progress(f"backing up {request.name}", run.say, size=size)
            stored, inventory = _store(pool, dump, partial, request, progress)
            revision = dump.query(request.revision_query) if request.revision_query else ""
            settings = dump.settings
        named = _publish(folder, partial, identity, engine.suffix + request.codec.suffix, stored, request.mode)
        made = Sidecar(
            id=identity,
            engine=engine.kind,
            name=request.name,
            server=server,
            started=clock.stamp(began),
            ended=clock.now(),
            seconds=round(time.time() - began, 3),
            compression=request.codec.compression,
            recipients=request.codec.recipients,
            parts=tuple(named),
            inventory=inventory,
            settings=settings,
            include=request.tables.include,
            exclude=request.tables.exclude,
            schema_revision=revision,
            consistent=bool(settings.get("consistent", True)),
            notes=_notes(inventory, settings),
            host=socket.gethostname(),
        )
        sidecar.write(folder.path, made, request.mode)
        return made
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _store(
    pool: concurrent.futures.ThreadPoolExecutor, dump: Dump, partial: str, request: Request, progress: Progress
) -> tuple[list[StoredPart], Inventory]:
    """Write every part, some at a time, while the same moment is counted; the first error ends all of them."""
    stop = threading.Event()

    def store(part: Part) -> StoredPart:
        try:
            path = os.path.join(partial, part.name)
            tick = functools.partial(progress.advance, 0)
            return write_part(part, path, request.codec, stop, tick, lambda tail: dump.check_end(part.name, tail))
        except BaseException:
            stop.set()
            raise

    facts = pool.submit(dump.inventory, counts=request.counts, checksums=request.checksums)
    writing = [pool.submit(store, part) for part in dump.parts]
    jobs: list[concurrent.futures.Future[t.Any]] = [*writing, facts]
    for job in concurrent.futures.as_completed(jobs):
        error = job.exception()
        # What was stopped because of another's failure is not the reason; the other is still to come.
        if error and not isinstance(error, Stopped):
            stop.set()
            for other in jobs:
                other.cancel()
            raise error
    return [job.result() for job in writing], facts.result()


def _publish(folder: Folder, partial: str, identity: str, suffix: str, stored: list[StoredPart], mode: int) -> list[StoredPart]:
    """Give the parts their names: one file, or one folder, by one rename. Nobody takes them for a backup yet."""
    for part in stored:
        os.chmod(os.path.join(partial, part.file), mode)
    if len(stored) == 1:
        file = f"{identity}.{suffix}"
        os.rename(os.path.join(partial, stored[0].file), os.path.join(folder.path, file))
        fsync_folder(folder.path)
        return [dataclasses.replace(stored[0], file=file)]
    renamed = []
    for part in stored:
        os.rename(os.path.join(partial, part.file), os.path.join(partial, f"{part.file}.{suffix}"))
        renamed.append(dataclasses.replace(part, file=f"{identity}/{part.file}.{suffix}"))
    os.chmod(partial, mode | ((mode & 0o444) >> 2) | stat.S_IRWXU)
    fsync_folder(partial)
    os.rename(partial, os.path.join(folder.path, identity))
    fsync_folder(folder.path)
    return renamed


def _notes(inventory: Inventory, settings: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    notes = [str(note) for note in settings.get("notes", [])]
    if not inventory.tables and not any(inventory.objects.values()):
        notes.append("the database is empty")
    return tuple(notes)


def _fresh(folder: Folder, request: Request) -> Sidecar | None:
    """A backup of the same tables that is young enough, if there is one whose files are all there."""
    if request.fresh_for <= 0:
        return None
    for found in reversed(folder.readable()):
        age = time.time() - clock.seconds(found.ended)
        same = (found.include, found.exclude) == (request.tables.include, request.tables.exclude)
        if same and 0 <= age < request.fresh_for and all(os.path.isfile(os.path.join(folder.path, part.file)) for part in found.parts):
            return found
    return None


def _check_space(engine: Engine, folder: Folder, request: Request, tables: list[Table]) -> None:
    """Refuse before anything is written when the backup can't fit."""
    if not request.check_space:
        return
    last = [found for found in folder.readable() if found.compression == request.codec.compression]
    same = [found for found in last if (found.include, found.exclude) == (request.tables.include, request.tables.exclude)]
    need = same[-1].stored_bytes * 1.1 if same else sum(table.bytes for table in tables) * _GUESS[request.codec.compression]
    free = folder.free()
    if free < need + _SPARE:
        basis = f"the last one had {megabytes(same[-1].stored_bytes)}" if same else f"{len(tables)} tables, estimated"
        raise Refused(
            f"{folder.dest} has {megabytes(free)} free but the backup of {request.name} needs about {megabytes(need + _SPARE)} ({basis});"
            " free some space, prune old backups, or set check_space: false"
        )
