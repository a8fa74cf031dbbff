# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of ``maintenance``: it does the work for hosts on which nothing can be executed."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.options import MAINTENANCE
from ansible_collections.runbook.ops.plugins.plugin_utils._options import TaskOptions

MODULE = "runbook.ops.maintenance"


class ActionModule(ActionBase):  # type: ignore[misc] # ansible-core is not typed
    """Runs the module on the host, or its use case here for a site in another store."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        if self._task.args.get("backend", "ssh") != "ssh":
            result.update(self._elsewhere(task_vars or {}))
            return result
        # The host has no use for what opens another door to it.
        arguments = {name: value for name, value in self._task.args.items() if name != "remote"}
        wrap = self._task.async_val
        result.update(self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars, wrap_async=wrap))
        return result

    def _elsewhere(self, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        # Not for those whose host is reached as usual: this brings the code of every release store along.
        from ansible_collections.runbook.ops.plugins.module_utils._maintenance.elsewhere import switch_through
        from ansible_collections.runbook.ops.plugins.module_utils._release.backends import open_store
        from ansible_collections.runbook.ops.plugins.plugin_utils._on_controller import run_here

        if self._task.async_val:
            return {"failed": True, "msg": "maintenance runs on the controller with this backend, which async can't do; remove async"}
        try:
            options = TaskOptions(self._task.args, MAINTENANCE, on_host=("path", "htaccess"))
        except RunbookError as error:
            return {"failed": True, "msg": error.message}
        return run_here(self, switch_through(open_store), options, task_vars)
