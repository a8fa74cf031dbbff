# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes that are made after a table's rows instead of with each of them.

Rows come in the order of the primary key; every other index gets them in an order of its own, and once it is larger than the
server's memory each row costs reading and writing a page. Built afterwards it is sorted, which takes half the time or less.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .mariadb_client import identifier
from .mariadb_objects import Definition

_KEY = re.compile(r"  KEY `")
# What may stand in a definition besides columns. Keys of other kinds have an order among themselves that would not survive.
_KNOWN = re.compile(r"  (?:`|PRIMARY KEY |UNIQUE KEY |FULLTEXT KEY |KEY `|CONSTRAINT `(?:[^`]|``)*` CHECK )")
_INDEX = re.compile(r"  (?:PRIMARY|UNIQUE) KEY ")
_REFERENCED = re.compile(r" REFERENCES `((?:[^`]|``)*)`")
_COUNTED = re.compile(r"  (`(?:[^`]|``)*`) .* AUTO_INCREMENT")


def deferred(definitions: t.Sequence[Definition], chosen: t.Container[str]) -> tuple[list[Definition], dict[str, str]]:
    """``definitions`` with the indexes of tables in ``chosen`` taken out, and by table the statement that adds them.

    Only indexes that neither guard nor serve anything: not unique ones, and none of tables that foreign keys connect. Added, they
    stand in the order in which they stood, so that the definition is what it was.
    """
    connected = {found.replace("``", "`") for own in definitions if own.kind == "table" for found in _REFERENCED.findall(own.sql)}
    kept, added = [], {}
    for own in definitions:
        keys: list[str] = []
        if own.kind == "table" and own.name in chosen and own.name not in connected:
            sql, keys = _split(own.sql)
            own = dataclasses.replace(own, sql=sql)
        if keys:
            added[own.name] = f"ALTER TABLE {identifier(own.name)} {', '.join(f'ADD {key}' for key in keys)}"
        kept.append(own)
    return kept, added


def _split(sql: str) -> tuple[str, list[str]]:
    """A table's definition without its plain indexes, and those; all of it and none when that would not be the same in the end."""
    first, *lines = sql.split("\n")
    end = next((number for number, line in enumerate(lines) if line.startswith(")")), 0)
    body, options = lines[:end], "\n".join(lines[end:])
    plain = all(_KNOWN.match(line) for line in body) and " ENGINE=InnoDB" in options and "WITH SYSTEM VERSIONING" not in options
    keys = [line.strip().rstrip(",") for line in body if _KEY.match(line)]
    rest = [line.rstrip(",") for line in body if not _KEY.match(line)]
    counted = [found[1] for line in body if (found := _COUNTED.match(line))]
    # The server wants an index that begins with it, from the start.
    led = all(any(f" ({column}" in line for line in rest if _INDEX.match(line)) for column in counted)
    if not (plain and keys and led):
        return sql, []
    return "\n".join([first, ",\n".join(rest), options]), keys
