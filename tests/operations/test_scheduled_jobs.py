# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that run by themselves: real timers of systemd, and a real cron, on a host that nothing else looks after meanwhile."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database.options import BACKUP
from ansible_collections.runbook.ops.plugins.module_utils._jobs import plan, watch
from ansible_collections.runbook.ops.plugins.module_utils._jobs.install import backup_schedule
from ansible_collections.runbook.ops.plugins.module_utils._jobs.scheduled import job_schedule

pytestmark = pytest.mark.skipif(
    not pathlib.Path("/run/systemd/system").is_dir() or os.geteuid() != 0, reason="a host with systemd, and root, are needed"
)
SET = "operations"
OPTIONS = {
    "crontab": "",
    "crontab_has_users": False,
    "user": "root",
    "timeout": "1h",
    "output": None,
    "alert_on": "failure",
    "watch": "every 5 minutes",
    "manager": "systemd",
}
JOB = {
    "user": None,
    "chdir": None,
    "environment": {},
    "stdin": "",
    "output": None,
    "timeout": None,
    "heartbeat": None,
    "missed_after": None,
}
# Far away, so that only what a test starts runs.
NEVER = "0 0 29 2 *"


@pytest.fixture
def schedule(tmp_path):
    """Installs a set; all of it is gone afterwards."""
    told = tmp_path / "told"
    told.touch()
    tell = [sys.executable, "-c", f"import sys; open({str(told)!r}, 'a').write(sys.stdin.read() + chr(10))"]

    def install(*jobs, check=False, **more):
        options = {
            **OPTIONS,
            "name": SET,
            "log": str(tmp_path / "jobs.log"),
            "state_dir": str(tmp_path / "state"),
            "alert_command": tell,
            "jobs": [{**JOB, **job} for job in jobs],
            **more,
        }
        return job_schedule(options, Run(check_mode=check))

    install.alerts = lambda: [json.loads(line) for line in told.read_text().splitlines()]
    install.log = (tmp_path / "jobs.log").read_text
    install.beat = lambda name: json.loads((tmp_path / "state/jobs" / SET / f"{name}.heartbeat").read_text())
    yield install
    install(watch="")


def systemctl(*words, check=True):
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=check, timeout=60).stdout.strip()


def start(name):
    """The exit status with which systemd saw a job end."""
    return subprocess.run(["systemctl", "start", f"runbook-{SET}-{name}.service"], capture_output=True, check=False, timeout=60).returncode


def soon(question, seconds=90.0):
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.1)


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_timer_runs_its_job_and_systemd_knows_its_name(schedule, tmp_path):
    mark = tmp_path / "ran"
    job = {
        "name": "Erinnerungen: 100% $HOME \"x\" 'y' \\",
        "command": ["touch", str(mark)],
        "schedule": "*-*-* *:*:0/2",
        "missed_after": "1h",
    }
    predicted = schedule(job, check=True)
    assert predicted["changed"]
    assert not schedule.alerts()
    done = schedule(job)
    assert done["written"] == predicted["written"]
    soon(mark.exists, 20)
    unit = next(os.path.basename(path) for path in done["written"] if path.endswith(".timer") and "heartbeats" not in path)
    assert systemctl("show", "-P", "Description", unit.replace(".timer", ".service")).endswith(job["name"])
    assert systemctl("is-active", unit) == "active"
    assert not schedule(job)["changed"]
    beat = pathlib.Path(done["scheduled"][0]["heartbeat"])
    soon(lambda: beat.exists() and json.loads(beat.read_text())["status"] == "ok", 20)
    assert json.loads(beat.read_text())["job"] == job["name"]
    gone = schedule()
    assert len(gone["removed"]) == 6
    assert not beat.exists()
    assert systemctl("is-active", unit, check=False) == "inactive"


def test_a_job_that_fails_is_told_with_its_exit_status(schedule):
    schedule({"name": "bad", "command": ["sh", "-c", "echo no room >&2; exit 3"], "schedule": NEVER})
    assert start("bad") != 0
    (alert,) = schedule.alerts()
    assert (alert["job"], alert["status"], alert["exit"]) == ("bad", "failed", 3)
    assert "no room" in alert["message"]
    assert schedule.beat("bad")["exit"] == 3
    assert [line.split()[2] for line in schedule.log().splitlines()] == ["started", "failed", "alerted"]
    assert systemctl("is-failed", f"runbook-{SET}-bad.service", check=False) == "failed"
    systemctl("reset-failed", f"runbook-{SET}-bad.service")


