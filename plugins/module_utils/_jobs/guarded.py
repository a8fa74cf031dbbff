# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``guarded_command``: an operator's command that changes data, rehearsed, counted, confirmed, then run once."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import typing as t

from .._common import clock
from .._common.argspec import ArgumentSpec
from .._common.commands import TAIL, Ran, Surroundings, parse, run_one
from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.jsonquery import compile_regex
from .._common.outcome import Outcome, Status, overall
from .._common.runner import Run, describe_os_error
from .._database.options import state_dir_of
from .._evidence.scrub import Scrubber
from .._release.site import Site
from .._release.store import LocalStore
from .alone import StillRunning, alone
from .plan import identify
from .said import MOST_ITEMS, Counter, counter_of, items_of, totals_of

Result = t.Dict[str, t.Any]

GUARDED = ArgumentSpec(
    {
        "name": {"type": "str", "required": True},
        "command": {"type": "raw", "required": True},
        "arguments": {"type": "list", "elements": "str", "default": []},
        "dry_run": {"type": "list", "elements": "str"},
        "dry_run_command": {"type": "raw"},
        "count": {"type": "dict", "options": {"regex": {"type": "str"}, "lines": {"type": "str"}, "query": {"type": "str"}}},
        "most": {"type": "int"},
        "confirmation": {"type": "str", "required": True},
        "confirm": {"type": "str", "default": ""},
        "confirm_variable": {"type": "str", "default": "confirm"},
        "summary": {"type": "str"},
        "failures": {"type": "str"},
        "chdir": {"type": "path", "default": "/"},
        "environment": {"type": "dict", "default": {}},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "dry_run_timeout": {"type": "float", "default": 300},
        "timeout": {"type": "float", "default": 3600},
        "logs": {"type": "list", "elements": "str", "default": []},
        "lock": {"type": "str"},
        "state_dir": {"type": "path"},
        "path": {"type": "path"},
    },
    required_one_of=[("dry_run", "dry_run_command")],
    mutually_exclusive=[("dry_run", "dry_run_command")],
)
# Bytes of output that are read; what a result shows is the end of it.
_READ = 16 << 20
# Bytes in which secrets are looked for, of which the end is shown.
_SCRUBBED = 16 * TAIL


@dataclasses.dataclass(frozen=True)
class Guarded:
    """What is asked for, as plain values: two commands, what their output means, the limits."""

    name: str
    lock: str
    rehearsal: list[str]
    command: list[str]
    counter: Counter
    most: int | None
    summary: re.Pattern[str] | None
    failures: re.Pattern[str] | None
    environment: dict[str, str]
    scrubber: Scrubber


def guarded_command(options: t.Mapping[str, t.Any], run: Run) -> Result:
    """Dry run; stop, or the command. ``{changed, status, msg, steps, …}``.

    Raises ``InvalidInput`` and ``Refused`` before anything was changed, and ``RunbookError`` when the dry run or the command failed. In
    check mode, and without the confirmation, there is a dry run only.
    """
    asked = _asked(options)
    site = _site(options["path"])
    with contextlib.ExitStack() as stack:
        if not run.check_mode:
            try:
                stack.enter_context(alone(os.path.join(state_dir_of(options), "commands"), asked.lock))
            except StillRunning as busy:
                raise Refused(f"{asked.name} was not started: {busy.message}") from None
        result, count = _rehearse(asked, options)
        if count == 0:
            return _stop(asked, result, "the dry run found nothing to do")
        if not options["confirm"]:
            variable, word = options["confirm_variable"], options["confirmation"]
            about = "" if count is None else f" The dry run is about {count:,}."
            return _stop(asked, result, f"nothing was changed.{about} To run it, set the variable {variable} to {word!r}")
        result["confirmed"] = True
        result["changed"] = True
        if run.check_mode:
            return _stop(asked, result, "it would be run")
        return _perform(asked, options, run, site, result)


