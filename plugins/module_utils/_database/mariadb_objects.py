# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - names and texts in statements are quoted by identifier() and literal()
"""What a MariaDB database has besides rows: definitions read in one form, written as SQL, compared and put in place.

The server writes the database's own name into views (functions in them) and defaults (``nextval``), so dumps by the server's
own client load under the same name only. Definitions are therefore read here, without that name. Texts that people wrote
(bodies of triggers, routines and events) stay as they are.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

from .._common.errors import RunbookError
from .mariadb_client import Session, identifier, literal

Kind = t.Literal["sequence", "table", "routine", "view", "trigger", "event"]
# What is made of other things after all rows are there; routines first, since views name functions.
_LATE: tuple[Kind, ...] = ("routine", "view", "trigger", "event")
_STATE = re.compile(r"(\bON COMPLETION (?:NOT )?PRESERVE )(ENABLE|DISABLE ON SLAVE|DISABLE ON REPLICA|DISABLE)\b")
_AUTO_INCREMENT = re.compile(r"^(\).*?) AUTO_INCREMENT=\d+", re.MULTILINE)
_DELIMITER = "$runbook$"
# Before tables are made or altered: the server's own mode may refuse definitions that are there.
DEFINING = "SET NAMES utf8mb4;\nSET SESSION foreign_key_checks=0, sql_mode='NO_AUTO_VALUE_ON_ZERO', time_zone='+00:00';"


@dataclasses.dataclass(frozen=True)
class Definition:
    """One object. ``sql`` creates it in the session's database; ``kind_sql`` is the server's word for it.

    ``columns`` of a view, ``on`` the table of a trigger, ``state`` of an event and ``value`` of a sequence (its next) are
    what SQL alone does not say.
    """

    kind: Kind
    kind_sql: str
    name: str
    sql: str
    sql_mode: str = ""
    collation: str = ""
    time_zone: str = ""
    on: str = ""
    state: str = ""
    value: str = ""
    columns: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, value: t.Mapping[str, t.Any]) -> Definition:
        return cls(**{**value, "columns": tuple(value["columns"])})

    def to_dict(self) -> dict[str, t.Any]:
        return dataclasses.asdict(self)

    @property
    def digest(self) -> str:
        """The same for the same definition, whatever the database is called, wherever counters stand, whether an event runs."""
        text = _AUTO_INCREMENT.sub(r"\1", self.sql) if self.kind == "table" else _STATE.sub(r"\1", self.sql, count=1)
        parts = (self.kind_sql, text, self.sql_mode, self.time_zone, self.value)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def asleep(self) -> Definition:
        """An event that does not run here; that it should run elsewhere is kept as the state a replica gives such events."""
        return dataclasses.replace(self, state="SLAVESIDE_DISABLED") if self.state == "ENABLED" else self

    def awake(self) -> Definition:
        """What ``asleep`` was made of."""
        return dataclasses.replace(self, state="ENABLED") if self.state == "SLAVESIDE_DISABLED" else self

    def statements(self, replace: bool) -> list[str]:
        """What creates it, in a session that uses the database; ``replace`` what is there (with its privileges, where the server can)."""
        kind, name = self.kind_sql, identifier(self.name)
        if self.kind == "sequence":
            return [self.sql, f"DO SETVAL({name}, {self.value}, 0)"]
        if self.kind == "table":
            return [self.sql]
        collation = f" COLLATE {self.collation}" if self.collation.startswith("utf8mb4") else ""
        lines = [f"SET NAMES utf8mb4{collation}", f"SET SESSION sql_mode={literal(self.sql_mode)}"]
        sql = self.sql
        if self.kind == "event":
            lines.append(f"SET SESSION time_zone={literal(self.time_zone or 'SYSTEM')}")
            word = {"ENABLED": "ENABLE", "SLAVESIDE_DISABLED": "DISABLE ON SLAVE"}.get(self.state, "DISABLE")
            sql = _STATE.sub(lambda found: found[1] + word, sql, count=1)
        if replace and self.kind in ("view", "routine"):
            sql = sql.replace("CREATE ", "CREATE OR REPLACE ", 1)
        elif replace:
            lines.append(f"DROP {kind} IF EXISTS {name}")
        return [*lines, sql]

    def stand_in(self) -> str:
        """For a view: one with the same columns and no source, so that views which use each other can come in any order."""
        return f"CREATE OR REPLACE VIEW {identifier(self.name)} AS SELECT {', '.join(f'1 AS {identifier(name)}' for name in self.columns)}"


def schema_is(column: str, name: str) -> str:
    """A condition on information_schema; its comparison ignores case, databases' names may not."""
    return f"{column} = {literal(name)} AND BINARY {column} = BINARY {literal(name)}"