def test_on_change_a_failure_is_told_once_and_so_is_its_end(schedule, tmp_path):
    good = tmp_path / "good"
    schedule({"name": "flaky", "command": ["test", "-e", str(good)], "schedule": NEVER}, alert_on="change")
    start("flaky")
    start("flaky")
    assert [alert["status"] for alert in schedule.alerts()] == ["failed"]
    good.touch()
    start("flaky")
    start("flaky")
    assert [alert["status"] for alert in schedule.alerts()] == ["failed", "ok"]


@pytest.mark.parametrize("manager", ["systemd", "cron"])
def test_a_job_that_hangs_is_ended_with_all_that_it_started(schedule, tmp_path, manager):
    # One that ignores being told, one that has left its parent and its session.
    script = f"trap '' TERM; echo $$ > {tmp_path}/one; (setsid sh -c 'trap \"\" TERM; echo $$ > {tmp_path}/two; sleep 600' &) ; sleep 600"
    done = schedule({"name": "hangs", "command": ["sh", "-c", script], "schedule": NEVER, "timeout": "2s"}, manager=manager)
    if manager == "systemd":
        assert start("hangs") != 0
        systemctl("reset-failed", f"runbook-{SET}-hangs.service")
    else:
        # As cron does; without systemd nobody else clears up.
        entry = pathlib.Path(f"/etc/cron.d/runbook-{SET}-hangs").read_text().splitlines()[-1]
        assert subprocess.run(["sh", "-c", entry.split("root ", 1)[1]], check=False, timeout=60).returncode == 1
    assert done["manager"] == manager
    pids = [(tmp_path / name).read_text().strip() for name in ("one", "two")]
    soon(lambda: not any(map(alive, pids)), 5)
    assert "not done after 2 s" in schedule.alerts()[0]["message"]
    assert schedule.beat("hangs")["exit"] == 124


def test_a_second_run_waits_for_nobody_and_is_told(schedule, tmp_path):
    (tmp_path / "hold").touch()
    script = f"echo x >> {tmp_path}/runs; while [ -e {tmp_path}/hold ]; do sleep 0.1; done"
    schedule({"name": "slow", "command": ["sh", "-c", script], "schedule": NEVER})
    runner = [sys.executable, "/usr/local/lib/runbook/jobs.pyz", f"/etc/runbook/jobs/{SET}/slow.json"]
    first = subprocess.Popen(runner, stdout=subprocess.DEVNULL)
    try:
        soon((tmp_path / "runs").exists, 20)
        assert subprocess.run(runner, stdout=subprocess.DEVNULL, check=False, timeout=30).returncode == 1
    finally:
        (tmp_path / "hold").unlink()
        assert first.wait(30) == 0
    assert (tmp_path / "runs").read_text() == "x\n"
    assert "still running" in schedule.alerts()[0]["message"]
    # The heartbeat is that of the run that did the work.
    assert schedule.beat("slow")["status"] == "ok"


def test_a_job_that_did_not_run_is_missed_and_told_once(schedule, tmp_path):
    done = schedule(
        {"name": "daily", "command": "true", "schedule": "daily 00:00", "timeout": "1s"},
        {"name": "young", "command": "true", "schedule": "daily 00:00", "timeout": "1s"},
        {"name": "held", "command": "true", "schedule": NEVER, "missed_after": "2h"},
    )
    start("daily")
    start("held")
    assert start("heartbeats") == 0
    # As after days in which the host was off, or its timers were: nothing has run since.
    for name in ("daily", "held"):
        beat = next(pathlib.Path(item["heartbeat"]) for item in done["scheduled"] if item["name"] == name)
        beat.write_text(json.dumps({**json.loads(beat.read_text()), "at": "2020-01-01T00:00:01Z", "started": "2020-01-01T00:00:00Z"}))
        os.utime(f"/etc/runbook/jobs/{SET}/{name}.json", (1577836800, 1577836800))
    for _again in range(2):
        assert start("heartbeats") != 0
    (alert,) = schedule.alerts()
    assert "2 of 3 jobs did not run at their time: daily (last run 2020-01-01T00:00:01Z" in alert["message"]
    assert ("the host was started at" in alert["message"].partition("held")[2]) == (watch.started_at() > time.time() - 7500)
    assert "young" not in alert["message"]
    start("daily")
    start("held")
    assert start("heartbeats") == 0
    assert [alert["status"] for alert in schedule.alerts()] == ["failed", "ok"]


