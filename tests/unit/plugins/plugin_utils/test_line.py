# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
import os
import subprocess
import sys
import time
import types

import pytest
from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.runbook.ops.plugins.module_utils._release.wire import pack
from ansible_collections.runbook.ops.plugins.plugin_utils import _agent_call, _line
from ansible_collections.runbook.ops.plugins.plugin_utils._agent_call import ask_agent, connect_ahead

HOST = {"ansible_python_interpreter": sys.executable}
# Runs its last argument here, as ssh would there; counts, fails and waits as it is told to.
SSH = """#!/bin/sh
echo connected >> "{folder}/connections"
[ -e "{folder}/refuse" ] && {{ cat "{folder}/refuse" >&2; exit 255; }}
[ -e "{folder}/hang" ] && {{ sleep 1; exit 255; }}
for word; do command=$word; done
exec /bin/sh -c "$command"
"""


class Connection:
    transport = "ssh"
    become = None
    options: dict

    def __init__(self, ssh):
        self.options = {"ssh_executable": str(ssh), "host": "web1"}
        self._shell = types.SimpleNamespace(build_module_command=lambda env, shebang, cmd: f"{env} {shebang[2:]}".strip())

    def get_option(self, name):
        return self.options[name]

    def _build_command(self, binary, subsystem, *words):
        return [binary.encode(), *(word.encode() for word in words)]

    def exec_command(self, cmd, in_data=None, sudoable=True):
        raise AssertionError("not in these tests")


