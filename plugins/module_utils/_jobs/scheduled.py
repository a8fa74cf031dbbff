# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``job_schedule``: any command as a job, given one by one or as a crontab."""

from __future__ import annotations

import dataclasses
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.commands import parse as split
from .._common.errors import InvalidInput
from .._common.runner import Run
from .._common.times import parse_duration
from . import crontab, plan, schedule
from .install import Places, install
from .plan import Job
from .run_command import COMMAND

JOB_SCHEDULE = ArgumentSpec(
    {
        "jobs": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "command": {"type": "raw", "required": True},
                "schedule": {"type": "str", "required": True},
                "user": {"type": "str"},
                "chdir": {"type": "path"},
                "environment": {"type": "dict", "default": {}},
                "secrets": {"type": "dict", "default": {}, "no_log": True},
                "stdin": {"type": "str", "default": ""},
                "output": {"type": "path"},
                "timeout": {"type": "str"},
                "heartbeat": {"type": "path"},
                "missed_after": {"type": "str"},
            },
        },
        "crontab": {"type": "str", "default": ""},
        "crontab_has_users": {"type": "bool", "default": False},
        "user": {"type": "str", "default": "root"},
        "timeout": {"type": "str", "default": "1h"},
        "output": {"type": "path"},
        "name": {"type": "str", "default": "jobs"},
        "log": {"type": "path", "default": "/var/log/runbook/jobs.log"},
        "state_dir": {"type": "path", "default": "/var/lib/runbook"},
        "alert_command": {"type": "raw"},
        "alert_on": {"type": "str", "choices": ["failure", "change"], "default": "failure"},
        "watch": {"type": "str", "default": "every 5 minutes"},
        "manager": {"type": "str", "choices": ["auto", "systemd", "cron"], "default": "auto"},
    }
)


def job_schedule(options: t.Mapping[str, t.Any], how: Run, places: Places | None = None) -> dict[str, t.Any]:
    """Make a set of scheduled jobs exactly those of ``jobs`` and ``crontab``; what ``install`` returns."""
    if options["watch"]:
        schedule.parse(options["watch"], "watch")
    return install(options, jobs_of(options), how, places)


def jobs_of(options: t.Mapping[str, t.Any]) -> list[Job]:
    """The jobs that the options describe; ``InvalidInput`` for the first that makes no sense."""
    folder = plan.folder_of(options)
    jobs: list[Job] = []
    for given in (*options["jobs"], *_entries(options)):
        job = dataclasses.replace(_job(given, options), folder=folder)
        if any(job.name == other.name for other in jobs):
            raise InvalidInput(f"there are two jobs {job.called!r}; give each its own name")
        jobs.append(job)
    return jobs


def _entries(options: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """A crontab's lines as the option ``jobs`` would have them."""
    found = []
    for entry in crontab.parse(options["crontab"], users=options["crontab_has_users"]):
        if entry.mailto and not options["alert_command"]:
            raise InvalidInput(f"the crontab has MAILTO={entry.mailto} and nothing here sends mail; give alert_command, which is told it")
        command = [entry.shell, "-c", entry.command]
        given = {"name": entry.name, "command": command, "schedule": entry.schedule, "user": entry.user, "environment": entry.environment}
        found.append({**given, "stdin": entry.stdin, "mailto": entry.mailto})
    return found


def _job(given: t.Mapping[str, t.Any], options: t.Mapping[str, t.Any]) -> Job:
    name, title = plan.identify(given["name"])
    called = title or name
    schedule.parse(given["schedule"], called)
    timeout = plan.timeout_of({"timeout": given.get("timeout") or options["timeout"]}, called)
    environment, secrets = ({str(key): str(value) for key, value in (given.get(one) or {}).items()} for one in ("environment", "secrets"))
    wrong = next((key for key, value in {**environment, **secrets}.items() if not key or "=" in key or "\0" in key + value), None)
    if wrong is not None:
        raise InvalidInput(f"{wrong!r} in the environment of {called} can't be a variable; names have no =, nothing has NUL bytes")
    step = {name: option.get("default") for name, option in COMMAND.options.items()}
    step.update(
        argv=split([given["command"]])[0],
        chdir=given.get("chdir") or "",
        timeout=timeout,
        user=given.get("user") or options["user"],
        environment=environment,
        secrets=secrets,
        stdin=given.get("stdin") or "",
        output=given.get("output") or options["output"] or "",
    )
    missed = parse_duration(given["missed_after"], f"missed_after of {called}") if given.get("missed_after") else 0.0
    return Job(
        name,
        (plan.Step("command", step),),
        timeout,
        given["schedule"],
        tuple(split([options["alert_command"]])[0]) if options["alert_command"] else (),
        options["log"],
        title=title,
        heartbeat=given.get("heartbeat") or "",
        missed_after=missed,
        alert_on_change=options["alert_on"] == "change",
        mailto=given.get("mailto") or "",
    )
