# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of SQL databases: batched deletes that are the same for all, and each engine's own statements."""

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

from .._common.errors import InvalidInput, Refused, RunbookError
from .dialect import EARLIEST_MS, Dialect, Row, TableColumns, Writer, where
from .dialect_sqlite import SQLiteDialect
from .upkeep import Deletion, Planned, Task

# Short questions about tables and columns.
_QUESTION = 60.0
Key = t.Tuple[str, ...]


class SqlKeeper:
    """A base for keepers."""

    actions: t.ClassVar[tuple[str, ...]] = ()
    whole: t.ClassVar[tuple[str, ...]] = ()

    def __init__(self, dialect: Dialect, database: str, lock_timeout: float) -> None:
        self.dialect = dialect
        self.database = database
        self.lock_timeout = lock_timeout

    def close(self) -> None:
        """Nothing is kept open."""

    def writer(self) -> contextlib.AbstractContextManager[Writer]:
        return self.dialect.writer(self.database, self.lock_timeout)

    def plan(self, deletion: Deletion) -> Planned:
        table, column = self._table(deletion)
        with self.writer() as writer:
            cutoff = writer.rows(self.dialect.cutoff(column, deletion.unit, deletion.time_zone, deletion.seconds))[0]["cutoff"] or ""
            name = self.dialect.identifier(column.name)
            if deletion.unit == "milliseconds":
                youngest = writer.rows(f"SELECT max({name}) AS youngest FROM {table.sql}")[0]["youngest"]  # noqa: S608 - quoted
                if youngest is not None and float(youngest) < EARLIEST_MS:
                    raise InvalidInput(f"column {column.name} of {table.name} does not count milliseconds, its largest value is {youngest}")
            condition = self._condition(table, deletion, cutoff)
            row = writer.rows(f"SELECT count(*) AS matched FROM {table.sql} WHERE {condition}")[0]  # noqa: S608 - quoted
        return Planned(deletion, cutoff, int(row["matched"] or 0))

    def delete(self, planned: Planned) -> t.Iterator[int]:
        """Keys are read without locks and then deleted by themselves, so that only the rows that go are locked, one batch at a time."""
        deletion = planned.deletion
        table, _column = self._table(deletion)
        condition = self._condition(table, deletion, planned.cutoff)
        names = [self.dialect.identifier(column.name) for column in table.key]
        shown = ", ".join(f"{self.dialect.key(column)} AS k{place}" for place, column in enumerate(table.key))
        last: Key | None = None
        left = planned.matched
        with self.writer() as writer:
            while left > 0:
                size = min(deletion.batch, left)
                further = f" AND ({beyond(names, last)})" if last else ""
                rows = writer.rows(
                    f"SELECT {shown} FROM {table.sql} WHERE {condition}{further} ORDER BY {', '.join(names)} LIMIT {size}"  # noqa: S608
                )
                keys: list[Key] = [tuple(row[f"k{place}"] or "" for place in range(len(names))) for row in rows]
                if not keys:
                    return
                # The condition again: a row may have changed since its key was read.
                yield writer.delete(self.dialect.delete(table, f"{self.among(names, keys)} AND {condition}"))
                last, left = keys[-1], left - len(keys)

    def among(self, names: t.Sequence[str], keys: t.Sequence[Key]) -> str:
        return among(names, keys)

    def fresh(self, action: str, tables: t.Collection[str], seconds: float) -> dict[str, str]:
        return {
            row["name"] or "": f"{action} was done {float(row['age'] or 0):.0f} s ago"
            for row in self._ages(action)
            if row["name"] in tables and row["age"] is not None and float(row["age"]) < seconds
        }

    def act(self, task: Task) -> str:
        with self.writer() as writer:
            return self._act(writer, task, self.dialect.table(self.database, task.table, _QUESTION).sql if task.table else "")

    def _ages(self, action: str) -> list[Row]:
        """``name`` and ``age`` in seconds of tables that the engine remembers."""
        return []

    def _act(self, writer: Writer, task: Task, table: str) -> str:
        raise NotImplementedError

    def _table(self, deletion: Deletion) -> tuple[TableColumns, t.Any]:
        table = self.dialect.table(self.database, deletion.table, _QUESTION)
        if not table.key:
            raise InvalidInput(f"table {table.name} has no primary key, so its rows can't be deleted in batches; add one")
        return table, table.find(deletion.column)

    def _condition(self, table: TableColumns, deletion: Deletion, cutoff: str) -> str:
        before = self.dialect.before(table.find(deletion.column), deletion.unit, cutoff)
        return " AND ".join([before, *where(self.dialect, table, deletion.where)])


