# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import fcntl
import json
import pathlib
import sys
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import complete
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.progress_file import ProgressFile, newest_line
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._jobs import command, heartbeat, use_cases
from ansible_collections.runbook.ops.plugins.module_utils._jobs.actions import ACTIONS, COMMAND, Action
from ansible_collections.runbook.ops.plugins.module_utils._jobs.plan import Job, Step
from ansible_collections.runbook.ops.plugins.module_utils._jobs.work import run_job

LOUD = Run()


@pytest.fixture
def job(tmp_path):
    def make(*commands, timeout=20.0, alert=True, name="shop"):
        told = (
            sys.executable,
            "-c",
            f"import os, sys; open({str(tmp_path / 'told')!r}, 'a').write(os.environ['RUNBOOK_MESSAGE'] + sys.stdin.read())",
        )
        steps = tuple(Step("command", {"argv": words, "chdir": "/", "timeout": 20}) for words in commands)
        return Job(
            name, steps, timeout, "daily", told if alert else (), str(tmp_path / "log" / "backup.log"), str(tmp_path / "state" / "jobs")
        )

    make.told = lambda: (tmp_path / "told").read_text() if (tmp_path / "told").exists() else ""
    make.log = (tmp_path / "log" / "backup.log").read_text
    make.lines = lambda: [json.loads(line) for line in (tmp_path / "state" / "jobs" / "shop.jsonl").read_text().splitlines()]
    return make


def test_a_good_run_leaves_two_lines_one_record_and_no_alert(job):
    outcome = run_job(job(["true"], ["echo", "hello"]), LOUD, alert=True)
    assert (outcome.status, outcome.message, len(outcome.details["steps"])) == ("ok", "", 2)
    assert [line.split()[2] for line in job.log().splitlines()] == ["started", "ok"]
    assert [(line["status"], len(line["steps"])) for line in job.lines()] == [("ok", 2)]
    assert not job.told()


def test_the_first_failure_ends_the_job_and_is_told(job, tmp_path):
    outcome = run_job(job(["sh", "-c", "echo no room >&2; exit 3"], ["touch", str(tmp_path / "later")]), LOUD, alert=True)
    assert outcome.status == "failed"
    assert "no room" in outcome.message
    assert not (tmp_path / "later").exists()
    assert "no room" in job.told()
    assert json.loads(job.told()[job.told().index("{") :])["job"] == "shop"
    assert "failed after" in job.log()
    assert "alerted" in job.log()
    assert job.lines()[-1]["status"] == "failed"


def test_an_alert_that_fails_is_written_down(job):
    broken = job(["false"])
    broken = Job(**{**broken.__dict__, "alert_command": ("false",)})
    assert run_job(broken, LOUD, alert=True).status == "failed"
    assert "the alert failed too" in job.log()


def ended(pid):
    """Whether a process is gone; one that nobody has waited for yet does nothing any more either."""
    for _attempt in range(100):
        try:
            if pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_time_over_ends_all_that_was_started(job, tmp_path):
    mark = tmp_path / "pid"
    began = time.monotonic()
    outcome = run_job(job(["sh", "-c", f"trap '' TERM; echo $$ > {mark}; sleep 60; sleep 60"], timeout=3.0), LOUD, alert=True)
    assert time.monotonic() - began < 20
    assert "not done after 3 s" in outcome.message
    assert ended(mark.read_text().strip())
    assert "not done" in job.told()


