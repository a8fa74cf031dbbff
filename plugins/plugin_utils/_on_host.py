# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of a release module: check the options here, have the host's agent do the work; or do it here for a host without a shell."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import ArgumentSpec
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._release.agent import use_case
from ansible_collections.runbook.ops.plugins.module_utils._release.backends import SSH, is_remote
from ansible_collections.runbook.ops.plugins.module_utils._release.wire import pack

from ._agent_call import ask_agent
from ._on_controller import run_here
from ._options import TaskOptions


class OnHost(ActionBase):  # type: ignore[misc] # ansible-core is not typed
    """Sends the agent instead of the module itself; in the background (``async``) the module itself runs."""

    USE_CASE: str
    SPEC: ArgumentSpec
    LAST = False  # whether it usually is the last thing that is asked of a host
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        if self._task.async_val and self._task.args.get("backend", SSH) == SSH:
            result.update(self._execute_module(module_name=f"runbook.ops.{self.USE_CASE}", task_vars=task_vars, wrap_async=True))
            return result
        try:
            options = TaskOptions(self._task.args, self.SPEC, on_host=["path"])
        except RunbookError as error:
            result.update(failed=True, msg=error.message)
            return result
        if is_remote(options.values):
            result.update(run_here(self, use_case(self.USE_CASE), options, task_vars or {}))
            return result
        answer = ask_agent(self, pack(self.USE_CASE, options.values), task_vars or {}, last=self.LAST)
        result.update(options.without_secrets(answer))
        return result
