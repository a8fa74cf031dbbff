# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work on some logs, as one account: cut what is due, then, when the writers have reopened, compress and tidy up."""

from __future__ import annotations

import contextlib
import os
import stat
import time
import typing as t

from .._common.errors import RunbookError
from .._common.files import fsync_folder
from .._common.runner import describe_os_error
from .rotate_account import Steps
from .rotate_copy import Cutting, NobodyWrites, TooSmall, recover, unfinished
from .rotate_keep import too_much
from .rotate_lock import locked
from .rotate_method import choose
from .rotate_names import EXTENSIONS, Log, Rotated, all_families, family, is_stray, next_path
from .rotate_options import Request
from .rotate_rename import rename
from .rotate_settle import SETTLES, Result, goal, settle, wait_for, who_writes
from .rotate_trust import opened

Entry = t.Dict[str, t.Any]
Folders = t.Dict[str, t.Dict[str, t.List[Rotated]]]


class Work:
    """``steps`` answers with ``logs`` (an entry for each), ``archived``, ``deferred``, ``removed``, ``errors`` and ``changed``."""

    def __init__(self, logs: t.Sequence[Log], request: Request, check_mode: bool) -> None:
        self._logs, self._request, self._check = logs, request, check_mode
        self._entries: dict[str, Entry] = {}
        self._errors: list[str] = []
        self._changed = False
        # Files that writers are waited for, and since when.
        self._renamed: list[str] = []
        self._cut: dict[str, Entry] = {}
        self._moment = time.time()

    def steps(self) -> Steps:
        with contextlib.ExitStack() as stack:
            if not self._check:
                self._make_dest()
                stack.enter_context(locked(place for log in self._logs for place in (log.folder, log.dest)))
            folders = self._look()
            owed = self._owed(folders) if self._request.reopen else []
            for log in self._logs:
                self._each(log, lambda log=log: self._turn(log, family(log, folders)))  # type: ignore[misc]
            if self._renamed and not self._check:
                for place in {os.path.dirname(path) for path in self._renamed} | {log.folder for log in self._logs}:
                    fsync_folder(place)
            ready = time.monotonic() + SETTLES
            yield bool(owed or self._renamed)
            if self._request.reopen and not self._check:
                wait_for([*owed, *self._renamed], self._request.wait)
            archived, deferred = self._settle(ready)
            removed = self._prune(deferred)
            return {
                "changed": self._changed or bool(archived or removed),
                "logs": list(self._entries.values()),
                "archived": archived,
                "deferred": [{"path": path, "reason": f"still written by {who}"} for path, who in sorted(deferred.items())],
                "removed": removed,
                "errors": self._errors,
            }

    def _each(self, log: Log, do: t.Callable[[], None]) -> None:
        """One log that can't be rotated must not keep others from it."""
        try:
            do()
        except RunbookError as error:
            self._failed(log, error.message)
        except OSError as error:
            self._failed(log, describe_os_error(error))

    def _failed(self, log: Log, why: str) -> None:
        self._entries[log.path] = {"path": log.path, "action": "refused", "reason": why}
        self._errors.append(why if log.path in why else f"{log.path}: {why}")

    def _make_dest(self) -> None:
        for log in self._logs:
            if not os.path.isdir(log.dest):
                os.mkdir(log.dest, 0o750)
                self._changed = True

    def _look(self) -> Folders:
        """What is rotated already, without what a killed run left of its work."""
        folders: Folders = all_families(self._logs)
        if self._check:
            return folders
        for place in folders:
            with contextlib.suppress(FileNotFoundError):
                for name in os.listdir(place):
                    if is_stray(name):
                        os.unlink(os.path.join(place, name))
        for log in self._logs:
            for one in family(log, folders):
                # The new log that did not get its place.
                if one.size == 0 and not one.extension and not who_writes(one.path):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(one.path)
                    folders[one.folder][log.name].remove(one)
        return folders

    def _owed(self, folders: Folders) -> list[str]:
        """Rotated files that somebody still writes to: a killed run did not get to asking for the logs to be reopened."""
        newest = [next(iter(family(log, folders)), None) for log in self._logs]
        return [one.path for one in newest if one and not one.extension and who_writes(one.path)]

    def _turn(self, log: Log, known: t.Sequence[Rotated]) -> None:
        entry: Entry = {"path": log.path, "action": "kept"}
        self._entries[log.path] = entry
        if unfinished(log):
            entry["recovered"] = "an interrupted run is to be ended" if self._check else recover(log, self._request.suffix, self._moment)
            self._changed = True
        try:
            status = os.lstat(log.path)
        except FileNotFoundError:
            entry["reason"] = "there is no such log now, only rotated files of it"
            return
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            with opened(log.path):  # which says what is wrong with it
                return
        due, entry["reason"] = self._due(status.st_size, known)
        entry["live_bytes"] = status.st_size
        if not due:
            return
        try:
            method, why = choose(log, self._request.allowed)
            self._rotate(log, entry, method)
        except TooSmall as error:
            entry["reason"] += f", but {error.message}"
            return
        entry.update(action="rotated", method_reason=why if entry["method"] == method else "nobody holds it open for writing")
        self._changed = True

    def _due(self, size: int, known: t.Sequence[Rotated]) -> tuple[bool, str]:
        """Whether a log has to be rotated, and why or why not."""
        request = self._request
        if size == 0:
            return False, "it is empty"
        if request.max_size is not None and size > request.max_size:
            return True, f"it is larger than {request.max_size / 1e6:g} MB"
        if request.every is not None and not (known and self._moment - known[0].moment < request.every):
            return True, "its time has come"
        if request.max_size is None and request.every is None:
            return True, "it is not empty"
        return False, "it is not due"

    def _rotate(self, log: Log, entry: Entry, method: str) -> None:
        request = self._request
        entry["method"] = method
        if self._check:
            name = f"{log.name}.1" if request.suffix == "number" else os.path.basename(next_path(log, log.dest, "date", self._moment))
            entry["rotated"] = os.path.join(log.dest, name + EXTENSIONS[request.compress])
            return
        if method != "rename":
            try:
                path, content = Cutting(log, request.suffix, self._moment).run(method)
                entry["before"] = content.to_dict()
            except NobodyWrites:
                entry["method"] = "rename"
        if entry["method"] == "rename":
            path = rename(log, request.create, request.suffix, self._moment)
            self._renamed.append(path)
        entry["rotated"] = path
        self._cut[path] = entry
        with contextlib.suppress(FileNotFoundError):
            entry["live_bytes"] = os.lstat(log.path).st_size

    def _settle(self, ready: float) -> tuple[list[Entry], dict[str, str]]:
        """Compress what nobody writes to; ``(what was archived, who writes to what was not)``."""
        folders: Folders = all_families(self._logs)
        raws = [(log, one) for log in self._logs for one in family(log, folders) if self._to_settle(log, one)]
        if self._check:
            busy = {one.path: who_writes(one.path) for _log, one in raws}
            free = [(log, one) for log, one in raws if not busy[one.path]]
            return (
                [{"source": one.path, "path": goal(log, one, self._request.compress)} for log, one in free],
                {path: who for path, who in busy.items() if who},
            )
        # Those of now come last: the longer ago one was renamed, the surer it is that nobody opens it.
        result = settle(sorted(raws, key=lambda pair: pair[1].path in self._cut), self._request.compress, ready, self._cut)
        self._errors += result.errors
        self._prove(result)
        return [one.to_dict() for one in result.settled if one.made], result.deferred

    def _to_settle(self, log: Log, one: Rotated) -> bool:
        return one.path in self._cut or goal(log, one, self._request.compress) != one.path

    def _prove(self, result: Result) -> None:
        """Say for each log that was rotated what was in it, and what is in its rotated file."""
        for one in result.settled:
            entry = self._cut.get(one.source)
            if entry:
                entry.setdefault("before", one.before.to_dict())
                entry.update(rotated=one.path, after=one.after.to_dict())
        for path, who in result.deferred.items():
            entry = self._cut.get(path)
            if entry:
                entry["deferred"] = f"still written by {who}"

    def _prune(self, deferred: t.Mapping[str, str]) -> list[Entry]:
        folders: Folders = all_families(self._logs)
        removed: list[Entry] = []
        for log in self._logs:
            here = family(log, folders)
            entry = self._entries.get(log.path, {})
            if self._check and entry.get("action") == "rotated":
                here.insert(
                    0, Rotated(log.dest, log.name, os.path.basename(entry["rotated"]), "", 0, "", self._moment, entry["live_bytes"])
                )
            for one, why in too_much(here, self._request.limits, self._moment):
                if one.path in deferred:
                    continue
                if not self._check:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(one.path)
                removed.append({"path": one.path, "bytes": one.size, "reason": why})
        return removed
