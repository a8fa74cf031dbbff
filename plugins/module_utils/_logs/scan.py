# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``log_scan``: every scan is read on its own, and none keeps the others from being read."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import typing as t

from .._common.clock import stamp
from .._common.errors import RunbookError
from .._common.outcome import Outcome, overall, summary
from .._common.runner import Run, describe_os_error
from .._common.thresholds import plain
from .._http.percentile import too_few
from .scan_options import MEASURES, Measure, Scan, parse_scans
from .scan_read import Found, read_scan
from .scan_state import StateFile


class _TooLong(Exception):
    pass


def log_scan(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """``{changed, status, msg, checks}`` for the options of ``log_scan``. Check mode reads all and remembers nothing.

    Raises ``InvalidInput`` before anything is read, and ``RunbookError`` with the same structure when a check failed or crashed and
    the option ``fail`` is not false.
    """
    now = time.time()
    scans = parse_scans(options, now)
    with contextlib.ExitStack() as stack:
        states = {path: stack.enter_context(StateFile(path, run)) for path in sorted({scan.state for scan in scans} - {""})}
        read = {scan.name: _read(scan, scans, states, options["timeout"], now) for scan in scans}
        outcomes = [outcome for scan in scans for outcome in _outcomes(scan, read)]
        for scan in scans:
            found, _took = read[scan.name]
            # What could not be read, or not be compared, is read again the next time.
            compared = not scan.against or isinstance(read[scan.against][0], Found)
            if scan.state and compared and isinstance(found, Found) and found.remembered:
                states[scan.state].put(scan.name, found.remembered)
        for state in states.values():
            state.save()
    status = overall(outcome.status for outcome in outcomes)
    result = {"changed": False, "status": status, "checks": [outcome.to_dict() for outcome in outcomes]}
    message = summary(outcomes, "check")
    if status in ("failed", "crashed") and options["fail"]:
        raise RunbookError(message, **result)
    return {**result, "msg": message}


_Read = t.Tuple[t.Union[Found, str], float]


def _read(scan: Scan, scans: t.Sequence[Scan], states: t.Mapping[str, StateFile], timeout: float, now: float) -> _Read:
    """What a scan found, or why it could not, and how many milliseconds that took."""
    start = time.perf_counter()
    found: Found | str
    try:
        with _limited(timeout):
            remembered = states[scan.state].of(scan.name) if scan.state else {}
            found = read_scan(scan, any(other.against == scan.name for other in scans), remembered, now)
    except _TooLong:
        found = f"it took longer than timeout ({timeout:g} s); give it more, a smaller window, or a simpler regex"
    except OSError as error:
        found = describe_os_error(error)
    except Exception as error:
        found = error.message if isinstance(error, RunbookError) else f"{type(error).__name__}: {error}"
    if isinstance(found, str):
        found = " ".join(found.split())
    return found, round((time.perf_counter() - start) * 1000, 3)


@contextlib.contextmanager
def _limited(seconds: float) -> t.Iterator[None]:
    """``_TooLong`` after so many seconds, also out of a regular expression that does not come to an end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's; whoever starts others has a limit of their own
        return

    def ring(_number: int, _frame: t.Any) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _outcomes(scan: Scan, read: t.Mapping[str, _Read]) -> list[Outcome]:
    found, took = read[scan.name]
    base = read[scan.against][0] if scan.against else found
    return [_outcome(scan, measure, found, base, took) for measure in scan.measures]


def _outcome(scan: Scan, measure: Measure, found: Found | str, base: Found | str, took: float) -> Outcome:
    limits = measure.thresholds
    outcome = Outcome(measure.name, "crashed", unit=MEASURES[measure.measure], warn=limits.warn, crit=limits.crit, duration_ms=took)
    outcome.details = {"scan": scan.name, "measure": measure.measure, "pattern": measure.key or None}
    if isinstance(found, str):
        outcome.message = found
        return outcome
    if found.missing:
        outcome.status, outcome.message = "skipped", "no log is there"
        return outcome
    outcome.details.update(files=found.files, bytes=found.size, formats=sorted(found.formats), **_window(scan))
    if measure.key:
        groups = found.tally.groups.get(measure.key)
        outcome.details.update(count=found.tally.counts[measure.key], top=groups.top(scan.top) if groups else [])
    if found.gaps:
        outcome.details["gaps"] = found.gaps
    _judge(outcome, scan, measure, found, base)
    if found.gaps and outcome.status in ("ok", "skipped"):
        outcome.status = "warning"
    outcome.message = "; ".join([part for part in [outcome.message, *found.gaps] if part])
    return outcome


def _window(scan: Scan) -> dict[str, str | None]:
    since, until = scan.window.since, scan.window.until
    return {"since": None if since is None else stamp(since), "until": None if until is None else stamp(until)}


def _judge(outcome: Outcome, scan: Scan, measure: Measure, found: Found, base: Found | str) -> None:
    """Set status, value and message of one measure."""
    tally, kind = found.tally, measure.measure
    value, note = 0.0, ""
    if kind == "count":
        value = tally.counts[measure.key]
    else:
        if isinstance(base, str):
            outcome.message = f"the requests of scan {scan.against} could not be read: {base}"
            return
        requests = base.tally.requests
        outcome.details["requests"] = requests
        if not base.tally.has_requests and base.formats & {"access", "jsonl"} != base.formats:
            outcome.message = f"no requests in a log of format {', '.join(sorted(base.formats))}; set against to a scan of an access log"
            return
        if kind != "requests" and requests < measure.min_requests:
            few = f"{requests} request{'' if requests == 1 else 's'}, too few to judge (min_requests {measure.min_requests})"
            outside = kind == "rate" and not requests and tally.counts[measure.key]
            outcome.status = "crashed" if outside else "skipped"
            outcome.message = f"{_amount(tally.counts[measure.key], 'lines')}, but {few}" if outside else few
            return
        if kind == "requests":
            value = requests
        elif kind == "rate":
            value = 100.0 * tally.counts[measure.key] / requests
            note = f"{tally.counts[measure.key]} of {requests} requests"
        else:
            slowest = tally.latencies.percentile(kind)
            outcome.details["samples"] = tally.latencies.count
            if slowest is None:
                samples = tally.latencies.count
                outcome.status = "skipped" if samples else "crashed"
                outcome.message = (
                    too_few(kind, samples)
                    if samples
                    else f"no request time in {requests} requests; log it, or say with request_time where it is"
                )
                return
            value, note = slowest, f"{tally.latencies.count} requests"
    outcome.status, broken = measure.thresholds.judge(value)
    outcome.value = plain(value)
    top = outcome.details.get("top") or []
    often = f'most often "{top[0]["message"]}" ({top[0]["count"]})' if top else ""
    outcome.message = ", ".join(part for part in (_amount(value, outcome.unit), broken, note, often) if part)


def _amount(value: float, unit: str) -> str:
    return f"{plain(round(value, 3))} {unit[:-1] if value == 1 and unit in ('lines', 'requests') else unit}"
