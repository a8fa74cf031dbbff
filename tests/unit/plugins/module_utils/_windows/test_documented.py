# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is given to community.windows, held to that collection's own documentation where it is installed."""

from __future__ import annotations

import ast
import importlib.util
import pathlib

import pytest
import yaml
from ansible_collections.runbook.ops.plugins.module_utils._windows.task import definition

ROLE = pathlib.Path(__file__).resolve().parents[5] / "roles" / "windows_tasks" / "tasks"
# The module takes it, and its documentation has forgotten it.
UNDOCUMENTED = {"days_interval"}


def documented(module):
    try:
        found = importlib.util.find_spec("ansible_collections.community.windows")
    except ImportError:
        found = None
    if found is None or not found.submodule_search_locations:
        pytest.skip("community.windows is not installed")
    path = pathlib.Path(next(iter(found.submodule_search_locations))) / "plugins" / "modules" / f"{module}.py"
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "DOCUMENTATION":
            return yaml.safe_load(node.value.value)["options"]
    raise AssertionError(f"{path} has no documentation")


def held(given, options, where):
    for key, value in given.items():
        if key in UNDOCUMENTED:
            continue
        option = options[key]
        if "choices" in option:
            assert value in option["choices"], (where, key, value)
        kind = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict}.get(option.get("type"))
        assert kind is None or (isinstance(value, kind) and isinstance(value, bool) is (kind is bool)), (where, key, value)
        for item in value if isinstance(value, list) else [value] if isinstance(value, dict) else []:
            held(item, option["suboptions"], f"{where}.{key}")
    missing = [key for key, option in options.items() if option.get("required") and key not in given]
    assert not missing, (where, missing)


@pytest.mark.parametrize(
    "schedule", ["every 15 minutes", "every 3 days 02:00", "*/15 8-17 * * 1-5", "0 4 1 * 5", "weekly sun 03:00", "@boot", "@logon"]
)
def test_arguments_are_documented(schedule):
    task = {"name": "places", "command": ["php.exe", "run.php"], "chdir": "C:\\site", "schedule": schedule, "user": "SHOP\\tasks"}
    held(definition(task)["arguments"], documented("win_scheduled_task"), schedule)


@pytest.mark.parametrize("file", sorted(path.name for path in ROLE.glob("*.yml")))
def test_tasks_of_the_role_use_documented_options(file):
    for task in yaml.safe_load((ROLE / file).read_text()):
        for module in ("win_scheduled_task", "win_scheduled_task_stat"):
            unknown = set(task.get(f"community.windows.{module}") or {})
            if unknown:
                assert unknown <= set(documented(module))
