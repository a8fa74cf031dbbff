# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connects ahead of time, or executes the module with its request."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.runbook.ops.plugins.plugin_utils._agent_call import MODULE, connect_ahead


class ActionModule(ActionBase):  # type: ignore[misc] # ansible-core is not typed
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        if self._task.args or self._task.async_val:
            result.update(self._execute_module(module_name=MODULE, task_vars=task_vars, wrap_async=self._task.async_val))
        else:
            result.update(changed=False, ahead=connect_ahead(self, task_vars or {}))
        return result
