# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting at MongoDB with pymongo: connections, raw documents, names of collections as files, and one line for every error."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import time
import typing as t
import urllib.parse

from .._common.errors import InvalidInput, RunbookError
from .model import Login

try:
    import bson.codec_options
    import bson.errors
    import bson.int64
    import bson.json_util
    import pymongo
    import pymongo.errors
    from bson.raw_bson import RawBSONDocument

    HAVE_PYMONGO = True
except ImportError:
    HAVE_PYMONGO = False

_CONNECTING = 5000  # milliseconds
_READING = frozenset(["find", "aggregate", "count", "distinct", "dbStats", "collStats", "serverStatus", "replSetGetStatus", "hello"])
_RETRIES = 50
# What the server refuses only for now: its cache is full of what others are writing (388), or two writes met (112).
_PASSING = (112, 388)
_PATIENCE = 60.0  # seconds without a document that was taken
# As mongodump does, so that its names and ours are the same.
_LONGEST, _KEPT = 238, 208


@contextlib.contextmanager
def one_line(where: str) -> t.Iterator[None]:
    """Whatever the server or the driver complains about becomes one line."""
    try:
        yield
    except pymongo.errors.OperationFailure as error:
        text = " ".join(str((error.details or {}).get("errmsg") or error).split())
        if error.code in (18, 13):
            raise RunbookError(f"MongoDB on {where} refuses the log-in: {text}") from None
        if error.code == 239:
            text += "; raise minSnapshotHistoryWindowInSeconds to longer than a dump takes"
        raise RunbookError(f"MongoDB on {where}: {text}") from None
    except pymongo.errors.ServerSelectionTimeoutError:
        raise RunbookError(f"no MongoDB server answers on {where} within {_CONNECTING // 1000} s") from None
    except pymongo.errors.PyMongoError as error:
        raise RunbookError(f"MongoDB on {where}: {' '.join(str(error).split())[:300]}") from None


@contextlib.contextmanager
def connect(login: Login) -> t.Iterator[t.Any]:
    """A ``MongoClient`` that really reached its server and was let in."""
    if not HAVE_PYMONGO:
        raise RunbookError("the Python library pymongo is not installed on this host; install the package python3-pymongo")
    options: dict[str, t.Any] = {"serverSelectionTimeoutMS": _CONNECTING, "connectTimeoutMS": _CONNECTING, "directConnection": True}
    if login.user:
        options.update(username=login.user, password=login.password, authSource=login.database or "admin")
    if login.ssl_mode in ("require", "verify-ca", "verify-full") or login.ca_cert or login.client_cert:
        options["tls"] = True
        if login.ca_cert:
            options["tlsCAFile"] = login.ca_cert
        if login.client_cert:
            options["tlsCertificateKeyFile"] = login.client_cert
        options["tlsAllowInvalidCertificates"] = login.ssl_mode == "require" and not login.ca_cert
        options["tlsAllowInvalidHostnames"] = login.ssl_mode != "verify-full"
    host = urllib.parse.quote(login.unix_socket, safe="") if login.unix_socket else login.host or "127.0.0.1"
    with one_line(login.where):
        # The port of a socket is in its name.
        client: t.Any = pymongo.MongoClient(
            f"mongodb://{host}" if login.unix_socket else host, None if login.unix_socket else login.port or 27017, **options
        )
        try:
            client.admin.command("ping")
            yield client
        finally:
            client.close()


def raw(document: bytes) -> t.Any:
    """A document as it is: not decoded, its fields in their order, its types untouched."""
    return RawBSONDocument(document)


def insert(target: t.Any, documents: t.Sequence[t.Any], patience: float = _PATIENCE) -> None:
    """Insert into a collection, in order. Where the server is out of room for the moment, what it has not taken yet is offered again."""
    left, pause, deadline = documents, 0.1, time.monotonic() + patience
    while left:
        try:
            target.insert_many(left, bypass_document_validation=True)
            return
        except pymongo.errors.OperationFailure as error:
            details = error.details or {}
            codes = [item["code"] for item in details.get("writeErrors", ())] or [error.code]
            if codes[0] not in _PASSING or time.monotonic() > deadline:
                raise
            taken = details.get("nInserted", 0)
        if taken:
            left, pause, deadline = left[taken:], 0.1, time.monotonic() + patience
        time.sleep(pause)
        pause = min(2.0, pause * 2)


def at_moment(command: dict[str, t.Any], moment: t.Any) -> dict[str, t.Any]:
    """A reading command that sees the data as of a cluster time; as it is now without one."""
    return command if moment is None else {**command, "readConcern": {"level": "snapshot", "atClusterTime": moment}}


