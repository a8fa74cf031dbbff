# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - names and texts in statements are quoted by identifier() and literal()
"""MariaDB and MySQL: what ``engine.Engine`` asks for."""

from __future__ import annotations

import concurrent.futures
import contextlib
import subprocess
import threading
import typing as t

from .._common.errors import RunbookError
from .._common.process import Process, ProgramFailed
from . import mariadb_dump, mariadb_objects, mariadb_switch
from .engine import Part
from .mariadb_client import Client, Session, SqlError, check_name, identifier
from .model import Inventory, Login, Selection, Server, Table
from .streams import pieces

_NAME_LIMIT = 64
# For each session that loads. What a dump holds was consistent, so keys are not checked one by one.
_LOADING = b"SET SESSION foreign_key_checks=0, unique_checks=0, net_read_timeout=86400, net_write_timeout=86400;\n"
# No room in the temporary folder, which is a small one in memory on some systems: indexes are then built as slowly as without it.
_NO_TEMPORARY_ROOM = 1878
_WITHOUT_SORTING = b"SET SESSION old_alter_table=1;\n"


class _Stopped(Exception):
    """Another part failed."""


class MariaDB:
    """A server with one log-in; see ``engine.Engine`` for what each method promises."""

    kind: t.ClassVar[str] = "mariadb"
    suffix: t.ClassVar[str] = "sql"

    def __init__(self, login: Login) -> None:
        self._login = login
        self.client = Client(login)

    def server(self) -> Server:
        with self._session() as session:
            version = str(session.run("SELECT VERSION() AS v")[0]["v"])
            if self._login.ssl_mode in ("require", "verify-ca", "verify-full"):
                cipher = session.run("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
                if not cipher or not cipher[0]["Value"]:
                    raise SqlError(
                        f"the server at {self._login.where} does not encrypt connections, which ssl_mode={self._login.ssl_mode} asks for"
                    )
        return Server("mariadb" if "mariadb" in version.lower() else "mysql", version.partition("-")[0])

    def check_name(self, name: str) -> None:
        check_name(name)

    def exists(self, name: str) -> bool:
        check_name(name)
        with self._session() as session:
            return self._exists(session, name)

    def tables(self, name: str) -> list[Table]:
        check_name(name)
        with self._session() as session:
            self._must_exist(session, name)
            return [
                Table(str(row["n"]), int(row["b"] or 0))
                for row in session.run(
                    "SELECT TABLE_NAME AS n, DATA_LENGTH AS b FROM information_schema.TABLES"
                    f" WHERE {mariadb_objects.schema_is('TABLE_SCHEMA', name)} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')"
                    " ORDER BY TABLE_NAME"
                )
            ]

    @contextlib.contextmanager
    def dump(self, name: str, tables: Selection, jobs: int) -> t.Iterator[mariadb_dump.MariaDBDump]:
        chosen = tables.resolve(self.tables(name))
        opened = mariadb_dump.MariaDBDump(self.client, self.server(), name, chosen, tables.partial, jobs)
        try:
            yield opened
        except ProgramFailed as failed:
            raise self.client.explain(failed) from None
        finally:
            opened.close()

    def inventory(self, name: str, *, counts: bool, checksums: bool) -> Inventory:
        check_name(name)
        server = self.server()
        with self._session() as session:
            self._must_exist(session, name)
            definitions = mariadb_objects.read(session, name)
            session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            return mariadb_dump.facts(session, server, name, definitions, counts, checksums)

    def refuses(self, made_by: Server) -> str:
        here = self.server()
        if made_by.product != here.product:
            return (
                f"the dump was made by {made_by.product} {made_by.version} and this is {here.product} {here.version}: their collations and"
                " definitions differ; restore it into the same product"
            )
        if made_by.numbers[:2] > here.numbers[:2]:
            return (
                f"the dump was made by {made_by.product} {made_by.version} and this server is older ({here.version});"
                f" restore it into {made_by.version} or newer"
            )
        return ""

    def data_folder(self, name: str) -> str:
        if not self._login.local:
            return ""
        with self._session() as session:
            return str(session.run("SELECT @@datadir AS folder")[0]["folder"])

    def side_name(self, live: str, token: str) -> str:
        return f"{live[: _NAME_LIMIT - len(token) - 4]}_rb_{token}"

    def create(self, name: str, settings: t.Mapping[str, t.Any]) -> None:
        check_name(name)
        character_set, collation = str(settings["character_set"]), str(settings["collation"])
        if not (character_set + collation).replace("_", "").isalnum():
            raise RunbookError(f"the dump's settings name no character set: {character_set!r}, {collation!r}; is its sidecar damaged?")
        with self._session() as session:
            if self._exists(session, name):
                raise RunbookError(
                    f"there is already a database {name} on the server at {self._login.where}; choose another name or drop it"
                )
            session.run(f"CREATE DATABASE {identifier(name)} CHARACTER SET {character_set} COLLATE {collation}")

    def load(self, name: str, parts: t.Sequence[Part], settings: t.Mapping[str, t.Any], jobs: int) -> None:
        check_name(name)
        try:
            self._load(name, parts, jobs, _LOADING)
        except SqlError as error:
            if error.code != _NO_TEMPORARY_ROOM:
                raise
            self.drop(name)
            self.create(name, settings)
            self._load(name, parts, jobs, _LOADING + _WITHOUT_SORTING)
        if name == settings.get("database"):
            # Under the name it was dumped from it is the real one: its events run again.
            self.wake(name)

    def _load(self, name: str, parts: t.Sequence[Part], jobs: int, first: bytes) -> None:
        stop = threading.Event()
        serial = {part.name: part for part in parts if part.name in ("structure", "objects")}
        if "structure" in serial:
            self._feed(name, serial["structure"], stop, first)
        self._feed_all(name, [part for part in parts if part.name not in serial], jobs, stop, first)
        if "objects" in serial:
            self._feed(name, serial["objects"], stop, first)

    def wake(self, name: str) -> None:
        """Let the events run that ran where the dump was made; a loaded database under another name has them asleep."""
        with self._session() as session:
            definitions = mariadb_objects.read_late(session, name)
            mariadb_objects.arrange(session, name, [own.awake() for own in definitions])

    def drop(self, name: str) -> None:
        check_name(name)
        with self._session() as session:
            session.run("SET SESSION foreign_key_checks=0, lock_wait_timeout=30")
            for row in session.run(f"SELECT ID AS i FROM information_schema.PROCESSLIST WHERE {mariadb_objects.schema_is('DB', name)}"):
                with contextlib.suppress(SqlError), self._session() as killer:
                    killer.run(f"KILL {row['i']}")
            session.run(f"DROP DATABASE IF EXISTS {identifier(name)}")

    def switch(self, live: str, side: str, previous: str, note: mariadb_switch.Note) -> None:
        for name in (live, side, previous):
            check_name(name)
        noted: dict[str, t.Any] = {}

        def remember(step: str, facts: t.Mapping[str, t.Any]) -> None:
            noted["facts"] = facts
            note(step, facts)

        try:
            with self._session() as session:
                mariadb_switch.switch(session, live, side, previous, remember)
        except SqlError as error:
            with self._session() as session:
                state = mariadb_switch.settle(session, live, side, previous, noted.get("facts", {}))
            if state == "old":
                raise SqlError(f"{live} was not switched and is as it was: {error.message}", error.code) from None

    def settle(self, live: str, side: str, previous: str, step: str, facts: t.Mapping[str, t.Any]) -> t.Literal["new", "old"]:
        for name in (live, side, previous):
            check_name(name)
        with self._session() as session:
            return mariadb_switch.settle(session, live, side, previous, facts)

    def _session(self) -> Session:
        return Session(self.client)

    def _exists(self, session: Session, name: str) -> bool:
        return bool(session.run(f"SELECT 1 AS x FROM information_schema.SCHEMATA WHERE {mariadb_objects.schema_is('SCHEMA_NAME', name)}"))

    def _must_exist(self, session: Session, name: str) -> None:
        if not self._exists(session, name):
            raise RunbookError(f"there is no database {name} on the server at {self._login.where}, or this log-in may not see it")

    def _feed_all(self, name: str, parts: t.Sequence[Part], jobs: int, stop: threading.Event, first: bytes) -> None:
        with concurrent.futures.ThreadPoolExecutor(max(1, jobs)) as pool:
            running = [pool.submit(self._feed, name, part, stop, first) for part in parts]
            try:
                for done in concurrent.futures.as_completed(running):
                    done.result()
            except _Stopped:
                # The first failure is in another one.
                for other in running:
                    if not isinstance(other.exception(), _Stopped):
                        other.result()
            except BaseException:
                stop.set()
                raise

    def _feed(self, name: str, part: Part, stop: threading.Event, first: bytes) -> None:
        """Give one part to a client, after ``first``; ``stop`` is set when this fails."""
        tail = b""
        try:
            with part.open() as reader, self.client.sql(name) as command, Process(command, stdin=subprocess.PIPE) as process:
                process.write(first)
                for data in pieces(reader):
                    if stop.is_set():
                        raise _Stopped
                    tail = bytes(data[-1024:]) if len(data) >= 1024 else (tail + data)[-1024:]
                    process.write(data)
            # After the part has said whether it is what was stored: why it is cut says more than that it is.
            mariadb_dump.check_end(part.name, tail)
        except ProgramFailed as failed:
            stop.set()
            raise self.client.explain(failed) from None
        except BaseException:
            stop.set()
            raise
