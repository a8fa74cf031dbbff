# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports from MongoDB: one cluster time for counting and reading, documents in batches, dotted paths as columns."""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import typing as t

from .._common.errors import InvalidInput
from .conditions import documents
from .export_request import Row, Wanted
from .model import Login
from .mongodb_client import at_moment, batches, connect, one_line, snapshot_moment
from .mongodb_reading import Document, field, only_reading

# Documents at once; the server answers at most 16 MB whatever is asked for.
_BATCH = 1000
_MISSING = object()


@contextlib.contextmanager
def snapshot(login: Login, wanted: Wanted) -> t.Iterator[MongoDBSnapshot]:
    """As of one moment where the server has snapshots (a replica set since 5.0); else each command sees what is there by then."""
    with connect(login) as mongo, one_line(login.where):
        command = _command(wanted)
        collection = command.get("find") or command["aggregate"]
        if collection not in mongo[wanted.database].list_collection_names(filter={"name": collection}):
            raise InvalidInput(f"database {wanted.database} has no collection {collection!r}; check the name")
        moment = snapshot_moment(mongo, wanted.database, [collection])
        yield MongoDBSnapshot(mongo, wanted, collection, command, moment)


def _command(wanted: Wanted) -> Document:
    for one in wanted.fields:
        field(one.name)
    if wanted.query is None:
        conditions = documents(wanted.where)
        for condition in wanted.where:
            field(condition.column)
        command: Document = {"find": wanted.table, "filter": {"$and": conditions} if conditions else {}}
    else:
        word, command = only_reading(wanted.query)
        if word not in ("find", "aggregate"):
            raise InvalidInput(f"an export can't be made of {word}; use find or aggregate")
        if wanted.where:
            raise InvalidInput("where does not go with MongoDB's query; put the conditions into its filter or pipeline")
    if wanted.order_by:
        order = {field(name): 1 for name in wanted.order_by}
        if "find" in command:
            command.update(sort=order, allowDiskUse=True)
        else:
            command["pipeline"] = [*command["pipeline"], {"$sort": order}]
    if "find" in command:
        if "projection" not in command:
            command["projection"] = _projection(wanted)
    else:
        command.update(cursor={"batchSize": _BATCH}, allowDiskUse=True)
    return command


def _projection(wanted: Wanted) -> Document:
    """Only what is needed; a path within another that is wanted as a whole comes with that one."""
    names = {one.name for one in wanted.fields}
    whole = {name for name in names if not any(name.startswith(other + ".") for other in names)}
    # A number in a path is a place in a list or a name, which a projection can't leave open.
    found: Document = {".".join(_until_number(name.split("."))): 1 for name in sorted(whole)}
    kept = {name: 1 for name in found if not any(name.startswith(other + ".") for other in found)}
    return kept if "_id" in kept or any(name.startswith("_id.") for name in kept) else {**kept, "_id": 0}


def _until_number(parts: list[str]) -> list[str]:
    at = next((place for place, part in enumerate(parts) if part.isdigit()), len(parts))
    return parts[:at] or parts[:1]


class MongoDBSnapshot:
    """See ``Snapshot``. Documents and lists are JSON already."""

    json: t.Collection[int] = ()

    def __init__(self, mongo: t.Any, wanted: Wanted, collection: str, command: Document, moment: t.Any) -> None:
        self._mongo, self._wanted, self._collection, self._moment = mongo, wanted, collection, moment
        self._command = command
        self.consistent = moment is not None
        self._limit = {"maxTimeMS": max(1, int(wanted.timeout * 1000))}

    def count(self) -> int:
        command = self._command
        if "find" in command:
            stages: list[Document] = [{"$match": command.get("filter") or {}}]
            stages += [{f"${name}": command[name]} for name in ("skip", "limit") if command.get(name)]
        else:
            stages = list(command["pipeline"])
        asked: Document = {"aggregate": self._collection, "pipeline": [*stages, {"$count": "n"}], "cursor": {}, **self._limit}
        if "collation" in command:
            asked["collation"] = command["collation"]
        found = self._mongo[self._wanted.database].command(at_moment(asked, self._moment))["cursor"]["firstBatch"]
        return int(found[0]["n"]) if found else 0

    def rows(self) -> t.Iterator[Row]:
        from bson.codec_options import CodecOptions

        paths = [tuple(one.name.split(".")) for one in self._wanted.fields]
        command = at_moment({**self._command, **self._limit}, self._moment)
        if "find" in command:
            command["batchSize"] = _BATCH
        decoded: t.Any = CodecOptions(tz_aware=True, tzinfo=datetime.timezone.utc)
        for batch in batches(self._mongo, self._wanted.database, self._collection, command, _BATCH, decoded):
            for document in batch:
                yield [text_of(_at(document, path)) for path in paths]


def _at(document: t.Any, path: tuple[str, ...]) -> t.Any:
    found = document
    for part in path:
        if isinstance(found, dict):
            found = found.get(part, _MISSING)
        elif isinstance(found, list) and part.isdigit():
            found = found[int(part)] if int(part) < len(found) else _MISSING
        else:
            return None
        if found is _MISSING:
            return None
    return found


def text_of(value: t.Any) -> str | None:
    """A value of a document as text: times in ISO 8601 (UTC), bytes in hexadecimal digits, documents and lists as compact JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and math.isfinite(value):
        return str(int(value)) if abs(value) < 1 << 53 else repr(value)
    if isinstance(value, datetime.datetime):
        return _moment(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (dict, list)):
        return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _moment(value: datetime.datetime) -> str:
    text = value.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds" if value.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def _plain(value: t.Any) -> t.Any:
    """Data of which JSON can be made: what JSON has no word for becomes the text that it would be in a column of its own."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return text_of(value)
