# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a job: one at a time, within its time, with a line in the log before and after, and an alert when it fails."""

from __future__ import annotations

import contextlib
import fcntl
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
from .._common.errors import Refused, RunbookError
from .._common.outcome import Outcome
from .._common.process import Command, run
from .._common.runner import Run, describe_os_error, printable
from .actions import ACTIONS
from .plan import Job

# How long a job that ran out of time may tidy up before it is killed.
_GRACE = 10.0
_ALERT_TIMEOUT = 60.0


def run_job(job: Job, how: Run, *, alert: bool) -> Outcome:
    """What became of the job; it never raises.

    ``details`` has ``steps`` (each name, status, seconds, message, result), ``started`` and ``ended``.
    """
    began, started = time.monotonic(), clock.now()
    if how.check_mode:
        steps, trouble = _steps(job, how), ""
    else:
        _note(job, f"started (process {os.getpid()})")
        steps, trouble = [], ""
        try:
            with _locked(job):
                steps, trouble = _within_time(job, how)
        except (RunbookError, OSError) as error:
            trouble = error.message if isinstance(error, RunbookError) else describe_os_error(error)
    bad = next((step for step in steps if step["status"] == "failed"), None)
    message = trouble or (f"{bad['name']}: {bad['message']}" if bad else "")
    seconds = round(time.monotonic() - began, 3)
    details = {"steps": steps, "started": started, "ended": clock.now()}
    outcome = Outcome(
        job.name, "failed" if message else "ok", message, seconds, "s", crit=job.timeout, duration_ms=seconds * 1000, details=details
    )
    if not how.check_mode:
        _record(job, outcome)
        if message and alert:
            _alert(job, outcome)
    return outcome


@contextlib.contextmanager
def _locked(job: Job) -> t.Iterator[None]:
    os.makedirs(job.folder, mode=0o700, exist_ok=True)
    fd = os.open(os.path.join(job.folder, f"{job.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 200, 0).decode("utf-8", "replace").strip()
            raise Refused(f"it is still running ({holder or 'another process'}); give it more time between two runs") from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} since {clock.now()}".encode(), 0)
        yield
    finally:
        os.close(fd)


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
                break
            data = os.read(reading, 1 << 16)
            if not data:
                break
            received += data
    except BaseException:
        _end(child)
        raise
    finally:
        os.close(reading)
    if late:
        _end(child)
        return [], f"it was not done after {job.timeout:g} s and was stopped"
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


def _end(child: int) -> None:
    """Ask the child and all below it to stop, then kill what is left."""
    family = [child, *_descendants(child)]
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            for pid in [*_descendants(child), child]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(0.05)
    # Those who have lost their parent by now and did not listen.
    for pid in family[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


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
    line = f"{clock.now()} {job.name}: {' '.join(text.split())}"
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
    done = f"{outcome.status} after {outcome.value:.1f} s" + (f", {', '.join(ids)}" if ids else "")
    _note(job, f"{done}: {outcome.message}" if outcome.message else done)
    line = {
        "job": job.name,
        "started": outcome.details["started"],
        "ended": outcome.details["ended"],
        "status": outcome.status,
        "seconds": outcome.value,
        "message": outcome.message,
        "ids": ids,
        "steps": [{key: step[key] for key in ("name", "status", "seconds", "message")} for step in steps],
    }
    try:
        _append(os.path.join(job.folder, f"{job.name}.jsonl"), json.dumps(line, sort_keys=True))
    except OSError as error:
        sys.stderr.write(f"the attempt could not be recorded: {error.strerror}\n")


def _alert(job: Job, outcome: Outcome) -> None:
    """Tell by the job's command: in its environment, and as JSON on its standard input."""
    if not job.alert_command:
        return
    host = socket.gethostname()
    told = {"job": job.name, "host": host, "status": outcome.status, "message": outcome.message, "ended": outcome.details["ended"]}
    env = {f"RUNBOOK_{key.upper()}": str(value) for key, value in told.items()}
    try:
        run(Command(job.alert_command, env), json.dumps(told).encode(), _ALERT_TIMEOUT)
        _note(job, "alerted")
    except RunbookError as error:
        _note(job, f"the alert failed too: {error.message}")
        sys.stderr.write(f"the alert failed: {error.message}\n")
