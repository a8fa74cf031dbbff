# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MongoDB's collections: what defines one, making it again, and moving all of a side's at once by renaming."""

from __future__ import annotations

import re
import typing as t

from .._common.errors import Refused
from . import mongodb_client as client

_SIDE = re.compile(r"rb_[a-z0-9]{8}\.")
# Kept in a side until the switch: which indexes delete documents by age, since a side's must stay as they were dumped.
_LATER = "runbook-later"
_NEVER = 2147483647


def prefix_of(name: str) -> str:
    """What collections of a side are prefixed with; nothing for a database."""
    side = name.partition("/")[2]
    return f"{side}." if side else ""


def side_collections(mongo: t.Any, name: str) -> list[str]:
    """Full names of all collections of a side, our own note included."""
    database, prefix = name.partition("/")[0], prefix_of(name)
    return [item["name"] for item in mongo[database].list_collections() if item["name"].startswith(prefix)]


def list_collections(mongo: t.Any, name: str) -> dict[str, dict[str, t.Any]]:
    """The server's descriptions by name, without the side's prefix; system collections and, in a database, its sides left out."""
    prefix = prefix_of(name)
    with client.one_line(name):
        listed = list(mongo[name.partition("/")[0]].list_collections())
    found = {}
    for item in listed:
        full = str(item["name"])
        if full.startswith("system.") or not full.startswith(prefix) or (not prefix and _SIDE.match(full)) or full == prefix + _LATER:
            continue
        found[full[len(prefix) :]] = item
    return dict(sorted(found.items()))


def definitions(mongo: t.Any, name: str) -> dict[str, dict[str, t.Any]]:
    """Of each collection and view what mongodump keeps in its metadata file."""
    database, prefix = mongo[name.partition("/")[0]], prefix_of(name)
    later = {(row["collection"], row["index"]): row["seconds"] for row in database[prefix + _LATER].find()} if prefix else {}
    found = {}
    for item, facts in list_collections(mongo, name).items():
        indexes = []
        if facts["type"] == "collection":
            for index in database[prefix + item].list_indexes():
                plain = {key: value for key, value in dict(index).items() if key != "ns"}
                if (item, plain["name"]) in later:
                    plain["expireAfterSeconds"] = later[item, plain["name"]]
                plain["key"] = dict(plain["key"])
                indexes.append(plain)
        found[item] = {
            "options": {key: value for key, value in facts.get("options", {}).items() if key != "uuid"},
            "indexes": sorted(indexes, key=lambda index: str(index["name"])),
            "collectionName": item,
            "type": facts["type"],
        }
    return found


def check_fits(found: t.Mapping[str, t.Mapping[str, t.Any]]) -> None:
    for item, facts in found.items():
        if facts["type"] not in ("collection", "view"):
            raise Refused(f"the MongoDB collection {item} is a {facts['type']} one, which can't be backed up here; leave it out of tables")


def make(mongo: t.Any, name: str, facts: t.Mapping[str, t.Any]) -> None:
    """An empty collection, or a view, with the options it had. A view of a side looks at what the live ones will be called."""
    with client.one_line(name):
        mongo[name.partition("/")[0]].command({"create": prefix_of(name) + facts["collectionName"], **facts["options"]})


def index_later(mongo: t.Any, name: str, facts: t.Mapping[str, t.Any]) -> None:
    """A collection's indexes, built when its documents are there."""
    database, prefix = mongo[name.partition("/")[0]], prefix_of(name)
    indexes = []
    for index in facts["indexes"]:
        if index["key"] == {"_id": 1}:
            continue
        if "collation" in facts["options"] and "collation" not in index:
            # So the server writes an index that does not follow its collection's collation.
            index = {**index, "collation": {"locale": "simple"}}
        if prefix and "expireAfterSeconds" in index:
            row = {"collection": facts["collectionName"], "index": index["name"], "seconds": index["expireAfterSeconds"]}
            database[prefix + _LATER].insert_one(row)
            indexes.append({**index, "expireAfterSeconds": _NEVER})
        else:
            indexes.append(index)
    if indexes:
        with client.one_line(name):
            database.command({"createIndexes": prefix + facts["collectionName"], "indexes": indexes})


def move(mongo: t.Any, source: str, target: str) -> None:
    """Rename every collection; a view can't be renamed and is made again under the new name, the old one only of a side kept.

    A replica set's majority is waited for once, after the last rename: what a member has of the later ones, it has of the earlier.
    """
    database = source.partition("/")[0]
    before, after = prefix_of(source), prefix_of(target)
    with client.one_line(source):
        listed = list_collections(mongo, source)
        renamed = [item for item, facts in listed.items() if facts["type"] != "view"]
        for item in renamed:
            words = {"renameCollection": f"{database}.{before}{item}", "to": f"{database}.{after}{item}"}
            # Nothing about the last one: it is as durable as this server's writes are by default.
            mongo.admin.command({**words, **({} if item == renamed[-1] else {"writeConcern": {"w": 1}})})
        for item, facts in listed.items():
            if facts["type"] == "view" and not before:
                _make_view(mongo[database], after + item, facts["options"])
                mongo[database].drop_collection(before + item)


def remake_views(mongo: t.Any, source: str, target: str) -> None:
    """After the collections, the views of a side: made where they belong, then removed from the side."""
    database = mongo[source.partition("/")[0]]
    before, after = prefix_of(source), prefix_of(target)
    with client.one_line(source):
        for item, facts in list_collections(mongo, source).items():
            if facts["type"] == "view":
                _make_view(database, after + item, facts["options"])
                database.drop_collection(before + item)


def settle_indexes(mongo: t.Any, live: str, side: str) -> None:
    """Have indexes that delete old documents begin to do so, as they were defined."""
    database = mongo[live]
    later = prefix_of(side) + _LATER
    with client.one_line(live):
        for row in list(database[later].find()):
            index = {"name": row["index"], "expireAfterSeconds": row["seconds"]}
            database.command({"collMod": row["collection"], "index": index})
        database.drop_collection(later)


def _make_view(database: t.Any, name: str, options: t.Mapping[str, t.Any]) -> None:
    """Made anew if a run was killed after making it."""
    if any(item["name"] == name for item in database.list_collections()):
        database.drop_collection(name)
    database.command({"create": name, **options})
