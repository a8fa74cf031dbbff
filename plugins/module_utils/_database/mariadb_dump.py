# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - names and texts in statements are quoted by identifier() and literal()
"""A dump of a MariaDB database: rows by the server's own dump program, everything else by ``mariadb_objects``.

All sees one moment: tables are locked against writing while every dump program and the session that counts begin their
transactions, then unlocked. A dump program has begun when it prints its first table: it prints in blocks of several KB, and its
header, which comes before, is shorter. Tables that know no transactions stay locked until the dump is closed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import threading
import typing as t

from .._common.errors import RunbookError
from .._common.process import Process
from . import mariadb_objects as objects
from .engine import Part, Reader
from .mariadb_client import Client, Session, SqlError, identifier, literal
from .mariadb_keys import deferred
from .model import Inventory, Server, Table, TableFacts

# A table smaller than this is not worth several streams.
SPLIT_FROM = 32 << 20
# What a server may have to hold back for a program that is not read yet, per second of its patience (net_write_timeout).
_WAIT_RATE = 10 << 20
_LOCK_WAIT = 30
_BEGUN = (b"\n-- Dumping data for table", b"\n-- Dump completed")
_OPTIONS = [
    "--no-create-info",
    "--skip-triggers",
    "--single-transaction",
    "--quick",
    "--hex-blob",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
    "--skip-lock-tables",
    "--skip-add-locks",
    "--skip-disable-keys",
    "--no-tablespaces",
]


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of the dump program: of whole tables, or of one table's rows where ``where`` holds."""

    tables: tuple[str, ...]
    where: str = ""


def trailer(part: str) -> str:
    """The last line of a part."""
    return f"-- Dump completed: runbook.ops {part}\n"


def check_end(part: str, tail: bytes) -> None:
    """``RunbookError`` unless a part's last bytes are its trailer."""
    if not tail.endswith(b"\n" + trailer(part).encode()):
        raise RunbookError(f"part {part} of the dump does not end as a complete one does: it was cut, or belongs to something else")


def facts(
    session: Session, server: Server, database: str, definitions: t.Iterable[objects.Definition], counts: bool, checksums: bool
) -> Inventory:
    """The inventory in the session's snapshot. Checksums are the server's own, sums over rows: their order does not matter."""
    found = Inventory(method=f"checksum-table/{server.product}-{server.numbers[0] if server.numbers else 0}" if checksums else "")
    for definition in definitions:
        found.objects.setdefault(definition.kind, {})[definition.name] = definition.digest
        if definition.kind == "table" and (counts or checksums):
            name = f"{identifier(database)}.{identifier(definition.name)}"
            rows = int(str(session.run(f"SELECT COUNT(*) AS n FROM {name}")[0]["n"]))
            value = session.run(f"CHECKSUM TABLE {name} EXTENDED")[0]["Checksum"] if checksums else ""
            if value is None:
                raise RunbookError(f"table {definition.name} of {database} can't be read for its checksum; check it with CHECK TABLE")
            found.tables[definition.name] = TableFacts(rows, value)
    return found


def plan(tables: t.Sequence[Table], jobs: int, ranges: t.Mapping[str, t.Sequence[str]], patience: int) -> list[list[Run]]:
    """Which runs make up each of at most ``jobs`` streams of about the same size.

    ``ranges`` has, per table that can be split, ``jobs`` conditions; ``patience`` is how many seconds a server waits for a reader.
    """
    streams: list[tuple[list[str], list[Run]]] = [([], []) for _stream in range(max(1, jobs))]
    whole = [table for table in tables if table.name not in ranges]
    if sum(table.bytes for table in whole) / len(streams) > patience * _WAIT_RATE:
        whole, ranges = list(tables), {}
    loads = [0] * len(streams)
    for table in sorted(whole, key=lambda table: (-table.bytes, table.name)):
        least = loads.index(min(loads))
        # A table without rows costs something too.
        loads[least] += table.bytes + 65536
        streams[least][0].append(table.name)
    if any(len(conditions) != len(streams) for conditions in ranges.values()):
        raise ValueError("a table is split into as many ranges as there are streams")
    for name, conditions in ranges.items():
        for (_names, runs), condition in zip(streams, conditions):
            runs.append(Run((name,), condition))
    planned = [([Run(tuple(sorted(names)))] if names else []) + runs for names, runs in streams]
    return [runs for runs in planned if runs]


