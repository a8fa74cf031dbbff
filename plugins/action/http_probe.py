# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``http_probe`` without the detour over a module where the probes are sent from the controller."""

from __future__ import annotations

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import UseCase
from ansible_collections.runbook.ops.plugins.module_utils._http.probe import probe_all
from ansible_collections.runbook.ops.plugins.modules.http_probe import SPEC
from ansible_collections.runbook.ops.plugins.plugin_utils._controller_run import OnController


class ActionModule(OnController):
    MODULE = "runbook.ops.http_probe"
    SPEC = SPEC

    def use_case(self) -> UseCase:
        return probe_all
