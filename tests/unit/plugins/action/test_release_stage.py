# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half as Ansible starts it, with a connection that answers in this process."""

from __future__ import annotations

import io
import os
import shlex
import types

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible_collections.runbook.ops.plugins.action import release_stage
from ansible_collections.runbook.ops.plugins.action.release_stage import ActionModule
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._release import agent
from ansible_collections.runbook.ops.plugins.module_utils._release.receive import receive
from ansible_collections.runbook.ops.plugins.plugin_utils import _upload
from faults.small_site import SmallSite


class Action(ActionModule):
    """Its module calls and commands are answered here."""

    pipelining = True
    broken: dict | None = None
    troubles: tuple | list = ()

    def _execute_module(self, module_name=None, module_args=None, task_vars=None, **more):
        self.calls.append(module_name)
        if not module_name.endswith("agent"):
            return {"changed": True, "args": module_args}
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble.startswith("before"):
            return self._lose(trouble)
        if trouble:
            agent.serve(module_args, Run(self._task.check_mode))
            return self._lose(trouble)
        try:
            return {**agent.serve(module_args, Run(self._task.check_mode)), "invocation": {}}
        except RunbookError as error:
            return {"failed": True, "msg": error.message, **error.result}

    @staticmethod
    def _lose(trouble):
        if "killed" in trouble:
            return {"failed": True, "rc": 9, "msg": "killed"}
        raise AnsibleConnectionFailure("ssh: connect to host web1 port 22: refused" if "refused" in trouble else "gone")

    def _low_level_execute_command(self, command, in_data=None, **more):
        self.calls.append("upload")
        if self.broken:
            return {"stdout": "", **self.broken}
        receive(io.BytesIO(in_data), shlex.split(command)[-1])
        return {"rc": 0, "stdout": "1", "stderr": ""}

    def _remove_tmp_path(self, *args, **more):
        pass

    def _is_pipelining_enabled(self, *args, **more):
        return self.pipelining


@pytest.fixture
def www(tmp_path):
    return SmallSite(tmp_path)


@pytest.fixture
def act(www, tmp_path):
    """``act(check, **options)``: the result of the task; ``act.action`` is what ran."""

    def act(check=False, broken=None, become=None, troubles=(), **args):
        task = types.SimpleNamespace(
            args={"path": www.base, "cache_dir": str(tmp_path / "cache"), **args},
            check_mode=check,
            diff=False,
            async_val=0,
            _uuid="uuid",
            get_search_path=lambda: [str(tmp_path / "role")],
            environment=None,
            no_log=False,
        )
        shell = types.SimpleNamespace(tmpdir=None)
        connection = types.SimpleNamespace(
            _shell=shell, transport="network_cli", has_pipelining=True, become=become, get_option={"reconnection_retries": 0}.get
        )
        action = Action(task, connection, types.SimpleNamespace(), DataLoader(), None, None)
        action.calls, action.broken, action.troubles = [], broken, list(troubles)
        act.action = action
        release_stage.os.getppid()
        task._uuid = os.urandom(4).hex()
        return action.run(task_vars={"inventory_hostname": "web1"})

    return act


def test_staged_in_one_call_when_the_controller_remembers_the_host(www, act):
    first = act(src=www.source("r1", {"a": "1", "d/b": "2"}), release="r1")
    assert (first["changed"], first["state"], first["sent_files"]) == (True, "ready", 2)
    second = act(src=www.source("r2", {"a": "1", "d/b": "3"}), release="r2")
    assert act.action.calls == ["runbook.ops.release_agent"]
    assert (second["state"], second["sent_files"], second["linked_files"]) == ("ready", 1, 1)
    assert act(src=www.source("r2", {}), release="r2")["changed"] is False


def test_check_mode(www, act):
    assert act(check=True, src=www.source("r1", {"a": "1"}), release="r1")["changed"]
    assert not os.path.exists(www.base)


def test_big_sources_travel_beside_the_messages(www, act, monkeypatch):
    monkeypatch.setattr(_upload, "INLINE", 10)
    result = act(src=www.source("r1", {"a": "1" * 100}), release="r1")
    assert "upload" in act.action.calls
    assert result["state"] == "ready"


@pytest.mark.parametrize(
    ("done", "error", "match"),
    [
        (
            {"rc": 255, "stdout": "", "stderr": "mux: gone\nConnection closed\n"},
            AnsibleConnectionFailure,
            "connection broke .*Connection closed",
        ),
        (
            {"rc": 1, "stdout": "", "stderr": "Traceback\nreceive: No space left on device\n"},
            None,
            "No space left on device; run the deploy again",
        ),
    ],
)
def test_uploads_that_fail(www, act, monkeypatch, done, error, match):
    monkeypatch.setattr(_upload, "INLINE", 10)
    options = {"src": www.source("r1", {"a": "1" * 100}), "release": "r1"}
    if error:
        with pytest.raises(error, match=match):
            act(broken=done, **options)
    else:
        result = act(broken=done, **options)
        assert result["failed"]
        assert match in result["msg"]
    assert act(**options)["state"] == "ready"


def test_relative_sources_are_looked_for_beside_the_role_and_not_where_the_run_was_started(www, act, tmp_path, monkeypatch):
    (tmp_path / "role/files/site").mkdir(parents=True)
    (tmp_path / "role/files/site/index.php").write_text("role's")
    (tmp_path / "elsewhere/site").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    act(src="site", release="r1")
    assert www.path("releases/r1/index.php").read_text() == "role's"


