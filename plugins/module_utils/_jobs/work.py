# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a job: one at a time, within its time, with a line in the log before and after, and an alert when it fails."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
import typing as t

from .._common import clock
from .._common.errors import RunbookError
from .._common.outcome import Outcome
from .._common.process import Command, run
from .._common.runner import Run, describe_os_error, printable
from . import heartbeat
from .actions import ACTIONS
from .alone import StillRunning, alone
from .heartbeat import Beat
from .plan import Job

# How long a job that ran out of time may tidy up before it is killed.
_GRACE = 10.0
_ALERT_TIMEOUT = 60.0
# What a shell reports of a command that ran out of time.
_LATE = 124
_NOT_DONE = "it was not done"
_PR_SET_CHILD_SUBREAPER = 36


def run_job(job: Job, how: Run, *, alert: bool) -> Outcome:
    """What became of the job; it never raises.

    ``details`` has ``steps`` (each name, status, seconds, message, result), ``started``, ``ended`` and ``exit``, as a shell reports it.
    """
    began, started = time.monotonic(), clock.now()
    before = heartbeat.read(heartbeat.path_of(job))
    refused = False
    if how.check_mode:
        steps, trouble = _steps(job, how), ""
    else:
        if not job.watcher:
            _note(job, f"started (process {os.getpid()})")
        steps, trouble = [], ""
        try:
            with alone(job.folder, job.name):
                steps, trouble = _within_time(job, how)
        except StillRunning as error:
            trouble, refused = error.message, True
        except (RunbookError, OSError) as error:
            trouble = error.message if isinstance(error, RunbookError) else describe_os_error(error)
    bad = next((step for step in steps if step["status"] == "failed"), None)
    message = trouble or (f"{bad['name']}: {bad['message']}" if bad else "")
    seconds = round(time.monotonic() - began, 3)
    code = 0 if not message else int(bad["result"].get("rc", 1)) if bad else _LATE if trouble.startswith(_NOT_DONE) else 1
    details = {"steps": steps, "started": started, "ended": clock.now(), "exit": code}
    outcome = Outcome(
        job.called, "failed" if message else "ok", message, seconds, "s", crit=job.timeout, duration_ms=seconds * 1000, details=details
    )
    if not how.check_mode:
        if message or not job.watcher:
            _record(job, outcome)
        cause = str(bad["result"].get("cause") or code) if bad else str(code)
        told = alert and _tell(job, outcome, before, cause)
        # Whoever holds the lock leaves the heartbeat of this time.
        if not refused:
            beat = Beat(job.called, outcome.details["ended"], started, outcome.status, code, message, cause if message else "", told)
            heartbeat.write(heartbeat.path_of(job), beat)
    return outcome


def _tell(job: Job, outcome: Outcome, before: Beat | None, cause: str) -> bool:
    """Alert if there is something to tell; whether the failure, if it is one, is known to those who are told."""
    known = bool(job.alert_on_change and before and before.status == "failed" and before.told)
    if outcome.status == "ok":
        if known:
            outcome.details["recovered"] = True
            _alert(job, outcome)
        return False
    if known and before and before.cause == cause:
        return True
    return _alert(job, outcome)


def _steps(job: Job, how: Run) -> list[dict[str, t.Any]]:
    """Run them in this process, up to the first that fails."""
    done: list[dict[str, t.Any]] = []
    for step in job.steps:
        began = time.monotonic()
        message, result = "", {}
        try:
            result = dict(ACTIONS[step.action].use_case(step.options, how))
            result.pop("diff", None)
        except RunbookError as error:
            message, result = error.message, error.result
        except OSError as error:
            message = describe_os_error(error)
        status, seconds = "failed" if message else "ok", round(time.monotonic() - began, 3)
        if message and how.check_mode and any(step["result"].get("changed") for step in done):
            # It works on what an earlier step would have made by now.
            status = "skipped"
        done.append({"name": step.action, "status": status, "seconds": seconds, "message": message, "result": printable(result)})
        if status == "failed":
            break
    return done


