# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports from SQLite: one connection that can only read, one transaction, one row at a time."""

from __future__ import annotations

import contextlib
import sqlite3
import time
import typing as t

from .._common.errors import RunbookError
from .dialect_sqlite import SQLiteDialect
from .export_request import Row, Wanted, too_late
from .export_sql import Statements, statements
from .sqlite_client import READING, as_text, check_path, connect, one_line


@contextlib.contextmanager
def snapshot(wanted: Wanted) -> t.Iterator[SQLiteSnapshot]:
    check_path(wanted.database)
    prepared = statements(SQLiteDialect(), wanted, lambda column, _kind: column)
    until = time.monotonic() + wanted.timeout
    try:
        with one_line(wanted.database), contextlib.closing(connect(wanted.database, "ro")) as connection:
            connection.execute("BEGIN")
            connection.set_authorizer(lambda action, *_more: sqlite3.SQLITE_OK if action in READING else sqlite3.SQLITE_DENY)
            connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
            yield SQLiteSnapshot(connection, prepared)
    except RunbookError as error:
        if "interrupted" in error.message and time.monotonic() > until:
            raise too_late(wanted.timeout) from None
        raise


class SQLiteSnapshot:
    """See ``Snapshot``."""

    consistent = True

    def __init__(self, connection: sqlite3.Connection, prepared: Statements) -> None:
        self._connection, self._prepared = connection, prepared
        self.json = prepared.json

    def count(self) -> int:
        return int(self._execute(self._prepared.count).fetchone()[0])

    def rows(self) -> t.Iterator[Row]:
        for row in self._execute(self._prepared.rows):
            yield [as_text(value) for value in row]

    def _execute(self, statement: str) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement)
        except sqlite3.Warning as error:  # two statements
            raise RunbookError(f"the query can't be used: {error}") from None
