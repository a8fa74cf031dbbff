# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MongoDB for checks: a connection that gives a hanging server up in time, and free queries that only read."""

from __future__ import annotations

import json
import typing as t

from .._common.errors import InvalidInput, RunbookError
from . import mongodb_client
from .model import Login

# The commands that only read, and what may be said in them beside the time limit.
READING = {
    "find": ("filter", "sort", "projection", "skip", "limit", "hint", "collation"),
    "aggregate": ("pipeline", "hint", "collation", "allowDiskUse"),
    "count": ("query", "skip", "limit", "hint", "collation"),
    "distinct": ("key", "query", "collation"),
}
_WRITING_STAGES = ("$out", "$merge")
Document = t.Dict[str, t.Any]


def connect(login: Login, timeout: float) -> t.Any:
    """A ``MongoClient`` of the one server that the log-in names, not yet connected; ``timeout`` seconds for every answer."""
    if not mongodb_client.HAVE_PYMONGO:
        raise RunbookError("the Python library pymongo is not installed on this host; install the package python3-pymongo")
    import pymongo

    milliseconds = max(1, int(timeout * 1000))
    settings: Document = {
        "host": login.unix_socket or login.host or "localhost",
        "directConnection": True,
        "serverSelectionTimeoutMS": milliseconds,
        "connectTimeoutMS": milliseconds,
        "socketTimeoutMS": milliseconds + 5000,
        "appname": "runbook",
    }
    if login.port and not login.unix_socket:
        settings["port"] = login.port
    if login.user:
        settings.update(username=login.user, password=login.password, authSource=login.database or "admin")
    if login.ssl_mode in ("require", "verify-ca", "verify-full") or (login.ssl_mode == "prefer" and (login.ca_cert or login.client_cert)):
        settings["tls"] = True
        if login.ca_cert:
            settings["tlsCAFile"] = login.ca_cert
        if login.client_cert:
            # The library wants certificate and key in one file.
            settings["tlsCertificateKeyFile"] = login.client_cert
        if login.ssl_mode == "require" and not login.ca_cert:
            settings["tlsAllowInvalidCertificates"] = True
        elif login.ssl_mode == "verify-ca":
            settings["tlsAllowInvalidHostnames"] = True
    try:
        return pymongo.MongoClient(**settings)
    except (pymongo.errors.PyMongoError, ValueError, TypeError) as error:
        raise RunbookError(f"the log-in to MongoDB on {login.where} can't be used: {error}") from None


def field(name: str) -> str:
    """A field's name, dotted for one in another; ``InvalidInput`` for what MongoDB would take for an operator."""
    if not name or any(not part or part.startswith("$") or "\0" in part for part in name.split(".")):
        raise InvalidInput(f"{name!r} is no name of a field")
    return name


def reading_command(query: t.Any, limit: int, timeout: float) -> Document:
    """A user's query as a command of at most ``limit`` documents; ``InvalidInput`` for anything but reading."""
    word, command = only_reading(query)
    if word == "find":
        asked = command.get("limit") or limit
        if not isinstance(asked, int) or asked < 0:
            raise InvalidInput("limit is not a number above 0")
        command.update(limit=min(asked, limit), batchSize=limit, singleBatch=True)
    elif word == "aggregate":
        command.update(pipeline=[*command["pipeline"], {"$limit": limit}], cursor={"batchSize": limit})
    command["maxTimeMS"] = max(1, int(timeout * 1000))
    return command


def only_reading(query: t.Any) -> tuple[str, Document]:
    """A user's query as the command's name and the command; ``InvalidInput`` for anything but reading."""
    if not isinstance(query, dict):
        raise InvalidInput("query is not a mapping; give for example {find: jobs, filter: {state: failed}}")
    named = [word for word in query if word in READING]
    if len(named) != 1 or not isinstance(query[named[0]], str):
        raise InvalidInput(f"query has to name one of {', '.join(READING)} with a collection; only reading is allowed")
    word = named[0]
    for option in query:
        if option != word and option not in READING[word]:
            raise InvalidInput(f"{word} takes no {option}; it takes {', '.join(READING[word])}")
    stage = _writing(query)
    if stage:
        raise InvalidInput(f"the query writes ({stage}); only reading is allowed")
    command: Document = {word: query[word], **{option: value for option, value in _typed(query).items() if option != word}}
    if word == "aggregate" and not isinstance(command.get("pipeline"), list):
        raise InvalidInput("aggregate needs a pipeline, a list of stages")
    return word, command


def documents_of(answer: t.Mapping[str, t.Any]) -> list[Document]:
    """The documents that a reading command's answer holds; a count is one document ``{n}``."""
    if "cursor" in answer:
        return list(answer["cursor"]["firstBatch"])
    if "values" in answer:
        return [{"value": value} for value in answer["values"]]
    return [{"n": answer["n"]}]


def at(document: t.Any, path: str) -> t.Any:
    """What a dotted path leads to; ``RunbookError`` when it leads nowhere."""
    found = document
    for part in path.split("."):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            raise RunbookError(f"the query's answer has no field {path!r}")
    return found


def _writing(value: t.Any) -> str:
    """The stage that writes, wherever it is hidden."""
    if isinstance(value, dict):
        return next((name for name in value if name in _WRITING_STAGES), "") or next(filter(None, map(_writing, value.values())), "")
    return next(filter(None, map(_writing, value)), "") if isinstance(value, list) else ""


def _typed(query: Document) -> Document:
    """Dates and ids as MongoDB's extended JSON writes them: ``{$date: …}``, ``{$oid: …}``."""
    from bson import json_util

    try:
        typed: Document = json_util.loads(json.dumps(query), json_options=json_util.RELAXED_JSON_OPTIONS)
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidInput(f"the query can't be written as MongoDB's extended JSON: {error}") from None
    return typed
