# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``acceptance_run``: one run that answers with JSON, held against conditions, and kept."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import stat
import time
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.files import write_atomic
from .._common.jsonquery import JsonExpectation, NotEvaluated, parse_json, show
from .._common.outcome import Outcome, Status, name_apart, overall, summary
from .._common.runner import Run, in_one_line
from .._common.ticker import ticking
from .._evidence.rules import MARK
from .._evidence.scrub import Scrubber
from .._release.walk import octal
from .find import document
from .source import Source, line, scrubber, source_of

Options = t.Mapping[str, t.Any]

_ORDERED = ("lt", "le", "gt", "ge")


@dataclasses.dataclass(frozen=True)
class Condition:
    """What must hold of the answer."""

    name: str
    expectation: JsonExpectation
    unit: str


@dataclasses.dataclass(frozen=True)
class Keep:
    """The file ``path`` for the answer, and its permission bits."""

    path: str
    mode: int


def acceptance_run(options: Options, run: Run) -> dict[str, t.Any]:
    """``{changed, status, msg, checks, dest, scrubbed, duration_ms}``; one item of ``checks`` for each condition.

    Raises ``InvalidInput`` before anything is run, and ``RunbookError`` with the same structure when a condition does not hold or could
    not be evaluated and the option ``fail`` is not false.
    """
    scrub = scrubber(options)
    conditions = _conditions(options["conditions"])
    timeout = options["timeout"]
    if not (math.isfinite(timeout) and 0 < timeout <= 86400):
        raise InvalidInput(f"timeout {timeout:g} is not from 0 to 86400 seconds")
    source = source_of(options, options, options["name"], scrub)
    keep = _keep(options)
    if run.check_mode and not options["run_in_check_mode"]:
        return _skipped(options, conditions, source, keep)
    began = time.monotonic()
    trouble, found = "", None
    try:
        with ticking(run.say, f"{options['name']}: {source.label} is still running"):
            found = document(source.ask(timeout))
    except Exception as error:
        trouble = line(scrub, in_one_line(error))
    took = round((time.monotonic() - began) * 1000, 1)
    counts: dict[str, int] = {}
    clean = None if trouble else scrub.data(found, counts)
    outcomes = [_not_run(condition, trouble) if trouble else _judge(condition, found, clean, scrub) for condition in conditions]
    for outcome in outcomes:
        outcome.duration_ms = took
    result = _result(options, outcomes, keep, took, sum(counts.values()))
    if keep and not trouble:
        result.update(_kept(keep, clean, run, scrub))
    message = f"{options['name']}: " + (f"{source.label} gave no result to judge: {trouble}" if trouble else summary(outcomes, "condition"))
    if result["status"] in ("failed", "crashed") and options["fail"]:
        raise RunbookError(message, **result)
    return {**result, "msg": message}


def _conditions(items: t.Sequence[Options]) -> list[Condition]:
    if not items:
        raise InvalidInput("conditions is empty, so anything would be accepted; give at least one")
    conditions = []
    for position, item in enumerate(items, 1):
        try:
            expectation = parse_json(item)
        except RunbookError as error:
            raise type(error)(f"condition {item.get('name') or position}: {error.message}") from None
        conditions.append(Condition(item.get("name") or str(expectation), expectation, item.get("unit") or ""))
    names = [condition.name for condition in conditions]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(f"two conditions are called {twice!r}; give each its own name")
    return conditions


