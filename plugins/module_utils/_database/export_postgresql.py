# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports from PostgreSQL: a cursor in one transaction, fetched in pieces of about a megabyte."""

from __future__ import annotations

import contextlib
import typing as t

from .dialect_postgresql import PostgreSQLDialect
from .export_request import Row, Wanted, within
from .export_sql import Statements, statements
from .model import Login
from .postgresql_client import Client, Session, opened

# Bytes of one answer that are worth the way to the server, and rows to begin with.
_PIECE = 1 << 20
_FIRST, _MOST = 50, 20_000


@contextlib.contextmanager
def snapshot(login: Login, wanted: Wanted) -> t.Iterator[PostgreSQLSnapshot]:
    client = Client(login)
    prepared = statements(PostgreSQLDialect(client), wanted, _shown)
    with client.session(wanted.database, "runbook export") as session, within(wanted.timeout, session.terminate):
        # Names in a query are looked up as the log-in is used to.
        session.rows("RESET search_path")
        session.rows("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield PostgreSQLSnapshot(session, prepared)


class PostgreSQLSnapshot:
    """See ``Snapshot``."""

    consistent = True

    def __init__(self, session: Session, prepared: Statements) -> None:
        self._session, self._prepared = session, prepared
        self.json = prepared.json

    def count(self) -> int:
        self._session.rows(opened(self._prepared.count))
        number = self._session.value("FETCH ALL FROM runbook")
        self._session.rows("CLOSE runbook")
        return int(number)

    def rows(self) -> t.Iterator[Row]:
        self._session.rows(opened(self._prepared.rows))
        size = _FIRST
        while True:
            rows, taken = self._session.lists(f"FETCH FORWARD {size} FROM runbook")
            yield from rows
            if len(rows) < size:
                return
            size = max(1, min(_MOST, 4 * size, size * _PIECE // max(1, taken)))


def _shown(column: str, kind: str) -> str:
    if kind == "bytea":
        return f"pg_catalog.encode({column}, 'hex')"
    return f"{column}::text" if kind == "boolean" else column
