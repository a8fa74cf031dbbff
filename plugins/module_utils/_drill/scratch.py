# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scratch databases and folders: written down before they are made, so that only what a drill has made is ever dropped, and always is."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import typing as t

from .._common import clock
from .._common.errors import Refused, RunbookError
from .._common.files import write_json
from .._database.engine import Engine
from .._database.journal import Journal
from .._database.restore import settle
from .._database.writers import Writers

PREFIX = "rb_drill_"
# Instead of an engine, for a folder of fetched backups.
_FOLDER = "fetched files"


class Scratches:
    """The scratch databases of one server, in ``<state_dir>/drills/scratch.json``."""

    def __init__(self, state_dir: str, engine: Engine, where: str, writers: Writers) -> None:
        self._folder = os.path.join(state_dir, "drills")
        self._path = os.path.join(self._folder, "scratch.json")
        self._engine, self._where, self._state_dir, self._writers = engine, where, state_dir, writers

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """One drill at a time on a host: what is written down here belongs to no running one then."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        fd = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused("another drill is running on this host; wait until it has ended") from None
            yield
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def make(self, folder: str, dropping: t.Callable[[], contextlib.AbstractContextManager[t.Any]]) -> t.Iterator[str]:
        """A random name that is dropped when the context is left, however; the database itself is not made."""
        name = self.random_name(folder)
        if self._engine.exists(name):
            raise Refused(f"{name} is there already, although it is a random name; look at it")
        self._write([*self._read(), self._entry(name)])
        try:
            yield name
        finally:
            with dropping():
                self._drop(name)

    @contextlib.contextmanager
    def make_folder(self, parent: str) -> t.Iterator[str]:
        """An empty folder in ``parent`` that is gone when the context is left."""
        path = os.path.join(parent, f"{PREFIX}{secrets.token_hex(6)}")
        self._write([*self._read(), {"engine": _FOLDER, "where": "", "name": path, "made": clock.now()}])
        try:
            os.mkdir(path, 0o700)
            yield path
        finally:
            self._remove_folder(path)

    def _remove_folder(self, path: str) -> None:
        recorded = [entry for entry in self._read() if (entry["engine"], entry["name"]) == (_FOLDER, path)]
        if recorded and os.path.basename(path).startswith(PREFIX):
            shutil.rmtree(path, ignore_errors=True)
            self._write([entry for entry in self._read() if entry not in recorded])

    def random_name(self, folder: str) -> str:
        """A name that nobody has; SQLite's databases are files in ``folder``."""
        name = f"{PREFIX}{secrets.token_hex(6)}"
        return os.path.join(folder, f"{name}.db") if self._engine.kind == "sqlite" else name

    def drop_left(self) -> list[str]:
        """Drop what killed drills have left on this server: their names."""
        for entry in self._read():
            if entry["engine"] == _FOLDER:
                self._remove_folder(entry["name"])
        left = [entry["name"] for entry in self._read() if self._ours(entry)]
        for name in left:
            self._drop(name)
        return left

    def _drop(self, name: str) -> None:
        recorded = any(self._ours(entry) and entry["name"] == name for entry in self._read())
        if not recorded or not os.path.basename(name).startswith(PREFIX):
            raise Refused(f"{name} was not made by a drill, so no drill drops it")
        try:
            # A drill that was killed while it replaced the scratch database has left more than that one.
            journal = Journal(self._state_dir, self._engine.kind, self._where, name)
            settle(self._engine, journal, self._writers)
            for kept in journal.kept():
                self._engine.drop(kept.name)
            journal.close([])
            self._engine.drop(name)
        except RunbookError as error:
            raise RunbookError(f"the scratch database {name} could not be dropped ({error.message}); the next drill tries again") from None
        self._write([entry for entry in self._read() if not (self._ours(entry) and entry["name"] == name)])

    def _entry(self, name: str) -> dict[str, str]:
        return {"engine": self._engine.kind, "where": self._where, "name": name, "made": clock.now()}

    def _ours(self, entry: t.Mapping[str, str]) -> bool:
        return (entry["engine"], entry["where"]) == (self._engine.kind, self._where)

    def _read(self) -> list[dict[str, str]]:
        try:
            with open(self._path, encoding="utf-8") as stream:
                return [{key: str(entry[key]) for key in ("engine", "where", "name", "made")} for entry in json.load(stream)]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RunbookError(
                f"{self._path} can't be read ({error}); drop the databases {PREFIX}… by hand, then remove that file"
            ) from None

    def _write(self, entries: t.Sequence[t.Mapping[str, str]]) -> None:
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        write_json(self._path, list(entries))
