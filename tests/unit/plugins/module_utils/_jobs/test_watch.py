# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fcntl
import json
import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common import clock
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._jobs import heartbeat, watch
from ansible_collections.runbook.ops.plugins.module_utils._jobs.heartbeat import Beat
from ansible_collections.runbook.ops.plugins.module_utils._jobs.plan import Job

NOW = clock.seconds(clock.now())


@pytest.fixture
def look(tmp_path):
    def ask(*jobs):
        return watch.heartbeats({"folder": str(tmp_path / "jobs"), "grace": 300.0}, Run())

    (tmp_path / "jobs").mkdir()
    (tmp_path / "state").mkdir()

    def job(name, schedule="*/5 * * * *", installed=0.0, ran=None, **more):
        made = Job(name, (), 60.0, schedule, folder=str(tmp_path / "state"), **more)
        path = tmp_path / "jobs" / f"{name}.json"
        path.write_bytes(made.to_json())
        path.chmod(0o600)
        os.utime(path, (installed, installed))
        if ran is not None:
            heartbeat.write(heartbeat.path_of(made), Beat(name, clock.stamp(ran), clock.stamp(ran), "ok", 0))
        return made

    ask.job = job
    return ask


def test_who_ran_is_well(look):
    look.job("a", ran=NOW - 30)
    look.job("b", installed=NOW)
    look.job("boot", "@reboot")
    look.job("yearly", "@yearly", ran=NOW)
    look.job("calendar", "Mon..Fri *-*-* 22:00")
    look.job("calendar-too", "Mon..Fri *-*-* 22:00", missed_after=100.0, ran=NOW - 200)
    assert look() == {"changed": False, "looked": 6}


def test_who_did_not_is_named(look, monkeypatch):
    look.job("a", ran=NOW - 3600)
    look.job("b")
    look.job("c", ran=NOW)
    look.job("d", "Mon..Fri *-*-* 22:00", missed_after=60.0, ran=NOW - 500)
    monkeypatch.setattr(watch, "started_at", lambda: 0.0)
    with pytest.raises(RunbookError, match="3 of 4 jobs did not run at their time: a .last run 2.*Z.; b .it never ran.; d") as caught:
        look()
    assert caught.value.result["missed"] == ["a", "b", "d"]
    monkeypatch.setattr(watch, "started_at", lambda: NOW)
    with pytest.raises(RunbookError, match="the host was started at"):
        look()


def test_who_runs_now_is_not_missed(look, tmp_path):
    look.job("a")
    with open(tmp_path / "state" / "a.lock", "w") as held:
        with pytest.raises(RunbookError):
            look()
        fcntl.flock(held, fcntl.LOCK_EX)
        assert look()["looked"] == 1


def test_a_heartbeat_that_can_not_be_read_is_none(look, tmp_path):
    made = look.job("a", ran=NOW)
    for text in ("", "{}", "[]", json.dumps({"job": "a"})):
        (tmp_path / "state" / "a.heartbeat").write_text(text)
        assert heartbeat.read(heartbeat.path_of(made)) is None


def test_a_heartbeat_that_can_not_be_written_is_said(tmp_path, capsys):
    (tmp_path / "file").touch()
    heartbeat.write(str(tmp_path / "file" / "x.heartbeat"), Beat("a", "", "", "ok", 0))
    assert "can't be written" in capsys.readouterr().err


def test_the_host_was_started_some_time_ago():
    assert 0 < watch.started_at() <= NOW + 5
