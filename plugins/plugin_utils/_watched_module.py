# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of a module that works long on the host: run it, and say meanwhile how far it is."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ._watch import execute_watched


class WatchedModule(ActionBase):  # type: ignore[misc] # ansible-core is not typed
    """Executes ``MODULE``, whose use case says how far it is to ``run.say``; in the background (``async``) nobody listens."""

    MODULE: str
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        result.update(self.execute(dict(self._task.args), task_vars or {}))
        return result

    def execute(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """The module's result. An action that prepares something on the controller extends this."""
        if self._task.async_val:
            background = self._execute_module(module_name=self.MODULE, module_args=arguments, task_vars=task_vars, wrap_async=True)
            return t.cast("dict[str, t.Any]", background)
        return execute_watched(self, self.MODULE, arguments, task_vars)
