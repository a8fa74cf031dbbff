# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that judges the collection: ``tests/run.py [stage…]``, which is ``make test [STAGE="…"]``.

Stages run side by side where they do not disturb each other. Each has its log in .work/logs; a line is printed as
one ends, with the end of its log when it failed. The last line is always ``N passed, N failed``; the exit status is
0 only when something ran and nothing failed.
"""

from __future__ import annotations

import argparse
import os
import queue
import signal
import sys
import threading
import time
import typing as t

from runner import ansible_test, lint, process, trials
from runner.job import Job, Skip, Stage
from runner.places import LOGS
from runner.report import Tally, tail
from runner.venvs import Missing

# The order is that of starting: what takes longest, or lets others start, comes first.
_ORDER = [
    "testbed", "ruff", "yamllint", "mypy", "changelog", "units", "molecule", "database", "operations", "containers", "remote", "sanity",
    "integration", "docs", "units-target", "units-newest", "offsite", "demo", "ansible-lint", "galaxy", "sanity-newest", "soak",
]  # fmt: skip
_ALL = {stage.name: stage for stage in [*lint.STAGES, *ansible_test.STAGES, *trials.STAGES]}
if set(_ORDER) != set(_ALL):
    # A stage that is not in the order would never run, and nobody would miss it.
    raise SystemExit(f"tests/run.py: the order and the stages differ by {', '.join(sorted(set(_ORDER) ^ set(_ALL)))}")
STAGES = [_ALL[name] for name in _ORDER]
GROUPS = {
    "lint": ["ruff", "yamllint", "mypy", "changelog", "docs", "ansible-lint"],
    "fast": ["ruff", "yamllint", "mypy", "changelog", "units"],
    "newest": ["units-newest", "sanity-newest"],
}


def main(arguments: list[str]) -> int:
    """Parse the command line, run what it names, report."""
    parser = argparse.ArgumentParser(description="Run the checks of the collection.", allow_abbrev=False)
    parser.add_argument("stage", nargs="*", help="stages or groups to run (default: every usual one)")
    parser.add_argument("--list", action="store_true", help="name the stages and groups")
    parser.add_argument("--format", action="store_true", help="rewrite Python files the way the ruff stage wants them")
    parser.add_argument("--jobs", type=int, default=max(2, min(4, os.cpu_count() or 1)), help="stages at a time (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.list:
        return _list()
    if options.format:
        return lint.reformat()
    wanted = [name for word in options.stage for name in GROUPS.get(word, [word])]
    unknown = sorted(set(wanted) - set(_ALL))
    if unknown:
        parser.error(f"unknown stage {', '.join(unknown)}; --list names them")
    stages = [stage for stage in STAGES if (stage.name in wanted if wanted else stage.usual)]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *given: _interrupt())
    LOGS.mkdir(parents=True, exist_ok=True)
    print(f"runbook.ops {trials.seed_note()}: {len(stages)} stages, {options.jobs} at a time, logs in .work/logs", flush=True)
    started = time.monotonic()
    try:
        total = Schedule(stages, options.jobs).run()
    except KeyboardInterrupt:
        process.stop_all()
        print("interrupted\n0 passed, 1 failed", flush=True)
        return 1
    seconds = time.monotonic() - started
    print(f"{len(stages)} stages in {seconds:.0f} s" + (f", {total.skipped} tests or stages skipped" if total.skipped else ""))
    print(f"{total.passed} passed, {total.failed} failed", flush=True)
    return 0 if total.passed and not total.failed else 1


def _interrupt() -> t.NoReturn:
    raise KeyboardInterrupt


def _list() -> int:
    for stage in STAGES:
        print(f"{stage.name:<15} {stage.summary}{'' if stage.usual else ' (only when named)'}")
    for group, names in GROUPS.items():
        print(f"{group:<15} = {' '.join(names)}")
    return 0


class Schedule:
    """Runs stages, so many at a time, none before those it comes after and none beside one that uses the same thing."""

    def __init__(self, stages: t.Sequence[Stage], jobs: int) -> None:
        self._waiting = list(stages)
        self._names = {stage.name for stage in stages}
        self._running: list[Stage] = []
        self._done: set[str] = set()
        self._jobs = jobs
        self._ended: queue.SimpleQueue[tuple[Stage, Tally, float]] = queue.SimpleQueue()

    def run(self) -> Tally:
        total = Tally()
        while self._waiting or self._running:
            while len(self._running) < self._jobs and (stage := self._next()) is not None:
                self._waiting.remove(stage)
                self._running.append(stage)
                threading.Thread(target=self._execute, args=(stage,), daemon=True).start()
            stage, tally, seconds = self._ended.get()
            self._running.remove(stage)
            self._done.add(stage.name)
            _print_result(stage, tally, seconds)
            total += tally
        return total

    def _next(self) -> Stage | None:
        used = {thing for stage in self._running for thing in stage.uses}
        for stage in self._waiting:
            ready = all(name in self._done for name in stage.after if name in self._names)
            if ready and not used.intersection(stage.uses):
                return stage
        return None

    def _execute(self, stage: Stage) -> None:
        job = Job(stage.name)
        job.log.unlink(missing_ok=True)
        started = time.monotonic()
        try:
            tally = stage.action(job)
        except Skip as reason:
            tally = Tally(skipped=1, note=f"skipped: {reason}")
        except (process.TimeLimit, Missing) as error:
            tally = Tally(failed=1, note=str(error))
        except process.Stopped:
            return
        except Exception as error:
            # A stage that breaks is a failed stage; the others still have something to say.
            job.say(f"{type(error).__name__}: {error}")
            tally = Tally(failed=1, note=f"the stage itself broke: {type(error).__name__}: {error}")
        self._ended.put((stage, tally, time.monotonic() - started))


def _print_result(stage: Stage, tally: Tally, seconds: float) -> None:
    word = "FAILED" if tally.failed else "ok" if tally.passed else "-"
    counts = f"{tally.passed:>5} passed {tally.failed:>3} failed"
    print(f"{stage.name:<15} {counts} {seconds:>6.1f} s  {word}{f'  {tally.note}' if tally.note else ''}", flush=True)
    for line in tally.failures:
        print(f"    ! {line}", flush=True)
    if tally.failed:
        print(tail(LOGS / f"{stage.name}.log"), end="", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
