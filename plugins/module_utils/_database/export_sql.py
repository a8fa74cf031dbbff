# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An export's SELECT, put together from names and values in one place, for all engines that speak SQL."""

from __future__ import annotations

import dataclasses
import typing as t

from .conditions import sql
from .dialect import Column, Dialect, where
from .export_request import Wanted

_ALIAS = "runbook"
_JSON_TYPES = frozenset(["json", "jsonb"])


@dataclasses.dataclass(frozen=True)
class Statements:
    """One that answers the rows, one that answers their number; ``json`` the places of columns of such a type."""

    rows: str
    count: str
    json: tuple[int, ...]


def statements(dialect: Dialect, wanted: Wanted, shown: t.Callable[[str, str], str]) -> Statements:
    """``shown(column, type)``: how a quoted column of a type (empty when it is not known) is selected so that it is text.

    A user's query is the only thing here that is SQL of somebody else's: it stands in parentheses, as a table. ``InvalidInput``
    for a table or column that is not there.
    """
    if wanted.table:
        table = dialect.table(wanted.database, wanted.table, min(wanted.timeout, 60.0))
        columns = [table.find(field.name) for field in wanted.fields]
        for name in wanted.order_by:
            table.find(name)
        source, conditions = table.sql, where(dialect, table, wanted.where)
    else:
        columns = [Column(field.name, "") for field in wanted.fields]
        # On lines of its own: it may end with a comment.
        source = f"(\n{wanted.query}\n)"
        conditions = sql(wanted.where, lambda name: _of(dialect, name), dialect.literal)
    only = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    rest = f"FROM {source} AS {_ALIAS}{only}"
    order = f" ORDER BY {', '.join(_of(dialect, name) for name in wanted.order_by)}" if wanted.order_by else ""
    selected = ", ".join(shown(_of(dialect, column.name), column.type) for column in columns)
    return Statements(
        f"SELECT {selected} {rest}{order}",
        f"SELECT count(*) {rest}",
        tuple(place for place, column in enumerate(columns) if column.type in _JSON_TYPES),
    )


def _of(dialect: Dialect, name: str) -> str:
    """A column with its table's name, without which SQLite would take an unknown one for a text."""
    return f"{_ALIAS}.{dialect.identifier(name)}"
