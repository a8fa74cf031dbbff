# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is asked: one asker per engine, and which kinds of checks each can answer."""

from __future__ import annotations

import typing as t

from .._common.errors import InvalidInput, RunbookError
from .checks import KINDS, Check, Reading
from .options import login_of

_SQL = frozenset(["query", "ping", "table_size", "queue_depth", "dead_letters"])
_MARIADB = _SQL | {"connections", "slow_queries", "replication_lag", "analyze_age"}
_KINDS: dict[str, frozenset[str]] = {
    "mariadb": _MARIADB,
    "mysql": _MARIADB,
    "postgresql": _MARIADB | {"vacuum_age"},
    "mongodb": _SQL | {"connections", "slow_queries", "replication_lag"},
    "sqlite": _SQL,
    "redis": frozenset(KINDS) - {"analyze_age", "vacuum_age", "table_size"},
}


class Asker(t.Protocol):
    """One server and one log-in. All methods raise ``RunbookError`` with one line."""

    def greet(self, timeout: float, database: str) -> None:
        """Raises when nobody answers or the log-in is refused."""

    def read(self, check: Check) -> Reading:
        """What the server answers to a check of one of the engine's kinds."""

    def close(self) -> None: ...


def kinds_of(engine: str) -> frozenset[str]:
    """The kinds of checks that an engine can answer."""
    return _KINDS[engine]


def asker_of(options: t.Mapping[str, t.Any]) -> Asker:
    """The asker of the engine that a module's options name. Only that engine's code is loaded."""
    kind, login = options["engine"], login_of(options)
    if kind in ("mariadb", "mysql"):
        from .ask_mariadb import MariaDBAsker

        return MariaDBAsker(login)
    if kind == "postgresql":
        from .ask_postgresql import PostgreSQLAsker

        return PostgreSQLAsker(login)
    if kind == "mongodb":
        from .ask_mongodb import MongoDBAsker

        return MongoDBAsker(login)
    if kind == "sqlite":
        from .ask_sqlite import SQLiteAsker

        return SQLiteAsker()
    from .ask_redis import RedisAsker

    return RedisAsker(login)


def text_of(check: Check) -> str:
    """A query as text, for the engines that speak SQL."""
    if not isinstance(check.query, str) or not check.query.strip().rstrip(";"):
        raise InvalidInput("query is not a text; give one SQL statement")
    if "\0" in check.query:
        raise InvalidInput("query contains a NUL byte")
    return check.query


def value_of(check: Check, rows: t.Sequence[t.Mapping[str, t.Any]]) -> Reading:
    """What a free query's rows amount to: their number, or the one value of the one row."""
    if check.measure == "rows":
        if len(rows) > check.max_rows:
            raise RunbookError(f"the query answers more than max_rows ({check.max_rows}) rows; let it count them itself")
        return Reading(len(rows))
    if len(rows) != 1:
        raise RunbookError(f"the query answers {'no row' if not rows else 'more than one row'}, so there is no one value to compare")
    row = rows[0]
    if not check.column:
        if len(row) != 1:
            raise RunbookError(f"the query answers {len(row)} columns ({', '.join(row)}); name the one to compare in column")
        return Reading(next(iter(row.values())))
    if check.column not in row:
        raise RunbookError(f"the query's answer has no column {check.column!r}; it has {', '.join(row)}")
    return Reading(row[check.column])


def limit_of(check: Check) -> int:
    """How many rows have to be fetched to judge a free query."""
    return check.max_rows + 1 if check.measure == "rows" else 2


def waiting(check: Check, count: t.Any, age: t.Any) -> Reading:
    """A queue: how many wait, and for how long the oldest."""
    details = {"count": int(count or 0)}
    if check.measure == "count":
        return Reading(count, details=details)
    if not details["count"]:
        return Reading(0, "nothing waits", details=details)
    if age is None:
        raise RunbookError(f"{details['count']} rows wait, but no time can be read in column {check.age_column}")
    # Clocks differ a little; what was queued just now is not from the future.
    return Reading(max(0.0, float(age)) if float(age) > -60 else age, f"{details['count']} wait", details=details)