def test_a_job_runs_as_its_user_with_its_environment_input_and_output(schedule, tmp_path):
    out = pathlib.Path("/var/log/runbook-operations-test.log")
    try:
        command = ["sh", "-c", 'id -un; echo "$HOME $ODD $TOKEN"; cat; pwd']
        job = {"name": "who", "command": command, "schedule": NEVER, "user": "nobody", "chdir": "/var", "output": str(out)}
        schedule({**job, "environment": {"ODD": '100% $x "y" \\'}, "secrets": {"TOKEN": "x"}, "stdin": "in%put\n"})
        assert start("who") == 0
        assert out.read_text().splitlines() == ["nobody", '/nonexistent 100% $x "y" \\ x', "in%put", "/var"]
        schedule({**job, "output": str(tmp_path / "x")})
        os.chmod(tmp_path, 0o777)
        assert start("who") != 0
        assert "others may write" in schedule.alerts()[0]["message"]
    finally:
        out.unlink(missing_ok=True)


CRONTAB = """\
SHELL=/bin/bash
ODD="100% odd"
MAILTO=operations@example.com
# job: places
* * * * * echo "$ODD $0" > {0}/places; cat >> {0}/places%one%two
* * * * * date +\\%Y > {0}/year
"""


@pytest.fixture
def backup(tmp_path, monkeypatch):
    """Installs a backup of a small database for every minute, by cron."""
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE orders (id INTEGER)")
    given = {"engine": "sqlite", "name": str(tmp_path / "shop.db"), "dest": str(tmp_path / "backups"), "compression": "gzip"}
    # What completes options is Ansible's, which is not on this host.
    whole = {**{name: option.get("default") for name, option in BACKUP.options.items()}, **given}
    monkeypatch.setattr(plan, "complete", lambda *_given: whole)
    job = dict.fromkeys(("offsite", "retention", "command", "secrets"))
    job.update(name="shop", kind="database", schedule="* * * * *", timeout="1m", backup=given)
    options = {
        "name": "backupcron",
        "manager": "cron",
        "watch": "",
        "log": str(tmp_path / "backup.log"),
        "state_dir": str(tmp_path / "state"),
    }
    backup_schedule({**options, "jobs": [job], "alert_command": None}, Run())
    yield tmp_path / "state/jobs/backupcron/shop.heartbeat"
    backup_schedule({**options, "jobs": [], "alert_command": None}, Run())


def test_cron_itself_runs_a_crontab_and_a_backup(schedule, backup, tmp_path):
    done = schedule(crontab=CRONTAB.format(tmp_path), manager="cron", watch="* * * * *")
    assert done["manager"] == "cron"
    was = systemctl("is-active", "cron", check=False)
    systemctl("start", "cron")
    beats = [backup, *(pathlib.Path(item["heartbeat"]) for item in done["scheduled"])]
    try:
        soon(lambda: all(map(os.path.exists, beats)))
    finally:
        if was != "active":
            systemctl("stop", "cron")
    assert {json.loads(beat.read_text())["status"] for beat in beats} == {"ok"}
    assert (tmp_path / "places").read_text() == "100% odd /bin/bash\none\ntwo\n"
    assert (tmp_path / "year").read_text().strip().isdigit()
    assert not schedule.alerts()
    assert " ok after " in (tmp_path / "backup.log").read_text()
    assert list((tmp_path / "backups").rglob("*.json"))
    assert schedule()["removed"]
    assert not list(pathlib.Path("/etc/cron.d").glob(f"runbook-{SET}-*"))


def test_a_job_that_is_killed_leaves_no_lock(schedule, tmp_path):
    (tmp_path / "hold").touch()
    script = f"echo $$ > {tmp_path}/pid; while [ -e {tmp_path}/hold ]; do sleep 0.1; done"
    schedule({"name": "killed", "command": ["sh", "-c", script], "schedule": NEVER})
    runner = [sys.executable, "/usr/local/lib/runbook/jobs.pyz", f"/etc/runbook/jobs/{SET}/killed.json"]
    first = subprocess.Popen(runner, stdout=subprocess.DEVNULL)
    soon((tmp_path / "pid").exists, 20)
    first.send_signal(signal.SIGKILL)
    first.wait(30)
    (tmp_path / "hold").unlink()
    soon(lambda: subprocess.run(runner, stdout=subprocess.DEVNULL, check=False, timeout=30).returncode == 0, 10)
