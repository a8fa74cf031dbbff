# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expectations about JSON bodies: a JMESPath query, an operator, a value."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from .errors import InvalidInput, RunbookError

_ORDER: dict[str, t.Callable[[t.Any, t.Any], bool]] = {
    "lt": lambda answer, value: answer < value,
    "le": lambda answer, value: answer <= value,
    "gt": lambda answer, value: answer > value,
    "ge": lambda answer, value: answer >= value,
}
OPERATORS = ("eq", "ne", *_ORDER, "contains", "not_contains", "in", "not_in", "matches", "exists", "absent")
_WITHOUT_VALUE = ("exists", "absent")


class NotEvaluated(Exception):
    """The query could not be evaluated on this answer; the text says why."""


@dataclasses.dataclass(frozen=True)
class JsonExpectation:
    """``query operator value``; ``search`` evaluates the query."""

    query: str
    operator: str
    value: t.Any
    search: t.Callable[[t.Any], t.Any] = dataclasses.field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.query} {self.operator}" + ("" if self.operator in _WITHOUT_VALUE else f" {show(self.value)}")

    def holds(self, document: t.Any) -> tuple[bool, t.Any]:
        """Whether it holds, and what the query found; raises ``NotEvaluated``."""
        try:
            found = self.search(document)
        except Exception as error:
            raise NotEvaluated(" ".join(str(error).split())[:160]) from None
        return _compare(self.operator, found, self.value), found


def show(value: t.Any) -> str:
    """A JSON value as one short line."""
    text = json.dumps(value, ensure_ascii=True, sort_keys=True)
    return text if len(text) <= 100 else text[:97] + "..."


def _same(left: t.Any, right: t.Any) -> bool:
    """Equality as JSON has it: true is not 1, 1 is 1.0."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same(one, other) for one, other in zip(left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return bool(left == right)


def _is_number(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _contains(whole: t.Any, part: t.Any) -> bool:
    if isinstance(whole, str):
        return isinstance(part, str) and part in whole
    if isinstance(whole, dict):
        return isinstance(part, str) and part in whole
    return isinstance(whole, list) and any(_same(item, part) for item in whole)


def _compare(operator: str, found: t.Any, value: t.Any) -> bool:
    if operator in _ORDER:
        comparable = (_is_number(found) and _is_number(value)) or (isinstance(found, str) and isinstance(value, str))
        return comparable and _ORDER[operator](found, value)
    if operator in ("eq", "ne"):
        return _same(found, value) is (operator == "eq")
    if operator in ("contains", "not_contains"):
        return _contains(found, value) is (operator == "contains")
    if operator in ("in", "not_in"):
        return any(_same(found, item) for item in value) is (operator == "in")
    if operator == "matches":
        return isinstance(found, str) and re.search(value, found) is not None
    return (found is not None) is (operator == "exists")


def _ordered_value(value: t.Any) -> t.Any:
    """Numbers given as text (extra variables are) count as numbers; other text is compared as text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    if _is_number(value):
        return value
    raise InvalidInput(f"value {value!r} has no order; give a number or a text, or use eq")


def parse_json(item: t.Mapping[str, t.Any]) -> JsonExpectation:
    """An expectation from ``{query, operator, value}``; everything that can be wrong with it is found here."""
    query, operator, value = str(item["query"]), str(item.get("operator") or "eq"), item.get("value")
    try:
        if operator in _ORDER:
            value = _ordered_value(value)
        elif operator in ("in", "not_in") and not isinstance(value, list):
            raise InvalidInput(f"operator {operator} needs a list as value, not {show(value)}")
        elif operator == "matches":
            value = str(value)
            compile_regex(value)
        elif operator in _WITHOUT_VALUE and value is not None:
            raise InvalidInput(f"operator {operator} takes no value; leave it out, or use eq")
    except InvalidInput as error:
        raise InvalidInput(f"json query {query!r}: {error.message}") from None
    return JsonExpectation(query, operator, value, _compile(query))


def compile_regex(pattern: str) -> t.Pattern[str]:
    """The compiled pattern, or ``InvalidInput`` that names the place of the mistake."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidInput(f"regex {pattern!r} is not valid ({error}); correct it, or use text for a literal search") from None


def _compile(query: str) -> t.Callable[[t.Any], t.Any]:
    try:
        import jmespath
    except ImportError:
        from ansible.module_utils.basic import missing_required_lib

        raise RunbookError(missing_required_lib("jmespath", reason="for json expectations", url="https://jmespath.org")) from None
    try:
        compiled = jmespath.compile(query)
        _check_functions(compiled.parsed)
    except (jmespath.exceptions.JMESPathError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InvalidInput(f"json query {query!r} is not valid JMESPath ({reason}); correct it, see https://jmespath.org") from None
    return t.cast(t.Callable[[t.Any], t.Any], compiled.search)


def _check_functions(node: t.Any) -> None:
    """Unknown functions and wrong argument counts, which the library would only find when it gets there."""
    from jmespath.functions import Functions

    if node.get("type") == "function_expression":
        known = Functions.FUNCTION_TABLE.get(node["value"])
        if known is None:
            raise ValueError(f"unknown function {node['value']}()")
        signature, given = known["signature"], len(node["children"])
        variadic = bool(signature) and bool(signature[-1].get("variadic"))
        if given < len(signature) or (given > len(signature) and not variadic):
            raise ValueError(f"{node['value']}() takes {len(signature)} arguments, not {given}")
    for child in node.get("children", ()):
        if isinstance(child, dict):
            _check_functions(child)
