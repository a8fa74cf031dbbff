# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``host_check``: all checks at once, and none keeps the others from being seen."""

from __future__ import annotations

import threading
import time
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.outcome import Outcome, overall, summary
from .._common.runner import Run, in_one_line
from .._common.thresholds import number, plain
from .hold import holding
from .kind import Check
from .parse import parse_checks
from .registry import kind_of

# Most checks wait for somebody; those that work should not all do so at once.
_AT_ONCE = 8
# What a check may take beyond its own timeout before it is given up (a file system that does not answer can't be interrupted).
_GRACE = 1.0


def host_check(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """``{changed, status, msg, checks}`` for the options of ``host_check``; in check mode nothing is remembered.

    Raises ``InvalidInput`` before anything is looked at, and ``RunbookError`` with the same structure when a check failed or crashed
    and the option ``fail`` is not false.
    """
    checks = parse_checks(options["checks"], options["timeout"])
    if any(check.hold for check in checks) and not options["state_file"].startswith("/"):
        raise InvalidInput(f"state_file {options['state_file']!r} is not absolute")
    outcomes = run_checks(checks)
    holding(options["state_file"], checks, outcomes, time.time(), run)
    status = overall(outcome.status for outcome in outcomes)
    result = {"changed": False, "status": status, "checks": [outcome.to_dict() for outcome in outcomes]}
    message = summary(outcomes, "check")
    if status in ("failed", "crashed") and options["fail"]:
        raise RunbookError(message, **result)
    return {**result, "msg": message}


def run_checks(checks: t.Sequence[Check]) -> list[Outcome]:
    """All checks' outcomes in their order, each within its timeout whatever it waits for."""
    found: dict[int, Outcome] = {}
    began: dict[int, float] = {}
    waiting = list(enumerate(checks))[::-1]
    changed = threading.Condition()

    def work() -> None:
        while True:
            with changed:
                if not waiting:
                    return
                place, check = waiting.pop()
                began[place] = time.monotonic()
            outcome = run_check(check)
            with changed:
                found.setdefault(place, outcome)
                changed.notify()

    def start() -> None:
        # Not a pool: its threads would keep the module from ending when one is stuck in the kernel.
        threading.Thread(target=work, daemon=True).start()

    for _number in range(min(_AT_ONCE, len(checks))):
        start()
    with changed:
        while len(found) < len(checks):
            now = time.monotonic()
            left = {place: at + checks[place].timeout + _GRACE - now for place, at in began.items() if place not in found}
            for place in [place for place, seconds in left.items() if seconds <= 0]:
                found[place] = crashed(checks[place], RunbookError(f"no answer within {checks[place].timeout:g} s"))
                found[place].duration_ms = round((now - began[place]) * 1000, 3)
                start()  # in the place of the one that is stuck
                left.pop(place)
            if len(found) < len(checks):
                changed.wait(min(left.values(), default=1.0))
    return [found[place] for place in range(len(checks))]


def run_check(check: Check) -> Outcome:
    """One check; never raises, because the others' outcomes are wanted too."""
    start = time.perf_counter()
    try:
        outcome = _judged(check)
    except Exception as error:
        outcome = crashed(check, error)
    outcome.duration_ms = round((time.perf_counter() - start) * 1000, 3)
    return outcome


def _judged(check: Check) -> Outcome:
    reading = kind_of(check.kind).read(check)
    limits = check.thresholds
    # No value is an answer only where a status says so, or where nothing is to be compared (a condition that holds).
    judged = reading.status != "ok" or (limits.warn is None and limits.crit is None)
    value = None if reading.value is None and judged else number(reading.value)
    status, broken = ("ok", "") if value is None else limits.judge(value)
    outcome = _outcome(check, reading.status if reading.status == "skipped" else overall([status, reading.status]))
    outcome.details.update(reading.details)
    outcome.value = None if value is None else plain(value)
    compared = limits.warn is not None or limits.crit is not None
    shown = f"{round(value, 2):.6g} {check.unit}".strip() if value is not None and (compared or not reading.note) else ""
    outcome.message = ", ".join(part for part in (shown, broken, reading.note) if part)
    return outcome


def _outcome(check: Check, status: t.Any) -> Outcome:
    limits = check.thresholds
    details = {"kind": check.kind, "measure": check.measure}
    return Outcome(check.name, status, unit=check.unit, warn=limits.warn, crit=limits.crit, details=details)


def crashed(check: Check, error: Exception) -> Outcome:
    """The outcome of a check that could not be evaluated."""
    outcome = _outcome(check, "crashed")
    outcome.message = in_one_line(error)
    return outcome
