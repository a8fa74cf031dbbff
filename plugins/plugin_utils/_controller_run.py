# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module's use case in the task's own process, where a task runs on the controller anyway.

Packing a module, starting a Python and unpacking it costs about half a second a task and host; the use case itself is
plain Python that is importable here. What a user sees is the same: options checked by the same specification, the same
result, secrets taken out of it.
"""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import ArgumentSpec
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run, UseCase, describe_os_error

from ._options import TaskOptions

display = Display()


class OnController(ActionBase):  # type: ignore[misc] # ansible-core is not typed
    """An action for a module whose use case needs nothing of the host that it runs on."""

    MODULE: str
    SPEC: ArgumentSpec
    _supports_check_mode = True
    _supports_async = True

    def use_case(self) -> UseCase:
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        here = self._connection.transport == "local" and self._connection.become is None and not self._task.async_val
        if not here:
            result.update(self._execute_module(module_name=self.MODULE, task_vars=task_vars, wrap_async=self._task.async_val))
            return result
        result.update(self._run_here())
        return result

    def _run_here(self) -> dict[str, t.Any]:
        run = Run(check_mode=self._task.check_mode, diff=self._task.diff, warn=display.warning)
        try:
            options = TaskOptions(self._task.args, self.SPEC)
        except RunbookError as error:
            return {"failed": True, "msg": error.message}
        try:
            outcome = dict(self.use_case()(options.values, run))
        except RunbookError as error:
            outcome = {"failed": True, "msg": error.message, **error.result}
        except OSError as error:
            outcome = {"failed": True, "msg": describe_os_error(error)}
        return options.without_secrets(outcome)