def _keep(options: Options) -> Keep | None:
    """Everything that would keep the answer from being kept is found before the run, which may take long."""
    path = options["dest"]
    mode = octal(options["mode"], "mode") or 0
    if mode & 0o600 != 0o600 or mode & 0o113:
        raise InvalidInput(f"mode {mode:04o} does not suit a file of results; use '0600', '0640', '0644' or '0660'")
    if not path:
        return None
    folder = os.path.dirname(path)
    if not path.startswith("/") or os.path.basename(path) in ("", ".", ".."):
        raise InvalidInput(f"dest {path!r} is not the absolute path of a file")
    if os.path.islink(path) or (os.path.exists(path) and not os.path.isfile(path)):
        raise InvalidInput(f"dest {path} is there and is no ordinary file; give another path, or remove it")
    if not os.path.isdir(folder):
        raise InvalidInput(f"dest {path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidInput(f"dest {path}: this user may not write to {folder}; run the task as one who may")
    return Keep(path, mode)


def _judge(condition: Condition, found: t.Any, clean: t.Any, scrub: Scrubber) -> Outcome:
    expectation = condition.expectation
    number = isinstance(expectation.value, (int, float)) and not isinstance(expectation.value, bool)
    outcome = Outcome(condition.name, "crashed", unit=condition.unit, crit=expectation.value if number else None)
    try:
        holds, value = expectation.holds(found)
    except NotEvaluated as error:
        outcome.message = line(scrub, f"{expectation.query} can't be evaluated on the answer ({error})")
        return outcome
    try:
        shown = expectation.search(clean)  # what is shown is of the answer without its secrets
    except Exception:
        shown = MARK  # a secret was a number, and now is a text
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == shown:
        outcome.value = value
    outcome.status, reason = _verdict(expectation, holds, value)
    unit = f" {condition.unit}" if condition.unit and outcome.value is not None else ""
    expected = "" if outcome.status == "ok" else f", expected {expectation}"
    outcome.message = line(scrub, reason or f"{expectation.query} is {show(shown)}{unit}{expected}")
    return outcome


def _verdict(expectation: JsonExpectation, holds: bool, value: t.Any) -> tuple[Status, str]:
    """The status, and in words why nothing could be compared. What is not there meets no condition but ``absent``."""
    if value is None and expectation.operator not in ("exists", "absent"):
        return "crashed", f"the answer has no {expectation.query}, expected {expectation}"
    if expectation.operator in _ORDERED and not holds:
        kinds = [_kind(value), _kind(expectation.value)]
        if kinds[0] != kinds[1]:
            return "crashed", f"{expectation.query} is {kinds[0]} and can't be compared, expected {expectation}"
    return "ok" if holds else "failed", ""


def _kind(value: t.Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, (list, dict)):
        return f"a {'list' if isinstance(value, list) else 'mapping'} of {len(value)}"
    return "a text"


def _not_run(condition: Condition, trouble: str) -> Outcome:
    return Outcome(condition.name, "crashed", f"there is no result: {trouble}", unit=condition.unit)


def _result(options: Options, outcomes: t.Sequence[Outcome], keep: Keep | None, took: float, scrubbed: int) -> dict[str, t.Any]:
    items = [outcome.to_dict() for outcome in outcomes]
    name_apart(items)
    return {
        "changed": False,
        "status": overall(outcome.status for outcome in outcomes),
        "checks": items,
        "dest": keep.path if keep else None,
        "scrubbed": scrubbed,
        "duration_ms": took,
    }


def _skipped(options: Options, conditions: t.Sequence[Condition], source: Source, keep: Keep | None) -> dict[str, t.Any]:
    message = f"not run in check mode; would run {source.label}" + (f" and keep its answer in {keep.path}" if keep else "")
    outcomes = [Outcome(condition.name, "skipped", "not run in check mode", unit=condition.unit) for condition in conditions]
    return {**_result(options, outcomes, keep, 0.0, 0), "changed": keep is not None, "msg": f"{options['name']}: {message}"}


def _kept(keep: Keep, clean: t.Any, run: Run, scrub: Scrubber) -> dict[str, t.Any]:
    """Write the answer; ``{changed, diff}``."""
    data = (json.dumps(clean, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")
    try:
        with open(keep.path, "rb") as stream:
            before, mode = stream.read(), stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
    except FileNotFoundError:
        before, mode = b"", -1
    changed = before != data or mode != keep.mode
    if changed and not run.check_mode:
        write_atomic(keep.path, data, keep.mode)
    texts = {"before": scrub.document(before).data.decode("utf-8", "replace"), "after": data.decode()} if run.diff else {}
    return {"changed": changed, **({"diff": {**texts, "before_header": keep.path, "after_header": keep.path}} if run.diff else {})}
