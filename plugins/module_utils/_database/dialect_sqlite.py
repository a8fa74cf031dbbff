# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite as a dialect."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import typing as t

from .._common.errors import InvalidInput
from .conditions import Value
from .dialect import Column, Row, TableColumns
from .sqlite_client import connect, one_line, quoted, rows

_SELECT = re.compile(r"^(select|with|values)\b", re.IGNORECASE)


class SQLiteDialect:
    """See ``Dialect``. Columns have no fixed types, so every value is asked for its own."""

    def identifier(self, name: str) -> str:
        return quoted(name)

    def literal(self, value: Value) -> str:
        if isinstance(value, bool):
            return str(int(value))
        return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)

    def rows(self, database: str, statement: str, timeout: float) -> list[Row]:
        return rows(database, statement, timeout)

    def free(self, database: str, statement: str, timeout: float, limit: int) -> list[Row]:
        text = statement.strip().rstrip(";")
        return rows(database, f"SELECT * FROM ({text}\n) LIMIT {limit}" if _SELECT.match(text) else text, timeout)  # noqa: S608

    def table(self, database: str, name: str, timeout: float) -> TableColumns:
        with one_line(database), contextlib.closing(connect(database, "ro")) as connection:
            kind, sql = connection.execute(
                "SELECT max(type), max(sql) FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?", (name,)
            ).fetchone()
            if kind != "table":
                raise InvalidInput(f"{database} has no table {name!r} (views are not tables); check the name")
            found = connection.execute("SELECT name, lower(type), pk FROM pragma_table_info(?)", (name,)).fetchall()
        columns = tuple(Column(*row) for row in found)
        if not re.search(r"WITHOUT\s+ROWID", sql, re.IGNORECASE) and not any(column.name.lower() == "rowid" for column in columns):
            # Every such table has this key, and it is the one that the rows are stored by.
            columns = (Column("rowid", "integer", 1), *(Column(column.name, column.type) for column in columns))
        return TableColumns(name, quoted(name), columns)

    def age(self, column: Column, unit: str, zone: str) -> str:
        name = quoted(column.name)
        if unit == "time":
            return f"(julianday('now'{_modifier(zone)}) - min(CASE WHEN typeof({name}) = 'text' THEN julianday({name}) END)) * 86400.0"
        oldest = f"min(CASE WHEN typeof({name}) IN ('integer', 'real') THEN {name} END)"
        return f"(julianday('now') - 2440587.5) * 86400.0 - {oldest}{' / 1000.0' if unit == 'milliseconds' else ''}"

    def cutoff(self, column: Column, unit: str, zone: str, seconds: float) -> str:
        if unit == "time":
            return f"SELECT datetime('now'{_modifier(zone)}, '-{int(seconds)} seconds') AS cutoff"
        factor = 1000 if unit == "milliseconds" else 1
        return f"SELECT (CAST(strftime('%s', 'now') AS INTEGER) - {int(seconds)}) * {factor} AS cutoff"

    def before(self, column: Column, unit: str, cutoff: str) -> str:
        name = quoted(column.name)
        if unit == "time":
            return f"(typeof({name}) = 'text' AND julianday({name}) < julianday({self.literal(cutoff)}))"
        return f"(typeof({name}) IN ('integer', 'real') AND {name} < {int(cutoff)})"

    def key(self, column: Column) -> str:
        return f"quote({quoted(column.name)})"

    def delete(self, table: TableColumns, condition: str) -> str:
        return f"DELETE FROM {table.sql} WHERE {condition}"  # noqa: S608 - quoted

    @contextlib.contextmanager
    def writer(self, database: str, lock_timeout: float) -> t.Iterator[SQLiteWriter]:
        with one_line(database), contextlib.closing(connect(database)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {int(lock_timeout * 1000)}")
            # As applications that rely on them have it; without, rows that refer to deleted ones would be left.
            connection.execute("PRAGMA foreign_keys = 1")
            yield SQLiteWriter(connection)


class SQLiteWriter:
    """See ``Writer``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str) -> list[Row]:
        cursor = self._connection.execute(statement)
        names = [column[0] for column in cursor.description or ()]
        return [{name: None if value is None else str(value) for name, value in zip(names, row)} for row in cursor]

    def delete(self, statement: str) -> int:
        return self._connection.execute(statement).rowcount


def _modifier(zone: str) -> str:
    return "" if zone == "utc" else ", 'localtime'"
