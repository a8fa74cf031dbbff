# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See ``plugin_utils/_on_host.py``."""

from __future__ import annotations

from ansible_collections.runbook.ops.plugins.module_utils._release.options import FINISH
from ansible_collections.runbook.ops.plugins.plugin_utils._on_host import OnHost


class ActionModule(OnHost):
    USE_CASE = "release_finish"
    SPEC = FINISH
    LAST = True
