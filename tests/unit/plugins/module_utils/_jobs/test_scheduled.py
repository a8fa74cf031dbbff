# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import json
import os
import pathlib
import stat

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import complete
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._jobs import archive
from ansible_collections.runbook.ops.plugins.module_utils._jobs.install import Places
from ansible_collections.runbook.ops.plugins.module_utils._jobs.scheduled import JOB_SCHEDULE, job_schedule, jobs_of

UTILS = pathlib.Path(archive.__file__).resolve().parents[1]


@pytest.fixture
def apply(tmp_path):
    def run(check=False, warn=lambda _text: None, **options):
        given = {"manager": "systemd", "log": str(tmp_path / "log"), "state_dir": str(tmp_path / "state"), **options}
        return job_schedule(complete(JOB_SCHEDULE, given, "options"), Run(check_mode=check, warn=warn), Places(str(tmp_path)))

    return run


def jobs(**options):
    return jobs_of(complete(JOB_SCHEDULE, options, "options"))


def test_installs_a_watcher_predicts_and_removes(apply, tmp_path):
    job = {"name": "places", "command": "php artisan places", "schedule": "every 15 minutes"}
    predicted = apply(check=True, jobs=[job])
    assert not (tmp_path / "etc").exists()
    done = apply(jobs=[job])
    assert (done["written"], done["changed"]) == (predicted["written"], True)
    assert [item["name"] for item in done["scheduled"]] == ["places", "heartbeats"]
    assert done["scheduled"][0]["heartbeat"] == str(tmp_path / "state/jobs/jobs/places.heartbeat")
    assert not apply(jobs=[job])["changed"]
    units = tmp_path / "etc/systemd/system"
    assert "OnCalendar=*-*-* *:00,15,30,45:00" in (units / "runbook-jobs-places.timer").read_text()
    assert "Persistent=false" in (units / "runbook-jobs-heartbeats.timer").read_text()
    (tmp_path / "state/jobs/jobs").mkdir(parents=True)
    (tmp_path / "state/jobs/jobs/places.heartbeat").touch()
    assert len(apply()["removed"]) == 6
    assert list(units.iterdir()) == []
    assert not (tmp_path / "state/jobs/jobs/places.heartbeat").exists()


def test_a_difference_shows_all_but_secrets(apply):
    job = {"name": "a", "command": ["sh", "-c", "true"], "schedule": "@daily", "environment": {"A": "b"}, "secrets": {"TOKEN": "geheim"}}
    done = apply(jobs=[job])
    shown = {item["after_header"]: item for item in done["diff"]}
    assert "geheim" not in json.dumps(done)
    (path,) = [path for path in shown if path.endswith("/a.json")]
    assert '"argv"' in shown[path]["after"]
    assert "hidden" in shown[path]["after"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    again = apply(jobs=[{**job, "schedule": "daily 01:00"}])
    timer = next(item for item in again["diff"] if item["after_header"].endswith("a.timer"))
    assert "00:00:00" in timer["before"]
    assert "01:00:00" in timer["after"]


def test_a_name_of_any_characters(apply, tmp_path):
    name = "Erinnerung: 100% $x \\"
    done = apply(jobs=[{"name": name, "command": "true", "schedule": "@daily"}], watch="")
    assert done["scheduled"][0]["name"] == name
    (unit,) = [path for path in done["written"] if path.endswith(".service")]
    assert os.path.basename(unit).startswith("runbook-jobs-erinnerung-100-x-")
    assert f"Description=Job of jobs: {name.replace('%', '%%')} \n" in pathlib.Path(unit).read_text()
    cron = apply(manager="cron", jobs=[{"name": name, "command": "true", "schedule": "@reboot"}], watch="")
    text = pathlib.Path(next(path for path in cron["written"] if "cron.d" in path)).read_text()
    assert f"# {name}\n" in text
    assert text.splitlines()[-1].startswith("@reboot root ")


def test_at_the_hosts_start(apply, tmp_path):
    apply(jobs=[{"name": "a", "command": "true", "schedule": "@reboot"}], watch="")
    text = (tmp_path / "etc/systemd/system/runbook-jobs-a.timer").read_text()
    assert "OnBootSec=30\n" in text
    assert "OnCalendar" not in text


def test_a_crontab_becomes_jobs():
    text = "MAILTO=ops@example.com\nHOME=/srv\n# job: dump\n0 2 * * * echo 100\\%%in\n"
    (job,) = jobs(crontab=text, user="shop", alert_command="tell me", alert_on="change", timeout="5m")
    options = job.steps[0].options
    assert (job.name, job.schedule, job.timeout, job.mailto, job.alert_on_change) == ("dump", "0 2 * * *", 300.0, "ops@example.com", True)
    assert (options["argv"], options["stdin"], options["user"]) == (["/bin/sh", "-c", "echo 100%"], "in\n", "shop")
    assert options["environment"] == {"HOME": "/srv"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crontab": "MAILTO=ops@example.com\n@daily x"}, "give alert_command"),
        ({"jobs": [{"name": "a\nb", "command": "x", "schedule": "@daily"}]}, "no name of a job"),
        ({"jobs": [{"name": " ", "command": "x", "schedule": "@daily"}]}, "no name of a job"),
        ({"jobs": [{"name": "a", "command": "x 'y", "schedule": "@daily"}]}, "can't be split"),
        ({"jobs": [{"name": "a", "command": "x", "schedule": "nightly"}]}, "'nightly' of a is not understood"),
        ({"jobs": [{"name": "a", "command": "x", "schedule": "every 7 minutes"}]}, "not understood"),
        ({"jobs": [{"name": "a", "command": "x", "schedule": "@daily"}] * 2}, "two jobs 'a'"),
        ({"jobs": [{"name": "a", "command": "x", "schedule": "@daily", "timeout": "0"}]}, "needs some time"),
        ({"jobs": [{"name": "a", "command": "x", "schedule": "@daily", "environment": {"a=b": "c"}}]}, "can't be a variable"),
        ({"jobs": [{"name": "a", "command": "x", "schedule": "@daily"}], "name": "a-b"}, "no name of a set"),
        ({"name": "../../x"}, "no name of a set"),
    ],
)
def test_one_line_for_bad_input(options, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        jobs(**options)
    assert "\n" not in caught.value.message


def test_what_nobody_can_watch_is_said(apply):
    said = []
    job = {"name": "a", "command": "x", "schedule": "Mon..Fri *-*-* 22:00"}
    apply(jobs=[job], warn=said.append)
    assert "give it missed_after" in said[0]
    apply(jobs=[{**job, "missed_after": "4d"}], warn=said.append)
    assert len(said) == 1


def test_both_modules_put_the_same_runner_on_a_host():
    """Each brings only what it imports: what the runner is made of has to be the same, or they would replace it in turn."""

    def closure(*begin):
        found, todo = set(), [UTILS / name for name in begin]
        while todo:
            path = todo.pop()
            if path in found or not path.exists():
                continue
            found.add(path)
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.level:
                    base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                    todo += [base.with_suffix(".py"), *(base / f"{name.name}.py" for name in node.names)]
        names = {str(path.relative_to(UTILS)) for path in found}
        return {name for name in names if name.startswith(tuple(f"{one}/" for one in archive.PACKAGES)) and name not in archive.NOT_RUN}

    runner = closure("_jobs/command.py")
    assert "_jobs/watch.py" in runner
    assert closure("_jobs/install.py", "_common/runner.py") == closure("_jobs/scheduled.py", "_common/runner.py") >= runner
