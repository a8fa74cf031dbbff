# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all SQL engines answer alike."""

from __future__ import annotations

import fnmatch
import typing as t

from .._common.errors import RunbookError
from .ask import limit_of, text_of, value_of, waiting
from .checks import Check, Reading
from .dialect import Dialect, Row, where


class SqlAsker:
    """A base for askers; an engine's own kinds are its methods of the same name."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def greet(self, timeout: float, database: str) -> None:
        self.dialect.rows(database, "SELECT 1", timeout)

    def close(self) -> None:
        """Nothing is kept open."""

    def read(self, check: Check) -> Reading:
        answer: t.Callable[[Check], Reading] = getattr(self, check.kind)
        return answer(check)

    def ask(self, check: Check, statement: str) -> list[Row]:
        return self.dialect.rows(check.database, statement, check.timeout)

    def one(self, check: Check, statement: str) -> Row:
        rows = self.ask(check, statement)
        if not rows:
            raise RunbookError("the server did not answer with a row")
        return rows[0]

    def query(self, check: Check) -> Reading:
        return value_of(check, self.dialect.free(check.database, text_of(check), check.timeout, limit_of(check)))

    def ping(self, check: Check) -> Reading:
        return Reading(self.one(check, "SELECT 1 AS one")["one"])

    def queue_depth(self, check: Check) -> Reading:
        table = self.dialect.table(check.database, check.table, check.timeout)
        age = self.dialect.age(table.find(check.age_column), check.age_unit, check.time_zone) if check.measure == "age" else "NULL"
        conditions = where(self.dialect, table, check.where)
        only = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        row = self.one(check, f"SELECT count(*) AS waiting, {age} AS age FROM {table.sql}{only}")  # noqa: S608 - quoted
        return waiting(check, row["waiting"], row["age"])

    def dead_letters(self, check: Check) -> Reading:
        return self.queue_depth(check)


def oldest(check: Check, rows: t.Sequence[Row], what: str) -> Reading:
    """The oldest of tables' ages. ``rows`` have ``name``, ``rows`` and ``age`` (NULL: never)."""
    chosen = [row for row in rows if not check.tables or any(fnmatch.fnmatchcase(row["name"] or "", wanted) for wanted in check.tables)]
    for wanted in check.tables:
        if not any(fnmatch.fnmatchcase(row["name"] or "", wanted) for row in chosen):
            raise RunbookError(f"no table fits {wanted!r}")
    chosen = [row for row in chosen if int(row["rows"] or 0) >= check.min_rows]
    if not chosen:
        return Reading(None, f"no table has min_rows ({check.min_rows}) rows", "skipped")
    never = sorted(row["name"] or "" for row in chosen if row["age"] is None)
    if never:
        return Reading(None, f"never {what}: {', '.join(never[:5])}{f' and {len(never) - 5} more' if len(never) > 5 else ''}", "failed")
    worst = max(chosen, key=lambda row: float(row["age"] or 0))
    return Reading(
        max(0.0, float(worst["age"] or 0)), f"{worst['name']} is the one that was {what} longest ago", details={"tables": len(chosen)}
    )