def beyond(names: t.Sequence[str], key: Key) -> str:
    """Rows after a key, in words that every engine finds by index: ``a > 1 OR (a = 1 AND (b > 2))``."""
    first = f"{names[0]} > {key[0]}"
    return first if len(names) == 1 else f"{names[0]} >= {key[0]} AND ({first} OR ({beyond(names[1:], key[1:])}))"


def among(names: t.Sequence[str], keys: t.Sequence[Key], values: str = "") -> str:
    """Rows with one of the keys; their values are literals already. ``values`` is what a list of pairs begins with."""
    if len(names) == 1:
        return f"{names[0]} IN ({', '.join(key[0] for key in keys)})"
    return f"({', '.join(names)}) IN ({values}{', '.join('(' + ', '.join(key) + ')' for key in keys)})"


def any_of(names: t.Sequence[str], keys: t.Sequence[Key]) -> str:
    """The same for MariaDB, where a pair finds no text of another character set than the session's."""
    if len(names) == 1:
        return among(names, keys)
    return f"({' OR '.join('(' + ' AND '.join(f'{name} = {part}' for name, part in zip(names, key)) + ')' for key in keys)})"


class MariaDBKeeper(SqlKeeper):
    actions: t.ClassVar[tuple[str, ...]] = ("analyze", "optimize", "integrity")

    def among(self, names: t.Sequence[str], keys: t.Sequence[Key]) -> str:
        return any_of(names, keys)

    def _ages(self, action: str) -> list[Row]:
        if action != "analyze":
            return []
        return self.dialect.rows(
            self.database,
            "SELECT table_name AS name, TIMESTAMPDIFF(SECOND, last_update, NOW()) AS age FROM mysql.innodb_table_stats"
            " WHERE database_name = DATABASE()",
            _QUESTION,
        )

    def _act(self, writer: Writer, task: Task, table: str) -> str:
        word = {"analyze": "ANALYZE", "optimize": "OPTIMIZE", "integrity": "CHECK"}[task.action]
        said = [(row["Msg_type"] or "", row["Msg_text"] or "") for row in writer.rows(f"{word} TABLE {table}")]
        wrong = [text for kind, text in said if kind.lower() in ("error", "warning") or (kind == "status" and "fail" in text.lower())]
        if wrong:
            raise RunbookError(f"{word} TABLE {task.table}: {'; '.join(wrong)}")
        return "; ".join(text for _kind, text in said)


class PostgreSQLKeeper(SqlKeeper):
    actions: t.ClassVar[tuple[str, ...]] = ("analyze", "vacuum")

    def _ages(self, action: str) -> list[Row]:
        return self.dialect.rows(
            self.database,
            "SELECT schemaname || '.' || relname AS name, extract(epoch FROM clock_timestamp()"  # noqa: S608
            f" - greatest(last_{action}, last_auto{action})) AS age FROM pg_catalog.pg_stat_user_tables",
            _QUESTION,
        )

    def _act(self, writer: Writer, task: Task, table: str) -> str:
        writer.rows(f"{task.action.upper()} {table}")
        return ""


class SQLiteKeeper(SqlKeeper):
    actions: t.ClassVar[tuple[str, ...]] = ("analyze", "vacuum", "optimize", "integrity")
    whole: t.ClassVar[tuple[str, ...]] = ("vacuum", "optimize", "integrity")

    def __init__(self, database: str, lock_timeout: float) -> None:
        super().__init__(SQLiteDialect(), database, lock_timeout)

    def among(self, names: t.Sequence[str], keys: t.Sequence[Key]) -> str:
        return among(names, keys, "VALUES ")

    def _act(self, writer: Writer, task: Task, table: str) -> str:
        if task.action == "integrity":
            found = [next(iter(row.values())) or "" for row in writer.rows("PRAGMA integrity_check(10)")]
            if found != ["ok"]:
                raise RunbookError(f"the SQLite database {self.database} is damaged: {'; '.join(found)}; restore a backup of it")
            return "ok"
        if task.action == "vacuum":
            self._check_space()
        before = os.path.getsize(self.database)
        writer.rows({"analyze": f"ANALYZE {table}", "vacuum": "VACUUM", "optimize": "PRAGMA optimize"}[task.action])
        return f"{before} -> {os.path.getsize(self.database)} bytes" if task.action == "vacuum" else ""

    def _check_space(self) -> None:
        """VACUUM writes the database anew and copies it back through the journal."""
        needed, free = 2 * os.path.getsize(self.database), shutil.disk_usage(os.path.dirname(os.path.realpath(self.database))).free
        if needed > free:
            raise Refused(f"vacuum of {self.database} needs up to {needed} bytes and {free} are free; free some space")
