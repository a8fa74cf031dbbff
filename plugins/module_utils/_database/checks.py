# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one check asks of a database and expects, as validated values."""

from __future__ import annotations

import dataclasses
import typing as t

from .._common.errors import InvalidInput
from .._common.outcome import Status
from .._common.thresholds import Thresholds, parse_limit
from .._common.times import parse_duration
from .conditions import Condition, parse_conditions


class Kind(t.NamedTuple):
    """What every engine's answer to one kind of check has in common.

    ``measures``: what can be measured, the default first, each with its unit and the thresholds used when a check names none.
    ``needs`` and ``takes`` are options that must, and may, be given.
    """

    measures: dict[str, tuple[str, float | None, float | None]]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "query": Kind({"value": ("", None, None), "rows": ("rows", None, None)}, ("query",), ("column", "max_rows")),
    "ping": Kind({"time": ("ms", None, 1000)}),
    "connections": Kind({"percent": ("%", 70, 90), "count": ("connections", 50, 100)}),
    "slow_queries": Kind({"running": ("queries", 0, None), "rate": ("queries/h", None, None)}, (), ("longer_than",)),
    "replication_lag": Kind({"time": ("s", 30, 300)}, (), ("replicas",)),
    "analyze_age": Kind({"age": ("s", 7 * 86400, None)}, (), ("tables", "min_rows")),
    "vacuum_age": Kind({"age": ("s", 7 * 86400, None)}, (), ("tables", "min_rows")),
    "table_size": Kind({"size": ("bytes", None, None)}, (), ("table",)),
    "queue_depth": Kind(
        {"count": ("rows", None, None), "age": ("s", None, None)}, ("table",), ("where", "age_column", "age_unit", "time_zone")
    ),
    "dead_letters": Kind(
        {"count": ("rows", None, 0), "age": ("s", None, None)}, ("table",), ("where", "age_column", "age_unit", "time_zone")
    ),
    "memory": Kind({"percent": ("%", 70, 90), "size": ("bytes", None, None)}),
}
_OPTIONAL = ("query", "column", "max_rows", "longer_than", "replicas", "tables", "min_rows", "table", "where", "age_column", "age_unit")


@dataclasses.dataclass(frozen=True)
class Check:
    """One expectation about a database. Times in seconds."""

    name: str
    kind: str
    measure: str
    unit: str
    thresholds: Thresholds
    timeout: float
    database: str = ""
    # Text for SQL and Redis, a mapping for MongoDB, a list of words for Redis.
    query: t.Any = None
    # Of a row, or the dotted path in a MongoDB document.
    column: str = ""
    max_rows: int = 1000
    longer_than: float = 10
    replicas: int = 1
    tables: tuple[str, ...] = ()
    min_rows: int = 1000
    table: str = ""
    where: tuple[Condition, ...] = ()
    age_column: str = ""
    age_unit: str = "time"
    time_zone: str = "utc"


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a server answered: a raw value to be judged, words that go with it, and a status that no threshold can better."""

    value: t.Any
    note: str = ""
    status: Status = "ok"
    details: dict[str, t.Any] = dataclasses.field(default_factory=dict)


class Bad(Exception):
    """The server answered, and what it says is a failure whatever the thresholds (a stopped replica)."""


def parse_checks(options: t.Mapping[str, t.Any], kinds: t.Collection[str]) -> list[Check]:
    """All checks of ``db_query``'s options; ``InvalidInput`` naming the check for the first that makes no sense."""
    if not options["checks"]:
        raise InvalidInput("checks is empty; give at least one check")
    checks: list[Check] = []
    for position, given in enumerate(options["checks"], 1):
        name = given["name"] or (given["kind"] if given["kind"] != "query" else f"check {position}")
        try:
            check = _parse(name, given, options, kinds)
        except InvalidInput as error:
            raise InvalidInput(f"check {name!r}: {error.message}") from None
        if any(check.name == other.name for other in checks):
            raise InvalidInput(f"two checks are called {check.name!r}; give each its own name")
        checks.append(check)
    return checks


def _parse(name: str, given: t.Mapping[str, t.Any], options: t.Mapping[str, t.Any], kinds: t.Collection[str]) -> Check:
    kind = KINDS[given["kind"]]
    if given["kind"] not in kinds:
        raise InvalidInput(f"{options['engine']} has no {given['kind']}; it has {', '.join(sorted(kinds))}")
    for option in kind.needs:
        if not given[option]:
            raise InvalidInput(f"kind {given['kind']} needs {option}")
    for option in _OPTIONAL:
        if given[option] not in (None, []) and option not in (*kind.needs, *kind.takes):
            raise InvalidInput(f"kind {given['kind']} does not take {option}; leave it out")
    measure = given["measure"] or ("age" if given["age_column"] and "age" in kind.measures else next(iter(kind.measures)))
    if measure not in kind.measures:
        raise InvalidInput(f"kind {given['kind']} measures {' or '.join(kind.measures)}, not {measure}")
    if (measure == "age" and kind.needs == ("table",)) != bool(given["age_column"]):
        raise InvalidInput("measure age and age_column need each other")
    timeout = options["timeout"] if given["timeout"] is None else given["timeout"]
    if not 0 < timeout <= 3600:
        raise InvalidInput(f"timeout {timeout:g} is not between 0 and 3600 seconds")
    values = {option: given[option] for option in _OPTIONAL if given[option] is not None and option != "where"}
    for option in ("max_rows", "replicas", "min_rows"):
        if not 0 <= values.get(option, 1) <= 1_000_000_000:
            raise InvalidInput(f"{option} {values[option]} is not a number that can be reached")
    if "longer_than" in values:
        values["longer_than"] = parse_duration(values["longer_than"], "longer_than")
    if "tables" in values:
        values["tables"] = tuple(values["tables"])
    return Check(
        name=name,
        kind=given["kind"],
        measure=measure,
        unit=kind.measures[measure][0] if given["unit"] is None else given["unit"],
        thresholds=_thresholds(given, kind.measures[measure]),
        timeout=timeout,
        database=options["database"] or "" if given["database"] is None else given["database"],
        where=parse_conditions(given["where"] or ()),
        time_zone=given["time_zone"],
        **values,
    )


def _thresholds(given: t.Mapping[str, t.Any], measure: tuple[str, float | None, float | None]) -> Thresholds:
    """A check's own, or its kind's. Time can be written as a duration, sizes as ``500M``."""
    below = given["direction"] == "below"
    if given["warn"] is None and given["crit"] is None:
        return Thresholds(below=below) if below else Thresholds(measure[1], measure[2])
    return Thresholds(parse_limit(given["warn"], "warn", measure[0]), parse_limit(given["crit"], "crit", measure[0]), below)
