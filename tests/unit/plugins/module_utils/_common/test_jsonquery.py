# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON expectations."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.jsonquery import NotEvaluated, parse_json

DOCUMENT = {
    "status": "up",
    "count": 3,
    "rate": 0.5,
    "on": True,
    "none": None,
    "items": [1, "a", {"b": 2}],
    "map": {"k": 1},
    "version": "2.10",
}

CASES = [
    ("status", "eq", "up", True),
    ("status", "eq", "down", False),
    ("count", "eq", 3, True),
    ("count", "eq", 3.0, True),
    ("count", "eq", "3", False),
    ("on", "eq", True, True),
    ("on", "eq", 1, False),
    ("none", "eq", None, True),
    ("items", "eq", [1, "a", {"b": 2}], True),
    ("items", "eq", [True, "a", {"b": 2}], False),
    ("map", "eq", {"k": True}, False),
    ("status", "ne", "down", True),
    ("status", "ne", "up", False),
    ("count", "lt", 4, True),
    ("count", "lt", 3, False),
    ("count", "le", 3, True),
    ("count", "gt", "2", True),
    ("count", "gt", 3, False),
    ("rate", "ge", 0.5, True),
    ("status", "gt", 1, False),
    ("none", "lt", 5, False),
    ("on", "ge", 0, False),
    ("status", "ge", "ua", True),
    ("items", "contains", 1, True),
    ("items", "contains", True, False),
    ("status", "contains", "u", True),
    ("map", "contains", "k", True),
    ("count", "contains", 3, False),
    ("items", "not_contains", "z", True),
    ("items", "not_contains", "a", False),
    ("status", "in", ["up", "degraded"], True),
    ("on", "in", [1], False),
    ("status", "not_in", ["down"], True),
    ("status", "not_in", ["up"], False),
    ("version", "matches", r"^2\.", True),
    ("version", "matches", r"^3\.", False),
    ("count", "matches", "3", False),
    ("status", "exists", None, True),
    ("missing", "exists", None, False),
    ("none", "exists", None, False),
    ("missing", "absent", None, True),
    ("status", "absent", None, False),
    ("length(items)", "eq", 3, True),
    ("items[?b==`2`] | [0].b", "eq", 2, True),
]


@pytest.mark.parametrize(("query", "operator", "value", "expected"), CASES)
def test_operators(query, operator, value, expected):
    assert parse_json({"query": query, "operator": operator, "value": value}).holds(DOCUMENT)[0] is expected


@pytest.mark.parametrize(
    ("item", "hint"),
    [
        ({"query": "a["}, "not valid JMESPath"),
        ({"query": ""}, "not valid JMESPath"),
        ({"query": "a.nosuch(@)"}, r"unknown function nosuch\(\)"),
        ({"query": "[*].length(@, @)"}, "takes 1 arguments, not 2"),
        ({"query": "a", "operator": "lt", "value": None}, "has no order"),
        ({"query": "a", "operator": "lt", "value": [1]}, "has no order"),
        ({"query": "a", "operator": "in", "value": "abc"}, "needs a list"),
        ({"query": "a", "operator": "matches", "value": "("}, "not valid"),
        ({"query": "a", "operator": "exists", "value": 1}, "takes no value"),
    ],
)
def test_refuses_what_can_not_work(item, hint):
    with pytest.raises(InvalidInput, match=hint) as caught:
        parse_json(item)
    assert "\n" not in caught.value.message


def test_what_can_not_be_evaluated_is_told_apart_from_what_does_not_hold():
    with pytest.raises(NotEvaluated, match="invalid type"):
        parse_json({"query": "length(count)", "value": 1}).holds(DOCUMENT)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jmespath", None)
    with pytest.raises(RunbookError, match=r"required Python library \(jmespath\)"):
        parse_json({"query": "a"})
