# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL as a dialect."""

from __future__ import annotations

import contextlib
import re
import typing as t

from .._common.errors import InvalidInput
from .conditions import Value
from .dialect import Column, Row, TableColumns, check_unit
from .postgresql_client import Client, Session, identifier, literal

_ZONED = "timestamp with time zone"
_MOMENTS = frozenset([_ZONED, "timestamp without time zone", "date"])
_NUMBERS = frozenset(["smallint", "integer", "bigint", "numeric", "real", "double precision"])
_SELECT = re.compile(r"^(\(|(select|with|values|table)\b)", re.IGNORECASE)


class PostgreSQLDialect:
    """See ``Dialect``. A table is ``name`` in the schema public, or ``schema.name``."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def identifier(self, name: str) -> str:
        return identifier(name)

    def literal(self, value: Value) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        return literal(value) if isinstance(value, str) else repr(value)

    def rows(self, database: str, statement: str, timeout: float) -> list[Row]:
        return self.client.rows(database, statement, timeout)

    def free(self, database: str, statement: str, timeout: float, limit: int) -> list[Row]:
        text = statement.strip().rstrip(";")
        if _SELECT.match(text):
            text = f"SELECT * FROM ({text}\n) AS runbook LIMIT {limit}"  # noqa: S608
        return self.client.rows(database, text, timeout)

    def table(self, database: str, name: str, timeout: float) -> TableColumns:
        schema, table = qualified(name)
        found = self.rows(
            database,
            "SELECT a.attname AS name, pg_catalog.format_type(a.atttypid, NULL) AS type,"  # noqa: S608
            " COALESCE(pg_catalog.array_position(i.indkey::int2[], a.attnum), -1) + 1 AS place"
            " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            " LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary"
            f" WHERE c.relkind IN ('r', 'p') AND n.nspname = {literal(schema)} AND c.relname = {literal(table)} ORDER BY a.attnum",
            timeout,
        )
        if not found:
            raise InvalidInput(f"database {database} has no table {name!r} (views are not tables); give it as schema.table")
        columns = tuple(Column(row["name"] or "", row["type"] or "", int(row["place"] or 0)) for row in found)
        return TableColumns(name, f"{identifier(schema)}.{identifier(table)}", columns)

    def age(self, column: Column, unit: str, zone: str) -> str:
        check_unit(column, unit, _MOMENTS, _NUMBERS)
        oldest = f"min({identifier(column.name)})"
        if unit == "time":
            return f"extract(epoch FROM {_now(column, zone)} - {oldest}{'' if column.type == _ZONED else '::timestamp'})"
        return f"extract(epoch FROM pg_catalog.clock_timestamp()) - {oldest}{' / 1000.0' if unit == 'milliseconds' else ''}"

    def cutoff(self, column: Column, unit: str, zone: str, seconds: float) -> str:
        check_unit(column, unit, _MOMENTS, _NUMBERS)
        if unit == "time":
            return f"SELECT {_now(column, zone)} - interval '{int(seconds)} seconds' AS cutoff"
        factor = 1000 if unit == "milliseconds" else 1
        return f"SELECT (extract(epoch FROM pg_catalog.clock_timestamp())::bigint - {int(seconds)}) * {factor} AS cutoff"  # noqa: S608

    def before(self, column: Column, unit: str, cutoff: str) -> str:
        return f"{identifier(column.name)} < {literal(cutoff) if unit == 'time' else int(cutoff)}"

    def key(self, column: Column) -> str:
        return f"pg_catalog.quote_literal({identifier(column.name)}::text)"

    def delete(self, table: TableColumns, condition: str) -> str:
        return f"DELETE FROM {table.sql} WHERE {condition}"  # noqa: S608 - quoted

    @contextlib.contextmanager
    def writer(self, database: str, lock_timeout: float) -> t.Iterator[PostgreSQLWriter]:
        with self.client.session(database) as session:
            session.rows(f"SET lock_timeout = {max(1, int(lock_timeout * 1000))}")
            yield PostgreSQLWriter(session)


class PostgreSQLWriter:
    """See ``Writer``."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def rows(self, statement: str) -> list[Row]:
        return self._session.rows(statement)

    def delete(self, statement: str) -> int:
        return int(self._session.value(f"WITH gone AS ({statement} RETURNING 1) SELECT pg_catalog.count(*) FROM gone"))  # noqa: S608


def qualified(name: str) -> tuple[str, str]:
    """Schema and name of a table."""
    schema, dot, table = name.partition(".")
    return (schema, table) if dot else ("public", name)


def _now(column: Column, zone: str) -> str:
    """The session may have another zone than the server, so both are named."""
    if column.type == _ZONED:
        return "pg_catalog.clock_timestamp()"
    name = "'UTC'" if zone == "utc" else "(SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'TimeZone')"
    return f"(pg_catalog.clock_timestamp() AT TIME ZONE {name})"
