# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MongoDB: a dump has a stream of raw BSON and one of metadata for each collection, in mongodump's layout.

On a replica set (5.0 and newer) all collections are read at one cluster time; elsewhere there is none, and ``consistent`` says so. What a
database held is counted and hashed from the very bytes that were streamed. A rename within a database is an instant, across
databases it is a copy: so what is being restored lies in the live database, its collections named ``rb_<token>.<name>``, and such
a side is called ``<live>/rb_<token>``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
import typing as t

from .._common.errors import InvalidInput, RunbookError
from . import mongodb_client as client
from .engine import Dump, Part, Reader
from .model import Inventory, Login, Selection, Server, Table, TableFacts
from .mongodb_collections import (
    check_fits,
    definitions,
    index_later,
    list_collections,
    make,
    move,
    prefix_of,
    remake_views,
    settle_indexes,
    side_collections,
)

_METHOD = "mongodb-raw-blake2b-1"
_BATCH_BYTES = 4 << 20
_CHUNK = 1 << 20
_MODULO = 1 << 128


class MongoDB:
    kind: t.ClassVar[str] = "mongodb"
    suffix: t.ClassVar[str] = "bson"

    def __init__(self, login: Login) -> None:
        self.login = login

    def server(self) -> Server:
        with self._client() as mongo:
            return Server("mongodb", str(mongo.server_info()["version"]))

    def check_name(self, name: str) -> None:
        database, _slash, side = name.partition("/")
        if (
            not database
            or len(database.encode()) > 63
            or set(database) & set('/\\. "$*<>:|?\0\n')
            or (_slash and not side.startswith("rb_"))
        ):
            raise InvalidInput(f"{name!r} can't be a MongoDB database's name; use up to 63 bytes without spaces, '.', '/', '$' and quotes")
        if database in ("admin", "config", "local"):
            raise InvalidInput(f"{name!r} is the server's own database and is not backed up or restored")

    def exists(self, name: str) -> bool:
        with self._client() as mongo:
            return bool(list_collections(mongo, name))

    def tables(self, name: str) -> list[Table]:
        with self._client() as mongo:
            database = mongo[name.partition("/")[0]]
            found = list_collections(mongo, name)
            if not found:
                raise RunbookError(f"there is no MongoDB database {name} on {self.login.where}, or it is empty")
            prefix = prefix_of(name)
            sizes = {item: database.command("collStats", prefix + item)["size"] for item, facts in found.items() if facts["type"] != "view"}
        return [Table(item, int(sizes.get(item, 0))) for item in found]

    @contextlib.contextmanager
    def dump(self, name: str, tables: Selection, jobs: int) -> t.Iterator[Dump]:
        chosen = {table.name for table in tables.resolve(self.tables(name))}
        with self._client() as mongo:
            found = {item: facts for item, facts in definitions(mongo, name).items() if item in chosen}
            check_fits(found)
            dump = _CollectionsDump(mongo, name, found, self.login.where)
            try:
                yield dump
            finally:
                dump.close()

    def inventory(self, name: str, *, counts: bool, checksums: bool) -> Inventory:
        with self.dump(name, Selection(), 1) as dump:
            for part in dump.parts if counts or checksums else ():
                with part.open() as reader:
                    while reader.read(_CHUNK):
                        pass
            return dump.inventory(counts=counts, checksums=checksums)

    def refuses(self, made_by: Server) -> str:
        here = self.server()
        if made_by.product != "mongodb":
            return f"it is a backup of {made_by.product}, not of MongoDB"
        if made_by.numbers[:2] > here.numbers[:2]:
            return f"it was made by MongoDB {made_by.version}, which is newer than this server's {here.version}"
        return ""

    def data_folder(self, name: str) -> str:
        # Compressed in the server, several times smaller than a dump's plain bytes: what is free there tells nothing.
        return ""

    def side_name(self, live: str, token: str) -> str:
        return f"{live}/rb_{token}"

    def create(self, name: str, settings: t.Mapping[str, t.Any]) -> None:
        """A database comes into being with its first collection: there is only to see that there is none."""
        self.check_name(name)
        if self.exists(name):
            raise RunbookError(f"the MongoDB database {name} on {self.login.where} is there already")

    def load(self, name: str, parts: t.Sequence[Part], settings: t.Mapping[str, t.Any], jobs: int) -> None:
        """Metadata first, then documents, then indexes. Of a side's indexes those that delete old documents do so after the switch."""
        with self._client() as mongo:
            found = {}
            for part in parts:
                if part.name.endswith(".metadata.json"):
                    with part.open() as reader:
                        data = _all(reader)
                    # Only now is it known to be what was written.
                    found[part.name[: -len(".metadata.json")]] = client.from_json(data.decode())
            for facts in found.values():
                if facts["type"] != "view":
                    make(mongo, name, facts)
            for part in parts:
                if part.name.endswith(".bson"):
                    facts = found.get(part.name[: -len(".bson")])
                    if facts is None:
                        raise RunbookError(f"the backup has no metadata for {part.name}; it is incomplete")
                    with part.open() as reader:
                        self._insert(mongo, name, facts["collectionName"], reader)
            for facts in found.values():
                if facts["type"] == "view":
                    make(mongo, name, facts)
                else:
                    index_later(mongo, name, facts)

    def drop(self, name: str) -> None:
        self.check_name(name)
        with self._client() as mongo:
            database, _slash, side = name.partition("/")
            if side:
                for item in side_collections(mongo, name):
                    mongo[database].drop_collection(item)
            else:
                for item in list_collections(mongo, name):
                    mongo[database].drop_collection(item)

    def switch(self, live: str, side: str, previous: str, note: t.Callable[[str, t.Mapping[str, t.Any]], None]) -> None:
        """One rename for each collection. Before ``in`` everything is undone by ``settle``, from then on it is finished."""
        with self._client() as mongo:
            new = list_collections(mongo, side)
            if not new:
                raise RunbookError(f"{side} is missing, so it can't take the place of {live}")
            note("away", {})
            move(mongo, live, previous)
            note("in", {"collections": sorted(new)})
            move(mongo, side, live)
            remake_views(mongo, side, live)
            settle_indexes(mongo, live, side)

    def settle(self, live: str, side: str, previous: str, step: str, facts: t.Mapping[str, t.Any]) -> t.Literal["new", "old"]:
        with self._client() as mongo:
            if step != "in":
                move(mongo, previous, live)
                remake_views(mongo, previous, live)
                return "old"
            there = {*list_collections(mongo, side), *list_collections(mongo, live)}
            missing = sorted(set(facts["collections"]) - there)
            if missing:
                raise RunbookError(f"collection {missing[0]} is neither in {live} nor in {side}; look at {previous} and the backups")
            move(mongo, side, live)
            remake_views(mongo, side, live)
            settle_indexes(mongo, live, side)
            return "new"

    @contextlib.contextmanager
    def _client(self) -> t.Iterator[t.Any]:
        with client.connect(self.login) as mongo:
            yield mongo

    def _insert(self, mongo: t.Any, name: str, collection: str, reader: Reader) -> None:
        target = mongo[name.partition("/")[0]][prefix_of(name) + collection]
        waiting: list[t.Any] = []
        size = 0
        for document in _documents(reader):
            waiting.append(client.raw(document))
            size += len(document)
            if size >= _BATCH_BYTES:
                client.insert(target, waiting)
                waiting, size = [], 0
        if waiting:
            client.insert(target, waiting)


