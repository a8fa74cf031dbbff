# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import subprocess
import sys
import types

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._release.wire import pack
from ansible_collections.runbook.ops.plugins.plugin_utils import _agent_call
from ansible_collections.runbook.ops.plugins.plugin_utils._agent_call import ask_agent

INFO = {"verify": False, "listing": False, "releases": [], "history": 10}


class FakeAction:
    """An action whose host is a Python here that finds nothing but its standard library."""

    def __init__(self, pipelining=True, delegate_to=None, check_mode=False):
        self._task = types.SimpleNamespace(delegate_to=delegate_to, check_mode=check_mode, diff=False, no_log=False, environment=None)
        shell = types.SimpleNamespace(build_module_command=lambda env, shebang, cmd: f"{env} {shebang[2:]}".strip())
        self._connection = types.SimpleNamespace(_shell=shell, transport="network_cli")
        self.pipelining = pipelining
        self.modules = []
        self.commands = []

    def _is_pipelining_enabled(self, style):
        return self.pipelining

    def _compute_environment_string(self):
        return "LANG=C"

    def _execute_module(self, module_name, module_args, task_vars):
        self.modules.append(module_name)
        return {"changed": False, "invocation": {"module_args": module_args}}

    def _low_level_execute_command(self, command, in_data):
        self.commands.append(command)
        done = subprocess.run([sys.executable, "-I", "-S"], input=in_data, capture_output=True, check=False)
        return {"rc": done.returncode, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}


HOST = {"ansible_python_interpreter": "/usr/bin/python3"}


def test_the_agent_runs_where_nothing_of_ansible_is(tmp_path):
    action = FakeAction()
    answer = ask_agent(action, pack("release_info", {"path": str(tmp_path), **INFO}), HOST)
    assert answer["changed"] is False and answer["releases"] == []
    assert action.commands == ["LANG=C /usr/bin/python3"] and not action.modules


def test_a_refusal_is_one_line(tmp_path):
    answer = ask_agent(FakeAction(), pack("release_info", {"path": "not/absolute", **INFO}), HOST)
    assert answer["failed"] and "not/absolute" in answer["msg"] and "\n" not in answer["msg"]


def test_check_mode_arrives(tmp_path):
    options = {
        "path": str(tmp_path),
        "state": "acquired",
        "owner": "me",
        "ttl": 60,
        "wait": 0,
        "take_over": False,
        "purpose": "",
        "where": "here",
    }
    answer = ask_agent(FakeAction(check_mode=True), pack("release_lock", options), HOST)
    assert answer["changed"] and not (tmp_path / ".runbook" / "lock").exists()
    ask_agent(FakeAction(), pack("release_lock", options), HOST)
    assert (tmp_path / ".runbook" / "lock").exists()


@pytest.mark.parametrize(
    ("action", "task_vars"),
    [
        (FakeAction(pipelining=False), HOST),
        (FakeAction(delegate_to="other"), HOST),
        (FakeAction(), {}),
        (FakeAction(), {"ansible_python_interpreter": "auto_silent"}),
        (FakeAction(), {"ansible_python_interpreter": "{{ where }}"}),
        (FakeAction(), {"ansible_python_interpreter": "/usr/bin/env python3"}),
    ],
)
def test_where_the_host_is_not_known_well_enough_the_module_runs(action, task_vars):
    answer = ask_agent(action, pack("release_info", INFO), task_vars)
    assert action.modules == ["runbook.ops.release_agent"] and not action.commands
    assert "invocation" not in answer


def test_a_discovered_python_will_do(tmp_path):
    action = FakeAction()
    known = {"ansible_python_interpreter": "auto", "ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3.11"}}
    ask_agent(action, pack("release_info", {"path": str(tmp_path), **INFO}), known)
    assert action.commands == ["LANG=C /usr/bin/python3.11"]


def test_a_banner_before_the_answer_does_no_harm():
    done = {"rc": 0, "stdout": 'Welcome to web1\n{not json}\n{"changed": true}\n', "stderr": "motd"}
    assert _agent_call._result(done, "/usr/bin/python3") == {"changed": True}


@pytest.mark.parametrize(
    ("done", "says"),
    [
        ({"rc": 127, "stdout": "", "stderr": "sh: 1: /usr/bin/python9: not found"}, "has no Python at /usr/bin/python9; install"),
        ({"rc": 1, "stdout": "", "stderr": "Traceback\nSyntaxError: invalid"}, "exit status 1.: SyntaxError: invalid"),
        ({"rc": 137, "stdout": "", "stderr": ""}, "exit status 137.: it said nothing"),
        ({"rc": 0, "stdout": "{cut", "stderr": ""}, "exit status 0.: {cut"),
    ],
)
def test_no_answer_is_a_failure_that_says_why(done, says):
    result = _agent_call._result(done, "/usr/bin/python9")
    assert result["failed"]
    assert re.search(says, result["msg"])
    assert "\n" not in result["msg"]
