# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions on rows as data: column, operator, value. Nothing of a user's is ever pasted into a statement as it is."""

from __future__ import annotations

import dataclasses
import math
import typing as t

from .._common.errors import InvalidInput

# The words of http_probe's expectations, and two for SQL's NULL.
OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "null", "not_null")
_SQL = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
Value = t.Union[str, int, float, bool]


@dataclasses.dataclass(frozen=True)
class Condition:
    """``values`` has one value, several for ``in`` and ``not_in``, none for ``null`` and ``not_null``."""

    column: str
    operator: str
    values: tuple[Value, ...] = ()


def parse_conditions(given: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[Condition, ...]:
    """Conditions from options; ``InvalidInput`` unless value and operator fit each other."""
    return tuple(_parse(item) for item in given)


def _parse(given: t.Mapping[str, t.Any]) -> Condition:
    column, operator, value = given["column"], given["operator"], given["value"]
    where = f"where: {column} {operator}"
    if operator in ("null", "not_null"):
        if value is not None:
            raise InvalidInput(f"{where} takes no value")
        return Condition(column, operator)
    values = value if operator in ("in", "not_in") else [value]
    if not isinstance(values, list) or not values:
        raise InvalidInput(f"{where} needs a list of values")
    for item in values:
        if item is None:
            raise InvalidInput(f"{where} needs a value; to look for NULL use the operator null")
        if not isinstance(item, (str, int, float)) or (isinstance(item, float) and not math.isfinite(item)):
            raise InvalidInput(f"{where}: {item!r} is neither a text, a number nor true or false")
        if isinstance(item, str) and "\0" in item:
            raise InvalidInput(f"{where}: the value contains a NUL byte")
    return Condition(column, operator, tuple(values))


def sql(conditions: t.Iterable[Condition], identifier: t.Callable[[str], str], literal: t.Callable[[Value], str]) -> list[str]:
    """Each condition as SQL. NULL fits none of them but ``null``, as SQL has it."""
    texts = []
    for item in conditions:
        column = identifier(item.column)
        if item.operator in ("null", "not_null"):
            texts.append(f"{column} IS {'NOT ' if item.operator == 'not_null' else ''}NULL")
        elif item.operator in ("in", "not_in"):
            listed = ", ".join(literal(value) for value in item.values)
            texts.append(f"{column} {'NOT ' if item.operator == 'not_in' else ''}IN ({listed})")
        else:
            texts.append(f"{column} {_SQL[item.operator]} {literal(item.values[0])}")
    return texts


def documents(conditions: t.Iterable[Condition]) -> list[dict[str, t.Any]]:
    """Each condition as a MongoDB filter. As in SQL, a field that is missing or null fits none of them but ``null``."""
    filters: list[dict[str, t.Any]] = []
    for item in conditions:
        if item.operator in ("null", "not_null"):
            filters.append({item.column: {"$eq" if item.operator == "null" else "$ne": None}})
            continue
        many = item.operator in ("in", "not_in")
        word = {"le": "$lte", "ge": "$gte", "not_in": "$nin"}.get(item.operator, f"${item.operator}")
        filters.append({item.column: {word: list(item.values) if many else item.values[0]}})
        if item.operator in ("ne", "not_in"):
            filters.append({item.column: {"$ne": None}})
    return filters