class _CollectionsDump:
    """``inventory`` waits for the streams, whose documents are counted and hashed as they pass."""

    def __init__(self, mongo: t.Any, name: str, found: t.Mapping[str, t.Mapping[str, t.Any]], where: str) -> None:
        self._database = mongo[name.partition("/")[0]]
        self._prefix = prefix_of(name)
        self._found = found
        self._mongo = mongo
        self._where = where
        self._facts: dict[str, TableFacts] = {}
        self._changed = threading.Condition()
        self._closed = False
        capped = sorted(item for item, facts in found.items() if facts["options"].get("capped"))
        ordinary = [self._prefix + item for item, facts in found.items() if facts["type"] != "view" and item not in capped]
        with client.one_line(where):
            self._moment = client.snapshot_moment(mongo, self._database.name, ordinary)
        # The server offers no snapshot of capped collections.
        consistent = (self._moment is not None or not ordinary) and not capped
        self.settings: dict[str, t.Any] = {"consistent": consistent, "outside_snapshot": capped}
        self.parts: list[Part] = []
        for item, facts in found.items():
            if facts["type"] != "view":
                self.parts.append(Part(f"{client.file_name(item)}.bson", self._opener(item)))
            self.parts.append(Part(f"{client.file_name(item)}.metadata.json", self._metadata(facts)))

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def inventory(self, *, counts: bool, checksums: bool) -> Inventory:
        wanted = [item for item, facts in self._found.items() if facts["type"] != "view"]
        facts: dict[str, TableFacts] = {}
        if counts or checksums:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or all(item in self._facts for item in wanted))
                if self._closed:
                    raise RunbookError("the MongoDB dump ended before all its collections were read")
                facts = {item: found if checksums else TableFacts(found.rows) for item, found in self._facts.items()}
        objects: dict[str, dict[str, str]] = {}
        for item, defined in self._found.items():
            kind = "view" if defined["type"] == "view" else "collection"
            objects.setdefault(kind, {})[item] = _digest(defined["options"])
            for index in defined["indexes"]:
                objects.setdefault("index", {})[f"{item}.{index['name']}"] = _digest(index)
        return Inventory(_METHOD if checksums else "", facts, objects)

    def query(self, text: str) -> str:
        """A command that reads, as JSON, for example ``{"find": "migrations", "sort": {"_id": -1}, "limit": 1}``: its first value."""
        with client.one_line(self._where):
            answer = self._database.command(client.at_moment(client.reading_command(text), self._moment))
        found = answer["cursor"]["firstBatch"] if "cursor" in answer else [answer]
        return str(next((value for key, value in found[0].items() if key != "_id"), "")) if found else ""

    def check_end(self, part: str, tail: bytes) -> None:
        """BSON ends with a NUL byte and has no trailer; how many documents there have to be is in the inventory."""
        if tail and part.endswith(".bson") and tail[-1:] != b"\0":
            raise RunbookError(f"the dump of {part} does not end with a whole document; it is cut")

    def _metadata(self, facts: t.Mapping[str, t.Any]) -> t.Callable[[], contextlib.AbstractContextManager[Reader]]:
        data = client.to_json(facts).encode()
        return lambda: contextlib.closing(io.BytesIO(data))

    def _opener(self, item: str) -> t.Callable[[], contextlib.AbstractContextManager[Reader]]:
        @contextlib.contextmanager
        def opened() -> t.Iterator[Reader]:
            stream = _CollectionReader(self._batches(item))
            with client.one_line(self._where):
                yield stream
                if not stream.complete:
                    raise RunbookError(f"the MongoDB collection {item} was not read to its end")
            with self._changed:
                self._facts[item] = stream.facts
                self._changed.notify_all()

        return opened

    def _batches(self, item: str) -> t.Iterator[list[bytes]]:
        average = int(self._database.command("collStats", self._prefix + item).get("avgObjSize", 1)) or 1
        moment = None if self._found[item]["options"].get("capped") else self._moment
        size = max(1, min(5000, _BATCH_BYTES // average))
        return client.raw_batches(self._mongo, self._database.name, self._prefix + item, size, moment)


class _CollectionReader:
    def __init__(self, batches: t.Iterator[list[bytes]]) -> None:
        self._batches = batches
        self._left = memoryview(b"")
        self._count = self._total = 0
        self.complete = False

    @property
    def facts(self) -> TableFacts:
        return TableFacts(self._count, f"{self._total % _MODULO:032x}")

    def read(self, size: int, /) -> bytes:
        while not self._left:
            batch = next(self._batches, None)
            if batch is None:
                self.complete = True
                return b""
            self._count += len(batch)
            for document in batch:
                self._total += int.from_bytes(hashlib.blake2b(document, digest_size=16).digest(), "big")
            self._left = memoryview(b"".join(batch))
        data, self._left = bytes(self._left[:size]), self._left[size:]
        return data


def _documents(reader: Reader) -> t.Iterator[bytes]:
    """Whole documents of a stream, in which reads end anywhere."""
    held = bytearray()
    while data := reader.read(_CHUNK):
        held += data
        at = 0
        while len(held) - at >= 4:
            size = int.from_bytes(held[at : at + 4], "little")
            if size < 5 or size > 48 << 20:
                raise RunbookError("the MongoDB data is damaged: a document has an impossible size")
            if len(held) - at < size:
                break
            yield bytes(held[at : at + size])
            at += size
        del held[:at]
    if held:
        raise RunbookError("the MongoDB data is cut in the middle of a document")


def _all(reader: Reader) -> bytes:
    found = bytearray()
    while data := reader.read(_CHUNK):
        found += data
    return bytes(found)


def _digest(value: t.Any) -> str:
    return hashlib.sha256(client.to_json(value).encode()).hexdigest()[:16]
