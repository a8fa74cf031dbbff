# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of three databases: backed up, damaged while live, restored, and recoveries rehearsed.

The tests are one story and run in this order. The scenario has installed the schedule already.
"""

from __future__ import annotations

import json
import pathlib

import driver
import pytest

SCENARIO = pathlib.Path(__file__).resolve().parents[1]
STATE = "/var/lib/runbook"
DEST = "/var/backups/rb_mol"
OFFSITE = "/srv/rb_mol/offsite"
NAME = "rb_mol_shop"
PASSWORD = "geheim 'x\\"
# How each engine is named and reached in the roles' variables.
ENGINES = {
    "mariadb": {"engine": "mariadb", "name": NAME, "login_unix_socket": "/run/mysqld/mysqld.sock"},
    "postgresql": {"engine": "postgresql", "name": NAME, "login_host": "127.0.0.1", "login_user": "rb_mol", "login_password": PASSWORD},
    "sqlite": {"engine": "sqlite", "name": "/srv/rb_mol/shop.db"},
}
LOOK = 'import sqlite3; print(*sqlite3.connect("/srv/rb_mol/shop.db").execute("SELECT count(*) FROM customers").fetchone())'
COUNT = {
    "mariadb": f"mysql -N -e 'SELECT COUNT(*) FROM {NAME}.customers'",
    "postgresql": f"runuser -u postgres -- psql -Atd {NAME} -c 'SELECT count(*) FROM customers'",
    "sqlite": f"python3 -c '{LOOK}'",
}
DAMAGE = {
    "mariadb": f"mysql -e 'SET foreign_key_checks = 0; DROP TABLE {NAME}.customers'",
    "postgresql": f"runuser -u postgres -- psql -qd {NAME} -c 'DROP TABLE customers CASCADE'",
    "sqlite": "dd if=/dev/urandom of=/srv/rb_mol/shop.db bs=4096 seek=1 count=8 conv=notrunc status=none",
}


def start(playbook, *arguments, **variables):
    extra = [word for name, value in variables.items() for word in ("-e", json.dumps({name: value}))]
    words = ["ansible-playbook", f"runbook.ops.{playbook}", "-l", "databases", "-b", *arguments, *extra]
    return driver.Running(words, [SCENARIO / "inventory"])


def play(playbook, *arguments, **variables):
    return start(playbook, *arguments, **variables).wait()


def begin_drill(kind, scenario="backup_restore", **variables):
    reached = {f"dr_drill_{name}": value for name, value in ENGINES[kind].items()}
    check = {"name": "customers", "query": "SELECT count(*) FROM customers", "crit": 5000, "direction": "below"}
    given = {
        "dr_drill_scenario": scenario,
        "dr_drill_offsite": {"remote": f"{OFFSITE}/{kind}"},
        "dr_drill_smoke_checks": [check],
        **variables,
    }
    return start("dr_drill", **{**reached, **given})


def drill(kind, scenario="backup_restore", **variables):
    return begin_drill(kind, scenario, **variables).wait()


def evidence(db1, scenario):
    """The newest evidence, and its page."""
    path = db1(f"ls {STATE}/evidence/*_{scenario}.json | tail -n 1")
    return json.loads(db1(f"cat {path}")), db1(f"cat {path[:-5]}.html")


def databases(db1):
    """Everything that a restore or a drill could leave behind."""
    return {
        *db1("mysql -N -e 'SHOW DATABASES'").split(),
        *db1("runuser -u postgres -- psql -Atc 'SELECT datname FROM pg_database'").split(),
        # systemd's own folders come and go with services that have nothing to do with this.
        *(name for name in db1("ls -A /srv/rb_mol /var/tmp").split() if not name.startswith("systemd-private-")),
    }


def test_all_jobs_run_now(db1):
    done = play("backup")
    assert done.rc == 0, done
    jobs = done.result("Run the jobs now", "db1")["jobs"]
    assert [job["status"] for job in jobs] == ["ok"] * 3
    assert [[step["name"] for step in job["steps"]] for job in jobs] == [["db_backup", "offsite_copy", "db_backup_prune"]] * 3
    assert len(db1(f"find {OFFSITE} -name '*_*.json'").splitlines()) == 3
    assert PASSWORD not in done.output


def test_a_timer_runs_the_job_without_ansible(db1):
    timers = db1("systemctl list-timers --all --no-legend 'runbook-molecule-*'")
    assert len(timers.splitlines()) == 3
    before = db1(f"find {DEST}/postgresql -name '*_*.json'").splitlines()
    db1("systemctl start runbook-molecule-postgresql.service")
    assert len(db1(f"find {DEST}/postgresql -name '*_*.json'").splitlines()) == len(before) + 1
    assert [line.split()[2] for line in db1("tail -n 2 /var/log/rb_mol/backup.log").splitlines()] == ["started", "ok"]
    assert json.loads(db1(f"tail -n 1 {STATE}/jobs/molecule/postgresql.jsonl"))["status"] == "ok"
    assert db1("stat -c '%a %U' /etc/runbook/jobs/molecule/postgresql.json") == "600 root"
    assert db1.try_("test -e /srv/rb_mol/alerts").returncode != 0


def test_a_job_that_fails_is_told_and_the_others_run(db1):
    db1("mv /srv/rb_mol/shop.db /srv/rb_mol/away.db")
    try:
        assert db1.try_("systemctl start runbook-molecule-sqlite.service").returncode != 0
        alert = db1("cat /srv/rb_mol/alerts")
        assert alert.startswith("sqlite|failed|db_backup: there is no SQLite database")
        assert json.loads(alert.splitlines()[1])["job"] == "sqlite"
        done = play("backup")
        assert done.rc != 0
        assert done.failure("db1").startswith("1 of 3 jobs not ok - sqlite: db_backup: ")
        assert [job["status"] for job in done.result("Run the jobs now", "db1")["jobs"]] == ["ok", "ok", "failed"]
    finally:
        db1("mv /srv/rb_mol/away.db /srv/rb_mol/shop.db")


@pytest.mark.parametrize("kind", ENGINES)
def test_a_damaged_live_database_is_restored(db1, kind):
    assert db1(COUNT[kind]) == "5000"
    db1(DAMAGE[kind])
    assert db1.try_(COUNT[kind]).stdout.strip() != "5000"
    reached = {f"restore_{name}": value for name, value in ENGINES[kind].items()}
    done = play("restore", restore_dest=f"{DEST}/{kind}", restore_safety_backup=False, **reached)
    assert done.rc == 0, done
    assert db1(COUNT[kind]) == "5000"
    assert "5000 rows" in done.reported("db1") or "10000 rows" in done.reported("db1")
    assert PASSWORD not in done.output


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("scenario", ["backup_restore", "database_corruption"])
def test_a_recovery_is_rehearsed_from_off_the_server(db1, kind, scenario):
    before, count = databases(db1), db1(COUNT[kind])
    done = drill(kind, scenario, dr_drill_rto_target="5m", dr_drill_rpo_target="1h")
    assert done.rc == 0, done
    assert databases(db1) == before
    assert db1(COUNT[kind]) == count
    told, page = evidence(db1, scenario)
    assert (told["status"], told["subject"]) == ("ok", ENGINES[kind]["name"])
    assert {"fetch", "load", "verify", "smoke test", "drop scratch"} <= {phase["name"] for phase in told["phases"]}
    assert 0 < told["rto_seconds"] < 300
    assert 0 <= told["rpo_seconds"] < 3600
    assert "<svg" in page


def test_a_target_that_is_missed_fails_the_play(db1):
    done = drill("mariadb", dr_drill_rto_target="0.001s")
    assert done.rc != 0
    assert "RTO: the recovery took" in done.failure("db1")
    told, page = evidence(db1, "backup_restore")
    assert told["status"] == "failed"
    # This one and the one before it.
    assert page.count("<rect") >= 2


def test_what_a_killed_drill_left_is_removed_by_the_next(db1):
    before = databases(db1)
    running = begin_drill("mariadb", dr_drill_smoke_commands=["sleep 61"])
    driver.until(lambda: db1.try_("pgrep -xf 'sleep 61'").stdout.strip() != "", "the smoke test runs")
    db1("kill -9 $(ps -o ppid= -p $(pgrep -xf 'sleep 61')) && kill -9 $(pgrep -xf 'sleep 61')")
    assert running.wait().rc != 0
    assert len(databases(db1) - before) == 2, "the scratch database and what was fetched"
    done = drill("mariadb")
    assert done.rc == 0, done
    assert len(done.result("Rehearse", "db1")["left"]) == 1
    assert databases(db1) == before


def test_a_copy_that_is_damaged_fails_the_drill_and_nothing_is_left(db1):
    before = databases(db1)
    file = db1(f"ls {OFFSITE}/mariadb/{NAME}/ | grep -v json | tail -n 1")
    db1(f"f=$(find '{OFFSITE}/mariadb/{NAME}/{file}' -type f | tail -n 1); printf X | dd of=$f bs=1 seek=100 conv=notrunc status=none")
    done = drill("mariadb")
    assert done.rc != 0
    assert databases(db1) == before
    told, _page = evidence(db1, "backup_restore")
    assert (told["status"], told["phases"][0]["name"], told["phases"][0]["status"]) == ("failed", "fetch", "failed")


def test_a_smoke_check_that_fails_fails_the_drill(db1):
    before = databases(db1)
    check = {"name": "customers", "query": "SELECT count(*) FROM customers", "crit": 5001, "direction": "below"}
    done = drill("postgresql", dr_drill_smoke_checks=[check])
    assert done.rc != 0
    assert "customers" in done.failure("db1")
    assert databases(db1) == before


def test_without_a_schedule_backups_stay(db1):
    kept = db1(f"find {DEST} -name '*_*.json' | sort")
    assert play("backup", backup_state="absent").rc == 0
    assert not db1("systemctl list-timers --all --no-legend 'runbook-molecule-*'")
    assert db1(f"find {DEST} -name '*_*.json' | sort") == kept
