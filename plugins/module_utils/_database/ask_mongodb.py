# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What MongoDB answers."""

from __future__ import annotations

import typing as t

from .._common.errors import InvalidInput, RunbookError
from .ask import limit_of, value_of, waiting
from .checks import Check, Reading
from .conditions import documents
from .model import Login
from .mongodb_client import one_line
from .mongodb_reading import Document, at, connect, documents_of, field, reading_command

_PRIMARY, _SECONDARY, _ARBITER = 1, 2, 7
# How clients wait for news of the server, which is no work.
_AWAITING = ("hello", "isMaster", "ismaster")
_OPLOG = "local.oplog.rs"  # members wait there for news of each other, up to five seconds at a time


class MongoDBAsker:
    """The database has to be named for queries and collections."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._client: t.Any = None

    def greet(self, timeout: float, database: str) -> None:
        self._client = connect(self._login, timeout)
        with one_line(self._login.where):
            self._client.admin.command("ping")

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def read(self, check: Check) -> Reading:
        answers: dict[str, t.Callable[[Check], Reading]] = {
            "query": self._query,
            "ping": lambda check: Reading(self._admin(check, "ping")["ok"]),
            "connections": self._connections,
            "slow_queries": self._slow_queries,
            "replication_lag": self._replication_lag,
            "table_size": self._size,
            "queue_depth": self._waiting,
            "dead_letters": self._waiting,
        }
        with one_line(self._login.where):
            return answers[check.kind](check)

    def _admin(self, check: Check, word: str, **more: t.Any) -> Document:
        answer: Document = self._client.admin.command({word: 1, **more, "maxTimeMS": int(check.timeout * 1000)})
        return answer

    def _database(self, check: Check) -> t.Any:
        if not check.database:
            raise InvalidInput("no database is named; give database")
        return self._client[check.database]

    def _query(self, check: Check) -> Reading:
        database = self._database(check)
        found = documents_of(database.command(reading_command(check.query, limit_of(check), check.timeout)))
        if check.measure == "value" and len(found) == 1:
            if check.column:
                return Reading(_plain(at(found[0], check.column)))
            found = [{name: _plain(value) for name, value in found[0].items() if name != "_id" or len(found[0]) == 1}]
        return value_of(check, found)

    def _connections(self, check: Check) -> Reading:
        facts = self._admin(check, "serverStatus")["connections"]
        used, most = float(facts["current"]), float(facts["current"] + facts["available"])
        return Reading(used * 100 / most if check.measure == "percent" else used, f"{used:.0f} of {most:.0f}")

    def _slow_queries(self, check: Check) -> Reading:
        if check.measure == "rate":
            return Reading(None, "MongoDB keeps no count of slow queries; use measure running", "crashed")
        slow: Document = {"active": True, "secs_running": {"$gt": check.longer_than}, "op": {"$nin": ["none", None]}}
        slow.update({f"command.{word}": {"$exists": False} for word in _AWAITING})
        pipeline = [{"$currentOp": {"allUsers": True, "idleConnections": False}}, {"$match": {**slow, "ns": {"$nin": ["", _OPLOG]}}}]
        found = list(self._client.admin.aggregate(pipeline, maxTimeMS=int(check.timeout * 1000)))
        longest = max((operation.get("secs_running", 0) for operation in found), default=0)
        return Reading(len(found), f"running longer than {check.longer_than:g} s, the longest {longest} s" if found else "")

    def _size(self, check: Check) -> Reading:
        database = self._database(check)
        if not check.table:
            facts = database.command({"dbStats": 1})
            return Reading(facts["storageSize"] + facts["indexSize"])
        if check.table not in database.list_collection_names(filter={"name": check.table}):
            raise RunbookError(f"database {check.database} has no collection {check.table!r}; check the name")
        facts = database.command({"collStats": check.table})
        return Reading(facts["storageSize"] + facts["totalIndexSize"])

    def _waiting(self, check: Check) -> Reading:
        database = self._database(check)
        for condition in check.where:
            field(condition.column)
        if check.table not in database.list_collection_names(filter={"name": check.table}):
            raise RunbookError(f"database {check.database} has no collection {check.table!r}; check the name")
        conditions = documents(check.where)
        group: Document = {"_id": None, "n": {"$sum": 1}}
        age: Document = {"$literal": None}
        if check.measure == "age":
            name = f"${field(check.age_column)}"
            fits = {"$eq": [{"$type": name}, "date"]} if check.age_unit == "time" else {"$isNumber": name}
            group["oldest"] = {"$min": {"$cond": [fits, name, None]}}
            factor = 1 if check.age_unit == "seconds" else 1000
            now: t.Any = "$$NOW" if check.age_unit == "time" else {"$divide": [{"$toLong": "$$NOW"}, 1000 // factor]}
            age = {"$divide": [{"$subtract": [now, "$oldest"]}, factor]}
        pipeline = [{"$match": {"$and": conditions} if conditions else {}}, {"$group": group}, {"$project": {"n": 1, "age": age}}]
        found = list(database[check.table].aggregate(pipeline, maxTimeMS=int(check.timeout * 1000)))
        return waiting(check, found[0]["n"], found[0]["age"]) if found else waiting(check, 0, None)

    def _replication_lag(self, check: Check) -> Reading:
        """How far the slowest member is behind the primary. A member that is not healthy fails the check."""
        members = self._admin(check, "replSetGetStatus")["members"]
        primary = next((member for member in members if member["state"] == _PRIMARY and member.get("health") == 1), None)
        if primary is None:
            return Reading(None, "the replica set has no primary", "failed")
        secondaries = [member for member in members if member["state"] == _SECONDARY and member.get("health") == 1]
        lag = max(((primary["optimeDate"] - member["optimeDate"]).total_seconds() for member in secondaries), default=None)
        bad = [f"{member['name']} is {member['stateStr']}" for member in members if not _well(member)]
        if len(secondaries) < check.replicas:
            bad.append(f"{len(secondaries)} of {check.replicas} secondaries are there")
        details = {"replicas": len(secondaries)}
        if bad:
            return Reading(lag, "; ".join(bad), "failed", details)
        return Reading(max(0.0, lag or 0.0), f"{len(secondaries)} secondaries", details=details)


def _well(member: t.Mapping[str, t.Any]) -> bool:
    return bool(member.get("health") == 1 and member["state"] in (_PRIMARY, _SECONDARY, _ARBITER))


def _plain(value: t.Any) -> t.Any:
    """MongoDB's decimal as text, which is a number again."""
    return str(value) if type(value).__name__ == "Decimal128" else value
