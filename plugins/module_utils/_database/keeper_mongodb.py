# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of MongoDB's collections."""

from __future__ import annotations

import contextlib
import datetime
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .conditions import documents
from .dialect import EARLIEST_MS
from .model import Login
from .mongodb_client import connect, one_line
from .mongodb_reading import Document, field
from .upkeep import Deletion, Planned, Task


class MongoDBKeeper:
    actions: t.ClassVar[tuple[str, ...]] = ("optimize", "integrity")
    whole: t.ClassVar[tuple[str, ...]] = ()

    def __init__(self, login: Login, database: str) -> None:
        self._where = login.where
        self._stack = contextlib.ExitStack()
        self._client = self._stack.enter_context(connect(login))
        self._name = database

    def close(self) -> None:
        self._stack.close()

    def plan(self, deletion: Deletion) -> Planned:
        with one_line(self._where):
            collection = self._collection(deletion.table)
            now: datetime.datetime = self._client.admin.command("hello")["localTime"]
            then = now - datetime.timedelta(seconds=deletion.seconds)
            seconds = int(then.replace(tzinfo=datetime.timezone.utc).timestamp())
            cutoff: t.Any = {"time": then, "seconds": seconds, "milliseconds": seconds * 1000}[deletion.unit]
            if deletion.unit == "milliseconds":
                youngest = next(
                    iter(collection.find({field(deletion.column): {"$type": "number"}}).sort(deletion.column, -1).limit(1)), None
                )
                if youngest is not None and collection.count_documents({deletion.column: {"$gte": EARLIEST_MS}}, limit=1) == 0:
                    raise InvalidInput(f"field {deletion.column} of {deletion.table} does not count milliseconds")
            return Planned(deletion, cutoff, collection.count_documents(_filter(deletion, cutoff)))

    def delete(self, planned: Planned) -> t.Iterator[int]:
        deletion, left = planned.deletion, planned.matched
        chosen = _filter(deletion, planned.cutoff)
        last: list[Document] = []
        with one_line(self._where):
            collection = self._client[self._name][deletion.table]
            while left > 0:
                size = min(deletion.batch, left)
                found = collection.find({"$and": [chosen, *last]}, {"_id": 1}).sort("_id", 1).limit(size)
                keys = [document["_id"] for document in found]
                if not keys:
                    return
                # The condition again: a document may have changed since its id was read.
                yield collection.delete_many({"$and": [{"_id": {"$in": keys}}, chosen]}).deleted_count
                last, left = [{"_id": {"$gt": keys[-1]}}], left - len(keys)

    def fresh(self, action: str, tables: t.Collection[str], seconds: float) -> dict[str, str]:
        """The server does not remember."""
        return {}

    def act(self, task: Task) -> str:
        with one_line(self._where):
            database = self._collection(task.table).database
            if task.action == "integrity":
                facts = database.command({"validate": task.table})
                if not facts.get("valid"):
                    wrong = "; ".join(str(item) for item in [*facts.get("errors", ()), *facts.get("corruptRecords", ())][:5])
                    raise RunbookError(
                        f"collection {task.table} is damaged: {wrong or 'the server does not say how'}; restore a backup of it"
                    )
                return f"{facts.get('nrecords', 0)} documents"
            hello = database.command("hello")
            force = {"force": True} if hello.get("setName") and hello.get("isWritablePrimary") else {}
            return f"{database.command({'compact': task.table, **force}).get('bytesFreed', 0)} bytes freed"

    def _collection(self, name: str) -> t.Any:
        database = self._client[self._name]
        if name not in database.list_collection_names(filter={"name": name, "type": "collection"}):
            raise InvalidInput(f"database {self._name} has no collection {name!r} (views are not collections); check the name")
        return database[name]


def _filter(deletion: Deletion, cutoff: t.Any) -> Document:
    """Comparing with a date finds dates only, with a number numbers only."""
    for condition in deletion.where:
        field(condition.column)
    return {"$and": [{field(deletion.column): {"$lt": cutoff}}, *documents(deletion.where)]}