def snapshot_moment(mongo: t.Any, database: str, collections: t.Sequence[str]) -> t.Any:
    """A cluster time at which all these collections can be read; ``None`` where the server has no snapshots.

    Asked of the server by plain commands, since the drivers that distributions ship have no snapshot sessions yet.
    """
    if not collections or "setName" not in mongo.admin.command("isMaster") or mongo.server_info()["versionArray"][0] < 5:
        return None
    for remaining in range(_RETRIES, -1, -1):
        try:
            first = {"find": collections[0], "limit": 1, "singleBatch": True, "projection": {"_id": 1}}
            moment = mongo[database].command({**first, "readConcern": {"level": "snapshot"}})["cursor"]["atClusterTime"]
            for collection in collections:
                mongo[database].command(at_moment({**first, "find": collection}, moment))
            return moment
        except pymongo.errors.OperationFailure as error:
            # A collection or an index was just made; a moment later the snapshot has it.
            if error.code != 246 or not remaining:
                raise
            time.sleep(0.1)
    raise AssertionError


def raw_batches(mongo: t.Any, database: str, collection: str, size: int, moment: t.Any) -> t.Iterator[list[bytes]]:
    """All documents of a collection, undecoded, at most ``size`` at once."""
    options = bson.codec_options.CodecOptions(document_class=RawBSONDocument)
    command = at_moment({"find": collection, "batchSize": size}, moment)
    for batch in batches(mongo, database, collection, command, size, options):
        yield [document.raw for document in batch]


def batches(mongo: t.Any, database: str, collection: str, command: dict[str, t.Any], size: int, options: t.Any) -> t.Iterator[list[t.Any]]:
    """All documents that a command with a cursor answers, at most ``size`` at once; ``options``: how they are decoded."""
    with mongo.start_session(causal_consistency=False) as session:
        answer = mongo[database].command(command, session=session, codec_options=options)["cursor"]
        yield answer["firstBatch"]
        number = answer["id"]
        while number:
            more = {"getMore": bson.int64.Int64(number), "collection": collection, "batchSize": size}
            answer = mongo[database].command(more, session=session, codec_options=options)["cursor"]
            yield answer["nextBatch"]
            number = answer["id"]


def file_name(collection: str) -> str:
    """A collection's name as mongodump would write it; long ones are shortened and made distinct by a hash."""
    name = urllib.parse.quote(collection, safe="$&+:=@")
    if len(name) <= _LONGEST:
        return name
    digest = base64.urlsafe_b64encode(hashlib.sha1(collection.encode()).digest()).decode()  # noqa: S324 - mongodump's
    return f"{name[:_KEPT]}%24{digest}"


def to_json(value: t.Any) -> str:
    """Extended JSON that keeps every BSON type."""
    return str(bson.json_util.dumps(value, json_options=bson.json_util.CANONICAL_JSON_OPTIONS))


def from_json(text: str) -> t.Any:
    """A document of extended JSON; ``InvalidInput`` when it is none."""
    try:
        found = bson.json_util.loads(text, json_options=bson.json_util.JSONOptions(document_class=dict))
    except (TypeError, ValueError, bson.errors.BSONError) as error:
        raise InvalidInput(f"{text[:60]!r} is no JSON document as MongoDB reads it: {error}") from None
    if not isinstance(found, dict):
        raise InvalidInput(f"{text[:60]!r} is no JSON document; write it as {{...}}")
    return found


def reading_command(text: str) -> dict[str, t.Any]:
    """A command, given as JSON, that changes nothing; ``InvalidInput`` when it is something else."""
    try:
        name = next(iter(json.loads(text)))
    except (ValueError, TypeError, StopIteration):
        raise InvalidInput(f"the MongoDB command {text!r} is not a JSON object") from None
    if name not in _READING or any(word in text for word in ('"$out"', '"$merge"', '"$function"', '"$where"')):
        raise InvalidInput(f"the MongoDB command {name!r} is refused: only those that read are allowed ({', '.join(sorted(_READING))})")
    return t.cast("dict[str, t.Any]", from_json(text))


def rows(login: Login, database: str, text: str, timeout: float) -> list[dict[str, str | None]]:
    """What a reading command answers, given as JSON, for example ``{"count": "jobs", "query": {"state": "stuck"}}``."""
    command = reading_command(text)
    with connect(login) as client, one_line(login.where):
        answer = client[database or "admin"].command(command, maxTimeMS=int(timeout * 1000))
    if "cursor" in answer:
        found = answer["cursor"]["firstBatch"]
    elif "values" in answer:
        found = [{"value": value} for value in answer["values"]]
    else:
        found = [{key: value for key, value in answer.items() if not key.startswith("$") and key not in ("operationTime", "ok")}]
    return [{key: None if value is None else str(value) for key, value in row.items()} for row in found]
