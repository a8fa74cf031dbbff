# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps of PostgreSQL databases: parts of one exported snapshot, and filling an empty database from them.

With one job a dump is what ``pg_dump`` writes. With more it is ``schema`` (an archive, so that indexes and constraints are
built side by side and materialized views are filled when their tables are) and ``data-1`` … (plain SQL of some tables each; the first has
everything that no other was given, so that nothing can be forgotten). PostgreSQL's own directory format can't be streamed or encrypted.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import os
import shutil
import subprocess
import tempfile
import threading
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.process import Command, find_program, in_blocks, run
from .engine import Part, Reader
from .model import Inventory, Selection
from .postgresql_client import PACKAGE, Client, Session, conninfo, cursor, literal
from .postgresql_inventory import Relation, inventory, relations
from .postgresql_settings import adoption, describe, needs, sequences
from .streams import pieces

_TRAILER = b"-- PostgreSQL database dump complete"
# A restored database is complete or thrown away, so its commits need not wait for the disk one by one; giving it its owner does.
_LOADING = "-c synchronous_commit=off"


def check_end(part: str, tail: bytes) -> None:
    """``RunbookError`` unless a part's last bytes are how ``pg_dump`` ends; newer ones write ``\\unrestrict`` after it."""
    if _TRAILER not in tail[-1024:]:
        raise RunbookError(f"the dump is cut off: its part {part} does not end with {_TRAILER.decode()!r}")


