# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streaming replication of PostgreSQL (12 and newer)."""

from __future__ import annotations

import contextlib
import os
import re

from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.files import write_atomic
from .model import Login
from .postgresql_client import Client, Session, literal
from .replication import MARKER, State, Upstream, wait

_PASSWORDS = "runbook_replication.pgpass"
_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
# What a standby has got and what it has applied; while nobody streams to it, only the latter is known.
_HERE = "CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END"
# The server's own setting: this session's says otherwise (postgresql_client).
_FENCED = """SELECT coalesce((SELECT f.setting FROM pg_catalog.pg_file_settings f WHERE f.name = 'default_transaction_read_only'
AND f.applied ORDER BY f.seqno DESC LIMIT 1), 'off') IN ('on', 'true', 'yes', '1') AS fenced"""
_OTHERS = """SELECT count(pg_catalog.pg_terminate_backend(pid)) AS n FROM pg_catalog.pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()"""
_LAG = """CASE WHEN pg_catalog.pg_last_wal_receive_lsn() IS NOT DISTINCT FROM pg_catalog.pg_last_wal_replay_lsn() THEN 0
ELSE extract(epoch FROM pg_catalog.now() - pg_catalog.pg_last_xact_replay_timestamp()) END"""


def parse_lsn(text: str) -> int:
    """A position ``0/3000148`` as a number."""
    if not _LSN.fullmatch(text):
        raise InvalidInput(f"{text!r} is no position of PostgreSQL; give what fence or status returned, for example 0/3000148")
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def conninfo(upstream: Upstream, passwords: str) -> str:
    """What ``primary_conninfo`` says of a server, without its password."""
    words = {"host": upstream.host, "port": str(upstream.port or 5432), "user": upstream.user, "sslmode": upstream.ssl_mode}
    words.update({"passfile": passwords} if upstream.password else {}, application_name="runbook")
    return " ".join("{}='{}'".format(name, text.replace("\\", "\\\\").replace("'", "\\'")) for name, text in words.items())


class PostgreSQLReplication:
    restarts = True

    def __init__(self, login: Login, database: str) -> None:
        self._client = Client(login)
        self._database = database
        self.where = login.where

    def _session(self) -> contextlib.AbstractContextManager[Session]:
        return self._client.session(self._client.maintenance)

    def state(self) -> State:
        with self._session() as session:
            return _state(session)

    def has(self, position: str) -> bool:
        wanted = parse_lsn(position)
        with self._session() as session:
            return parse_lsn(session.value(f"SELECT {_HERE}") or "0/0") >= wanted

    def fence(self, timeout: float) -> int:
        with self._session() as session:
            if session.value("SELECT pg_catalog.pg_is_in_recovery()") == "t":
                raise Refused("the server is a standby, which accepts no writes as it is; fence the primary")
            session.rows("ALTER SYSTEM SET default_transaction_read_only = on")
            _reload(session, timeout)
            ended = 0

            def alone() -> bool:
                nonlocal ended
                found = int(session.value(_OTHERS) or 0)
                ended += found
                return found == 0

            # Whoever comes back at once is read-only by now; only who was here before has to go.
            wait(alone, min(timeout, 5))
            return ended

    def unfence(self) -> None:
        with self._session() as session:
            session.rows("ALTER SYSTEM RESET default_transaction_read_only")
            _reload(session)

    def promote(self, timeout: float) -> None:
        with self._session() as session:
            # A server that was fenced before it followed another still has that setting.
            session.rows("ALTER SYSTEM RESET default_transaction_read_only")
            _reload(session)
            if session.value(f"SELECT pg_catalog.pg_promote(true, {max(1, int(timeout))})") != "t":
                raise RunbookError(
                    f"the server did not end its recovery within {timeout:g} s; see its log, and status before anything else"
                )

    def follow(self, upstream: Upstream) -> None:
        if any(char in text for char in "\n\r\0" for text in (upstream.host, upstream.user, upstream.password)):
            raise InvalidInput(
                "upstream_host, upstream_user or upstream_password has a line break or NUL byte, which can't be written down"
            )
        with self._session() as session:
            folder = session.value("SHOW data_directory")
            try:
                owner = os.stat(folder)
                if upstream.password:
                    escaped = upstream.password.replace("\\", "\\\\").replace(":", "\\:")
                    _write(os.path.join(folder, _PASSWORDS), f"*:*:*:*:{escaped}\n", owner)
                session.rows(f"ALTER SYSTEM SET primary_conninfo = {literal(conninfo(upstream, os.path.join(folder, _PASSWORDS)))}")
                session.rows("ALTER SYSTEM SET recovery_target_timeline = 'latest'")
                _write(os.path.join(folder, "standby.signal"), "", owner)
            except PermissionError as error:
                raise RunbookError(
                    f"{error.filename} can't be written; run the task as the server's user or as root, on the server's host"
                ) from None
            _reload(session)

    def _marked(self) -> contextlib.AbstractContextManager[Session]:
        if not self._database:
            raise InvalidInput("a marker needs a database to lie in; give name")
        return self._client.session(self._database)

    def mark(self, token: str) -> None:
        with self._marked() as session:
            session.rows(f"CREATE TABLE IF NOT EXISTS public.{MARKER} (id int PRIMARY KEY, token text NOT NULL)")
            session.rows(f"INSERT INTO public.{MARKER} VALUES (1, {literal(token)}) ON CONFLICT (id) DO UPDATE SET token = excluded.token")  # noqa: S608 - names and literals are quoted

    def marker(self) -> str:
        with self._marked() as session:
            if not session.value(f"SELECT pg_catalog.to_regclass('public.{MARKER}')"):
                return ""
            return session.value(f"SELECT token FROM public.{MARKER} WHERE id = 1")  # noqa: S608 - names and literals are quoted

    def unmark(self) -> None:
        with self._marked() as session:
            session.rows(f"DROP TABLE IF EXISTS public.{MARKER}")


def _write(path: str, text: str, owner: os.stat_result) -> None:
    write_atomic(path, text.encode("utf-8", "surrogateescape"))
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def _reload(session: Session, timeout: float = 10) -> None:
    """Let the server read its settings, and wait until it has: whoever logs in after that is bound by them."""
    loaded = session.value("SELECT pg_catalog.pg_conf_load_time()")
    session.rows("SELECT pg_catalog.pg_reload_conf()")
    if not wait(lambda: session.value("SELECT pg_catalog.pg_conf_load_time()") != loaded, timeout):
        raise RunbookError(f"the server did not read its settings within {timeout:g} s; see its log")


def _fenced(session: Session) -> bool:
    return session.value(_FENCED) == "t"


def _state(session: Session) -> State:
    replicas = int(session.value("SELECT count(*) FROM pg_catalog.pg_stat_replication") or 0)
    position = session.value(f"SELECT {_HERE}")
    if session.value("SELECT pg_catalog.pg_is_in_recovery()") != "t":
        return State("primary", not _fenced(session), position, replicas=replicas)
    told = session.rows(
        f"SELECT {_LAG} AS lag, w.status, w.sender_host || ':' || w.sender_port AS upstream FROM (SELECT 1) one"  # noqa: S608 - names and literals are quoted
        " LEFT JOIN pg_catalog.pg_stat_wal_receiver w ON true"
    )[0]
    following = told["status"] == "streaming"
    lag = float(told["lag"]) if following and told["lag"] is not None else None
    error = "" if following else "no server streams to it; see its log"
    return State("replica", False, position, told["upstream"] or "", following, lag, error, replicas)
