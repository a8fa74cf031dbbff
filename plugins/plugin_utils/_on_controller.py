# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work here for a host on which nothing can be executed."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run, UseCase, describe_os_error, printable
from ansible_collections.runbook.ops.plugins.module_utils._release.backends import on_controller

from ._options import TaskOptions
from ._watch import speaker

display = Display()
SHOWN = 400  # lines of a transcript


def run_here(action: ActionBase, use_case: UseCase, options: TaskOptions, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The result of a use case, as if the module had run on the host, with the task's secrets taken out of it."""
    task = action._task
    run = Run(check_mode=task.check_mode, diff=task.diff, warn=display.warning, say=speaker(action, task_vars))
    try:
        outcome = {"changed": False, **on_controller(use_case, options.values, run)}
    except RunbookError as error:
        outcome = {"failed": True, "msg": error.message, **error.result}
    except OSError as error:
        outcome = {"failed": True, "msg": describe_os_error(error)}
    if not run.diff:
        outcome.pop("diff", None)
    told = t.cast("dict[str, t.Any]", printable(options.without_secrets(outcome)))
    _show(told.get("transcript", ()), run)
    return told


def _show(transcript: t.Sequence[str], run: Run) -> None:
    """A plan that nobody carried out is there to be read."""
    for line in transcript[:SHOWN]:
        run.say(line)
    if len(transcript) > SHOWN:
        run.say(f"... and {len(transcript) - SHOWN:,} more, all are in the result")
