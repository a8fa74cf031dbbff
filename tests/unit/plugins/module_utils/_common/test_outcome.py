# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.runbook.ops.plugins.module_utils._common.outcome import name_apart


def test_names_that_differ():
    items = [{"name": name} for name in ("ping", "disk", "ping", "ping (2)", "ping")]
    name_apart(items)
    assert [item["name"] for item in items] == ["ping", "disk", "ping (2)", "ping (2) (2)", "ping (3)"]
