# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that say which artifact is the newest: ``latest.json``, an installer's metadata. Their fields may have other names."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import posixpath
import re
import typing as t
from urllib.parse import unquote

from .._common.errors import InvalidInput, RunbookError
from .._common.times import parse_moment
from .._http.address import Target, parse_target
from .._release.walk import inner_path

FIELDS = ("version", "sha256", "size", "url", "time")
# Bytes that such a document may have.
MOST = 1 << 20


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a document is (a local ``path``, or a ``target``), what it is called in results, and its names for our fields."""

    name: str
    path: str
    target: Target | None
    fields: t.Mapping[str, str]


def parse_places(items: t.Sequence[t.Mapping[str, t.Any]]) -> list[Place]:
    """The option ``documents``; ``InvalidInput`` for what can't be one."""
    if not items:
        raise InvalidInput("documents is empty; name at least one, for example {path: dist/latest.json}")
    places: list[Place] = []
    for item in items:
        unknown = sorted(set(item["fields"]) - set(FIELDS))
        if unknown:
            raise InvalidInput(f"fields has {unknown[0]!r}; it maps {', '.join(FIELDS)} to the document's own names")
        target = parse_target(item["url"], None) if item["url"] else None
        path = os.path.abspath(item["path"]) if item["path"] else ""
        name = item["name"] or posixpath.basename(path or unquote(t.cast(Target, target).path.partition("?")[0])) or "document"
        while any(place.name == name for place in places):
            name += "'"
        places.append(Place(name, path, target, {field: str(item["fields"].get(field) or "") for field in item["fields"]}))
    return places


@dataclasses.dataclass(frozen=True)
class Statement:
    """What a document says. ``values`` has what its fields hold, ``None`` for one that is not there; ``expected`` those that must be."""

    place: Place
    values: t.Mapping[str, t.Any]
    expected: t.Collection[str]

    @property
    def sha256(self) -> str:
        return str(self.values["sha256"]).strip().lower().removeprefix("sha256:") if self.values["sha256"] is not None else ""

    @property
    def size(self) -> int | None:
        """Bytes; ``None`` when it says none, or something that is no number of bytes."""
        value = self.values["size"]
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()):
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def moment(self) -> datetime.datetime:
        """When it was made; ``InvalidInput`` when it says that in no form that is known."""
        return parse_moment(str(self.values["time"]), "time")

    def leads_to(self) -> Target | str:
        """The artifact that its url names, relative to the document itself: a target, or a local path. ``InvalidInput`` for neither."""
        url = str(self.values["url"]).strip()
        if "://" in url:
            return parse_target(url, None)
        if self.place.target:
            try:
                return self.place.target.join(url)
            except ValueError as error:
                raise InvalidInput(f"its url can't be followed: {error}") from None
        return os.path.join(os.path.dirname(self.place.path), inner_path(unquote(url), "url"))


def parse_statement(place: Place, data: bytes) -> Statement:
    """What the bytes of a document say; ``RunbookError`` when they are no JSON object."""
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise RunbookError(f"it is not JSON ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(document, dict):
        raise RunbookError("it is no JSON object")
    values = {field: _value(document, place.fields.get(field, field)) for field in FIELDS}
    expected = [field for field in FIELDS[:3] if place.fields.get(field, field)]
    return Statement(place, values, [*expected, *(field for field in FIELDS[3:] if place.fields.get(field))])


def _value(document: t.Any, name: str) -> t.Any:
    """What stands under a name, or under names and numbers joined by dots: ``files.0.sha256``."""
    if not name:
        return None
    if isinstance(document, dict) and name in document:
        return document[name]
    for part in name.split("."):
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document
