# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._windows.compare import compare
from ansible_collections.runbook.ops.plugins.module_utils._windows.task import definition

TASK = {
    "name": "places",
    "command": "php.exe tools/ops/run.php --max 5",
    "chdir": "C:\\site",
    "schedule": "*/15 8-17 * * 1-5",
}
# As the module documents what it returns; the spelling of actions' keys and of mulitple_instances is the documentation's.
NONE = {"duration": None, "interval": None, "stop_at_duration_end": False}
FOUND = {
    "changed": False,
    "folder_exists": True,
    "folder_task_count": 1,
    "folder_task_names": ["places"],
    "task_exists": True,
    "actions": [
        {
            "Arguments": "tools/ops/run.php --max 5",
            "Id": None,
            "Path": "php.exe",
            "Type": "TASK_ACTION_EXEC",
            "WorkingDirectory": "C:\\site",
        }
    ],
    "principal": {
        "display_name": "SYSTEM",
        "group_id": None,
        "id": "Author",
        "logon_type": "TASK_LOGON_SERVICE_ACCOUNT",
        "run_level": "TASK_RUNLEVEL_LUA",
        "user_id": "NT AUTHORITY\\SYSTEM",
    },
    "registration_info": {"author": "SERVER\\Administrator", "uri": "\\places"},
    "settings": {
        "allow_demand_start": True,
        "allow_hard_terminate": True,
        "compatibility": 2,
        "delete_expired_task_after": None,
        "disallow_start_if_on_batteries": False,
        "enabled": True,
        "execution_time_limit": "PT60M",
        "hidden": False,
        "mulitple_instances": 2,
        "priority": 7,
        "start_when_available": True,
        "stop_if_going_on_batteries": False,
        "wake_to_run": False,
    },
    "state": {
        "last_run_time": "2026-11-20T20:50:00",
        "last_task_result": 0,
        "next_run_time": "2026-11-20T21:05:00",
        "number_of_missed_runs": 0,
        "status": "TASK_STATE_READY",
    },
    "triggers": [
        {
            "days_of_week": "friday,monday,thursday,tuesday,wednesday",
            "enabled": True,
            "end_boundary": None,
            "execution_time_limit": None,
            "id": None,
            "random_delay": None,
            "repetition": {"duration": "PT9H59M", "interval": "PT15M", "stop_at_duration_end": False},
            "start_boundary": "2026-01-01T08:00:00+01:00",
            "type": "TASK_TRIGGER_WEEKLY",
            "weeks_interval": 1,
        }
    ],
}


def look(found=None, **task):
    result = compare([{**copy.deepcopy(found or FOUND), "item": definition({**TASK, **task})}])
    return result, {item["name"].removeprefix("places "): item["status"] for item in result["checks"]}


def changed(*path, value):
    found = copy.deepcopy(FOUND)
    place = found
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return found


def test_a_task_that_is_as_it_should_be():
    result, checks = look()
    assert result["status"] == "ok" and result["msg"] == "6 checks ok"
    assert list(checks) == ["installed", "action", "schedule", "account", "settings", "last run"]
    assert set(result["checks"][0]) == {"name", "status", "value", "unit", "warn", "crit", "message", "duration_ms"}


def test_keys_as_the_module_really_writes_them():
    found = changed("actions", value=[{"arguments": "tools/ops/run.php --max 5", "path": "php.exe", "working_directory": "C:\\site"}])
    found["settings"]["multiple_instances"] = found["settings"].pop("mulitple_instances")
    assert look(found)[0]["status"] == "ok"


