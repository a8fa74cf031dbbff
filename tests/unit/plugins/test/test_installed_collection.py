# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.test.installed_collection import TestModule as Plugin


@pytest.mark.parametrize(
    ("name", "there"),
    [("runbook.ops", True), ("runbook.gone", False), ("gone.gone", False), ("runbook", False), ("", False), ("runbook.ops.plugins", False)],
)
def test_what_is_installed(name, there):
    (installed,) = Plugin().tests().values()
    assert installed(name) is there