class Action:
    """What a worker process has of a task; counts what is executed without a line."""

    def __init__(self, ssh, check_mode=False):
        self._task = types.SimpleNamespace(delegate_to=None, check_mode=check_mode, diff=False, no_log=False, environment=None)
        self._play_context = types.SimpleNamespace(password=None, remote_addr="web1")
        self._connection = Connection(ssh)
        self.executed = 0

    def _is_pipelining_enabled(self, style):
        return True

    def _compute_environment_string(self):
        return ""

    def _low_level_execute_command(self, command, in_data):
        if "exec_command" in vars(self._connection):
            self._connection.exec_command(command, in_data=in_data)
            return {}
        self.executed += 1
        done = subprocess.run([sys.executable, "-I", "-S"], input=in_data, capture_output=True, check=False)
        return {"rc": done.returncode, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    monkeypatch.setattr(C, "DEFAULT_LOCAL_TMP", str(tmp_path / "run"))
    program = tmp_path / "ssh"
    program.write_text(SSH.format(folder=tmp_path))
    program.chmod(0o755)
    yield program
    # Whatever a test left: an agent leaves when it is told to.
    for pipe in (tmp_path / "run").glob("line-*/in"):
        try:
            fd = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            continue
        os.write(fd, b"\nleave\n")
        os.close(fd)


def info(path):
    return pack("release_info", {"path": str(path), "verify": False, "history": 10, "listing": False})


def connections(ssh):
    counted = ssh.with_name("connections")
    return len(counted.read_text().splitlines()) if counted.exists() else 0


def until_gone(ssh):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        alive = False
        for pipe in (ssh.parent / "run").glob("line-*/in"):
            try:
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
                alive = True
            except OSError:
                pass
        if not alive:
            return
        time.sleep(0.02)
    raise AssertionError("the agent did not leave")


def test_many_tasks_share_one_connection_that_was_made_ahead(ssh, tmp_path):
    assert connect_ahead(Action(ssh), HOST)
    for _task in range(3):
        action = Action(ssh)
        answer = ask_agent(action, info(tmp_path), HOST)
        assert answer["changed"] is False and answer["releases"] == [] and not action.executed
    assert connections(ssh) == 1
    ask_agent(Action(ssh), info(tmp_path), HOST, last=True)
    until_gone(ssh)
    action = Action(ssh)
    assert ask_agent(action, info(tmp_path), HOST)["releases"] == [] and action.executed == 1, (
        "there is no line any more, nor made for one task"
    )


def test_a_task_that_is_followed_by_others_makes_the_line(ssh, tmp_path):
    action = Action(ssh)
    assert ask_agent(action, info(tmp_path), HOST, stays=True)["releases"] == []
    assert ask_agent(action, info(tmp_path), HOST)["releases"] == []
    assert not action.executed and connections(ssh) == 1


def test_refusals_check_mode_and_large_requests_go_through(ssh, tmp_path):
    connect_ahead(Action(ssh), HOST)
    refused = ask_agent(Action(ssh), info("not/absolute"), HOST)
    assert refused["failed"] and "not/absolute" in refused["msg"]
    options = {"path": str(tmp_path), "state": "acquired", "owner": "me", "ttl": 60, "wait": 0, "take_over": False, "where": "here"}
    lock = pack("release_lock", {**options, "purpose": os.urandom(150_000).hex()})
    assert ask_agent(Action(ssh, check_mode=True), lock, HOST)["changed"] and not (tmp_path / ".runbook/lock").exists()
    assert ask_agent(Action(ssh), lock, HOST)["changed"] and (tmp_path / ".runbook/lock").exists()
    assert connections(ssh) == 1


@pytest.mark.parametrize("stays", [True, False])
def test_a_host_that_can_not_be_reached_is_asked_in_the_ordinary_way(ssh, tmp_path, stays):
    ssh.with_name("refuse").touch()
    action = Action(ssh)
    assert connect_ahead(action, HOST), "nobody waits for it"
    assert ask_agent(action, info(tmp_path), HOST, stays=stays)["releases"] == []
    assert ask_agent(action, info(tmp_path), HOST, stays=stays)["releases"] == []
    assert action.executed == 2 and connections(ssh) == 1


@pytest.mark.parametrize("greeted", [True, False])
def test_an_ssh_that_ends_as_it_is_asked_keeps_nobody_waiting(ssh, tmp_path, monkeypatch, greeted):
    action = Action(ssh)
    connect_ahead(action, HOST)
    ask_agent(action, info(tmp_path), HOST)
    line = _line.line_to(action, sys.executable, _agent_call._standing_program)
    line._write(b"leave\n")
    while line._alive():
        time.sleep(0.01)
    (mark,) = (tmp_path / "run").glob("line-*/greeted")
    if not greeted:
        mark.unlink()
    answers = [True]  # it was there a moment ago
    alive = line._alive
    monkeypatch.setattr(line, "_alive", lambda: answers.pop() if answers else alive())
    call = {"request": info(tmp_path), "check_mode": False, "diff": False, "progress": ""}
    if greeted:
        with pytest.raises(AnsibleConnectionFailure):
            line.ask(call, repeatable=True, last=False)
    else:
        assert line.ask(call, repeatable=True, last=False, once=True) is None


def test_what_is_for_once_is_not_asked_again_untold(ssh, tmp_path):
    ssh.with_name("hang").touch()
    action = Action(ssh)
    connect_ahead(action, HOST)
    with pytest.raises(AnsibleConnectionFailure):
        ask_agent(action, info(tmp_path), HOST, stays=True, once=True)
    assert not action.executed
    assert ask_agent(action, info(tmp_path), HOST, stays=True)["releases"] == []


def test_what_was_for_once_and_never_left_may_be_asked_again(ssh, tmp_path):
    ssh.with_name("refuse").write_text("ssh: connect to host web1 port 22: Connection refused")
    action = Action(ssh)
    connect_ahead(action, HOST)
    assert ask_agent(action, info(tmp_path), HOST, stays=True, once=True)["releases"] == []
    assert action.executed == 1


@pytest.mark.parametrize(
    ("said", "retries", "expected"),
    [
        ("Failed to connect to the host via ssh: ssh: connect to host web1 port 22: Connection refused", 0, True),
        ("Failed to connect to the host via ssh: ssh: connect to host web1 port 22: Connection refused", 2, False),
        ("Data could not be sent: ssh: Could not resolve hostname web1.example.com: Name or service not known", 0, True),
        ("root@web1: Permission denied (publickey).", None, True),
        ("Host key verification failed.", 0, True),
        ("client_loop: send disconnect: Broken pipe", 0, False),
        ("Timeout, server web1 not responding.", 0, False),
    ],
)
def test_whether_anything_can_have_arrived(ssh, said, retries, expected):
    action = Action(ssh)
    if retries is not None:
        action._connection.options["reconnection_retries"] = retries
    assert _line.never_arrived(action, AnsibleConnectionFailure(said)) is expected


def test_a_connection_that_breaks_under_a_request_is_not_a_success_nor_asked_again(ssh, tmp_path):
    action = Action(ssh)
    connect_ahead(action, HOST)
    ask_agent(action, info(tmp_path), HOST)
    options = {"path": str(tmp_path), "release": "r1"}
    # A use case that takes the whole agent with it, as a cut connection does.
    with pytest.raises(AnsibleConnectionFailure, match="the connection broke while the host was at work"):
        line = _line.line_to(action, sys.executable, _agent_call._standing_program)
        line._write(b"leave\n")
        line.ask({"request": pack("release_swap", options), "check_mode": False, "diff": False}, repeatable=False, last=False)
    assert not action.executed


def test_a_request_that_a_killed_task_left_half_written_harms_nobody(ssh, tmp_path):
    action = Action(ssh)
    connect_ahead(action, HOST)
    ask_agent(action, info(tmp_path), HOST)
    _line.line_to(action, sys.executable, _agent_call._standing_program)._write(b'0123 {"request": "[')
    assert ask_agent(action, info(tmp_path), HOST)["releases"] == []


def test_a_line_that_was_long_silent_is_not_trusted(ssh, tmp_path):
    action = Action(ssh)
    connect_ahead(action, HOST)
    ask_agent(action, info(tmp_path), HOST)
    (used,) = (tmp_path / "run").glob("line-*/used")
    os.utime(used, (time.time() - _line.FRESH - 1,) * 2)
    assert ask_agent(action, info(tmp_path), HOST)["releases"] == [] and action.executed == 1


@pytest.mark.parametrize(
    "given",
    [
        lambda action: action._connection.options.update(password="secret"),
        lambda action: setattr(action._play_context, "password", "secret"),
        lambda action: setattr(action._connection, "transport", "local"),
        lambda action: setattr(action._connection, "become", types.SimpleNamespace(get_option={"become_pass": "secret"}.get)),
    ],
)
def test_other_connections_and_passwords_are_left_to_ansible(ssh, given):
    action = Action(ssh)
    given(action)
    assert not connect_ahead(action, HOST) and connections(ssh) == 0


def test_nothing_of_a_request_is_in_an_argument(ssh, tmp_path):
    connect_ahead(Action(ssh), HOST)
    secret = "a-very-secret-word"
    ask_agent(
        Action(ssh), pack("release_info", {"path": str(tmp_path), "verify": False, "history": 10, "listing": False, "x": secret}), HOST
    )
    words = _line.line_to(Action(ssh), sys.executable, _agent_call._standing_program)._words
    assert not any(secret.encode() in word for word in words)
    (folder,) = (tmp_path / "run").glob("line-*")
    assert folder.stat().st_mode & 0o777 == 0o700