@pytest.mark.parametrize(
    ("path", "value", "wrong"),
    [
        (("actions", 0, "Arguments"), "tools/ops/run.php --max 3", "action"),
        (("actions", 0, "WorkingDirectory"), None, "action"),
        (("actions",), [], "action"),
        (("triggers", 0, "repetition", "interval"), "PT10M", "schedule"),
        (("triggers", 0, "repetition"), NONE, "schedule"),
        (("triggers", 0, "days_of_week"), "monday", "schedule"),
        (("triggers", 0, "enabled"), False, "schedule"),
        (("triggers", 0, "start_boundary"), "2026-01-01T09:00:00", "schedule"),
        (("triggers", 0, "type"), "TASK_TRIGGER_DAILY", "schedule"),
        (("triggers",), [], "schedule"),
        (("principal", "user_id"), "SERVER\\Administrator", "account"),
        (("principal", "run_level"), "TASK_RUNLEVEL_HIGHEST", "account"),
        (("principal",), None, "account"),
        (("settings", "enabled"), False, "settings"),
        (("settings", "execution_time_limit"), "PT72H", "settings"),
        (("settings", "mulitple_instances"), 0, "settings"),
    ],
)
def test_each_difference_is_told(path, value, wrong):
    result, checks = look(changed(*path, value=value))
    assert result["status"] == "failed"
    assert [name for name, status in checks.items() if status == "failed"] == [wrong]
    assert f"places {wrong}: it is" in result["msg"] and "\n" not in result["msg"]


@pytest.mark.parametrize(
    ("result", "status", "said"),
    [
        (0, "ok", ""),
        (267011, "ok", "not run yet"),
        (267009, "ok", "running"),
        (1, "warning", "0x00000001"),
        (-2147024894, "warning", "0x80070002"),
        (None, "skipped", "nothing is known"),
    ],
)
def test_how_the_last_run_ended(result, status, said):
    found, checks = look(changed("state", "last_task_result", value=result))
    assert checks["last run"] == status
    assert said in found["checks"][-1]["message"]


@pytest.mark.parametrize(
    ("user", "told", "same"),
    [
        ("SHOP\\tasks", "shop\\Tasks", True),
        ("tasks", "SERVER\\tasks", True),
        (".\\tasks", "SERVER\\tasks", True),
        ("tasks@shop.example.com", "SHOP\\tasks", True),
        ("SHOP\\tasks", "OTHER\\tasks", False),
        ("tasks", "SERVER\\task", False),
    ],
)
def test_accounts_as_windows_answers(user, told, same):
    found = changed("principal", value={"user_id": told, "logon_type": "TASK_LOGON_S4U", "run_level": "TASK_RUNLEVEL_LUA"})
    assert look(found, user=user)[1]["account"] == ("ok" if same else "failed")


@pytest.mark.parametrize(
    ("schedule", "trigger"),
    [
        ("@boot", {"type": "TASK_TRIGGER_BOOT", "enabled": True, "delay": None, "start_boundary": None, "repetition": NONE}),
        (
            "every 3 days 02:00",
            {
                "type": "TASK_TRIGGER_DAILY",
                "enabled": True,
                "days_interval": 3,
                "start_boundary": "2026-01-01T02:00:00",
                "repetition": NONE,
            },
        ),
        (
            "0 4 5,15,30 6,12 *",
            {
                "type": "TASK_TRIGGER_MONTHLY",
                "enabled": True,
                "days_of_month": "5,15,30",
                "months_of_year": "june,december",
                "run_on_last_day_of_month": False,
                "start_boundary": "2026-01-01T04:00:00",
                "repetition": NONE,
            },
        ),
    ],
)
def test_other_triggers(schedule, trigger):
    assert look(changed("triggers", value=[trigger]), schedule=schedule)[1]["schedule"] == "ok"
    assert look(changed("triggers", value=[trigger]), schedule="daily 05:00")[1]["schedule"] == "failed"


def test_a_task_that_is_not_there_and_a_machine_that_did_not_answer():
    assert look({"folder_exists": False, "task_exists": False})[1] == {"installed": "failed"}
    result, checks = look({"failed": True, "msg": "winrm connection error"})
    assert checks == {"installed": "crashed"} and "winrm connection error" in result["msg"]
    assert compare([])["status"] == "skipped"
