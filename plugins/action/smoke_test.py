# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of ``smoke_test``: it shows how far the host is."""

from __future__ import annotations

from ansible_collections.runbook.ops.plugins.plugin_utils._watched_module import WatchedModule


class ActionModule(WatchedModule):
    MODULE = "runbook.ops.smoke_test"
