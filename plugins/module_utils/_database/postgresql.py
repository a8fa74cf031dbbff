# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - every name and text in a statement has been through identifier() or literal(), or is the server's own
"""The engine for PostgreSQL: what it does with whole databases. Dumps and inventories are in files of their own."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
import typing as t

from .._common.errors import InvalidInput, Refused, RunbookError
from .engine import Part
from .model import Inventory, Login, Selection, Server, Table
from .postgresql_client import Client, Row, Session, identifier, literal
from .postgresql_dump import PostgreSQLDump, load
from .postgresql_inventory import inventory, relations
from .postgresql_settings import adoption, check_needs, creation, describe, forgetting, sequences

_LONGEST = 63
# Only those that this user may end; ending others is an error. Workers of the server go by themselves.
_TERMINATE = """SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid
WHERE a.pid <> pg_backend_pid() AND a.{column} = {value} AND (SELECT rolsuper OR NOT coalesce(r.rolsuper, true)
AND pg_has_role(a.usesysid, 'MEMBER') FROM pg_roles WHERE rolname = current_user)"""


class PostgreSQL:
    """See ``Engine``. A session over a local socket is the operating system user's: run as ``postgres`` or log in with a password."""

    kind: t.ClassVar[str] = "postgresql"
    suffix: t.ClassVar[str] = "sql"

    def __init__(self, login: Login) -> None:
        self.client = Client(login)
        self._server: Server | None = None

    def server(self) -> Server:
        if self._server is None:
            with self.client.session(self.client.maintenance) as session:
                return self._meet(session)
        return self._server

    def _meet(self, session: Session) -> Server:
        """Note who answers: a client takes longer to start than it does to answer, so no session is made for this when there is one."""
        server = self._server = Server("postgresql", session.value("SHOW server_version").split(" ")[0])
        return server

    def check_name(self, name: str) -> None:
        if not name or any(char in name for char in "\n\r\0"):
            raise InvalidInput(f"{name!r} can't be the name of a PostgreSQL database: it is empty or has a line break or NUL byte")
        if len(name.encode("utf-8", "surrogateescape")) > _LONGEST:
            raise InvalidInput(f"{name!r} can't be the name of a PostgreSQL database: it is longer than {_LONGEST} bytes")

    def exists(self, name: str) -> bool:
        self.check_name(name)
        return bool(self.client.trusted(self.client.maintenance, f"SELECT 1 FROM pg_database WHERE datname = {literal(name)}"))

    def tables(self, name: str) -> list[Table]:
        self.check_name(name)
        with self.client.session(name) as session:
            self._meet(session)
            return [one.table for one in relations(session) if one.kind == "r"]

    @contextlib.contextmanager
    def dump(self, name: str, selection: Selection, jobs: int) -> t.Iterator[PostgreSQLDump]:
        self.check_name(name)
        with self.client.session(name) as holder:
            yield PostgreSQLDump(self.client, name, holder, selection, jobs)

    def inventory(self, name: str, *, counts: bool, checksums: bool) -> Inventory:
        self.check_name(name)
        with self.client.session(name) as session:
            session.rows("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return inventory(session, describe(session, name), sequences(session), (), counts=counts, checksums=checksums)

    def refuses(self, made_by: Server) -> str:
        if made_by.product != self.kind:
            return f"the backup was made by {made_by.product}, not by PostgreSQL"
        here = self.server()
        if made_by.numbers[:1] > here.numbers[:1]:
            return f"the backup was made by PostgreSQL {made_by.version}, which is newer than this server's {here.version}"
        return ""

    def data_folder(self, name: str) -> str:
        if not self.client.login.local:
            return ""
        try:
            return self.client.trusted(self.client.maintenance, "SHOW data_directory")[0]["data_directory"] or ""
        except RunbookError:
            return ""  # only some users may know

    def side_name(self, live: str, token: str) -> str:
        room = live.encode("utf-8", "surrogateescape")[: _LONGEST - len(token) - 1]
        return f"{room.decode('utf-8', 'ignore')}_{token}"

    def create(self, name: str, settings: t.Mapping[str, t.Any]) -> None:
        self.check_name(name)
        database = identifier(name)
        with self.client.session(self.client.maintenance) as session:
            check_needs(session, self.client.login.where, settings)
            session.rows(creation(session, name, settings))
            for statement in (
                "BEGIN",
                f"REVOKE CONNECT, TEMPORARY ON DATABASE {database} FROM PUBLIC",
                f"ALTER DATABASE {database} ALLOW_CONNECTIONS true",
                "COMMIT",
            ):
                session.rows(statement)

    def load(self, name: str, parts: t.Sequence[Part], settings: t.Mapping[str, t.Any], jobs: int) -> None:
        self.check_name(name)
        load(self.client, name, parts, settings, jobs)

    def drop(self, name: str) -> None:
        self.check_name(name)
        database = identifier(name)
        with self.client.session(self.client.maintenance) as session:
            if not _oid(session, name):
                return
            # Before PostgreSQL 13 nothing keeps others from coming back in between: the server then refuses, and says so.
            session.rows(_TERMINATE.format(column="datname", value=literal(name)))
            force = " WITH (FORCE)" if int(session.value("SHOW server_version_num")) >= 130000 else ""
            session.rows(f"DROP DATABASE {database}{force}")

    def switch(self, live: str, side: str, previous: str, note: t.Callable[[str, t.Mapping[str, t.Any]], None]) -> None:
        """Both renames, and what ``live`` is besides its contents, in one transaction: it happens wholly or not at all.

        The server lets nobody connect to a database that is being renamed, and this ends those who are connected. Whatever kills
        whom, nothing is left to be undone.
        """
        for name in (live, side, previous):
            self.check_name(name)
        with self.client.session(self.client.maintenance, _application(side)) as session:
            oids = {"live": _oid(session, live), "side": _oid(session, side)}
            if not oids["side"]:
                raise Refused(f"there is no database {side!r} on {self.client.login.where} to switch to")
            statements = [f"ALTER DATABASE {identifier(side)} RENAME TO {identifier(live)}"]
            if oids["live"]:
                self._check_followers(session, live, oids["live"])
                statements.insert(0, f"ALTER DATABASE {identifier(live)} RENAME TO {identifier(previous)}")
                statements += [*forgetting(live, describe(session, side)), *adoption(live, describe(session, live))]
            note("rename", oids)
            with self._without_visitors(session, [name for name in (live if oids["live"] else "", side) if name], oids) as alone:
                session.rows("BEGIN")
                for statement in statements:
                    session.rows(statement)
                alone()
                session.rows("COMMIT")

    def settle(self, live: str, side: str, previous: str, step: str, facts: t.Mapping[str, t.Any]) -> t.Literal["new", "old"]:
        with self.client.session(self.client.maintenance) as session:
            # The killed run's last statement may still be at work in the server.
            value = literal(_application(side))
            for _attempt in range(200):
                session.rows(_TERMINATE.format(column="application_name", value=value))
                if not session.rows(f"SELECT 1 FROM pg_stat_activity WHERE application_name = {value}"):
                    break
                time.sleep(0.05)
            else:
                where = self.client.login.where
                raise RunbookError(f"a session that renames database {live!r} on {where} does not end; end it and run this again")
            found = {"live": _oid(session, live), "side": _oid(session, side)}
        if found["side"]:
            return "old"
        if found["live"] and found["live"] == int(facts.get("side") or found["live"]):
            return "new"
        raise RunbookError(
            f"neither {side!r} nor what it was renamed to is on {self.client.login.where}: somebody else renamed or dropped it; "
            f"see whether {live!r} or {previous!r} is the database to use"
        )

    def _check_followers(self, session: Session, live: str, oid: int) -> None:
        """What follows a database by its number would go on with the replaced one."""
        rows: list[Row] = session.rows(
            f"SELECT 'replication slot ' || slot_name AS what FROM pg_replication_slots WHERE datoid = {oid} "
            f"UNION ALL SELECT 'subscription ' || subname FROM pg_subscription WHERE subdbid = {oid} ORDER BY 1"
        )
        if rows:
            names = ", ".join(row["what"] or "" for row in rows)
            raise Refused(
                f"database {live!r} has {names}, which would stay with the replaced one; drop it first and set it up again afterwards"
            )

    @contextlib.contextmanager
    def _without_visitors(self, session: Session, names: t.Sequence[str], oids: t.Mapping[str, int]) -> t.Iterator[t.Callable[[], None]]:
        """End other sessions in these databases over and over, until the function that this yields is called: by then both are locked."""
        done = threading.Event()
        failures: list[BaseException] = []
        everybody = [_TERMINATE.format(column="datid", value=oid) for oid in oids.values() if oid]

        def sweep(other: Session) -> None:
            try:
                while not done.wait(0.005):
                    for statement in everybody:
                        other.rows(statement)
            except BaseException as error:
                failures.append(error)

        with self.client.session(self.client.maintenance, "runbook") as other:
            for statement in everybody:
                other.rows(statement)
            names_list = ", ".join(literal(name) for name in names)
            for _attempt in range(100):
                if not session.rows(f"SELECT 1 FROM pg_stat_activity WHERE datname IN ({names_list}) LIMIT 1"):
                    break
                time.sleep(0.001)
            thread = threading.Thread(target=sweep, args=(other,), daemon=True)
            thread.start()

            def alone() -> None:
                done.set()
                thread.join()

            try:
                yield alone
            finally:
                alone()
            if failures:
                raise failures[0]


def _oid(session: Session, name: str) -> int:
    return int(session.value(f"SELECT oid FROM pg_database WHERE datname = {literal(name)}") or 0)


def _application(side: str) -> str:
    """How the session that switches is known to the server, so that the next run finds it."""
    return f"runbook switch {hashlib.sha256(side.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
