# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replication of MariaDB by GTIDs. MySQL's has other statements and other GTIDs, and is refused."""

from __future__ import annotations

import re

from .._common.errors import InvalidInput, Refused, RunbookError
from .mariadb_client import Client, Session, SqlError, check_name, identifier, literal
from .model import Login
from .replication import MARKER, State, Upstream

_GTID = re.compile(r"(\d{1,10})-(\d{1,10})-(\d{1,20})")
# Sessions that a fence leaves: the server's own threads and replicas, which still have to get the last writes.
_OTHERS = """SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user NOT IN ('system user', 'event_scheduler')
AND command NOT LIKE 'Binlog Dump%' AND command NOT LIKE 'Slave%' AND command <> 'Daemon'"""


def parse_gtids(text: str) -> dict[str, int]:
    """A position ``0-1-17,5-2-3`` as sequence numbers by domain; empty for an empty text."""
    found: dict[str, int] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        match = _GTID.fullmatch(item)
        if not match:
            raise InvalidInput(f"{text!r} is no position of MariaDB; give what fence or status returned, for example 0-1-17")
        found[match[1]] = max(found.get(match[1], 0), int(match[3]))
    return found


class MariaDBReplication:
    restarts = False

    def __init__(self, login: Login, database: str) -> None:
        if database:
            check_name(database)
        self._client = Client(login)
        self._database = database
        self.where = login.where

    def _session(self) -> Session:
        return Session(self._client)

    def state(self) -> State:
        with self._session() as session:
            return _state(session)

    def has(self, position: str) -> bool:
        wanted = parse_gtids(position)
        with self._session() as session:
            got = parse_gtids(_position(session))
        return all(got.get(domain, 0) >= number for domain, number in wanted.items())

    def fence(self, timeout: float) -> int:
        with self._session() as session:
            _known(session)
            session.run(f"SET SESSION lock_wait_timeout = {max(1, int(timeout))}")
            # Who holds a lock on tables keeps the server from becoming read-only, so the sessions go first; those that came
            # in between, after.
            ended = _end_others(session)
            session.run("SET GLOBAL read_only = 1", timeout + 5)
            return ended + _end_others(session)

    def unfence(self) -> None:
        with self._session() as session:
            session.run("SET GLOBAL read_only = 0")

    def promote(self, timeout: float) -> None:
        with self._session() as session:
            session.run("STOP SLAVE", timeout)
            session.run("RESET SLAVE ALL")
            session.run("SET GLOBAL read_only = 0")

    def follow(self, upstream: Upstream) -> None:
        with self._session() as session:
            _known(session)
            # A replica that can be written to would soon be no copy any more.
            session.run("SET GLOBAL read_only = 1")
            session.run("STOP SLAVE")
            # What a former primary wrote itself counts as replicated.
            session.run("SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_current_pos")
            tls = {"disable": "0", "prefer": "0"}.get(upstream.ssl_mode, "1")
            verify = "1" if upstream.ssl_mode in ("verify-ca", "verify-full") else "0"
            # The server keeps a statement with this word in its logs without the password.
            session.run(
                f"CHANGE MASTER TO MASTER_HOST = {literal(upstream.host)}, MASTER_PORT = {upstream.port or 3306},"
                f" MASTER_USER = {literal(upstream.user)}, MASTER_PASSWORD = {literal(upstream.password)},"
                f" MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 2, MASTER_SSL = {tls}, MASTER_SSL_VERIFY_SERVER_CERT = {verify}"
            )
            session.run("START SLAVE")

    def mark(self, token: str) -> None:
        with self._session() as session:
            table = self._marker()
            session.run(f"CREATE TABLE IF NOT EXISTS {table} (id INT PRIMARY KEY, token VARCHAR(64) NOT NULL) ENGINE = InnoDB")
            session.run(f"REPLACE INTO {table} VALUES (1, {literal(token)})")  # noqa: S608 - names and literals are quoted

    def marker(self) -> str:
        with self._session() as session:
            try:
                rows = session.run(f"SELECT token FROM {self._marker()} WHERE id = 1")  # noqa: S608 - names and literals are quoted
            except SqlError as error:
                if error.code == 1146:
                    return ""
                raise
        return (rows[0]["token"] or "") if rows else ""

    def unmark(self) -> None:
        with self._session() as session:
            session.run(f"DROP TABLE IF EXISTS {self._marker()}")

    def _marker(self) -> str:
        if not self._database:
            raise InvalidInput("a marker needs a database to lie in; give name")
        return f"{identifier(self._database)}.{MARKER}"


def _known(session: Session) -> None:
    version = session.run("SELECT VERSION() AS v")[0]["v"] or ""
    if "MariaDB" not in version:
        raise Refused(f"the server is MySQL {version}, whose replication is not known here; use its own tools")
    if session.run("SELECT @@GLOBAL.log_bin AS b")[0]["b"] != "1":
        raise Refused("the server writes no binary log, so nobody can follow it; set log_bin and log_slave_updates and restart it")


def _position(session: Session) -> str:
    return session.run("SELECT @@GLOBAL.gtid_current_pos AS p")[0]["p"] or ""


def _end_others(session: Session) -> int:
    """End every session but this one. An error would end this one too, so the server is told to go on with those that are gone."""
    ids = [int(row["id"] or 0) for row in session.run(_OTHERS)]
    for number in ids:
        session.run(f"BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; KILL HARD CONNECTION {number}; END")
    return len(ids)


def _state(session: Session) -> State:
    if "MariaDB" not in (session.run("SELECT VERSION() AS v")[0]["v"] or ""):
        raise Refused("the server is MySQL, whose replication is not known here; use its own tools")
    rows = session.run("SHOW ALL SLAVES STATUS")
    if len(rows) > 1:
        raise RunbookError("the server follows several others, which is not known here; use its own tools")
    facts = session.run(
        "SELECT @@GLOBAL.read_only AS r, (SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%') AS n"
    )[0]
    writable, position, replicas = facts["r"] == "0", _position(session), int(facts["n"] or 0)
    if not rows:
        return State("primary", writable, position, replicas=replicas)
    row = rows[0]
    running = row["Slave_IO_Running"] == "Yes" and row["Slave_SQL_Running"] == "Yes"
    behind = row["Seconds_Behind_Master"]
    return State(
        role="replica",
        writable=writable,
        position=position,
        upstream=f"{row['Master_Host']}:{row['Master_Port']}",
        following=running,
        lag=float(behind) if behind is not None else None,
        error=(row["Last_SQL_Error"] or row["Last_IO_Error"] or "").replace("\n", " "),
        replicas=replicas,
    )