class PostgreSQLDump:
    """One moment of a database, held by the session that also counts in it: whatever fails there, the backup does."""

    def __init__(self, client: Client, name: str, holder: Session, selection: Selection, jobs: int) -> None:
        self._client, self._name, self._holder = client, name, holder
        holder.rows("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._snapshot = holder.value("SELECT pg_export_snapshot() AS id")
        self._relations = relations(holder)
        # A table that is truncated or altered later would look empty or unlike itself to the clients that come after.
        names = [one.quoted for one in self._relations if one.kind == "r"]
        for start in range(0, len(names), 200):
            holder.rows(f"LOCK TABLE {', '.join(names[start : start + 200])} IN ACCESS SHARE MODE")
        self._database = describe(holder, name)
        self.settings: dict[str, t.Any] = {
            **self._database,
            **needs(holder),
            "sequences": sequences(holder),
        }
        tables = [one for one in self._relations if one.kind == "r"]
        chosen = {table.name for table in selection.resolve([one.table for one in tables])}
        self._left_out = {table.name for table in tables} - chosen
        self._check_references(holder)
        self.parts = self._plan(jobs, [table for table in tables if table.name in chosen])

    def _check_references(self, holder: Session) -> None:
        """Rows that refer to rows which are left out could not be restored."""
        if not self._left_out:
            return
        quoted = {one.quoted: one.name for one in self._relations}
        rows = holder.rows(
            "SELECT DISTINCT format('%I.%I', n.nspname, c.relname) AS child, format('%I.%I', m.nspname, p.relname) AS parent "
            "FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace m ON m.oid = p.relnamespace WHERE k.contype = 'f' ORDER BY 1, 2"
        )
        for row in rows:
            child, parent = quoted.get(row["child"] or ""), quoted.get(row["parent"] or "")
            if child and child not in self._left_out and parent in self._left_out:
                raise InvalidInput(f"table {child} refers to {parent}, which is left out; leave out both or neither")

    def _plan(self, jobs: int, tables: list[Relation]) -> list[Part]:
        empty = [f"--exclude-table-data={one.quoted}" for one in self._relations if one.name in self._left_out]
        if jobs < 2 or len(tables) < 2:
            return [Part("data", functools.partial(self._plain, tuple(empty)))]
        groups: list[list[Relation]] = [[] for _group in range(min(2 * jobs, len(tables)))]
        for table in sorted(tables, key=lambda one: -one.bytes):
            min(groups, key=lambda group: sum(one.bytes for one in group) + len(group)).append(table)
        elsewhere = [one for group in groups[1:] for one in group]
        rest = ("--data-only", *empty, *(f"--exclude-table-data={one.quoted}" for one in elsewhere))
        parts = [Part("schema", self._schema), Part("data-1", functools.partial(self._plain, rest))]
        for number, group in enumerate(groups[1:], 2):
            words = ("--data-only", *(f"--table={one.quoted}" for one in group))
            parts.append(Part(f"data-{number}", functools.partial(self._plain, words)))
        return parts

    @contextlib.contextmanager
    def _plain(self, words: t.Sequence[str]) -> t.Iterator[Reader]:
        words = (f"--snapshot={self._snapshot}", *words)
        with self._client.started("pg_dump", *words, database=self._name, stdout=subprocess.PIPE, more=in_blocks()) as process:
            yield process.stdout
            if process.stdout.read(1):
                process.kill()
                raise RunbookError(f"the dump of {self._name} was not read to its end")

    @contextlib.contextmanager
    def _schema(self) -> t.Iterator[Reader]:
        """The archive of all definitions: small, so it is read back before it is given out, and has an end that can be recognised."""
        with tempfile.NamedTemporaryFile(prefix="runbook-", suffix=".dump") as archive:
            # Not --schema-only, which leaves materialized views empty. Large objects are with the data.
            sections = ("--section=pre-data", "--section=post-data", "--no-blobs")
            words = (f"--snapshot={self._snapshot}", *sections, "-Fc", "-Z0", f"--file={archive.name}")
            with self._client.started("pg_dump", *words, database=self._name):
                pass
            run(Command((find_program(["pg_restore"], PACKAGE), "-l", archive.name)))
            with open(archive.name, "ab") as stream:
                stream.write(b"\n--\n" + _TRAILER + b"\n--\n")
            with open(archive.name, "rb", buffering=0) as reader:
                yield reader

    def inventory(self, *, counts: bool, checksums: bool) -> Inventory:
        return inventory(self._holder, self._database, self.settings["sequences"], self._left_out, counts=counts, checksums=checksums)

    def query(self, text: str) -> str:
        # A session that sees the same moment, so that a statement of a user's can't end the dump.
        with self._client.session(self._name) as session:
            session.rows("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            session.rows(f"SET TRANSACTION SNAPSHOT {literal(self._snapshot)}")
            session.rows("RESET search_path")
            return session.value(cursor(text, begin=""))

    def check_end(self, part: str, tail: bytes) -> None:
        check_end(part, tail)


def load(client: Client, name: str, parts: t.Sequence[Part], settings: t.Mapping[str, t.Any], jobs: int) -> None:
    """Fill an empty database and give it what belongs to the database itself. Raises the first error of the server or of a part."""
    stop = threading.Event()
    schema = next((part for part in parts if part.name == "schema"), None)
    data = [part for part in parts if part is not schema]
    with contextlib.ExitStack() as stack:
        archive = ""
        if schema:
            folder = tempfile.mkdtemp(prefix="runbook-")
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            archive = os.path.join(folder, "schema.dump")
            with open(archive, "wb") as stream:
                _copy(schema, stream, stop)
            _restore(client, name, archive, "pre-data", 1)
        with concurrent.futures.ThreadPoolExecutor(max(1, jobs)) as pool:
            waiting = [pool.submit(_play, client, name, part, stop) for part in data]
            try:
                for done in concurrent.futures.as_completed(waiting):
                    done.result()
            except BaseException:
                stop.set()
                raise
        if archive:
            _restore(client, name, archive, "post-data", jobs)
    values = [f"setval({literal(which)}::regclass, {int(at)}, {bool(used)})" for which, (at, used) in settings.get("sequences", {}).items()]
    if values:
        client.trusted(name, *(f"SELECT {', '.join(values[start : start + 200])}" for start in range(0, len(values), 200)))
    client.trusted(client.maintenance, "BEGIN", *adoption(name, settings), "COMMIT")


def _restore(client: Client, name: str, archive: str, section: str, jobs: int) -> None:
    words = (f"--section={section}", f"--jobs={max(1, jobs)}", "--exit-on-error", f"--dbname={conninfo(name)}", archive)
    with client.started("pg_restore", *words, database=name, options=_LOADING):
        pass


def _play(client: Client, name: str, part: Part, stop: threading.Event) -> None:
    words = ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", os.devnull)
    with client.started("psql", *words, database=name, stdin=subprocess.PIPE, options=_LOADING) as psql:
        _copy(part, psql.stdin, stop)


def _copy(part: Part, target: t.BinaryIO, stop: threading.Event) -> None:
    tail = b""
    with part.open() as reader:
        for data in pieces(reader):
            if stop.is_set():
                raise RunbookError("another part of the backup could not be restored")
            tail = bytes(data[-1024:]) if len(data) >= 1024 else (tail + data)[-1024:]
            while data:
                data = data[target.write(data) :]
    check_end(part.name, tail)