def test_remote_sources_are_the_modules_business_and_its_paths_the_hosts(act):
    result = act(src="~/build", remote_src=True, release="r1")
    assert act.action.calls == ["runbook.ops.release_stage"]
    assert result["args"]["src"] == "~/build"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "one of the following is required"),
        ({"src": "/does/not/exist"}, "does not exist on the controller"),
        ({"src": "/tmp", "release": "../x"}, "can't be a release id"),
        ({"src": "/tmp", "colour": "green"}, "colour"),
        ({"src": "/tmp", "url": "https://www.example.com/x", "checksum": "y"}, "mutually exclusive"),
    ],
)
def test_bad_input_is_one_line(www, act, options, match):
    if options.get("src") == "/tmp":
        options = {**options, "src": www.source("r1", {"a": "1"})}
    result = act(**options)
    assert result["failed"]
    assert match in result["msg"]
    assert "\n" not in result["msg"]


def test_a_refusal_of_the_host_is_the_tasks_with_its_facts(www, act):
    www.stage("r0", {"a": "1"})
    www.lock("one")
    result = act(src=www.source("r1", {"a": "1"}), release="r1")
    assert (result["failed"], result["lock"]["owner"]) == (True, "one")


def test_names_that_are_no_utf_8(www, act):
    source = www.source("r1", {"a": "1"})
    os.symlink("/etc", os.path.join(source, "caf\udce9"))
    assert "caf\\udce9 in the source is a link that leads out" in act(src=source, release="r1")["msg"]


def test_what_shared_paths_hide_is_told(www, act):
    result = act(src=www.source("r1", {"up/x": "1", "a": "1"}), release="r1", shared_dirs=["up"])
    assert any("1 names of the source are hidden" in note for note in result["notes"])


AT_ONCE = {"swap": True, "lock_owner": "run 1", "lock_ttl": 60}


@pytest.mark.parametrize("trouble", ["", "before: cut", "before: killed", "after: cut", "after: killed"])
def test_a_lost_answer_to_staging_and_swapping_is_asked_for_again(www, act, trouble):
    act(src=www.source("r1", {"a": "1"}), release="r1", **AT_ONCE)
    result = act(src=www.source("r2", {"a": "2"}), release="r2", troubles=[trouble], **AT_ONCE)
    assert (result["changed"], result["state"], result["current"], result["sent_files"]) == (True, "ready", "r1", 1)
    if trouble.startswith("before"):  # not made, and not made by the second call either
        assert "swap" not in result
        assert www.current() == "r1"
        # Not what was asked for; who ignores it can go on with what is staged.
        assert result["failed"]
        assert "make it current with release_swap" in result["msg"]
    else:
        assert (result["swap"]["changed"], result["swap"]["before"], result["swap"]["after"]) == (True, "r1", "r2")
        assert www.current() == "r2"


def test_an_answer_that_is_lost_twice(www, act):
    options = {"src": www.source("r1", {"a": "1"}), "release": "r1", **AT_ONCE}
    result = act(troubles=["after: cut", "after: cut"], **options)
    # Not unreachable: the play has to go on with this host.
    assert (result["failed"], result["msg"], result["may_be_current"]) == (True, "gone", True)
    assert not result.get("unreachable")
    result = act(troubles=["after: killed", "before: killed"], **{**options, "release": "r2", "lock_take_over": True})
    assert (result["failed"], result["rc"], result["may_be_current"]) == (True, 9, True)


def test_a_host_that_was_never_reached_is_in_no_doubt(www, act):
    options = {"src": www.source("r1", {"a": "1"}), "release": "r1", **AT_ONCE}
    result = act(troubles=["before: refused"], **options)
    assert (result["failed"], "may_be_current" in result) == (True, False)
    assert act.action.calls == ["runbook.ops.release_agent"]
    # After a first message that was lost it is in doubt all the same.
    result = act(troubles=["after: cut", "before: refused"], **{**options, "lock_take_over": True})
    assert (result["failed"], result["may_be_current"]) == (True, True)


def test_an_upload_that_fails_is_no_doubt_about_what_is_current(www, act, monkeypatch):
    monkeypatch.setattr(_upload, "INLINE", 10)
    result = act(
        broken={"rc": 255, "stdout": "", "stderr": "gone"},
        troubles=["before: cut"],
        **{"src": www.source("r1", {"a": "1" * 100}), "release": "r1", **AT_ONCE},
    )
    assert result["failed"]
    assert "broke" in result["msg"]
    assert "may_be_current" not in result


def test_a_swap_that_is_refused_fails_the_task(www, act):
    www.path("current").mkdir(parents=True)
    result = act(src=www.source("r1", {"a": "1"}), release="r1", **AT_ONCE)
    assert (result["failed"], result["release"], result["swap"]["failed"]) == (True, "r1", True)
    assert "adopt_directory" in result["msg"]


@pytest.mark.parametrize("options", [{"lock_owner": None}, {"remote_src": True}])
def test_where_staging_can_not_carry_a_swap(www, act, options):
    result = act(src=www.source("r1", {"a": "1"}), release="r1", **{"swap": True, "lock_owner": "run 1", **options})
    assert result["failed"]
    assert "swap needs lock_owner" in result["msg"]
