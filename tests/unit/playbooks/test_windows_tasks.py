# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role windows_tasks from one end to the other, with a double of community.windows that keeps tasks in a file.

The double takes the options that the modules document, and answers in the shape that they document.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.runbook.ops import plugins

COLLECTION = pathlib.Path(next(iter(plugins.__path__))).parent
SECRET = "Tr0ub4dorHunter2"
DOUBLE = r"""
import json, os, pathlib
from ansible.module_utils.basic import AnsibleModule

FILE = pathlib.Path(os.environ["RUNBOOK_TEST_TASKS"])
STORE = json.loads(FILE.read_text()) if FILE.is_file() else {}


def key(folder, name):
    return folder.rstrip("\\") + "\\" + name
"""
SET = (
    DOUBLE
    + r"""
ACTION = {"path": {"required": True}, "arguments": {}, "working_directory": {}}
REPETITION = {"interval": {}, "duration": {}, "stop_at_duration_end": {"type": "bool"}}
KINDS = ["boot", "daily", "event", "idle", "logon", "monthlydow", "monthly", "registration", "time", "weekly", "session_state_change"]
TRIGGER = {
    "type": {"required": True, "choices": KINDS}, "start_boundary": {}, "days_interval": {"type": "int"}, "weeks_interval": {"type": "int"},
    "days_of_week": {}, "days_of_month": {}, "months_of_year": {}, "repetition": {"type": "dict", "options": REPETITION},
}
LOGONS = ["none", "password", "s4u", "interactive_token", "group", "service_account", "token_or_password"]
module = AnsibleModule(
    {
        "name": {"required": True}, "path": {"default": "\\"}, "state": {"choices": ["absent", "present"], "default": "present"},
        "actions": {"type": "list", "elements": "dict", "options": ACTION},
        "triggers": {"type": "list", "elements": "dict", "options": TRIGGER},
        "logon_type": {"choices": LOGONS}, "run_level": {"choices": ["limited", "highest"]}, "username": {},
        "password": {"no_log": True}, "update_password": {"type": "bool", "default": True, "no_log": False}, "description": {},
        "enabled": {"type": "bool"}, "execution_time_limit": {}, "multiple_instances": {"type": "int", "choices": [0, 1, 2, 3]},
        "start_when_available": {"type": "bool"}, "disallow_start_if_on_batteries": {"type": "bool"},
        "stop_if_going_on_batteries": {"type": "bool"},
    },
    supports_check_mode=True,
)
given = {name: value for name, value in module.params.items() if name not in ("state", "update_password")}
place = key(given["path"], given["name"])
if module.params["state"] == "absent":
    changed = STORE.pop(place, None) is not None
else:
    changed = STORE.get(place) != given or bool(given["password"] and module.params["update_password"])
    STORE[place] = given
if changed and not module.check_mode:
    FILE.write_text(json.dumps(STORE))
module.exit_json(changed=changed)
"""
)
STAT = (
    DOUBLE
    + r"""
module = AnsibleModule({"name": {}, "path": {"default": "\\"}}, supports_check_mode=True)
found = STORE.get(key(module.params["path"], module.params["name"]))
if found is None:
    module.exit_json(task_exists=False, folder_exists=True)
SETTINGS = ("enabled", "execution_time_limit", "multiple_instances", "start_when_available", "disallow_start_if_on_batteries",
            "stop_if_going_on_batteries")
LEVEL = {"limited": "LUA", "highest": "HIGHEST"}
user = found["username"]
module.exit_json(
    task_exists=True,
    folder_exists=True,
    actions=[{"type": "TASK_ACTION_EXEC", **action} for action in found["actions"]],
    triggers=[{**trigger, "type": "TASK_TRIGGER_" + trigger["type"].upper(), "enabled": True} for trigger in found["triggers"]],
    principal={
        "user_id": user if "\\" in user else "NT AUTHORITY\\" + user,
        "logon_type": "TASK_LOGON_" + found["logon_type"].upper(),
        "run_level": "TASK_RUNLEVEL_" + LEVEL[found["run_level"]],
    },
    settings={name: found[name] for name in SETTINGS},
    state={"last_task_result": 267011, "number_of_missed_runs": 0},
)
"""
)


