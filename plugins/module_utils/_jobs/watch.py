# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that did not run at their time: what the set's own watcher asks, by itself, every few minutes."""

from __future__ import annotations

import fcntl
import os
import typing as t

from .._common import clock
from .._common.argspec import ArgumentSpec
from .._common.errors import RunbookError
from .._common.runner import Run
from . import heartbeat
from .due import last_due
from .schedule import parse

if t.TYPE_CHECKING:
    from .plan import Job

WATCH = ArgumentSpec({"folder": {"type": "path", "required": True}, "grace": {"type": "float", "default": 300}})
# What the watcher is called among the jobs of its set.
NAME = "heartbeats"


def heartbeats(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """Look at every job file of a folder; ``RunbookError`` naming those that were missed, with ``missed`` and ``cause``."""
    from .plan import read

    missed: dict[str, str] = {}
    looked = 0
    now = clock.seconds(clock.now())
    for entry in sorted(os.listdir(options["folder"])):
        name, ext = os.path.splitext(entry)
        if ext != ".json" or name == NAME:
            continue
        path = os.path.join(options["folder"], entry)
        job = read(path)
        installed = os.stat(path).st_mtime
        looked += 1
        reason = _missed(job, installed, now - options["grace"])
        if reason:
            missed[job.title or job.name] = reason
    if missed:
        names = "; ".join(f"{name} ({reason})" for name, reason in missed.items())
        raise RunbookError(
            f"{len(missed)} of {looked} jobs did not run at {'its' if len(missed) == 1 else 'their'} time: {names}",
            missed=sorted(missed),
            cause=",".join(sorted(missed)),
        )
    return {"changed": False, "looked": looked}


def _missed(job: Job, installed: float, now: float) -> str:
    """Why a job counts as missed, in words; empty when it does not."""
    when = parse(job.schedule, job.name)
    beat = heartbeat.read(heartbeat.path_of(job))
    last = clock.seconds(beat.started) if beat else 0.0
    if job.missed_after:
        due: float | None = now - job.missed_after
        last = clock.seconds(beat.at) if beat else 0.0
    elif when.cron and not when.boot:
        # Whoever began at that time may still be at work.
        due = last_due(when.cron, now - job.timeout)
    else:
        due = None
    if due is None or due <= max(installed, last) or _runs(job):
        return ""
    ran = f"last run {beat.at}" if beat else "it never ran"
    up = started_at()
    return f"{ran}; the host was started at {clock.stamp(up)}" if up > due else ran


def _runs(job: Job) -> bool:
    """Whether it is running now."""
    try:
        fd = os.open(os.path.join(job.folder, f"{job.name}.lock"), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def started_at() -> float:
    """When this host, or the container it is, was started; 0 when that can't be told."""
    try:
        with open("/proc/stat", encoding="ascii") as stream:
            booted = next(float(line.split()[1]) for line in stream if line.startswith("btime "))
        with open("/proc/1/stat", encoding="ascii", errors="replace") as stream:
            ticks = float(stream.read().rpartition(")")[2].split()[19])
        return booted + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, StopIteration, ValueError, IndexError):
        return 0.0
