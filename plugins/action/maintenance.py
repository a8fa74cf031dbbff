# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of ``maintenance``: it does the work for hosts on which nothing can be executed."""

from __future__ import annotations

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import UseCase
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.elsewhere import switch_through
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.options import MAINTENANCE
from ansible_collections.runbook.ops.plugins.plugin_utils._controller_run import OnController


class ActionModule(OnController):
    MODULE = "runbook.ops.maintenance"
    SPEC = MAINTENANCE
    ON_HOST = ("path", "htaccess")

    def here(self) -> bool:
        return self._task.args.get("backend", "ssh") != "ssh"

    def use_case(self) -> UseCase:
        from ansible_collections.runbook.ops.plugins.module_utils._release.backends import open_store

        return switch_through(open_store)
