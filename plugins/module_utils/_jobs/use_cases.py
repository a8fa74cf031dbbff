# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``backup_run`` and ``backup_schedule``, and the first one's use case."""

from __future__ import annotations

import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput, RunbookError
from .._common.outcome import overall, summary
from .._common.runner import Run
from . import plan
from .work import run_job

LOG = "/var/log/runbook/backup.log"

JOBS = ArgumentSpec(
    {
        "jobs": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "name": {"type": "str", "required": True},
                "kind": {"type": "str", "choices": ["database", "files", "command"], "default": "database"},
                "schedule": {"type": "str"},
                "backup": {"type": "dict"},
                "offsite": {"type": "dict"},
                "retention": {"type": "dict"},
                "command": {"type": "raw"},
                "secrets": {"type": "dict", "no_log": True},
                "timeout": {"type": "str", "default": "6h"},
            },
        },
        "name": {"type": "str", "default": "backup"},
        "log": {"type": "path", "default": LOG},
        "state_dir": {"type": "path", "default": "/var/lib/runbook"},
        "alert_command": {"type": "raw"},
    }
)
RUN = JOBS.merge(ArgumentSpec({"only": {"type": "list", "elements": "str", "default": []}, "alert": {"type": "bool", "default": False}}))


def backup_run(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """Run jobs one after the other, all of them, whatever becomes of each; then fail naming those that failed."""
    jobs = plan.jobs_of(options)
    unknown = sorted(set(options["only"]) - {job.name for job in jobs})
    if unknown:
        raise InvalidInput(f"there is no job {unknown[0]!r}; there are {', '.join(job.name for job in jobs) or 'none'}")
    chosen = [job for job in jobs if not options["only"] or job.name in options["only"]]
    outcomes = []
    for number, job in enumerate(chosen, 1):
        # Said in this process, which so has the file that the job's own process writes its progress to, and removes it.
        run.say(f"{job.name}, job {number} of {len(chosen)}")
        outcomes.append(run_job(job, run, alert=options["alert"]))
    items = [outcome.to_dict() for outcome in outcomes]
    result = {
        "changed": any(step["result"].get("changed") for item in items for step in item["steps"]),
        "jobs": items,
        "status": overall(outcome.status for outcome in outcomes),
    }
    message = summary(outcomes, "job")
    if result["status"] not in ("ok", "skipped"):
        raise RunbookError(message, **result)
    return {**result, "msg": message}