def _within_time(job: Job, how: Run) -> tuple[list[dict[str, t.Any]], str]:
    """``(steps, trouble)`` of a child process that is ended, with all that it started, when the time is over."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    others = set(_descendants(os.getpid()))
    _adopt_orphans(True)
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_child(job, how, writing)
    os.close(writing)
    received, late = bytearray(), False
    deadline = time.monotonic() + job.timeout
    try:
        while True:
            ready, _w, _x = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                late = True
                _end(child, others)
                break
            data = os.read(reading, 1 << 16)
            if not data:
                break
            received += data
    except BaseException:
        _end(child, others)
        raise
    finally:
        os.close(reading)
        _adopt_orphans(False)
    if late:
        return [], f"{_NOT_DONE} after {job.timeout:g} s and was stopped"
    code = os.waitpid(child, 0)[1]
    try:
        answer = json.loads(received)
    except ValueError:
        how_ended = f"was killed by signal {os.WTERMSIG(code)}" if os.WIFSIGNALED(code) else "ended without a word"
        return [], f"its process {how_ended}"
    for warning in answer["warnings"]:
        how.warn(warning)
    return list(answer["steps"]), str(answer["trouble"])


def _leave(_number: int, _frame: t.Any) -> t.NoReturn:
    raise SystemExit(143)


def _be_child(job: Job, how: Run, writing: int) -> t.NoReturn:
    warnings: list[str] = []
    answer: dict[str, t.Any] = {"steps": [], "trouble": ""}
    try:
        # So that what a step does last, it also does when it is told to stop.
        signal.signal(signal.SIGTERM, _leave)
        answer["steps"] = _steps(job, Run(diff=how.diff, warn=warnings.append, say=how.say))
    except SystemExit:
        answer["trouble"] = "it was told to stop"
    except BaseException as error:
        traceback.print_exc()
        answer["trouble"] = f"a defect: {error!r}"
    answer["warnings"] = warnings
    with contextlib.suppress(OSError), os.fdopen(writing, "wb") as stream:
        stream.write(json.dumps(answer).encode())
    os._exit(0)


def _adopt_orphans(adopt: bool) -> None:
    """Whether what a step starts and leaves behind becomes this process's child, so that it can be ended too."""
    # Elsewhere than on Linux only those who stay with their parents are found.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)


def _end(child: int, others: t.Collection[int]) -> None:
    """Ask the child and all that came of it to stop, then kill what is left. ``others`` were there before."""
    _signal(others, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    ended = False
    while not ended and time.monotonic() < deadline:
        ended = os.waitpid(child, os.WNOHANG)[0] != 0
        time.sleep(0.05)
    # A process that is killed may have started another in that moment.
    for _attempt in range(20):
        family = _signal(others, signal.SIGKILL)
        if not family:
            break
        time.sleep(0.05)
        for pid in family:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
    if not ended:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def _signal(others: t.Collection[int], number: int) -> list[int]:
    """Send a signal to all that this process has started, except ``others``; who they are."""
    family = [pid for pid in _descendants(os.getpid()) if pid not in others]
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return family


def _descendants(pid: int) -> list[int]:
    """What a process has started, and what those have."""
    parents: dict[int, int] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{entry}/stat", "rb") as stream:
            parents[int(entry)] = int(stream.read().rpartition(b")")[2].split()[1])
    found: list[int] = []
    generation = {pid}
    while generation:
        generation = {one for one, parent in parents.items() if parent in generation}
        found += generation
    return found


def _note(job: Job, text: str) -> None:
    """One line in the log; a log that can't be written to must not keep a backup from being made."""
    line = f"{clock.now()} {job.called}: {' '.join(text.split())}"
    if job.log:
        try:
            os.makedirs(os.path.dirname(job.log), mode=0o750, exist_ok=True)
            _append(job.log, line)
        except OSError as error:
            sys.stderr.write(f"{job.log} can't be written to: {error.strerror}\n")


def _append(path: str, line: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o640)
    try:
        os.write(fd, f"{line}\n".encode("utf-8", "replace"))
    finally:
        os.close(fd)


def _record(job: Job, outcome: Outcome) -> None:
    steps = outcome.details["steps"]
    ids = [str(step["result"]["id"]) for step in steps if step["result"].get("id")]
    done = f"{outcome.status} after {outcome.value:.1f} s, exit {outcome.details['exit']}" + (f", {', '.join(ids)}" if ids else "")
    _note(job, f"{done}: {outcome.message}" if outcome.message else done)
    line = {
        "job": job.called,
        "started": outcome.details["started"],
        "ended": outcome.details["ended"],
        "status": outcome.status,
        "exit": outcome.details["exit"],
        "seconds": outcome.value,
        "message": outcome.message,
        "ids": ids,
        "steps": [{key: step[key] for key in ("name", "status", "seconds", "message")} for step in steps],
    }
    try:
        _append(os.path.join(job.folder, f"{job.name}.jsonl"), json.dumps(line, sort_keys=True))
    except OSError as error:
        sys.stderr.write(f"the attempt could not be recorded: {error.strerror}\n")


def _alert(job: Job, outcome: Outcome) -> bool:
    """Tell by the job's command: in its environment, and as JSON on its standard input. Whether that went well."""
    if not job.alert_command:
        return False
    message = outcome.message or ("it is well again" if outcome.details.get("recovered") else "")
    told = {
        "job": job.called,
        "host": socket.gethostname(),
        "status": outcome.status,
        "message": message,
        "ended": outcome.details["ended"],
        "exit": outcome.details["exit"],
        **({"mailto": job.mailto} if job.mailto else {}),
    }
    # An environment has no NUL bytes.
    env = {f"RUNBOOK_{key.upper()}": str(value).replace("\0", "") for key, value in told.items()}
    try:
        run(Command(job.alert_command, env), json.dumps(told).encode(), _ALERT_TIMEOUT)
        _note(job, "alerted")
        return True
    except RunbookError as error:
        _note(job, f"the alert failed too: {error.message}")
        sys.stderr.write(f"the alert failed: {error.message}\n")
        return False
