# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anything else: a command that prints JSON, and what is expected of it."""

from __future__ import annotations

import json
import typing as t

from .._common.commands import parse
from .._common.errors import InvalidInput, RunbookError
from .._common.jsonquery import JsonExpectation, NotEvaluated, parse_json, show
from .._common.process import Command, find_program, run
from .kind import Check, Kind, Measure, Reading


def _refuse(given: t.Mapping[str, t.Any]) -> None:
    parse([given["command"]])
    condition = given["operator"] is not None or given["value"] is not None
    limits = given["warn"] is not None or given["crit"] is not None
    if condition and limits:
        raise InvalidInput("give either operator and value, or warn and crit")
    if not condition and not limits:
        raise InvalidInput("kind command needs a condition: operator and value, or warn and crit for a number")
    try:
        _expectation(given)
    except InvalidInput:
        raise
    except RunbookError:
        pass  # without its library this check alone is crashed


def _expectation(given: t.Mapping[str, t.Any]) -> JsonExpectation:
    return parse_json({"query": given["query"], "operator": given["operator"], "value": given["value"]})


def _command(check: Check) -> Reading:
    (words,) = parse([check.given["command"]])
    expectation = _expectation(check.given)
    program = words[0] if words[0].startswith("/") else find_program([words[0]], f"that has {words[0]}")
    printed = run(Command((program, *words[1:])), timeout=check.timeout, ok=check.given["rc"] or (0,))
    try:
        document = json.loads(printed)
    except (ValueError, RecursionError):
        said = " ".join(printed[:100].decode("utf-8", "replace").split())
        raise RunbookError(f"{words[0]} did not print JSON but {said!r}" if said else f"{words[0]} printed nothing") from None
    try:
        holds, found = expectation.holds(document)
    except NotEvaluated as error:
        raise RunbookError(f"the query {expectation.query} can't be evaluated on this answer: {error}") from None
    if check.thresholds.warn is not None or check.thresholds.crit is not None:
        return Reading(found, expectation.query)
    if found is None and expectation.operator not in ("exists", "absent", "eq", "ne"):
        raise RunbookError(f"the answer has no {expectation.query}")
    return Reading(None, f"{expectation.query} is {show(found)}{'' if holds else f', expected {expectation}'}", "ok" if holds else "failed")


KINDS: dict[str, Kind] = {
    "command": Kind(_command, {"value": Measure(least=None)}, ("command", "query"), ("operator", "value", "rc"), _refuse, True)
}
