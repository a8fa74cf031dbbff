# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused
from ansible_collections.runbook.ops.plugins.module_utils._jobs import plan

SHOP = {"engine": "sqlite", "name": "/srv/shop.db", "dest": "/var/backups"}
EMPTY = {
    "kind": "database",
    "schedule": None,
    "backup": None,
    "offsite": None,
    "retention": None,
    "command": None,
    "secrets": None,
    "timeout": "1h",
}


def jobs(*given, alert=None):
    return plan.jobs_of(
        {
            "jobs": [{**EMPTY, **one} for one in given],
            "alert_command": alert,
            "name": "site",
            "log": "/var/log/x.log",
            "state_dir": "/state",
        }
    )


def test_a_database_job_backs_up_copies_and_prunes_the_same_database():
    (job,) = jobs({"name": "shop", "backup": SHOP, "offsite": {"remote": "s3:x"}, "retention": {"keep_daily": 30}}, alert="tell me")
    assert [step.action for step in job.steps] == ["db_backup", "offsite_copy", "db_backup_prune"]
    assert {step.options["dest"] for step in job.steps} == {"/var/backups"}
    assert {step.options["name"] for step in job.steps} == {"/srv/shop.db"}
    assert job.steps[0].options["compression"] == "zstd"
    assert job.steps[1].options["direction"] == "push"
    assert (job.steps[2].options["keep_daily"], job.steps[2].options["min_good"]) == (30, 2)
    assert (job.timeout, job.alert_command, job.folder) == (3600.0, ("tell", "me"), "/state/jobs/site")


def test_secrets_reach_the_steps_that_take_them_and_no_representation():
    (job,) = jobs(
        {"name": "shop", "backup": SHOP, "offsite": {"remote": "s3:x"}, "secrets": {"login_password": "geheim", "config": {"a": "geheim2"}}}
    )
    assert job.steps[0].options["login_password"] == "geheim"
    assert job.steps[1].options["config"] == {"a": "geheim2"}
    assert "geheim" not in repr(job)


def test_files_job_is_restic_with_its_retention():
    backup = {"repository": "/srv/restic", "path": "/srv/uploads"}
    (job,) = jobs({"name": "files", "kind": "files", "backup": backup, "retention": {"keep_daily": 14}, "secrets": {"password": "x"}})
    assert [step.action for step in job.steps] == ["files_backup"]
    assert (job.steps[0].options["keep_daily"], job.steps[0].options["password"]) == (14, "x")


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"name": "Shop"}, "no name of a job"),
        ({"name": "../x"}, "no name of a job"),
        ({"name": "shop", "backup": {**SHOP, "engine": "oracle"}}, "backup of the job shop"),
        ({"name": "shop", "backup": {**SHOP, "compresion": "zstd"}}, "compresion"),
        ({"name": "shop", "backup": {**SHOP, "login_password": "x"}}, "write secrets"),
        ({"name": "shop", "backup": {}}, "missing required"),
        ({"name": "shop", "backup": SHOP, "retention": {"keep": 3}}, "retention of the job shop"),
        ({"name": "shop", "kind": "command"}, "give command"),
        ({"name": "shop", "backup": SHOP, "timeout": "0"}, "needs some time"),
        ({"name": "shop", "backup": SHOP, "timeout": "soon"}, "no duration"),
    ],
)
def test_refuses(job, words):
    with pytest.raises(InvalidInput, match=words):
        jobs(job)


def test_two_jobs_of_one_name():
    with pytest.raises(InvalidInput, match="two jobs"):
        jobs({"name": "a", "backup": SHOP}, {"name": "a", "backup": SHOP})


def test_what_is_written_can_be_read(tmp_path):
    (job,) = jobs({"name": "shop", "backup": SHOP, "schedule": "daily"})
    path = tmp_path / "shop.json"
    path.write_bytes(job.to_json())
    path.chmod(0o600)
    assert plan.read(str(path)) == job


@pytest.mark.parametrize("change", [{"format": 2}, {"steps": [{"action": "shell", "options": {}}]}, {"steps": 3}, {"more": 1}])
def test_a_file_of_another_shape_is_refused(tmp_path, change):
    (job,) = jobs({"name": "shop", "backup": SHOP})
    path = tmp_path / "shop.json"
    path.write_text(json.dumps({**json.loads(job.to_json()), **change}))
    path.chmod(0o600)
    with pytest.raises(InvalidInput, match="install the schedule again"):
        plan.read(str(path))


def test_a_file_that_others_can_read_or_that_is_a_link_is_refused(tmp_path):
    (job,) = jobs({"name": "shop", "backup": SHOP})
    path = tmp_path / "shop.json"
    path.write_bytes(job.to_json())
    path.chmod(0o640)
    with pytest.raises(Refused, match="0600"):
        plan.read(str(path))
    path.chmod(0o600)
    os.symlink(path, tmp_path / "link.json")
    with pytest.raises(InvalidInput):
        plan.read(str(tmp_path / "link.json"))
