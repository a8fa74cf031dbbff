# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
from xml.etree import ElementTree

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._windows.task import definition, removal

FIXTURES = pathlib.Path(__file__).resolve().parents[4] / "fixtures" / "windows_tasks"
SPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
PLACES = {
    "name": "Shop-PlacesQueue",
    "description": "Places <queue> & more",
    "command": "C:\\Program Files\\PHP\\php.exe",
    "arguments": "tools/ops/run_places_queue.php --max 5",
    "chdir": "C:\\sites\\shop",
    "log": "C:\\sites\\shop\\storage\\logs\\ops\\places_task.log",
    "schedule": "every 15 minutes",
    "timeout": "10m",
}
ALERTS = {
    "name": "Alerts",
    "folder": "Shop\\Ops",
    "command": ["php.exe", "tools/ops/alerts_tick.php", 'to "all" of us', "C:\\my files\\"],
    "schedule": "*/5 8-17 * * 1-5",
    "user": "SHOP\\tasks",
    "run_level": "highest",
}
ROTATE = {
    "name": "Rotate",
    "command": "php.exe tools/rotate_logs.php --max-size=25 --max-days=14",
    "schedule": "30 2 1,15 * 0",
    "user": "NT AUTHORITY\\Local Service",
    "enabled": False,
    "timeout": "0",
}
STARTED = {"name": "Started", "command": ["worker.exe"], "schedule": "@boot", "user": "shop$", "chdir": "D:\\worker"}


@pytest.mark.parametrize("task", [PLACES, ALERTS, ROTATE, STARTED], ids=lambda task: task["name"])
def test_the_definition_is_the_expected_text(task):
    expected = FIXTURES / f"{task['name']}.xml"
    assert definition(task)["xml"] == expected.read_text(encoding="utf-8")


def test_the_module_is_told_the_same():
    found = definition(PLACES)
    assert (found["name"], found["folder"]) == ("Shop-PlacesQueue", "\\")
    arguments = found["arguments"]
    assert arguments["actions"] == [
        {
            "path": "C:\\Windows\\System32\\cmd.exe",
            "arguments": '/d /s /v:off /c ""C:\\Program Files\\PHP\\php.exe" tools/ops/run_places_queue.php --max 5'
            ' >> C:\\sites\\shop\\storage\\logs\\ops\\places_task.log 2>&1"',
            "working_directory": "C:\\sites\\shop",
        }
    ]
    assert (arguments["username"], arguments["logon_type"], arguments["execution_time_limit"]) == ("SYSTEM", "service_account", "PT10M")
    assert definition(ALERTS)["arguments"]["path"] == "\\Shop\\Ops"
    assert definition(ALERTS)["arguments"]["logon_type"] == "s4u"


def test_a_password_is_known_by_whose_it_is_and_written_nowhere():
    found = definition(ALERTS, ["shop\\TASKS"])
    assert found["arguments"]["logon_type"] == "password"
    assert "password" not in found["arguments"]
    assert ElementTree.fromstring(found["xml"]).findtext(f".//{SPACE}LogonType") == "Password"


def test_what_people_write_stays_text():
    wild = {**PLACES, "name": "Wild", "log": "", "description": "</Description><x/>", "arguments": ["<Exec>&amp;", "]]>"]}
    root = ElementTree.fromstring(definition(wild)["xml"])
    assert root.findtext(f".//{SPACE}Description") == "</Description><x/>"
    assert root.findtext(f".//{SPACE}Arguments") == '"<Exec>&amp;" "]]>"'


def test_a_removal_needs_a_name_only():
    assert removal({"name": "Alerts", "folder": "\\Shop\\", "schedule": "whatever"})["arguments"] == {
        "name": "Alerts",
        "path": "\\Shop",
        "state": "absent",
    }
    with pytest.raises(InvalidInput):
        removal({"folder": "Shop"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "a\\b"}, "can't be the name"),
        ({"name": " "}, "can't be the name"),
        ({"folder": "a\\..\\b"}, "can't be the folder"),
        ({"folder": "a:b"}, "can't be the folder"),
        ({"command": None}, "command"),
        ({"command": [], "arguments": None}, "has no command"),
        ({"command": "", "arguments": None}, "has no command"),
        ({"command": ["a", ["b"]]}, "list of texts"),
        ({"command": ["a", True]}, "list of texts"),
        ({"command": 'x"y.exe'}, "no path of Windows"),
        ({"command": "php.exe"}, None),
        ({"arguments": ["two\nlines"]}, "line breaks"),
        ({"arguments": "$(Arg0)"}, "replaced by the Task Scheduler"),
        ({"arguments": '"open'}, "not closed"),
        ({"arguments": "%TEMP%"}, "leave log out"),
        ({"log": "a|b"}, "no path of Windows"),
        ({"chdir": "a\0b"}, "control characters"),
        ({"description": "a\nb"}, "line breaks"),
        ({"schedule": "often"}, "not understood"),
        ({"start": "soon"}, "no date"),
        ({"timeout": "long"}, "no duration"),
        ({"user": " "}, "user of the task"),
        ({"user": "shop", "logon": "password"}, "windows_tasks_passwords"),
        ({"logon": "s4u"}, "account of services"),
        ({"logon": "maybe"}, "value of logon must be one of"),
        ({"run_level": "root"}, "value of run_level must be one of"),
        ({"every": 5}, "every, which is not known"),
    ],
)
def test_bad_input_is_one_line(change, said):
    if said is None:
        definition({**PLACES, **change})
        return
    with pytest.raises(InvalidInput, match=said) as caught:
        definition({**PLACES, **change})
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("given", ["places", None, ["places"]])
def test_what_is_no_task(given):
    for use in (definition, removal):
        with pytest.raises(InvalidInput, match="must be a dictionary"):
            use(given)