class Stream:
    """The bytes of one part: text of ours, what dump programs print, text of ours. The last is given out only when they ended well."""

    def __init__(self, name: str, before: str, processes: list[Process], after: str) -> None:
        self._name = name
        self._head = before.encode("utf-8", "surrogateescape")
        self._processes = processes
        self._after = (after + trailer(name)).encode("utf-8", "surrogateescape")
        self._begun: dict[int, bytes] = {}
        self._tail = b""
        self.complete = False

    def begin(self) -> None:
        """Return when all its programs have begun their transactions."""
        for process in self._processes:
            printed = b""
            while not any(mark in printed for mark in _BEGUN):
                data = process.stdout.read(1 << 16)
                if not data:
                    break
                printed += data
            self._begun[process.pid] = printed

    def read(self, size: int, /) -> bytes:
        buffer = memoryview(bytearray(size))
        return bytes(buffer[: self.readinto(buffer)])

    def readinto(self, buffer: memoryview, /) -> int:
        while not self._head and self._processes:
            process = self._processes[0]
            self._head = self._begun.pop(process.pid, b"")
            count = 0 if self._head else process.stdout.readinto(buffer)  # type: ignore[attr-defined]
            data = self._head or buffer[:count]
            if data:
                self._tail = bytes(data[-1024:]) if len(data) >= 1024 else (self._tail + data)[-1024:]
            else:
                process.finish()
                if b"\n-- Dump completed" not in self._tail:
                    raise RunbookError(f"{process.command.name} ended before its dump of {self._name} was complete, without an error")
                del self._processes[0]
                self._tail = b""
            if count:
                return int(count)
        if not self._head:
            self._head, self._after = self._after, b""
            self.complete = self.complete or not self._head
        given = self._head[: len(buffer)]
        buffer[: len(given)], self._head = given, self._head[len(given) :]
        return len(given)


