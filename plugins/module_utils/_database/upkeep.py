# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``db_maintain`` is asked to do, as validated values, and what every engine has to offer for it."""

from __future__ import annotations

import dataclasses
import typing as t

from .._common.errors import InvalidInput
from .._common.times import parse_duration
from .conditions import Condition, parse_conditions

ACTIONS = ("analyze", "vacuum", "optimize", "integrity")


@dataclasses.dataclass(frozen=True)
class Deletion:
    """Rows of a table whose ``column`` is older than ``seconds``, in batches of ``batch``, never more than ``max_rows`` of them."""

    table: str
    column: str
    seconds: float
    unit: str = "time"
    time_zone: str = "utc"
    where: tuple[Condition, ...] = ()
    batch: int = 1000
    max_rows: int = 100_000
    pause: float = 0.0


@dataclasses.dataclass
class Planned:
    """A deletion that was looked at: ``cutoff`` (as the column has it) is fixed from here on, ``matched`` rows are before it."""

    deletion: Deletion
    cutoff: t.Any
    matched: int
    deleted: int = 0
    batches: int = 0

    def to_dict(self) -> dict[str, t.Any]:
        asked = self.deletion
        names = {"table": asked.table, "column": asked.column, "cutoff": str(self.cutoff)}
        return {**names, "matched": self.matched, "deleted": self.deleted, "batches": self.batches}


@dataclasses.dataclass(frozen=True)
class Task:
    """One action on one table; ``table`` is empty where it concerns the whole database. ``fresh`` says why it need not be done."""

    action: str
    table: str = ""
    fresh: str = ""

    @property
    def name(self) -> str:
        return f"{self.action} {self.table}".strip()


class Keeper(t.Protocol):
    """One engine's maintenance of one database. All methods raise ``RunbookError`` with one line."""

    # Which of ACTIONS it has, and those of them that are about the database as a whole.
    actions: t.ClassVar[tuple[str, ...]]
    whole: t.ClassVar[tuple[str, ...]]

    def plan(self, deletion: Deletion) -> Planned:
        """Count what would be deleted. ``InvalidInput`` when there is no such table, column or key."""

    def delete(self, planned: Planned) -> t.Iterator[int]:
        """Delete, and yield the number of rows of every batch after its commit."""

    def fresh(self, action: str, tables: t.Collection[str], seconds: float) -> dict[str, str]:
        """Which of the tables had the action within so many seconds, with words that say when."""

    def act(self, task: Task) -> str:
        """Do it, and say what is worth knowing; raises when the server found something wrong."""

    def close(self) -> None: ...


def parse_deletions(given: t.Iterable[t.Mapping[str, t.Any]]) -> list[Deletion]:
    """``delete_older_than``'s items; ``InvalidInput`` naming the table for the first that makes no sense."""
    deletions = []
    for item in given:
        try:
            deletions.append(_parse(item))
        except InvalidInput as error:
            raise InvalidInput(f"delete_older_than, table {item['table']!r}: {error.message}") from None
    return deletions


def _parse(given: t.Mapping[str, t.Any]) -> Deletion:
    seconds = parse_duration(given["older_than"], "older_than")
    if not 1 <= seconds <= 1e10:
        raise InvalidInput(f"older_than {given['older_than']} is not between one second and 300 years")
    if not 1 <= given["batch"] <= 10_000:
        raise InvalidInput(f"batch {given['batch']} is not between 1 and 10000")
    if given["max_rows"] < 1:
        raise InvalidInput(f"max_rows {given['max_rows']} lets nothing be deleted")
    if not 0 <= given["pause"] <= 60:
        raise InvalidInput(f"pause {given['pause']:g} is not between 0 and 60 seconds")
    return Deletion(
        given["table"],
        given["column"],
        seconds,
        given["unit"],
        given["time_zone"],
        parse_conditions(given["where"] or ()),
        given["batch"],
        given["max_rows"],
        given["pause"],
    )


def check_actions(actions: t.Sequence[str], keeper: Keeper, engine: str, tables: t.Collection[str]) -> None:
    """``InvalidInput`` for what an engine does not have or has under another name."""
    for action in actions:
        if action not in keeper.actions:
            raise InvalidInput(
                f"{engine} has no {action}; it has {', '.join(sorted(keeper.actions)) or 'nothing to maintain, it needs none'}"
            )
        if action not in keeper.whole and not tables:
            raise InvalidInput(f"{action} needs tables; name them, by pattern if you like, ['*'] for all")
