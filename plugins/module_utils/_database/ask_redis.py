# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Redis answers."""

from __future__ import annotations

import shlex
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .ask import value_of, waiting
from .checks import Check, Reading
from .model import Login
from .redis_client import RedisConnection, RedisError, info, rows

# How to ask for the length of what a key holds.
_LENGTH = {"list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN"}


class RedisAsker:
    """The database is a number, ``0`` unless given."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def greet(self, timeout: float, database: str) -> None:
        RedisConnection(self._login, timeout).close()

    def close(self) -> None:
        """Nothing is kept open."""

    def read(self, check: Check) -> Reading:
        if check.kind == "query":
            return self._query(check)
        answers: dict[str, t.Callable[[Check, RedisConnection], Reading]] = {
            "ping": lambda _check, connection: Reading(connection.command("PING") and 1),
            "connections": self._connections,
            "slow_queries": self._slow_queries,
            "replication_lag": self._replication_lag,
            "memory": self._memory,
            "queue_depth": self._length,
            "dead_letters": self._length,
        }
        with RedisConnection(self._login, check.timeout) as connection:
            if check.database:
                connection.command("SELECT", check.database)
            return answers[check.kind](check, connection)

    def _query(self, check: Check) -> Reading:
        """One command. Of INFO the option ``column`` names the line, of others the only value counts."""
        if isinstance(check.query, list) and all(isinstance(word, (str, int, float)) for word in check.query):
            text = shlex.join(str(word) for word in check.query)
        elif isinstance(check.query, str):
            text = check.query
        else:
            raise InvalidInput("query is neither a text nor a list of words; give one command")
        found = rows(self._login, check.database, text, check.timeout)
        if check.column:
            return value_of(check, [{check.column: row["value"]} for row in found if row.get("name") == check.column])
        return value_of(check, found)

    def _connections(self, check: Check, connection: RedisConnection) -> Reading:
        facts = info(connection, "clients")
        used, most = float(facts["connected_clients"]), float(facts.get("maxclients") or 0) or _setting(connection, "maxclients")
        return Reading(used * 100 / most if check.measure == "percent" else used, f"{used:.0f} of {most:.0f}")

    def _slow_queries(self, check: Check, connection: RedisConnection) -> Reading:
        if check.measure == "running":
            return Reading(None, "Redis runs one command at a time; use measure rate", "crashed")
        now, entries = connection.command("TIME"), connection.command("SLOWLOG", "GET", 1024)
        if not isinstance(now, list) or not isinstance(entries, list) or not isinstance(now[0], bytes):
            raise RunbookError("the server's slow log can't be read")
        times = [entry[1] for entry in entries if isinstance(entry, list) and isinstance(entry[1], int)]
        return Reading(sum(1 for time in times if time > int(now[0]) - 3600), f"of {len(times)} in the slow log")

    def _memory(self, check: Check, connection: RedisConnection) -> Reading:
        facts = info(connection, "memory")
        used, most = int(facts["used_memory"]), int(facts.get("maxmemory") or 0)
        if check.measure == "size":
            return Reading(used, f"of {most}" if most else "maxmemory is not set")
        if not most:
            raise RunbookError("maxmemory is not set, so there is no percentage of it; use measure size")
        return Reading(used * 100 / most, f"{used} of {most} bytes, {facts.get('maxmemory_policy', '')}")

    def _length(self, check: Check, connection: RedisConnection) -> Reading:
        if check.where or check.age_column:
            raise InvalidInput("a Redis key has no columns; leave where and age_column out")
        kind = connection.text("TYPE", check.table)
        if kind == "none":
            return waiting(check, 0, None)
        if kind not in _LENGTH:
            raise RunbookError(f"the key {check.table} holds a {kind}, which has no length")
        return waiting(check, connection.command(_LENGTH[kind], check.table), None)

    def _replication_lag(self, check: Check, connection: RedisConnection) -> Reading:
        facts = info(connection, "replication")
        if facts["role"] == "slave":
            behind = facts.get("master_last_io_seconds_ago", "-1")
            if facts.get("master_link_status") != "up":
                down = facts.get("master_link_down_since_seconds", "?")
                return Reading(None, f"the link to {facts.get('master_host')}:{facts.get('master_port')} is down since {down} s", "failed")
            return Reading(behind)
        replicas = [dict(fact.split("=", 1) for fact in text.split(",")) for name, text in facts.items() if _is_replica(name)]
        online = [float(replica.get("lag") or 0) for replica in replicas if replica.get("state") == "online"]
        note = f"{len(online)} of {check.replicas} replicas online"
        if len(online) < check.replicas:
            return Reading(max(online) if online else None, note, "failed", {"replicas": len(online)})
        return Reading(max(online, default=0), note, details={"replicas": len(online)})


def _is_replica(name: str) -> bool:
    return name.startswith("slave") and name[5:].isdigit()


def _setting(connection: RedisConnection, name: str) -> float:
    try:
        answer = connection.command("CONFIG", "GET", name)
    except RedisError as error:
        raise RunbookError(f"the server does not tell {name}: {error.message}") from None
    if not isinstance(answer, list) or len(answer) != 2 or not isinstance(answer[1], bytes):
        raise RunbookError(f"the server does not tell {name}")
    return float(answer[1])
