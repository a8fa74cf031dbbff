# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of progress: when it looks, over which connection, and that it never harms the work."""

from __future__ import annotations

import threading
import time
import types

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader
from ansible_collections.runbook.ops.plugins.module_utils._common.progress import silent
from ansible_collections.runbook.ops.plugins.module_utils._common.progress_file import ENVIRONMENT, ProgressFile
from ansible_collections.runbook.ops.plugins.plugin_utils import _watch
from ansible_collections.runbook.ops.plugins.plugin_utils._watch import speaker, watching
from ansible_collections.runbook.ops.plugins.plugin_utils._watched_module import WatchedModule


class Become:
    """Fails the test when anybody but the task's own command uses it."""

    def __getattr__(self, name):
        pytest.fail(f"become.{name} was used")


def action(kind="local", become=None, become_user=None, environment=None):
    connection = connection_loader.get(kind, PlayContext(), new_stdin=None)
    connection.set_options()
    connection.become = become
    task = types.SimpleNamespace(environment=environment, no_log=False)
    return types.SimpleNamespace(_connection=connection, _task=task, get_become_option=lambda option: become_user)


def until(true):
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(_watch, "EVERY", 0.05)


@pytest.fixture
def looks(monkeypatch):
    """How often a second connection was made, and what it was asked."""
    found = []
    real = _watch._look
    monkeypatch.setattr(_watch, "_look", lambda *given: found.append(real(*given)) or found[-1])
    return found


def test_lines_are_said_once_while_the_body_runs():
    said = []
    with watching(action(), said.append) as path:
        file = ProgressFile(path)
        for line in ("one", "two"):
            file.say(line)
            until(lambda line=line: said and said[-1] == line)
        time.sleep(0.2)
        file.close()
    assert said == ["one", "two"]


def test_the_environment_of_a_module_names_the_file():
    for before in (None, [], [{"LANG": "C"}], {"LANG": "C"}, "{{ env }}"):
        one = action(environment=before)
        seen = []
        one._execute_module = lambda one=one, seen=seen, **given: seen.extend(one._task.environment) or {"changed": True}
        assert _watch.execute_telling(one, "m", {}, {}, "/tmp/x") == {"changed": True}
        assert seen == [*(before if isinstance(before, list) else [before]), {ENVIRONMENT: "/tmp/x"}]
        assert one._task.environment == before


def test_names_can_not_be_guessed():
    with watching(action(), print) as one, watching(action(), print) as other:
        assert one != other
        assert len(one) == len("/tmp/.runbook-") + 32


def test_short_work_is_not_looked_at(looks, monkeypatch):
    monkeypatch.setattr(_watch, "EVERY", 30)
    began = time.monotonic()
    with watching(action(), print):
        pass
    assert time.monotonic() - began < 0.5
    assert not looks


def test_the_look_is_without_privilege_escalation_and_wants_the_tasks_users_file(looks):
    one = action(become=Become(), become_user="deploy")
    with watching(one, print):
        until(lambda: looks)
    assert "-type f -user deploy " in looks[0]
    looks.clear()
    with watching(action(), print):
        until(lambda: looks)
    assert '-user "$(id -u)"' in looks[0]


def test_a_file_of_another_user_is_not_read(looks):
    said = []
    with watching(action(become=Become(), become_user="daemon"), said.append) as path:
        file = ProgressFile(path)
        file.say("planted")
        until(lambda: len(looks) > 2)
        file.close()
    assert not said


def test_the_tasks_own_connection_is_left_alone(monkeypatch):
    one = action()
    one._connection.exec_command = lambda *given, **more: pytest.fail("the task's own connection was used")
    said = []
    with watching(one, said.append) as path:
        file = ProgressFile(path)
        file.say("one")
        until(lambda: said)
        file.close()


def test_the_second_connection_has_the_options_of_the_first():
    first = connection_loader.get("ssh", PlayContext(), new_stdin=None)
    first.set_options(
        direct={"host": "web1.example.com", "port": 2222, "remote_user": "deploy", "password": "secret", "control_path": "/x"}
    )
    second = _watch._another(first)
    assert second is not first
    assert second.become is None
    assert second.get_options() == first.get_options()


@pytest.mark.parametrize("trouble", [OSError("cut"), RuntimeError("odd"), 255])
def test_trouble_ends_the_watch_and_not_the_work(monkeypatch, trouble):
    tried = []

    def exec_command(command, sudoable):
        tried.append(command)
        if isinstance(trouble, int):
            return trouble, b"", b""
        raise trouble

    monkeypatch.setattr(_watch, "_another", lambda connection: types.SimpleNamespace(**vars(connection), exec_command=exec_command))
    monkeypatch.setattr(_watch, "_look", lambda *given: "look")
    with watching(action(), print):
        until(lambda: tried)
        time.sleep(0.2)
    assert len(tried) == 1


def test_a_look_that_hangs_does_not_hold_the_work_up(monkeypatch):
    held, looking = threading.Event(), threading.Event()

    def hang(connection):
        looking.set()
        held.wait(10)
        raise OSError

    monkeypatch.setattr(_watch, "_another", hang)
    monkeypatch.setattr(_watch, "PATIENCE", 0.1)
    with watching(action(), print):
        assert looking.wait(5)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    held.set()


def test_the_works_own_failure_comes_through():
    one = action()
    with pytest.raises(ValueError, match="broken"), watching(one, print):
        raise ValueError("broken")
    until(lambda: all(thread.name != "progress" for thread in threading.enumerate()))


@pytest.mark.parametrize("change", ["transport", "windows", "silent"])
def test_where_nothing_can_be_watched(change):
    one = action()
    if change == "transport":
        one._connection.transport = "ansible.netcommon.network_cli"
    if change == "windows":
        one._connection._shell = types.SimpleNamespace(_IS_WINDOWS=True)
    with watching(one, silent if change == "silent" else print) as path:
        assert path == ""


def test_lines_are_the_hosts(monkeypatch):
    said = []
    monkeypatch.setattr(_watch, "display", types.SimpleNamespace(display=said.append))
    one = action()
    speaker(one, {"inventory_hostname": "web1"})("working")
    assert said == ["[web1] working"]
    one._task.no_log = True
    assert speaker(one, {"inventory_hostname": "web1"}) is silent


@pytest.mark.parametrize("background", [0, 60])
def test_the_action_of_a_module(background, monkeypatch):
    seen = []

    class Action(WatchedModule):
        MODULE = "runbook.ops.some"

        def __init__(self):
            vars(self).update(vars(action()))
            self._task.async_val, self._task.args = background, {"name": "x"}

        def _execute_module(self, **given):
            seen.append((given.pop("task_vars"), given, self._task.environment))
            return {"changed": True}

    one = Action()
    assert one.execute(dict(one._task.args), {"inventory_hostname": "web1"}) == {"changed": True}
    [(_vars, given, environment)] = seen
    assert given["module_name"] == "runbook.ops.some"
    assert given["module_args"] == {"name": "x"}
    assert bool(given.get("wrap_async")) == bool(background)
    assert (environment is None) == bool(background)