def _asked(options: t.Mapping[str, t.Any]) -> Guarded:
    words = parse([options["command"]])[0]
    if options["dry_run"] is not None and not options["dry_run"]:
        raise InvalidInput("dry_run is empty; give the arguments that make the command only look, or dry_run_command")
    rehearsal = [*words, *options["dry_run"]] if options["dry_run"] else parse([options["dry_run_command"]])[0]
    command = [*words, *options["arguments"]]
    if rehearsal == command:
        raise InvalidInput("the dry run is the command itself; give dry_run the arguments that make it only look")
    counter = counter_of(options["count"])
    if options["most"] is not None and (options["most"] < 0 or not counter.known):
        raise InvalidInput("most is a number from 0 and needs count, which says how the dry run's output tells how many")
    if not options["confirmation"].strip():
        raise InvalidInput("confirmation is empty; give what has to be typed, for example the id of the batch")
    summary = compile_regex(options["summary"]) if options["summary"] else None
    if summary and not summary.groupindex:
        raise InvalidInput(f"summary {options['summary']!r} has no named groups; write them as (?P<job>\\d+)")
    for option in ("timeout", "dry_run_timeout"):
        if options[option] <= 0:
            raise InvalidInput(f"{option} is in seconds and must be above 0")
    environment = {str(key): str(value) for key, value in {**options["environment"], **options["secrets"]}.items()}
    wrong = next((key for key, value in environment.items() if not key or "=" in key or "\0" in key + value), None)
    if wrong is not None:
        raise InvalidInput(f"{wrong!r} in the environment can't be a variable; names have no =, nothing has NUL bytes")
    if options["confirm"] and options["confirm"] != options["confirmation"]:
        raise Refused(
            f"{options['confirm_variable']} is {options['confirm']!r}, which does not confirm {options['name']}; nothing was run."
            f" Leave it empty for a dry run, or set it to {options['confirmation']!r}"
        )
    return Guarded(
        options["name"],
        identify(options["lock"] or options["name"])[0],
        rehearsal,
        command,
        counter,
        options["most"],
        summary,
        compile_regex(options["failures"]) if options["failures"] else None,
        environment,
        Scrubber(values=[str(value) for value in options["secrets"].values() if str(value)]),
    )


def _site(path: str | None) -> Site | None:
    """Where the history is; found wrong before anything is run."""
    if not path:
        return None
    store = LocalStore(path)
    if not store.check_base():
        raise InvalidInput(f"{store.base} does not exist; path is the site's base folder, where its history is")
    return Site(store)


def _rehearse(asked: Guarded, options: t.Mapping[str, t.Any]) -> tuple[Result, int | None]:
    """The result so far, and how many the command would touch."""
    ran = run_one(asked.rehearsal, options["chdir"], asked.environment, options["dry_run_timeout"], Surroundings(keep=_READ))
    show = _shown(asked)
    step = Outcome("dry run", "ok", duration_ms=ran.duration_ms, crit=asked.most, details={"rc": ran.rc})
    result: Result = {
        "changed": False,
        "name": asked.name,
        "confirmed": False,
        "count": None,
        # No rc yet: Ansible takes one that is not 0 for a failure.
        "jobs": [],
        "totals": {},
        "stdout": "",
        "stderr": "",
        "dry_run_stdout": show(ran.stdout),
        "dry_run_stderr": show(ran.stderr),
        "logs": list(options["logs"]),
    }

    def refuse(status: Status, kind: type[RunbookError], why: str) -> RunbookError:
        step.status, step.message = status, why
        steps = [step.to_dict(), _skipped("the dry run was not well")]
        return kind(f"{asked.name} was not run: {why}{_look(options)}", **{**result, "status": status, "steps": steps})

    if ran.rc != 0:
        raise refuse("failed", RunbookError, f"the dry run ended with {ran.rc}: {_last(ran, show)}")
    count = None
    if asked.counter.known:
        try:
            if ran.cut:
                raise RunbookError(f"it printed more than {_READ >> 20} MB")
            count = asked.counter.read(ran.stdout)
        except RunbookError as error:
            raise refuse("crashed", Refused, f"the dry run does not say how many: {error.message}") from None
        step.value, result["count"] = count, count
        if asked.most is not None and count > asked.most:
            raise refuse("failed", Refused, f"it would touch {count:,}, more than most ({asked.most:,})")
    step.message = "it ended well" if count is None else f"it is about {count:,}"
    result["steps"] = [step.to_dict()]
    return result, count