def without_database(sql: str, database: str, known: t.Container[str]) -> str:
    """The server's text of a definition without the database's name before things that are its own, outside of strings."""
    own = re.escape(identifier(database))
    pattern = re.compile(rf"{own}\.(?=(`(?:[^`]|``)*`))|'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`", re.DOTALL)

    def keep(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        return "" if found[1][1:-1].replace("``", "`") in known else found[0]

    return pattern.sub(keep, sql)


def read(session: Session, database: str, tables: t.Collection[str] | None = None) -> list[Definition]:
    """All definitions of a database, in the order in which they can be created.

    With ``tables``, only those, their triggers, and the sequences. A view that does not work is an error.
    """
    found = _Reader(session, database)
    definitions = found.sequences() + found.tables(tables)
    return definitions + (found.late() if tables is None else found.triggers(tables))


def names(session: Session, database: str) -> list[str]:
    """Its tables and sequences: what RENAME TABLE moves."""
    return _Reader(session, database).named("BASE TABLE", "SYSTEM VERSIONED", "SEQUENCE")


def read_late(session: Session, database: str) -> list[Definition]:
    """Only what is made after the rows: routines, views, triggers, events. Views that do not work have an empty definition."""
    return _Reader(session, database).late(broken=True)


class _Reader:
    def __init__(self, session: Session, database: str) -> None:
        self._session, self._database = session, database
        session.run(f"USE {identifier(database)}")
        self._kinds = {
            str(row["n"]): str(row["k"])
            for row in session.run(
                "SELECT TABLE_NAME AS n, TABLE_TYPE AS k FROM information_schema.TABLES"
                f" WHERE {schema_is('TABLE_SCHEMA', database)} ORDER BY TABLE_NAME"
            )
        }
        self._routines = [
            (str(row["k"]), str(row["n"]))
            for row in session.run(
                "SELECT ROUTINE_TYPE AS k, ROUTINE_NAME AS n FROM information_schema.ROUTINES"
                f" WHERE {schema_is('ROUTINE_SCHEMA', database)} ORDER BY ROUTINE_TYPE, ROUTINE_NAME"
            )
        ]
        self._known = {*self._kinds, *(name for _kind, name in self._routines)}

    def _show(self, what: str, name: str) -> dict[str, t.Any]:
        row = self._session.run(f"SHOW CREATE {what} {identifier(name)}")[0]
        text = next((value for key, value in row.items() if key.lower().startswith("create ")), None)
        if text is None:
            raise RunbookError(
                f"this log-in may not see the definition of {what.lower()} {name} in {self._database};"
                " grant it SELECT on mysql.proc or SHOW ROUTINE"
            )
        shown = {key: value or "" for key, value in row.items()}
        return {
            "sql": text,
            "sql_mode": shown.get("sql_mode", ""),
            "collation": shown.get("collation_connection", ""),
            "time_zone": shown.get("time_zone", ""),
        }

    def named(self, *kinds: str) -> list[str]:
        return [name for name, kind in self._kinds.items() if kind in kinds]

    def sequences(self) -> list[Definition]:
        found = []
        for name in self.named("SEQUENCE"):
            value = self._session.run(f"SELECT next_not_cached_value AS v FROM {identifier(name)}")[0]["v"]
            found.append(Definition("sequence", "SEQUENCE", name, self._show("SEQUENCE", name)["sql"], value=str(value)))
        return found

    def tables(self, chosen: t.Collection[str] | None) -> list[Definition]:
        found = []
        for name in self.named("BASE TABLE", "SYSTEM VERSIONED"):
            if chosen is None or name in chosen:
                sql = without_database(self._show("TABLE", name)["sql"], self._database, self._known)
                found.append(Definition("table", "TABLE", name, sql))
        return found

    def routines(self) -> list[Definition]:
        return [Definition("routine", kind, name, **self._show(kind, name)) for kind, name in self._routines]

    def late(self, broken: bool = False) -> list[Definition]:
        """``broken`` views are given with an empty definition instead of raised."""
        return self.routines() + self.views(broken) + self.triggers(None) + self.events()

    def views(self, broken: bool) -> list[Definition]:
        columns: dict[str, list[str]] = {}
        for row in self._session.run(
            "SELECT TABLE_NAME AS t, COLUMN_NAME AS c FROM information_schema.COLUMNS"
            f" WHERE {schema_is('TABLE_SCHEMA', self._database)} ORDER BY TABLE_NAME, ORDINAL_POSITION"
            if self.named("VIEW")
            else "DO 0"
        ):
            columns.setdefault(str(row["t"]), []).append(str(row["c"]))
        found = []
        for name in self.named("VIEW"):
            if name not in columns and broken:
                found.append(Definition("view", "VIEW", name, ""))
                continue
            if name not in columns:
                raise RunbookError(
                    f"view {name} of {self._database} refers to something that is not there or that its definer may not use;"
                    " repair or drop it"
                )
            shown = self._show("VIEW", name)
            sql = without_database(shown["sql"], self._database, self._known)
            found.append(Definition("view", "VIEW", name, sql, collation=shown["collation"], columns=tuple(columns[name])))
        return found

    def triggers(self, chosen: t.Collection[str] | None) -> list[Definition]:
        found = []
        for row in self._session.run(
            "SELECT TRIGGER_NAME AS name, ACTION_TIMING AS timing, EVENT_MANIPULATION AS event, EVENT_OBJECT_TABLE AS tab,"
            " DEFINER AS definer, ACTION_STATEMENT AS body, SQL_MODE AS mode, COLLATION_CONNECTION AS coll FROM information_schema.TRIGGERS"
            f" WHERE {schema_is('TRIGGER_SCHEMA', self._database)}"
            " ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER"
        ):
            of = {key: value or "" for key, value in row.items()}
            if chosen is None or of["tab"] in chosen:
                # Put together here because the server shows the text as it was typed, with the database's name if that was typed.
                sql = (
                    f"CREATE DEFINER={_account(of['definer'])} TRIGGER {identifier(of['name'])} {of['timing']} {of['event']}"
                    f" ON {identifier(of['tab'])} FOR EACH ROW {of['body']}"
                )
                found.append(Definition("trigger", "TRIGGER", of["name"], sql, of["mode"], of["coll"], on=of["tab"]))
        return found

    def events(self) -> list[Definition]:
        found = []
        for row in self._session.run(
            "SELECT EVENT_NAME AS n, STATUS AS s FROM information_schema.EVENTS"
            f" WHERE {schema_is('EVENT_SCHEMA', self._database)} ORDER BY EVENT_NAME"
        ):
            found.append(Definition("event", "EVENT", str(row["n"]), **self._show("EVENT", str(row["n"])), state=str(row["s"])))
        return found


def _account(definer: str) -> str:
    user, _at, host = definer.rpartition("@")
    return f"{identifier(user)}@{identifier(host)}" if user else identifier(host)


def structure(definitions: t.Iterable[Definition]) -> str:
    """SQL that creates sequences and tables."""
    lines = [DEFINING]
    for definition in definitions:
        if definition.kind in ("sequence", "table"):
            lines += [f"{statement};" for statement in definition.statements(replace=False)]
    return "\n".join(lines) + "\n"


def late_objects(definitions: t.Iterable[Definition]) -> str:
    """SQL that creates routines, views, triggers and events (asleep) in a database that has its tables."""
    late = [definition.asleep() for kind in _LATE for definition in definitions if definition.kind == kind]
    statements = [view.stand_in() for view in late if view.kind == "view"]
    for definition in late:
        statements += definition.statements(replace=definition.kind == "view")
    end = _DELIMITER
    while any(end in statement for statement in statements):
        end += "$"
    return "\n".join([f"DELIMITER {end}", *(f"{statement} {end}" for statement in statements), "DELIMITER ;", ""])


def arrange(session: Session, database: str, wanted: t.Sequence[Definition]) -> None:
    """Make a database's routines, views, triggers and events what is wanted, leaving alone what already is; its tables are there.

    What did not work when it was read (its definition is empty) is neither made nor removed.
    """
    present = {(own.kind, own.kind_sql, own.name): own for own in read_late(session, database)}
    late = [definition for kind in _LATE for definition in wanted if definition.kind == kind]
    for _kind, kind_sql, name in {*present} - {(own.kind, own.kind_sql, own.name) for own in late}:
        session.run(f"DROP {kind_sql} IF EXISTS {identifier(name)}")
    missing = []
    for definition in late:
        own = present.get((definition.kind, definition.kind_sql, definition.name))
        if definition.sql and (own is None or own.digest != definition.digest or own.state != definition.state):
            missing.append(definition)
    for definition in missing:
        if definition.kind == "view":
            session.run(definition.stand_in())
    for definition in missing:
        for statement in definition.statements(replace=True):
            session.run(statement)
    session.run("SET SESSION sql_mode='', time_zone='+00:00'")


def drop_triggers(session: Session, database: str) -> None:
    """Remove all triggers: the server moves no table that has one into another database."""
    session.run(f"USE {identifier(database)}")
    for row in session.run(f"SELECT TRIGGER_NAME AS n FROM information_schema.TRIGGERS WHERE {schema_is('TRIGGER_SCHEMA', database)}"):
        session.run(f"DROP TRIGGER IF EXISTS {identifier(str(row['n']))}")


def own_defaults(session: Session, database: str, stale: str) -> None:
    """Make columns' defaults that name the database ``stale`` (``nextval`` of a sequence that moved along) name this one."""
    for row in session.run(
        "SELECT TABLE_NAME AS t, COLUMN_NAME AS c, COLUMN_DEFAULT AS d FROM information_schema.COLUMNS"
        f" WHERE {schema_is('TABLE_SCHEMA', database)} AND LOCATE({literal(identifier(stale) + '.')}, COLUMN_DEFAULT)"
    ):
        default = str(row["d"]).replace(identifier(stale) + ".", identifier(database) + ".")
        table = f"{identifier(database)}.{identifier(str(row['t']))}"
        session.run(f"ALTER TABLE {table} ALTER COLUMN {identifier(str(row['c']))} SET DEFAULT ({default})")