def test_a_second_run_is_refused_and_told(job, tmp_path):
    (tmp_path / "state" / "jobs").mkdir(parents=True)
    with open(tmp_path / "state" / "jobs" / "shop.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        outcome = run_job(job(["touch", str(tmp_path / "ran")]), LOUD, alert=True)
    assert "still running" in outcome.message
    assert not (tmp_path / "ran").exists()
    assert "still running" in job.told()


def test_check_mode_changes_nothing(job, tmp_path):
    outcome = run_job(job(["touch", str(tmp_path / "ran")]), Run(check_mode=True), alert=True)
    assert outcome.status == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_dies_is_a_failure(job):
    assert run_job(job(["sh", "-c", "kill -9 $$"]), LOUD, alert=False).status == "failed"


def test_program_tells_by_its_exit_status(job, tmp_path, capsys):
    for words, expected in ((["true"], 0), (["false"], 1)):
        path = tmp_path / "job.json"
        path.write_bytes(job(words).to_json())
        path.chmod(0o600)
        assert command.main([str(path)]) == expected
    assert command.main([str(tmp_path / "none.json")]) == 2
    assert command.main([]) == 2
    assert "shop: failed" in capsys.readouterr().out


def test_all_jobs_are_tried_and_the_failed_ones_named(tmp_path):
    def one(name, words):
        nothing = dict.fromkeys(("schedule", "backup", "offsite", "retention", "secrets"))
        return {**nothing, "name": name, "kind": "command", "command": words, "timeout": "1m"}

    given = [one("first", "false"), one("second", ["touch", str(tmp_path / "ran")]), one("third", "false")]
    options = {
        "jobs": given,
        "name": "backup",
        "only": [],
        "alert": False,
        "alert_command": None,
        "log": str(tmp_path / "log"),
        "state_dir": str(tmp_path / "state"),
    }
    with pytest.raises(RunbookError, match="2 of 3 jobs not ok - first: .*; third: ") as caught:
        use_cases.backup_run(options, Run())
    assert (tmp_path / "ran").exists()
    assert [item["status"] for item in caught.value.result["jobs"]] == ["failed", "ok", "failed"]
    assert use_cases.backup_run({**options, "only": ["second"]}, Run())["msg"] == "1 job ok"
    with pytest.raises(RunbookError, match="no job 'fourth'"):
        use_cases.backup_run({**options, "only": ["fourth"]}, Run())


def test_all_jobs_say_how_far_they_are_in_one_file(tmp_path, monkeypatch):
    path = tmp_path / "progress"

    def use_case(_options, how):
        how.say("half of it")
        line = newest_line(str(path), path.read_bytes())
        return {"changed": True, "read": line}

    monkeypatch.setitem(ACTIONS, "command", Action(COMMAND, use_case))
    file = ProgressFile(str(path))
    jobs = [{"name": name, "kind": "command", "command": ["true"]} for name in ("one", "two")]
    options = complete(use_cases.RUN, {"jobs": jobs, "log": str(tmp_path / "log"), "state_dir": str(tmp_path / "state")}, "backup_run")
    done = use_cases.backup_run(options, Run(say=file.say))
    assert [job["steps"][0]["result"]["read"] for job in done["jobs"]] == ["half of it"] * 2
    file.close()
    assert not path.exists()


def test_time_over_also_ends_what_has_left_its_session(job, tmp_path):
    mark = tmp_path / "pid"
    script = f"(setsid sh -c 'trap \"\" TERM; echo $$ > {mark}; sleep 60; sleep 60' &) ; sleep 60"
    outcome = run_job(job(["sh", "-c", script], timeout=2.0), LOUD, alert=False)
    assert outcome.details["exit"] == 124
    assert ended(mark.read_text().strip())


def test_a_heartbeat_says_how_it_ended(job):
    for words, status, code in ((["true"], "ok", 0), (["sh", "-c", "exit 7"], "failed", 7)):
        made = job(words)
        run_job(made, LOUD, alert=False)
        beat = heartbeat.read(heartbeat.path_of(made))
        assert (beat.job, beat.status, beat.exit, beat.told) == ("shop", status, code, False)
    assert "exit 7" in job.log()
    assert [line["exit"] for line in job.lines()] == [0, 7]


def test_a_refused_run_leaves_the_heartbeat_alone(job, tmp_path):
    made = job(["true"])
    run_job(made, LOUD, alert=False)
    before = heartbeat.read(heartbeat.path_of(made))
    with open(tmp_path / "state" / "jobs" / "shop.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        run_job(made, LOUD, alert=False)
    assert heartbeat.read(heartbeat.path_of(made)) == before


def test_on_change_only_what_is_new_is_told(job, tmp_path):
    script = f'read code < {tmp_path}/code; echo "$RANDOM $$" >&2; exit $code'
    made = dataclasses.replace(job(["sh", "-c", script]), alert_on_change=True)
    for code in (0, 1, 1, 2, 0, 0, 2):
        (tmp_path / "code").write_text(f"{code}\n")
        run_job(made, LOUD, alert=True)
    told = [(one["status"], one["exit"]) for one in map(json.loads, found(job.told()))]
    assert told == [("failed", 1), ("failed", 2), ("ok", 0), ("failed", 2)]


def found(text):
    """The JSON documents in what the alert command was told."""
    return [part[: part.index("}") + 1] for part in ("{" + rest for rest in text.split("{")[1:])]


def test_an_alert_that_failed_is_tried_again_on_change(job, tmp_path):
    made = dataclasses.replace(job(["false"]), alert_on_change=True)
    broken = dataclasses.replace(made, alert_command=("false",))
    run_job(broken, LOUD, alert=True)
    run_job(made, LOUD, alert=True)
    run_job(made, LOUD, alert=True)
    assert len(found(job.told())) == 1


def test_a_watcher_is_silent_as_long_as_all_is_well(job, tmp_path):
    made = dataclasses.replace(job(["true"]), watcher=True)
    assert run_job(made, LOUD, alert=True).status == "ok"
    assert not (tmp_path / "log").exists()
    assert heartbeat.read(heartbeat.path_of(made)).status == "ok"