def _stop(asked: Guarded, result: Result, why: str) -> Result:
    result["steps"].append(_skipped(why))
    return {**result, "status": overall(step["status"] for step in result["steps"]), "msg": f"{asked.name}: {why}"}


def _skipped(why: str) -> Result:
    return Outcome("run", "skipped", why, details={"rc": None}).to_dict()


def _perform(asked: Guarded, options: t.Mapping[str, t.Any], run: Run, site: Site | None, result: Result) -> Result:
    run.say(f"running {asked.name}")
    began = clock.now()
    ran = run_one(asked.command, options["chdir"], asked.environment, options["timeout"], Surroundings(keep=_READ))
    show = _shown(asked)
    result.update(rc=ran.rc, stdout=show(ran.stdout), stderr=show(ran.stderr))
    if asked.summary:
        result["jobs"] = asked.scrubber.data(items_of(asked.summary, ran.stdout))
        result["totals"] = totals_of(result["jobs"])
        if len(result["jobs"]) == MOST_ITEMS or ran.cut:
            run.warn(f"the output of {asked.name} is longer than what is read of it; see its logs for the rest")
    failed = asked.failures.search(f"{ran.stdout}\n{ran.stderr}") if asked.failures else None
    trouble = ""
    if ran.rc != 0:
        trouble = f"it ended with {ran.rc}: {_last(ran, show)}"
    elif failed:
        trouble = f"it ended well but said: {' '.join(show(failed[0]).split())[:200]}"
    step = Outcome("run", "failed" if trouble else "ok", trouble or _said(result), duration_ms=ran.duration_ms, details={"rc": ran.rc})
    if result["jobs"]:
        step.value = len(result["jobs"])
    result["steps"].append(step.to_dict())
    result["status"] = overall(one["status"] for one in result["steps"])
    _note(site, run, asked, step, began, result)
    if trouble:
        raise RunbookError(f"{asked.name}: {trouble}{_look(options)}", **result)
    return {**result, "msg": f"{asked.name}: {step.message}"}


def _note(site: Site | None, run: Run, asked: Guarded, step: Outcome, began: str, result: Result) -> None:
    """One line in the site's history; that it can't be written must not hide what was done."""
    if not site:
        return
    facts = {"name": asked.name, "status": step.status, "rc": result["rc"], "count": result["count"], "totals": result["totals"]}
    try:
        with site.store.mutex():
            site.note("command", began=began, seconds=round(step.duration_ms / 1000, 3), message=step.message, **facts)
    except OSError as error:
        run.warn(f"{asked.name} was run, but the site's history could not be written: {describe_os_error(error)}")


def _said(result: Result) -> str:
    totals = ", ".join(f"{name} {number:,}" for name, number in result["totals"].items())
    items = f"{len(result['jobs']):,} done" if result["jobs"] else "it ended well"
    return f"{items}, in all {totals}" if totals else items


def _shown(asked: Guarded) -> t.Callable[[str], str]:
    """What a result may show of an output: its end, without secrets."""

    def show(text: str) -> str:
        clean = asked.scrubber.text(text[-_SCRUBBED:])
        return clean if len(text) <= TAIL and len(clean) <= TAIL else f"... {clean[-TAIL:]}"

    return show


def _last(ran: Ran, show: t.Callable[[str], str]) -> str:
    return (show(ran.stderr).strip() or show(ran.stdout).strip() or "it said nothing").splitlines()[-1][:300]


def _look(options: t.Mapping[str, t.Any]) -> str:
    return f"; look at {', '.join(options['logs'])}" if options["logs"] else ""
