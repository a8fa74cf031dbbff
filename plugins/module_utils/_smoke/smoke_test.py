# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``smoke_test``: give the system one job, and watch whether it is done in time."""

from __future__ import annotations

import dataclasses
import math
import time
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.outcome import Outcome, Status
from .._common.process import ProgramMissing
from .._common.progress import Say
from .._common.runner import Run, in_one_line
from .._evidence.scrub import Scrubber
from .find import Finder, finder_of
from .source import JOB_ID, NotGranted, Source, line, mentions_job, scrubber, source_of
from .tail import check_lines, last_lines

Options = t.Mapping[str, t.Any]

# In check mode and while options are looked at, this stands for a job that there is not.
_SAMPLE = "0"


@dataclasses.dataclass(frozen=True)
class Trial:
    """A smoke test as validated values. Times in seconds; ``states`` are what a job's status says, in lower case."""

    name: str
    enqueue: Source
    poll: t.Callable[[str], Source]
    find_id: Finder | None
    find_status: Finder
    states: t.Mapping[str, frozenset[str]]
    interval: float
    timeout: float
    warn: float | None
    ask_timeout: float
    scrub: Scrubber

    def state_of(self, status: str) -> str:
        """``done``, ``failed``, ``working``, or nothing for a status that is in none of the lists."""
        known = status.lower()
        for state in ("done", "failed", "working"):
            if known in self.states[state]:
                return state
        return "" if self.states["working"] else "working"


@dataclasses.dataclass
class Course:
    """What is known of the job while it runs. ``trouble`` is why the last look at it told nothing."""

    job: str | None = None
    status: str | None = None
    polls: int = 0
    trouble: str = ""
    seconds: float = 0.0
    enqueued: bool = False


def smoke_test(options: Options, run: Run) -> dict[str, t.Any]:
    """``{changed, status, msg, checks, job_id, job_status, polls, look_at, logs}``; ``checks`` has the one outcome.

    Raises ``InvalidInput`` before anything is enqueued, and ``RunbookError`` with the same structure when the test failed or crashed
    and the option ``fail`` is not false.
    """
    test = _parse(options)
    look_at = [*options["look_at"], *(path for path in options["log_files"] if path not in options["look_at"])]
    course = Course()
    began = time.monotonic()
    if run.check_mode:
        poll = test.poll(_SAMPLE).label
        what = f"would enqueue by {test.enqueue.label}, then ask {poll} every {test.interval:g} s for up to {test.timeout:g} s"
        outcome = _outcome(test, "skipped", what, None)
    else:
        outcome = _try(test, course, run.say)
    outcome.duration_ms = round((time.monotonic() - began) * 1000, 1)
    bad = outcome.status in ("failed", "crashed")
    if bad and look_at:
        outcome.message += f"; look at {', '.join(look_at)}"
    result = {
        "changed": run.check_mode or course.enqueued,
        "status": outcome.status,
        "checks": [outcome.to_dict()],
        "job_id": course.job,
        "job_status": course.status,
        "polls": course.polls,
        "look_at": look_at,
        "logs": [last_lines(path, options["log_lines"], test.scrub) for path in options["log_files"]] if bad else [],
    }
    message = f"{test.name}: {outcome.message}"
    if bad and options["fail"]:
        raise RunbookError(message, **result)
    return {**result, "msg": message}


def _parse(options: Options) -> Trial:
    scrub = scrubber(options)
    for name, low, high in (("interval", 0.01, 3600), ("timeout", 0.01, 86400), ("ask_timeout", 0.01, 3600), ("warn", 0.01, 86400)):
        value = options[name]
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            raise InvalidInput(f"{name} {value:g} is not from {low:g} to {high:g} seconds")
    if options["warn"] is not None and options["warn"] > options["timeout"]:
        raise InvalidInput(f"warn {options['warn']:g} is above timeout {options['timeout']:g}; a warning must come first")
    if mentions_job(options["enqueue"]):
        raise InvalidInput("enqueue: there is no {job_id} before a job is enqueued; use it in poll only")
    if mentions_job(options["poll"]) and not options["job_id"]:
        raise InvalidInput("poll has {job_id}, but job_id does not say where in the answer to enqueue it is; give its query or regex")
    check_lines(options["log_lines"])
    find_id = finder_of(options["job_id"], "job_id") if options["job_id"] else None
    find_status = finder_of(options["job_status"], "job_status")

    def poll(job: str | None) -> Source:
        return source_of(options["poll"], options, "poll", scrub, job)

    poll(_SAMPLE)
    return Trial(
        name=options["name"],
        enqueue=source_of(options["enqueue"], options, "enqueue", scrub),
        poll=poll,
        find_id=find_id,
        find_status=find_status,
        states=_states(options),
        interval=options["interval"],
        timeout=options["timeout"],
        warn=options["warn"],
        ask_timeout=options["ask_timeout"],
        scrub=scrub,
    )


