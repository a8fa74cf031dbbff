# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB and MySQL as a dialect."""

from __future__ import annotations

import contextlib
import re
import secrets
import typing as t

from .._common.errors import InvalidInput
from .._common.process import ProgramFailed, run
from .conditions import Value
from .dialect import Column, Row, TableColumns, check_unit
from .mariadb_client import Client, Session, identifier, literal, parse

_MOMENTS = frozenset(["datetime", "timestamp", "date"])
_WHOLE = frozenset(["tinyint", "smallint", "mediumint", "int", "bigint"])
_NUMBERS = _WHOLE | {"decimal", "double", "float"}
_BINARY = frozenset(["binary", "varbinary", "blob", "tinyblob", "mediumblob", "longblob", "bit"])
_READING = re.compile(r"^(\(|(select|with|show|explain|describe|desc|table|values)\b)", re.IGNORECASE)
# The only writing that a read-only transaction lets through: files on the server.
_FILES = re.compile(r"\b(outfile|dumpfile)\b", re.IGNORECASE)


def check_reading(statement: str) -> None:
    """``InvalidInput`` for what a read-only transaction would not stop: settings of the server, KILL, files."""
    if not _READING.match(statement.strip()):
        raise InvalidInput("the query does not begin with SELECT, WITH, SHOW, EXPLAIN or DESCRIBE; only reading is allowed")
    if _FILES.search(statement):
        raise InvalidInput("the query writes a file (OUTFILE or DUMPFILE); only reading is allowed")


class MariaDBDialect:
    """See ``Dialect``."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def identifier(self, name: str) -> str:
        return identifier(name)

    def literal(self, value: Value) -> str:
        if isinstance(value, bool):
            return str(int(value))
        return literal(value) if isinstance(value, str) else repr(value)

    def rows(self, database: str, statement: str, timeout: float) -> list[Row]:
        return self.client.rows(database, statement, timeout)

    def free(self, database: str, statement: str, timeout: float, limit: int) -> list[Row]:
        """Prepared, because the client's protocol would run what follows a semicolon, even ``SET … READ WRITE; DELETE …``."""
        check_reading(statement)
        end = f"$rb{secrets.token_hex(4)}$"
        # Each product executes one of the comments and ignores the other.
        time = f"/*!50708 , SESSION max_execution_time={int(timeout * 1000)} */ /*M!100101 , SESSION max_statement_time={timeout:g} */"
        text = statement.strip().rstrip(";").encode("utf-8", "surrogateescape").hex()
        steps = [
            f"SET SESSION sql_select_limit={limit} {time}",
            "SET SESSION TRANSACTION READ ONLY",
            f"SET @runbook = CONVERT(0x{text} USING utf8mb4)",
            "PREPARE runbook FROM @runbook",
            "EXECUTE runbook",
        ]
        script = "".join(f"{step}{end}\n" for step in steps)
        with self.client.sql(database, "--xml", f"--delimiter={end}") as command:
            try:
                return parse(run(command, script.encode(), timeout + 5))
            except ProgramFailed as failed:
                raise self.client.explain(failed) from None

    def table(self, database: str, name: str, timeout: float) -> TableColumns:
        """Of the database that the session is in."""
        found = self.rows(
            database,
            "SELECT c.COLUMN_NAME AS name, LOWER(c.DATA_TYPE) AS type, COALESCE(k.ORDINAL_POSITION, 0) AS place"  # noqa: S608
            " FROM information_schema.TABLES t JOIN information_schema.COLUMNS c USING (TABLE_SCHEMA, TABLE_NAME)"
            " LEFT JOIN information_schema.KEY_COLUMN_USAGE k ON k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME"
            " AND k.COLUMN_NAME = c.COLUMN_NAME AND k.CONSTRAINT_NAME = 'PRIMARY'"
            f" WHERE t.TABLE_TYPE = 'BASE TABLE' AND c.TABLE_SCHEMA = DATABASE() AND c.TABLE_NAME = {hexed(name)}"
            " ORDER BY c.ORDINAL_POSITION",
            timeout,
        )
        if not found:
            raise InvalidInput(f"database {database} has no table {name!r} (views are not tables); check the name")
        columns = tuple(Column(row["name"] or "", row["type"] or "", int(row["place"] or 0)) for row in found)
        return TableColumns(name, identifier(name), columns)

    def age(self, column: Column, unit: str, zone: str) -> str:
        check_unit(column, unit, _MOMENTS, _NUMBERS)
        oldest = f"MIN({identifier(column.name)})"
        if unit == "time":
            return f"TIMESTAMPDIFF(MICROSECOND, {oldest}, {_now(column, zone)}(6)) / 1000000"
        return f"UNIX_TIMESTAMP(NOW(6)) - {oldest}{' / 1000' if unit == 'milliseconds' else ''}"

    def cutoff(self, column: Column, unit: str, zone: str, seconds: float) -> str:
        check_unit(column, unit, _MOMENTS, _NUMBERS)
        if unit == "time":
            return f"SELECT {_now(column, zone)}() - INTERVAL {int(seconds)} SECOND AS cutoff"
        factor = 1000 if unit == "milliseconds" else 1
        return f"SELECT (UNIX_TIMESTAMP() - {int(seconds)}) * {factor} AS cutoff"

    def before(self, column: Column, unit: str, cutoff: str) -> str:
        return f"{identifier(column.name)} < {literal(cutoff) if unit == 'time' else int(cutoff)}"

    def key(self, column: Column) -> str:
        name = identifier(column.name)
        if column.type in _WHOLE:
            return f"CAST({name} AS CHAR)"
        return f"CONCAT('0x', HEX({name}))" if column.type in _BINARY else f"QUOTE({name})"

    def delete(self, table: TableColumns, condition: str) -> str:
        """By the primary key: for many keys the optimizer would read, and InnoDB so lock, the whole table."""
        return f"DELETE {table.sql} FROM {table.sql} FORCE INDEX (PRIMARY) WHERE {condition}"

    @contextlib.contextmanager
    def writer(self, database: str, lock_timeout: float) -> t.Iterator[MariaDBWriter]:
        with Session(self.client, database) as session:
            seconds = max(1, round(lock_timeout))
            # A TIMESTAMP is shown and compared in the session's zone, so the server's own has to be back.
            session.run(f"SET SESSION time_zone=@@GLOBAL.time_zone, innodb_lock_wait_timeout={seconds}, lock_wait_timeout={seconds}")
            yield MariaDBWriter(session)


class MariaDBWriter:
    """See ``Writer``."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def rows(self, statement: str) -> list[Row]:
        return self._session.run(statement)

    def delete(self, statement: str) -> int:
        # In one request: the session asks for the end of every answer, which would reset the count.
        return int(self._session.run(f"{statement}; SELECT ROW_COUNT() AS deleted")[0]["deleted"] or 0)


def hexed(text: str) -> str:
    """A text as a literal that means the same in every SQL mode."""
    return f"CONVERT(0x{text.encode('utf-8', 'surrogateescape').hex()} USING utf8mb4)" if text else "''"


def _now(column: Column, zone: str) -> str:
    """TIMESTAMP columns are read in the session's zone, others are what was written into them."""
    return "UTC_TIMESTAMP" if zone == "utc" and column.type != "timestamp" else "NOW"
