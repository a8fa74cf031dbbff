# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent finds every release module's use case, packed small or large, and says so when it can't."""

from __future__ import annotations

import json
import os
import signal

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._release import agent, info, wire
from ansible_collections.runbook.ops.plugins.modules import release_agent


@pytest.mark.parametrize("filler", ["", "x" * wire.LARGE])
def test_a_request_arrives_as_it_was_packed(monkeypatch, filler):
    seen = {}
    monkeypatch.setattr(info, "release_info", lambda options, run: seen.update(options) or {"changed": run.check_mode})
    request = wire.pack("release_info", {"path": "/srv/www.example.com", "filler": filler})
    assert request.startswith("z:") == bool(filler)
    assert agent.serve({"request": request}, Run(check_mode=True)) == {"changed": True}
    assert seen == {"path": "/srv/www.example.com", "filler": filler}


@pytest.mark.parametrize("request_text", ["", "[]", "{}", "null", '["release_fly", {}]', "z:", "z:####", "z:AAAA"])
def test_what_can_not_be_read_is_refused_in_one_line(request_text):
    with pytest.raises(InvalidInput, match="different versions") as caught:
        agent.serve({"request": request_text}, Run())
    assert "\n" not in caught.value.message


def test_the_request_may_hold_secrets():
    assert release_agent.SPEC.options["request"]["no_log"] is True


def test_without_a_request_there_is_nothing_to_do():
    assert agent.serve({"request": None}, Run()) == {"changed": False}


def _die(call, later):
    os.kill(os.getpid(), signal.SIGKILL)


def _break(call, later):
    raise ValueError("no such thing")


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (_die, "the host's process ended with signal 9 before its work was done"),
        (_break, "a defect of the collection: ValueError: no such thing"),
    ],
)
def test_a_request_that_takes_its_process_along_is_a_failure_with_a_reply(monkeypatch, capfd, outcome, says):
    monkeypatch.setattr(agent, "_outcome", outcome)
    agent._serve_apart("0123", {})
    kind, number, reply = capfd.readouterr().out.split(" ", 2)
    assert (kind, number) == (wire.REPLY, "0123")
    assert json.loads(reply)["failed"] and json.loads(reply)["msg"] == says


def test_what_may_come_later_comes_after_the_reply(monkeypatch, capfd, tmp_path):
    def outcome(call, later):
        later(lambda: os.write(1, b"later"))
        later(lambda: os.unlink(tmp_path / "gone already"))
        return "{}"

    monkeypatch.setattr(agent, "_outcome", outcome)
    agent._serve_apart("0123", {})
    assert capfd.readouterr().out == f"{wire.REPLY} 0123 {{}}\nlater"
