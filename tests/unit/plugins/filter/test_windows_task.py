# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.ops.plugins.filter import windows_task, windows_task_checks

TASK = {"name": "places", "command": "php.exe run.php", "schedule": "every 15 minutes", "user": "SHOP\\tasks"}


def test_a_task_in_its_three_forms():
    (make,) = windows_task.FilterModule().filters().values()
    assert make(TASK)["arguments"]["logon_type"] == "s4u"
    assert make(TASK, ["shop\\tasks"])["arguments"]["logon_type"] == "password"
    assert make({"name": "places"}, state="absent") == {
        "name": "places",
        "folder": "\\",
        "arguments": {"name": "places", "path": "\\", "state": "absent"},
    }
    (compare,) = windows_task_checks.FilterModule().filters().values()
    assert compare([{"item": make(TASK), "task_exists": False}])["status"] == "failed"


def test_what_makes_no_sense_is_one_line():
    with pytest.raises(AnsibleFilterError, match="can't be said to the Task Scheduler|is not understood") as caught:
        windows_task.windows_task({**TASK, "schedule": "often"})
    assert "\n" not in str(caught.value)