def _states(options: Options) -> dict[str, frozenset[str]]:
    states = {name: frozenset(str(word).strip().lower() for word in options[name]) for name in ("done", "failed", "working")}
    if not states["done"]:
        raise InvalidInput("done is empty, so no job could ever be done; name at least one status")
    for one, other in (("done", "failed"), ("done", "working"), ("failed", "working")):
        both = states[one] & states[other]
        if both:
            raise InvalidInput(f"status {min(both)!r} is both in {one} and in {other}; keep one")
    return states


def _outcome(test: Trial, status: Status, message: str, seconds: float | None) -> Outcome:
    value = None if seconds is None else round(seconds, 1)
    return Outcome(test.name, status, message, value, "s", test.warn, test.timeout)


def _try(test: Trial, course: Course, say: Say) -> Outcome:
    """The whole test; never raises, because where to look is wanted too."""
    # From here on a job may be there, even where nobody says so.
    course.enqueued = True
    try:
        answer = test.enqueue.ask(test.ask_timeout)
    except NotGranted as error:
        return _outcome(test, "failed", f"FAIL: nothing was enqueued by {test.enqueue.label}: {line(test.scrub, error.message)}", None)
    except Exception as error:
        course.enqueued = not isinstance(error, ProgramMissing)
        reason = line(test.scrub, in_one_line(error))
        return _outcome(test, "crashed", f"FAIL: {test.enqueue.label} could not be used to enqueue a job: {reason}", None)
    if test.find_id:
        try:
            course.job = _job(test.find_id.find(answer))
        except RunbookError as error:
            said = line(test.scrub, answer[:2000].decode("utf-8", "replace"), 120)
            reason = line(test.scrub, error.message)
            return _outcome(test, "crashed", f"FAIL: {test.enqueue.label} told no job's id: {reason}; it said {said!r}", None)
    return _watch(test, course, say)


def _job(found: str) -> str:
    if not JOB_ID.fullmatch(found):
        raise RunbookError(f"{found!r} is no id (letters, digits and ._:@+=- only, at most 200, not beginning with a sign)")
    return found


def _watch(test: Trial, course: Course, say: Say) -> Outcome:
    source = test.poll(course.job or _SAMPLE)
    job = f"job {course.job}" if course.job else "the job"
    began = time.monotonic()
    due = began
    while True:
        course.polls += 1
        state = _look(test, source, course, began + test.timeout)
        course.seconds = time.monotonic() - began
        if state != "working":
            return _end(test, course, job, state)
        left = test.timeout - course.seconds
        if left <= 0:
            return _too_late(test, course, job, source.label)
        say(f"{test.name}: {job} {_standing(course)}, {course.seconds:.0f} s of {test.timeout:g} s")
        due = max(due + test.interval, time.monotonic())
        time.sleep(max(0.0, min(due - time.monotonic(), left)))


def _look(test: Trial, source: Source, course: Course, deadline: float) -> str:
    """The job's state; ``working`` too when nobody could tell, because the next look may."""
    try:
        answer = source.ask(min(test.ask_timeout, max(1.0, deadline - time.monotonic())))
        course.status = line(test.scrub, test.find_status.find(answer), 100)
    except Exception as error:
        course.trouble = line(test.scrub, in_one_line(error))
        return "working"
    course.trouble = ""
    return test.state_of(course.status)


def _standing(course: Course) -> str:
    if course.status is None:
        return "has told no status yet"
    return f"was {course.status} when last seen" if course.trouble else f"is {course.status}"


def _end(test: Trial, course: Course, job: str, state: str) -> Outcome:
    looks = f"{course.polls} look{'' if course.polls == 1 else 's'}"
    after = f"{course.status} after {course.seconds:.1f} s ({looks})"
    if state == "done":
        if test.warn is not None and course.seconds > test.warn:
            return _outcome(test, "warning", f"PASS, but slowly: {job} is {after}, above warn {test.warn:g} s", course.seconds)
        return _outcome(test, "ok", f"PASS: {job} is {after}", course.seconds)
    if state == "failed":
        return _outcome(test, "failed", f"FAIL: {job} is {after}", course.seconds)
    known = "; ".join(f"{name} is {', '.join(sorted(words)) or 'empty'}" for name, words in test.states.items())
    return _outcome(test, "crashed", f"FAIL: {job} is {after}, a status that is in none of the lists ({known})", course.seconds)


def _too_late(test: Trial, course: Course, job: str, label: str) -> Outcome:
    waited = f"after {test.timeout:g} s and {course.polls} look{'' if course.polls == 1 else 's'}"
    if course.status is None:
        return _outcome(test, "crashed", f"FAIL: {job} has told no status {waited} by {label}: {course.trouble}", course.seconds)
    since = f", then: {course.trouble}" if course.trouble else ""
    return _outcome(test, "failed", f"FAIL: {job} {_standing(course)} {waited}{since}", course.seconds)
