# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - names and texts in statements are quoted by identifier() and literal()
"""Exchange a live MariaDB database for a restored one: all tables in one RENAME TABLE, the rest from definitions kept beforehand.

Tables tell how far a switch came. Everything before the RENAME is undone, everything after it is done again, by the same
``arrange`` that did it first. A server-wide named lock is held meanwhile: a client that was killed may have left its RENAME
waiting in the server, and nothing may be decided before that has ended.
"""

from __future__ import annotations

import hashlib
import typing as t

from .._common.errors import RunbookError
from . import mariadb_objects as objects
from .mariadb_client import Session, SqlError, identifier, literal

Note = t.Callable[[str, t.Mapping[str, t.Any]], None]
# How long to wait for somebody who still reads a table, in seconds; then the switch is undone.
BUSY_WAIT = 10
# How long to wait for a killed run's session, and for readers when there is no other way than to go on.
_OTHER_WAIT = 60


def describe(session: Session, database: str) -> dict[str, t.Any]:
    """All that a switch must know of one side: JSON."""
    rows = session.run(
        "SELECT DEFAULT_CHARACTER_SET_NAME AS cs, DEFAULT_COLLATION_NAME AS co FROM information_schema.SCHEMATA"
        f" WHERE {objects.schema_is('SCHEMA_NAME', database)}"
    )
    if not rows:
        return {}
    return {
        "character_set": rows[0]["cs"],
        "collation": rows[0]["co"],
        "tables": objects.names(session, database),
        "objects": [own.to_dict() for own in objects.read_late(session, database)],
    }


def switch(session: Session, live: str, side: str, previous: str, note: Note) -> None:
    """See ``Engine.switch``. An error before the tables moved leaves everything as it was."""
    _alone(session, live)
    new, old = describe(session, side), describe(session, live)
    if not new:
        raise RunbookError(f"there is no database {side} to switch to")
    facts = {"new": new, "old": old}
    if _tables(session, previous):
        raise RunbookError(f"the database {previous} already has tables; drop it or choose another name")
    note("prepare", facts)
    if old:
        _create(session, previous, old)
    else:
        _create(session, live, new)
    session.run(f"SET SESSION lock_wait_timeout={BUSY_WAIT}")
    if old.get("tables"):
        # Whoever reads for long is met here, while nothing has been changed: dropping a trigger needs the table alone too.
        session.run(f"LOCK TABLES {', '.join(f'{identifier(live)}.{identifier(name)} WRITE' for name in old['tables'])}")
        session.run("UNLOCK TABLES")
    note("triggers", facts)
    objects.drop_triggers(session, side)
    if old:
        objects.drop_triggers(session, live)
    note("rename", facts)
    if moves := _moves(live, side, previous, new, old):
        session.run(f"RENAME TABLE {', '.join(moves)}")
    note("objects", facts)
    _finish(session, live, side, previous, new, old)


def settle(session: Session, live: str, side: str, previous: str, facts: t.Mapping[str, t.Any]) -> t.Literal["new", "old"]:
    """See ``Engine.settle``; ``facts`` of any of the steps, or none when the run did not come to its first."""
    _alone(session, live)
    if not facts:
        return "old"
    session.run(f"SET SESSION lock_wait_timeout={_OTHER_WAIT}")
    new, old = facts["new"], facts["old"]
    at_side, at_previous = _tables(session, side), _tables(session, previous)
    arrived = [name for name in new["tables"] if name not in at_side]
    gone = [name for name in old.get("tables", ()) if name in at_previous]
    if old.get("tables") and not gone and not _exists(session, side):
        # Undone, and the side dropped since.
        return "old"
    everything = len(new["tables"]) + len(old.get("tables", ()))
    # Two databases without any table: the RENAME did not exist, and whether it happened is whether the side was taken away.
    moved = len(arrived) + len(gone) == everything if everything else not _exists(session, side)
    if moved:
        _finish(session, live, side, previous, new, old)
        return "new"
    # Servers before 10.6 may have lost their power in the middle of it.
    back = [_move(live, side, name) for name in arrived] + [_move(previous, live, name) for name in gone]
    if back:
        for database in (live, side, previous):
            if _exists(session, database):
                objects.drop_triggers(session, database)
        session.run(f"RENAME TABLE {', '.join(back)}")
    _arrange(session, side, new, live)
    if old:
        _arrange(session, live, old, previous)
        if not _tables(session, previous):
            session.run(f"DROP DATABASE IF EXISTS {identifier(previous)}")
    elif not _tables(session, live):
        session.run(f"DROP DATABASE IF EXISTS {identifier(live)}")
    return "old"