class MariaDBDump:
    """See ``engine.Dump``; ``close`` gives up locks and ends programs."""

    def __init__(self, client: Client, server: Server, database: str, tables: t.Sequence[Table], partial: bool, jobs: int) -> None:
        self._client, self._server, self._database = client, server, database
        self._tables, self._partial = tables, partial
        self._asking = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._parts: list[Part] = []
        self._settings: dict[str, t.Any] = {}
        with contextlib.ExitStack() as stack:
            self._open(stack, jobs)
            self._stack = stack.pop_all()

    @property
    def parts(self) -> t.Sequence[Part]:
        return self._parts

    @property
    def settings(self) -> dict[str, t.Any]:
        return self._settings

    def close(self) -> None:
        self._stack.close()

    def _open(self, stack: contextlib.ExitStack, jobs: int) -> None:
        self._session = stack.enter_context(Session(self._client, self._database))
        fixed, moving = self._by_transactions()
        notes = [f"tables without transactions were locked against writing during the whole dump: {', '.join(fixed)}"] if fixed else []
        if self._partial:
            notes.append("only tables were chosen: views, routines and events are left out")
        if fixed:
            self._lock(stack.enter_context(Session(self._client, self._database)), fixed)
        runs = plan(self._tables, jobs, self._ranges(jobs), self._patience())
        with Session(self._client, self._database) as locker:
            if moving:
                self._lock(locker, moving)
            self._session.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            self._definitions = objects.read(self._session, self._database, [own.name for own in self._tables] if self._partial else None)
            self._session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            self._parts = self._start(stack, runs)
        self._settings = {**self._described(), "consistent": True, "partial": self._partial, "notes": notes}

    def _by_transactions(self) -> tuple[list[str], list[str]]:
        """The tables whose engine knows no transactions, and the others."""
        able = {
            str(row["ENGINE"]).lower()
            for row in self._session.run("SELECT ENGINE FROM information_schema.ENGINES WHERE TRANSACTIONS='YES'")
        }
        engines = {
            str(row["n"]): str(row["e"]).lower()
            for row in self._session.run(
                "SELECT TABLE_NAME AS n, ENGINE AS e FROM information_schema.TABLES"
                f" WHERE {objects.schema_is('TABLE_SCHEMA', self._database)}"
            )
        }
        fixed = [table.name for table in self._tables if engines.get(table.name) not in able]
        return fixed, [table.name for table in self._tables if table.name not in fixed]

    def _lock(self, session: Session, names: t.Sequence[str]) -> None:
        session.run(f"SET SESSION lock_wait_timeout={_LOCK_WAIT}")
        try:
            session.run(f"LOCK TABLES {', '.join(f'{identifier(name)} READ' for name in names)}")
        except SqlError as error:
            if error.code in (1044, 1142):
                raise RunbookError(
                    f"a consistent dump of {self._database} needs the privilege LOCK TABLES; grant LOCK TABLES, SELECT, SHOW VIEW, TRIGGER,"
                    f" EVENT on it to the log-in ({error.message})"
                ) from None
            if error.code == 1205:
                raise RunbookError(
                    f"tables of {self._database} were in use for more than {_LOCK_WAIT} s by a transaction or ALTER TABLE, so there was no"
                    " moment to dump; look for it with SHOW PROCESSLIST and try again"
                ) from None
            raise

    def _patience(self) -> int:
        return int(str(self._session.run("SELECT @@net_write_timeout AS s")[0]["s"]))

    def _ranges(self, jobs: int) -> dict[str, list[str]]:
        """For tables large enough and with a primary key of one whole number: conditions that share it out, by the key's range."""
        total = sum(table.bytes for table in self._tables)
        large = [table.name for table in self._tables if jobs > 1 and table.bytes > max(SPLIT_FROM, total / (2 * jobs))]
        found = {}
        for name in large:
            keys = self._session.run(
                "SELECT c.COLUMN_NAME AS c, c.DATA_TYPE AS d FROM information_schema.STATISTICS s JOIN information_schema.COLUMNS c"
                " USING (TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME) WHERE s.INDEX_NAME='PRIMARY'"
                f" AND s.TABLE_SCHEMA={literal(self._database)} AND s.TABLE_NAME={literal(name)}"
            )
            if len(keys) != 1 or str(keys[0]["d"]) not in ("tinyint", "smallint", "mediumint", "int", "bigint"):
                continue
            key = identifier(str(keys[0]["c"]))
            span = self._session.run(f"SELECT MIN({key}) AS a, MAX({key}) AS b FROM {identifier(name)}")[0]
            if span["a"] is None or span["b"] is None:
                continue
            first, last = int(span["a"]), int(span["b"])
            cuts = [first + (last - first) * index // jobs for index in range(1, jobs)]
            # Rows may come before the first and after the last until the tables are locked.
            bounds = [f"{key} >= {cut}" for cut in cuts]
            found[name] = [" AND ".join([*bounds[at - 1 : at], *(f"{key} < {cut}" for cut in cuts[at : at + 1])]) for at in range(jobs)]
            if len(set(cuts)) < jobs - 1:
                del found[name]
        return found

    def _start(self, stack: contextlib.ExitStack, streams: list[list[Run]]) -> list[Part]:
        single = len(streams) < 2
        # Not of a table that several streams share: they end at different times.
        whole = {name for runs in streams for run in runs if not run.where for name in run.tables}
        definitions, keys = deferred(self._definitions, whole)
        before, after = objects.structure(definitions), objects.late_objects(definitions)
        opened = []
        for index, runs in enumerate(streams or [[]], 1):
            processes = []
            for run in runs:
                where = [f"--where={run.where}"] if run.where else []
                mysql = [] if self._client.mariadb else ["--set-gtid-purged=OFF", "--column-statistics=0"]
                command = stack.enter_context(self._client.dump(*_OPTIONS, *mysql, *where, "--", self._database, *run.tables))
                process = Process(command, stdout=subprocess.PIPE)
                stack.callback(process.kill)
                processes.append(process)
            name = "data" if single else f"data{index}"
            indexes = "\n".join([objects.DEFINING, *(f"{keys[one]};" for run in runs for one in run.tables if one in keys), ""])
            opened.append((name, Stream(name, before if single else "", processes, indexes + (after if single else ""))))
        for _name, stream in opened:
            stream.begin()
        if not single:
            opened = [("structure", Stream("structure", before, [], "")), *opened, ("objects", Stream("objects", after, [], ""))]
        return [Part(name, lambda stream=stream, name=name: _reading(name, stream)) for name, stream in opened]  # type: ignore[misc]

    def _described(self) -> dict[str, t.Any]:
        """What create needs, and what is worth knowing: grants belong to the server, by the database's name, and outlive a switch."""
        own = self._session.run(
            "SELECT DEFAULT_CHARACTER_SET_NAME AS cs, DEFAULT_COLLATION_NAME AS co FROM information_schema.SCHEMATA"
            f" WHERE {objects.schema_is('SCHEMA_NAME', self._database)}"
        )[0]
        grants = self._session.run(
            "SELECT GRANTEE AS g, GROUP_CONCAT(PRIVILEGE_TYPE ORDER BY PRIVILEGE_TYPE SEPARATOR ', ') AS p"
            f" FROM information_schema.SCHEMA_PRIVILEGES WHERE TABLE_SCHEMA={literal(self._database)} GROUP BY GRANTEE ORDER BY GRANTEE"
        )
        return {
            "database": self._database,
            "character_set": own["cs"],
            "collation": own["co"],
            "grants": [f"{row['g']}: {row['p']}" for row in grants],
        }

    def inventory(self, *, counts: bool, checksums: bool) -> Inventory:
        with self._asking:
            return facts(self._session, self._server, self._database, self._definitions, counts, checksums)

    def query(self, text: str) -> str:
        with self._asking:
            rows = self._session.run(text.strip().rstrip(";"), timeout=600)
        if len(rows) != 1 or len(rows[0]) != 1:
            raise RunbookError(f"the query for the schema's revision must answer one value, it answered {len(rows)} rows: {text}")
        return next(iter(rows[0].values())) or ""

    def check_end(self, part: str, tail: bytes) -> None:
        check_end(part, tail)


@contextlib.contextmanager
def _reading(name: str, stream: Stream) -> t.Iterator[Reader]:
    yield stream
    if not stream.complete:
        raise RunbookError(f"part {name} of the dump was not read to its end")
