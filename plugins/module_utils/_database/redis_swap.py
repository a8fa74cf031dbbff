# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchanging all data of a running Redis server in one transaction of SWAPDB, and what has to be true before and after."""

from __future__ import annotations

import contextlib
import time
import typing as t

from .._common.errors import Refused, RunbookError
from .redis_client import RedisConnection, RedisError, info, keyspace

# In the first spare database from the swap on, until the new data is on the server's disk.
MARKER = "runbook:switched"
# The append-only file is written out every second unless told otherwise.
_AOF_SECONDS = 2.0


def memory(connection: RedisConnection) -> int:
    return int(info(connection, "memory").get("used_memory", "0"))


def check_takes_keys(target: RedisConnection, where: str) -> None:
    if info(target, "replication").get("role") == "slave":
        raise Refused(f"the Redis server on {where} is a replica; restore on its master")
    if info(target, "cluster").get("cluster_enabled") == "1":
        raise Refused(f"the Redis server on {where} is a cluster's, which has no second database to restore into")


def pairs(target: RedisConnection, source: RedisConnection, present: t.Mapping[int, int]) -> list[tuple[int, int]]:
    """For every database in use before or after, an empty one to restore into; ``Refused`` when there are too few or no memory."""
    wanted = sorted({*present, *keyspace(source)}) or [0]
    spare: list[int] = []
    number = 0
    with contextlib.suppress(RedisError):  # the number of databases is where selecting one fails
        while len(spare) < len(wanted):
            target.command("SELECT", number)
            if number not in wanted:
                spare.append(number)
            number += 1
    if len(spare) < len(wanted):
        raise Refused(
            f"the restored data needs {len(wanted)} empty databases beside those in use, but Redis on {target.where} has {len(spare)}; "
            "raise 'databases' in its configuration"
        )
    facts = info(target, "memory")
    most, used, more = int(facts.get("maxmemory", "0")), int(facts.get("used_memory", "0")), memory(source)
    if most and used + more > most:
        raise Refused(
            f"Redis on {target.where} may use {most >> 20:,} MB, but holds {used >> 20:,} MB and would need {more >> 20:,} MB more "
            "while both data sets are there; raise maxmemory for the restore"
        )
    return list(zip(wanted, spare))


def functions(source: RedisConnection) -> bytes | None:
    """All function libraries, as the server packs them; ``None`` before 7.0."""
    try:
        packed = source.command("FUNCTION", "DUMP")
    except RedisError:
        return None
    return packed if isinstance(packed, bytes) else None


def check_arrived(target: RedisConnection, sent: t.Mapping[int, int]) -> None:
    """Keys may only be fewer by those whose time is over; evicted ones are data lost."""
    evicted = int(info(target, "stats").get("evicted_keys", "0"))
    for place, count in sent.items():
        target.command("SELECT", place)
        there = target.command("DBSIZE")
        if isinstance(there, int) and there > count:
            raise RunbookError(f"somebody writes to database {place} of Redis on {target.where}, which was empty; stop it and run again")
        if isinstance(there, int) and there < count and evicted:
            raise RunbookError(f"Redis on {target.where} evicted keys while they were restored; raise maxmemory and run again")


def exchange(target: RedisConnection, pairs: t.Sequence[tuple[int, int]], side: str, functions: bytes | None) -> None:
    """The one atomic step. ``EXEC`` is written to the append-only file and sent to replicas as one."""
    target.command("SELECT", pairs[0][1])
    target.command("MULTI")
    for number, spare in pairs:
        target.command("SWAPDB", number, spare)
    target.command("SET", MARKER, side)
    if functions is not None:
        target.command("FUNCTION", "RESTORE", functions, "FLUSH")
    answers = target.command("EXEC")
    for answer in answers if isinstance(answers, list) else []:
        if isinstance(answer, RedisError):
            raise answer


def finish(target: RedisConnection, facts: t.Mapping[str, t.Any], done: t.Callable[[], None]) -> None:
    """After the swap: free the memory of the old data (which ``previous`` keeps), have the new written to disk, forget the marker.

    ``done`` keeps that the new data won, since nothing in the server tells once the marker is gone.
    """
    pairs = [(int(pair[0]), int(pair[1])) for pair in facts["pairs"]]
    empty(target, pairs[1:])
    target.command("SELECT", pairs[0][1])
    target.command("MULTI")
    target.command("FLUSHDB", "ASYNC")
    target.command("SET", MARKER, facts["side"])
    target.command("EXEC")
    _persist(target)
    done()
    target.command("SELECT", pairs[0][1])
    target.command("DEL", MARKER)


def empty(target: RedisConnection, pairs: t.Sequence[tuple[int, int]]) -> None:
    for _number, spare in pairs:
        target.command("SELECT", spare)
        target.command("FLUSHDB", "ASYNC")


def _persist(target: RedisConnection) -> None:
    """Wait until a crash of the server would not bring the old data back, as far as its configuration provides for that."""
    try:
        saves = _setting(target, "save")
        logged = _setting(target, "appendonly") == "yes"
    except RedisError:
        return  # a service that hides its configuration looks after its disk itself
    if logged:
        time.sleep(_AOF_SECONDS)
        if info(target, "persistence").get("aof_last_write_status", "ok") != "ok":
            raise RunbookError(f"Redis on {target.where} can't write its append-only file; look at its log and its disk")
    elif saves:
        _save(target)


def _save(target: RedisConnection) -> None:
    started = False
    while True:
        facts = info(target, "persistence")
        if facts.get("rdb_bgsave_in_progress") == "0":
            if started:
                if facts.get("rdb_last_bgsave_status") != "ok":
                    raise RunbookError(f"Redis on {target.where} has the restored data but can't save it; look at its log and its disk")
                return
            try:
                target.command("BGSAVE")
                started = True
            except RedisError as error:
                if "in progress" not in error.message:
                    raise
        time.sleep(0.05)


def _setting(target: RedisConnection, name: str) -> str:
    answer = target.command("CONFIG", "GET", name)
    return answer[1].decode("utf-8", "replace") if isinstance(answer, list) and len(answer) > 1 and isinstance(answer[1], bytes) else ""