def _finish(session: Session, live: str, side: str, previous: str, new: t.Mapping[str, t.Any], old: t.Mapping[str, t.Any]) -> None:
    """After the tables have moved."""
    session.run(f"ALTER DATABASE {identifier(live)} CHARACTER SET {new['character_set']} COLLATE {new['collation']}")
    _arrange(session, live, new, side, awake=True)
    if old:
        _arrange(session, previous, old, live, asleep=True)
        _let_go(session, previous, live)
    if not _tables(session, side):
        session.run(f"DROP DATABASE IF EXISTS {identifier(side)}")


def _let_go(session: Session, previous: str, live: str) -> None:
    """Drop keys of what was replaced that hold on to what replaced it: their own parents were missing, and names decide."""
    for row in session.run(
        "SELECT TABLE_NAME AS t, CONSTRAINT_NAME AS c FROM information_schema.REFERENTIAL_CONSTRAINTS"
        f" WHERE {objects.schema_is('CONSTRAINT_SCHEMA', previous)} AND {objects.schema_is('UNIQUE_CONSTRAINT_SCHEMA', live)}"
    ):
        session.run(f"ALTER TABLE {identifier(previous)}.{identifier(str(row['t']))} DROP FOREIGN KEY {identifier(str(row['c']))}")


def _arrange(
    session: Session, database: str, wanted: t.Mapping[str, t.Any], stale: str, *, awake: bool = False, asleep: bool = False
) -> None:
    definitions = [objects.Definition.from_dict(value) for value in wanted["objects"]]
    if awake:
        definitions = [own.awake() for own in definitions]
    if asleep:
        definitions = [own.asleep() for own in definitions]
    objects.own_defaults(session, database, stale)
    objects.arrange(session, database, definitions)


def _moves(live: str, side: str, previous: str, new: t.Mapping[str, t.Any], old: t.Mapping[str, t.Any]) -> list[str]:
    return [_move(live, previous, name) for name in old.get("tables", ())] + [_move(side, live, name) for name in new["tables"]]


def _move(origin: str, goal: str, table: str) -> str:
    return f"{identifier(origin)}.{identifier(table)} TO {identifier(goal)}.{identifier(table)}"


def _create(session: Session, name: str, like: t.Mapping[str, t.Any]) -> None:
    session.run(f"CREATE DATABASE IF NOT EXISTS {identifier(name)} CHARACTER SET {like['character_set']} COLLATE {like['collation']}")


def _exists(session: Session, name: str) -> bool:
    return bool(session.run(f"SELECT 1 AS x FROM information_schema.SCHEMATA WHERE {objects.schema_is('SCHEMA_NAME', name)}"))


def _tables(session: Session, name: str) -> set[str]:
    return {
        str(row["n"])
        for row in session.run(
            "SELECT TABLE_NAME AS n FROM information_schema.TABLES"
            f" WHERE {objects.schema_is('TABLE_SCHEMA', name)} AND TABLE_TYPE <> 'VIEW'"
        )
    }


def _alone(session: Session, live: str) -> None:
    name = "runbook_" + hashlib.sha256(live.encode()).hexdigest()[:40]
    if session.run(f"SELECT GET_LOCK({literal(name)}, {_OTHER_WAIT}) AS got")[0]["got"] != "1":
        raise SqlError(f"another switch of {live} still runs in the server; look for it with SHOW PROCESSLIST and try again")
