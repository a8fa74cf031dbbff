# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``db_query`` and ``db_maintain`` have to know of a SQL server: its columns, its words for times, reading and writing."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from .._common.errors import InvalidInput
from .conditions import Condition, Value, sql

Row = t.Dict[str, t.Optional[str]]
# "time" is a column of the server's own type for moments (SQLite: text that it can read); the others count since 1970.
UNITS = ("time", "seconds", "milliseconds")
# A counter of milliseconds that is younger than this (1990) counts seconds.
EARLIEST_MS = 631_152_000_000


@dataclasses.dataclass(frozen=True)
class Column:
    """``type`` as the server calls it, in lower case; ``key`` its place in the primary key from 1, 0 when it is not part of it."""

    name: str
    type: str
    key: int = 0


@dataclasses.dataclass(frozen=True)
class TableColumns:
    """A table that is there, quoted (``sql``), and its columns."""

    name: str
    sql: str
    columns: tuple[Column, ...]

    def find(self, name: str) -> Column:
        """A column by name; ``InvalidInput`` when there is none, because SQLite would take its name for a text."""
        for column in self.columns:
            if column.name == name:
                return column
        raise InvalidInput(
            f"table {self.name} has no column {name!r}; it has {', '.join(column.name for column in self.columns[:20]) or 'none'}"
        )

    @property
    def key(self) -> list[Column]:
        return sorted((column for column in self.columns if column.key), key=lambda column: column.key)


class Writer(t.Protocol):
    """A session that may write; every statement is its own transaction."""

    def rows(self, statement: str) -> list[Row]: ...

    def delete(self, statement: str) -> int:
        """Run one DELETE; how many rows it removed."""


class Dialect(t.Protocol):
    """One SQL engine. All methods raise ``RunbookError`` with one line."""

    def identifier(self, name: str) -> str: ...

    def literal(self, value: Value) -> str: ...

    def rows(self, database: str, statement: str, timeout: float) -> list[Row]:
        """What a statement of this collection's answers, without writing."""

    def free(self, database: str, statement: str, timeout: float, limit: int) -> list[Row]:
        """What a user's statement answers, at most about ``limit`` rows; the server keeps it from writing and from being two."""

    def table(self, database: str, name: str, timeout: float) -> TableColumns:
        """``InvalidInput`` when there is no such table."""

    def age(self, column: Column, unit: str, zone: str) -> str:
        """An expression: seconds since the oldest moment in a column, for a SELECT that aggregates."""

    def cutoff(self, column: Column, unit: str, zone: str, seconds: float) -> str:
        """A SELECT of one value ``cutoff``, by the server's clock: what a moment that long ago looks like in this column."""

    def before(self, column: Column, unit: str, cutoff: str) -> str:
        """A condition: the column's moment is before ``cutoff`` (what the SELECT answered); never true of NULL."""

    def key(self, column: Column) -> str:
        """An expression: a key's value as the literal that finds it again."""

    def delete(self, table: TableColumns, condition: str) -> str:
        """A DELETE of rows that are named by their keys, which locks no others."""

    def writer(self, database: str, lock_timeout: float) -> contextlib.AbstractContextManager[Writer]: ...


def check_unit(column: Column, unit: str, moments: t.Container[str], numbers: t.Container[str]) -> None:
    """``InvalidInput`` unless a column of that type can hold such times."""
    fits = moments if unit == "time" else numbers
    if column.type not in fits:
        hint = "say in its unit option whether it counts seconds or milliseconds" if column.type in numbers else "name another column"
        raise InvalidInput(f"column {column.name} ({column.type}) holds no {'times' if unit == 'time' else unit}; {hint}")


def where(dialect: Dialect, table: TableColumns, conditions: t.Iterable[Condition]) -> list[str]:
    """Conditions on a table's columns as SQL, after a look whether the columns are there."""
    conditions = list(conditions)
    for condition in conditions:
        table.find(condition.column)
    return sql(conditions, dialect.identifier, dialect.literal)
