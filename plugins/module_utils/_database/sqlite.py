# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite: a database is a file, its name is the file's absolute path.

A backup is a copy of one moment made by the library's backup API, checked, and read only when it is complete. A switch is one
``rename`` over the live file while the live file's lock bytes are held, so no write-ahead log is ever applied to the wrong file.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import sqlite3
import stat
import typing as t

from .._common.errors import RunbookError
from .._common.files import fsync_folder
from . import sqlite_client as client
from . import sqlite_file as file
from .engine import Dump, Part
from .model import Inventory, Login, Selection, Server, Table
from .work import private_folder

_CHUNK = 1 << 20
_WORK_PREFIX = "runbook-sqlite-"
_QUERY_TIMEOUT = 60.0


class SQLite:
    """``work_folder`` takes a copy of the database during a dump: put it where there is room, for example beside the backup."""

    kind: t.ClassVar[str] = "sqlite"
    suffix: t.ClassVar[str] = "sqlite"

    def __init__(self, login: Login, work_folder: str = "/var/tmp") -> None:  # noqa: S108 - only private folders in it
        self.login = login
        self.work_folder = work_folder

    def server(self) -> Server:
        return Server("sqlite", sqlite3.sqlite_version)

    def check_name(self, name: str) -> None:
        client.check_path(name)

    def exists(self, name: str) -> bool:
        return os.path.isfile(client.real(name))

    def tables(self, name: str) -> list[Table]:
        """Sizes are exact where the library can tell (``dbstat``), else the file's size is shared out evenly."""
        with client.one_line(name), contextlib.closing(client.connect(name)) as connection:
            names = client.user_tables(connection)
            try:
                sizes = dict(connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
            except sqlite3.OperationalError:
                sizes = {}
            even = os.path.getsize(client.real(name)) // max(1, len(names))
            return [Table(table, int(sizes.get(table, even))) for table in names]

    @contextlib.contextmanager
    def dump(self, name: str, tables: Selection, jobs: int) -> t.Iterator[Dump]:
        """One part whatever ``jobs`` says: the file as the library would have left it at that moment."""
        kept = {table.name for table in tables.resolve(self.tables(name))} if tables.partial else None
        with private_folder(self.work_folder, _WORK_PREFIX) as folder:
            copy = os.path.join(folder, "copy.db")
            with client.one_line(name):
                file.copy(name, copy)
                if kept is not None:
                    file.leave_out(copy, kept)
                settings = _checked_settings(name, copy)
            yield _CopyDump(copy, settings)

    def inventory(self, name: str, *, counts: bool, checksums: bool) -> Inventory:
        return client.read_inventory(name, "rw", counts=counts, checksums=checksums)

    def refuses(self, made_by: Server) -> str:
        """The file format has been one since 2004; what a newer library's schema needs is found when the file is checked."""
        if made_by.product != "sqlite":
            return f"it is a backup of {made_by.product}, not of SQLite"
        if made_by.numbers[:1] > self.server().numbers[:1]:
            return f"it was made by SQLite {made_by.version}, which is newer than this host's {sqlite3.sqlite_version}"
        return ""

    def data_folder(self, name: str) -> str:
        return os.path.dirname(client.real(name))

    def side_name(self, live: str, token: str) -> str:
        folder, name = os.path.split(client.real(live))
        return os.path.join(folder, f".rb_{token}_{name}")

    def create(self, name: str, settings: t.Mapping[str, t.Any]) -> None:
        with client.one_line(name):
            try:
                os.close(os.open(client.real(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
            except FileExistsError:
                raise RunbookError(f"the file {name} is there already") from None
            except FileNotFoundError:
                raise RunbookError(f"the folder of {name} is missing; create it first") from None

    def load(self, name: str, parts: t.Sequence[Part], settings: t.Mapping[str, t.Any], jobs: int) -> None:
        path = client.real(name)
        if len(parts) != 1:
            raise RunbookError(f"a SQLite backup has one part, this one has {len(parts)}")
        with client.one_line(name):
            with open(path, "r+b", buffering=0) as stream, parts[0].open() as reader:
                if os.fstat(stream.fileno()).st_size:
                    raise RunbookError(f"the file {name} is not empty")
                while data := reader.read(_CHUNK):
                    stream.write(data)
                os.fsync(stream.fileno())
            wanted = settings.get("bytes")
            if wanted is not None and os.path.getsize(path) != wanted:
                raise RunbookError(f"{name} got {os.path.getsize(path):,} bytes instead of {wanted:,}: the backup is cut or not this one")
            file.check_length(path)
            with contextlib.closing(client.connect(path, "copy")) as connection:
                wrong = client.problems(connection)
            if wrong:
                raise RunbookError(f"what was loaded into {name} is damaged: {wrong}")
            file.give(path, settings)
            fsync_folder(os.path.dirname(path))

    def drop(self, name: str) -> None:
        path = client.real(name)
        with client.one_line(name):
            # The log first: alone it is nothing, but a database without its log may be another one.
            for companion in ("", *client.COMPANIONS):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path + companion)
            if os.path.isdir(os.path.dirname(path)):
                fsync_folder(os.path.dirname(path))

    def switch(self, live: str, side: str, previous: str, note: t.Callable[[str, t.Mapping[str, t.Any]], None]) -> None:
        path = client.real(live)
        with client.one_line(live):
            if not os.path.isfile(side):
                raise RunbookError(f"{side} is missing, so it can't take the place of {live}")
            file.fold_in(side)
            facts = {"side": os.stat(side).st_ino}
            if not os.path.lexists(path):
                note("rename", facts)
                os.rename(side, path)
                fsync_folder(os.path.dirname(path))
                return
            file.fold_in(path)
            with file.nobody_else(live):
                file.alike(path, side)
                note("link", facts)
                os.link(path, previous)
                fsync_folder(os.path.dirname(path))
                note("rename", facts)
                os.rename(side, path)
                fsync_folder(os.path.dirname(path))

    def settle(self, live: str, side: str, previous: str, step: str, facts: t.Mapping[str, t.Any]) -> t.Literal["new", "old"]:
        path = client.real(live)
        with client.one_line(live):
            if not os.path.exists(side):
                if os.path.exists(path) and os.stat(path).st_ino == facts.get("side", os.stat(path).st_ino):
                    fsync_folder(os.path.dirname(path))
                    return "new"
                raise RunbookError(f"{live} is neither the old nor the restored database; look at {previous} and the backups")
            if os.path.exists(previous) and os.path.exists(path) and os.path.samefile(previous, path):
                os.unlink(previous)
                fsync_folder(os.path.dirname(path))
            return "old"


class _CopyDump:
    def __init__(self, path: str, settings: dict[str, t.Any]) -> None:
        self._path = path
        self.settings = settings
        self.parts = [Part("data", self._open)]

    @contextlib.contextmanager
    def _open(self) -> t.Iterator[t.BinaryIO]:
        with open(self._path, "rb", buffering=0) as stream:
            yield t.cast(t.BinaryIO, stream)
            if stream.read(1):
                raise RunbookError("the copy of the SQLite database was not read to its end")

    def inventory(self, *, counts: bool, checksums: bool) -> Inventory:
        return client.read_inventory(self._path, "copy", counts=counts, checksums=checksums)

    def query(self, text: str) -> str:
        found = client.rows(self._path, text, _QUERY_TIMEOUT, "copy")
        return next(iter(found[0].values())) or "" if found else ""

    def check_end(self, part: str, tail: bytes) -> None:
        """A SQLite file has no trailer, but the copy is at hand: the stream has to end as it does."""
        with open(self._path, "rb") as stream:
            stream.seek(max(0, self.settings["bytes"] - len(tail)))
            if stream.read() != tail:
                raise RunbookError("the SQLite backup does not end as the database does; it is cut")


def _checked_settings(name: str, copy: str) -> dict[str, t.Any]:
    with contextlib.closing(client.connect(copy, "copy")) as connection:
        wrong = client.problems(connection)
        if wrong:
            raise RunbookError(f"the SQLite database {name} is damaged: {wrong}; it was not backed up")
        # Told, not refused: many applications never switched foreign keys on.
        violations = sum(1 for _row in connection.execute("PRAGMA foreign_key_check"))
    status = os.stat(client.real(name))
    return {
        "bytes": os.path.getsize(copy),
        "owner": _name_of(pwd.getpwuid, status.st_uid),
        "group": _name_of(grp.getgrgid, status.st_gid),
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "foreign_key_violations": violations,
    }


def _name_of(look_up: t.Callable[[int], t.Any], number: int) -> str:
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)
