# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._jobs import archive, install
from ansible_collections.runbook.ops.plugins.module_utils._jobs.install import Places, backup_schedule


def job(name, schedule="daily 02:00", command="true"):
    nothing = dict.fromkeys(("backup", "offsite", "retention"))
    return {
        **nothing,
        "name": name,
        "kind": "command",
        "command": command,
        "schedule": schedule,
        "secrets": {"login_password": "x"},
        "timeout": "1h",
    }


@pytest.fixture
def apply(tmp_path):
    def run(*jobs, check=False, **more):
        options = {
            "jobs": list(jobs),
            "name": "backup",
            "manager": "systemd",
            "log": str(tmp_path / "log"),
            "state_dir": str(tmp_path / "state"),
            "alert_command": None,
            "watch": "",
            **more,
        }
        return backup_schedule(options, Run(check_mode=check), Places(str(tmp_path)))

    return run


def names(root):
    return {os.path.relpath(os.path.join(folder, name), root) for folder, _folders, files in os.walk(root) for name in files}


def test_installs_once_updates_and_removes(apply, tmp_path):
    assert apply(job("a"), job("b"), check=True)["changed"]
    assert names(tmp_path) == set()
    assert apply(job("a"), job("b"), job("by-hand", schedule=None))["changed"]
    there = names(tmp_path)
    assert {"etc/runbook/jobs/backup/a.json", "etc/systemd/system/runbook-backup-b.timer", "usr/local/lib/runbook/jobs.pyz"} <= there
    assert not any("by-hand" in name for name in there)
    assert stat.S_IMODE((tmp_path / "etc/runbook/jobs/backup/a.json").stat().st_mode) == 0o600
    assert not apply(job("a"), job("b"))["changed"]
    changed = apply(job("a", schedule="daily 04:00"))
    assert [os.path.basename(path) for path in changed["written"]] == ["a.json", "runbook-backup-a.timer"]
    assert len(changed["removed"]) == 3
    assert not any("-b." in name for name in names(tmp_path))
    (tmp_path / "etc/systemd/system/runbook-backup-a.service").chmod(0o600)
    assert apply(job("a", schedule="daily 04:00"))["changed"]
    apply()
    assert names(tmp_path) == {"usr/local/lib/runbook/jobs.pyz"}


def test_sets_do_not_touch_each_other(apply, tmp_path):
    apply(job("a"))
    apply(job("a"), name="other")
    apply(name="other")
    assert "etc/systemd/system/runbook-backup-a.timer" in names(tmp_path)


def test_from_timers_to_cron(apply, tmp_path):
    apply(job("a"))
    apply(job("a"), manager="cron")
    assert not (tmp_path / "etc/systemd/system/runbook-backup-a.timer").exists()
    entry = (tmp_path / "etc/cron.d/runbook-backup-a").read_text().splitlines()[-1]
    assert entry.startswith(f"0 2 * * * root {sys.executable} ")
    with pytest.raises(InvalidInput, match="cron can't"):
        apply(job("a", schedule="Mon *-*-* 02:00"), manager="cron")


def test_secrets_are_in_no_result_and_in_no_unit(apply, tmp_path):
    shown = json.dumps(apply({**job("a"), "secrets": {"login_password": "geheim"}}))
    assert "geheim" not in shown
    assert "geheim" not in (tmp_path / "etc/systemd/system/runbook-backup-a.service").read_text()


@pytest.mark.parametrize("name", ["", "a-b", "../x", "A"])
def test_a_set_has_a_plain_name(apply, name):
    with pytest.raises(InvalidInput, match="set of jobs"):
        apply(job("a"), name=name)


def test_the_runner_runs_without_ansible(apply, tmp_path):
    apply(job("a", command=["sh", "-c", f"echo done > {tmp_path}/ran"]))
    words = [
        sys.executable,
        "-I",
        "-S",
        str(tmp_path / "usr/local/lib/runbook/jobs.pyz"),
        str(tmp_path / "etc/runbook/jobs/backup/a.json"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, cwd="/", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "ran").read_text() == "done\n"


def test_the_same_code_makes_the_same_runner():
    assert archive.build() == archive.build()


def test_a_timer_has_every_line_of_its_schedule(apply, tmp_path):
    apply(job("a", schedule="0 5 1 * 7"))
    text = (tmp_path / "etc/systemd/system/runbook-backup-a.timer").read_text()
    assert text.count("OnCalendar=") == 2
    assert "Persistent=true" in text


def test_control_without_systemd_does_nothing():
    control = install.Control(False)
    assert control.runs("x.timer")
    control.stop(["x.timer"])
    control.start({"x.timer": False}, reload=True)
