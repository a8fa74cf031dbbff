# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import sqlite3

from ansible_collections.runbook.ops.plugins.module_utils._jobs.use_cases import RUN
from ansible_collections.runbook.ops.plugins.modules import backup_run
from contract import complaints, run


def test_documentation_and_options_agree():
    assert complaints(backup_run, RUN) == []


def test_check_mode_and_apply(tmp_path):
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE customers (name)")
    backup = {"engine": "sqlite", "name": str(tmp_path / "shop.db"), "dest": str(tmp_path / "backups"), "compression": "gzip"}
    options = {
        "jobs": [{"name": "shop", "backup": backup, "retention": {"keep_daily": 3}}],
        "log": str(tmp_path / "log"),
        "state_dir": str(tmp_path / "state"),
    }
    status, predicted = run(backup_run, True, **options)
    assert (status, predicted["changed"], (tmp_path / "backups").exists()) == (0, True, False)
    assert [step["status"] for step in predicted["jobs"][0]["steps"]] == ["ok", "skipped"]
    status, made = run(backup_run, **options)
    assert (status, made["changed"], made["status"]) == (0, True, "ok")
    assert made["jobs"][0]["steps"][0]["result"]["backup"]["tables"] == 1


def test_names_what_failed_and_shows_no_secret(tmp_path):
    backup = {"engine": "sqlite", "name": str(tmp_path / "none.db"), "dest": str(tmp_path / "backups")}
    job = {"name": "shop", "backup": backup, "secrets": {"login_password": "geheim-1"}}
    status, failed = run(backup_run, jobs=[job], log=str(tmp_path / "log"), state_dir=str(tmp_path / "state"))
    assert status == 1
    assert "1 of 1 job not ok - shop: db_backup: there is no SQLite database" in failed["msg"]
    assert "geheim-1" not in str(failed)
