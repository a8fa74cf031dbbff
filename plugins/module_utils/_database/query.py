# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``db_query``: every check is asked on its own, and none keeps the others from being asked."""

from __future__ import annotations

import time
import typing as t

from .._common.errors import RunbookError
from .._common.outcome import Outcome, overall, summary
from .._common.runner import Run, in_one_line
from .._common.thresholds import number, plain
from .ask import Asker, asker_of, kinds_of
from .checks import Check, parse_checks


def db_query(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """``{changed, status, msg, checks}`` for the options of ``db_query``; check mode is the same, since nothing is changed.

    Raises ``InvalidInput`` before anything is asked, and ``RunbookError`` with the same structure when a check failed or crashed
    and the option ``fail`` is not false.
    """
    checks = parse_checks(options, kinds_of(options["engine"]))
    outcomes = run_checks(checks, lambda: asker_of(options))
    status = overall(outcome.status for outcome in outcomes)
    result = {"changed": False, "status": status, "checks": [outcome.to_dict() for outcome in outcomes]}
    message = summary(outcomes, "check")
    if status in ("failed", "crashed") and options["fail"]:
        raise RunbookError(message, **result)
    return {**result, "msg": message}


def run_checks(checks: t.Sequence[Check], connect: t.Callable[[], Asker]) -> list[Outcome]:
    """All checks' outcomes in their order. A server that does not answer crashes all, and is waited for only once."""
    try:
        asker = connect()
        asker.greet(max(check.timeout for check in checks), checks[0].database)
    except Exception as error:
        return [_crashed(check, error) for check in checks]
    try:
        return [run_check(check, asker) for check in checks]
    finally:
        asker.close()


def run_check(check: Check, asker: Asker) -> Outcome:
    """One check; never raises, because the others' outcomes are wanted too."""
    start = time.perf_counter()
    try:
        outcome = _measure(check, asker)
    except Exception as error:
        outcome = _crashed(check, error)
    outcome.duration_ms = round((time.perf_counter() - start) * 1000, 3)
    return outcome


def _measure(check: Check, asker: Asker) -> Outcome:
    start = time.perf_counter()
    reading = asker.read(check)
    took = time.perf_counter() - start
    if took > check.timeout:
        # MariaDB answers 0 from a BENCHMARK that it interrupted.
        raise RunbookError(f"it took {took:.1f} s, longer than its timeout of {check.timeout:g} s")
    if check.kind == "ping":
        value: float | None = took * 1000
    elif reading.value is None and reading.status != "ok":
        value = None
    else:
        value = number(reading.value)
    status, broken = ("ok", "") if value is None else check.thresholds.judge(value)
    outcome = _outcome(check, overall([status, reading.status]) if reading.status != "skipped" else "skipped")
    outcome.details.update(reading.details)
    if value is not None:
        outcome.value = plain(value)
    parts = [f"{outcome.value} {check.unit}".strip() if value is not None else "", broken, reading.note]
    outcome.message = ", ".join(part for part in parts if part)
    return outcome


def _outcome(check: Check, status: t.Any) -> Outcome:
    limits = check.thresholds
    details = {"kind": check.kind, "measure": check.measure, "database": check.database or None}
    return Outcome(check.name, status, unit=check.unit, warn=limits.warn, crit=limits.crit, details=details)


def _crashed(check: Check, error: Exception) -> Outcome:
    outcome = _outcome(check, "crashed")
    outcome.message = in_one_line(error)
    return outcome