@pytest.fixture
def machine(tmp_path):
    """An inventory with a machine whose tasks are a file, and the collection that writes it."""
    modules = tmp_path / "more" / "ansible_collections" / "community" / "windows" / "plugins" / "modules"
    modules.mkdir(parents=True)
    (modules / "win_scheduled_task.py").write_text(SET)
    (modules / "win_scheduled_task_stat.py").write_text(STAT)
    alerts = {
        "name": "Alerts",
        "folder": "\\Shop",
        "command": ["php.exe", "tools/ops/alerts_tick.php"],
        "chdir": "C:\\sites\\shop",
        "schedule": "every 5 minutes",
        "log": "C:\\logs\\alerts.log",
    }
    export = {"name": "Export", "command": ["php.exe", "tools/export.php"], "schedule": "daily 03:00", "user": "SHOP\\tasks"}
    inventory = {
        "windows": {
            "hosts": {"pc1.example.com": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}},
            "vars": {"site_windows_tasks": [alerts, export], "windows_tasks_passwords": {"shop\\Tasks": SECRET}},
        }
    }
    (tmp_path / "hosts.json").write_text(json.dumps(inventory))
    return tmp_path


def play(machine, *words, more="more", **variables):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "RUNBOOK"))}
    env |= {
        "ANSIBLE_COLLECTIONS_PATH": f"{COLLECTION.parents[2]}:{machine / more}",
        "ANSIBLE_LOCAL_TEMP": str(machine / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "RUNBOOK_TEST_TASKS": str(machine / "tasks.json"),
    }
    given = json.dumps({f"windows_tasks_{name}": value for name, value in variables.items()})
    command = [
        pathlib.Path(sys.executable).parent / "ansible-playbook",
        "-i",
        machine / "hosts.json",
        COLLECTION / "playbooks" / "windows_tasks.yml",
        "-e",
        given,
        *words,
    ]
    done = subprocess.run(command, env=env, cwd=machine, capture_output=True, text=True, timeout=120, check=False)
    said = " ".join((done.stdout + done.stderr).split())
    assert SECRET not in said
    return done.returncode, said


def tasks(machine):
    file = machine / "tasks.json"
    return json.loads(file.read_text()) if file.is_file() else {}


def test_from_install_to_removal(machine):
    code, said = play(machine, state="verified")
    assert code == 2 and "Alerts installed: there is no such task" in said, said
    code, said = play(machine, state="updated")
    assert code == 2 and "pc1.example.com has no task Alerts, Export" in said and tasks(machine) == {}, said

    code, said = play(machine, "--check")
    assert code == 0 and "changed=1" in said and tasks(machine) == {}, said
    code, said = play(machine, "-vvv", definitions=str(machine / "definitions"))
    assert code == 0 and "12 checks ok" in said, said
    assert set(tasks(machine)) == {"\\Shop\\Alerts", "\\Export"}
    assert (tasks(machine)["\\Export"]["logon_type"], tasks(machine)["\\Export"]["password"]) == ("password", SECRET)
    assert "tools/ops/alerts_tick.php" in (machine / "definitions" / "pc1.example.com.Alerts.xml").read_text()
    code, said = play(machine)
    assert code == 0 and "changed=0" in said, said
    code, said = play(machine, "--check", "--diff")
    assert code == 0 and "changed=0" in said, said

    # Somebody else changed one.
    found = tasks(machine)
    found["\\Shop\\Alerts"]["triggers"][0]["repetition"]["interval"] = "PT1H"
    (machine / "tasks.json").write_text(json.dumps(found))
    code, said = play(machine, state="verified")
    assert code == 2 and "Alerts schedule: it is" in said, said
    code, said = play(machine, state="updated")
    assert code == 0 and "changed=1" in said, said
    code, said = play(machine, state="verified")
    assert code == 0 and "changed=0" in said, said

    code, said = play(machine, "--check", state="removed")
    assert code == 0 and "changed=1" in said and len(tasks(machine)) == 2, said
    code, said = play(machine, state="removed", list=[{"name": "Alerts", "folder": "Shop"}])
    assert code == 0 and set(tasks(machine)) == {"\\Export"}, said
    code, said = play(machine, state="removed")
    assert code == 0 and tasks(machine) == {}, said
    code, said = play(machine, state="removed")
    assert code == 0 and "changed=0" in said, said


def test_without_the_collection_definitions_are_left(machine):
    code, said = play(machine, more="none")
    assert code == 2 and "windows_tasks needs the collection community.windows on the controller" in said, said
    code, said = play(machine, more="none", state="defined", definitions=str(machine / "definitions"))
    assert code == 0, said
    assert sorted(path.name for path in (machine / "definitions").iterdir()) == ["pc1.example.com.Alerts.xml", "pc1.example.com.Export.xml"]


def test_a_task_that_makes_no_sense_is_told_before_anything_is_done(machine):
    good = {"name": "good", "command": "x.exe", "schedule": "daily"}
    code, said = play(machine, list=[good, {**good, "name": "a/b"}])
    assert code == 2 and "can't be the name of a scheduled task" in said and tasks(machine) == {}, said
