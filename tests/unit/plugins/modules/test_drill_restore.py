# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import sqlite3

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._drill.use_cases import DRILL
from ansible_collections.runbook.ops.plugins.modules import db_backup, drill_restore
from contract import complaints, run


def test_documentation_and_options_agree():
    assert complaints(drill_restore, DRILL, secrets=("login_password", "encryption_identity", "offsite_config")) == []


@pytest.fixture
def options(tmp_path):
    connection = sqlite3.connect(tmp_path / "shop.db")
    with connection:
        connection.execute("CREATE TABLE customers (name)")
        connection.executemany("INSERT INTO customers VALUES (?)", [("x" * 500,) for _number in range(200)])
    connection.close()
    common = {"engine": "sqlite", "name": str(tmp_path / "shop.db"), "dest": str(tmp_path / "backups")}
    assert run(db_backup, **common, compression="gzip")[0] == 0
    return {**common, "work_dir": str(tmp_path), "state_dir": str(tmp_path / "state")}


@pytest.mark.parametrize("scenario", ["backup_restore", "database_corruption"])
def test_rehearses_and_leaves_nothing(options, tmp_path, scenario):
    checks = [{"name": "customers", "query": "SELECT count(*) FROM customers", "crit": 200, "direction": "below"}]
    before = sorted(path.name for path in tmp_path.iterdir())
    assert run(drill_restore, True, **options, scenario=scenario)[0] == 0
    status, result = run(drill_restore, **options, scenario=scenario, smoke_checks=checks, smoke_commands=["test -s {scratch}"])
    assert (status, result["phases"][-1]["name"]) == (0, "drop scratch")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "state"])


def test_a_smoke_check_that_fails_is_told(options):
    checks = [{"name": "customers", "query": "SELECT count(*) FROM customers", "crit": 201, "direction": "below"}]
    status, result = run(drill_restore, **options, smoke_checks=checks)
    assert (status, "customers: " in result["msg"]) == (1, True)
    assert [item["status"] for item in result["phases"][-2:]] == ["failed", "ok"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"smoke_checks": [{"kind": "vacuum_age"}]}, "vacuum_age"),
        ({"smoke_checks": [{"quary": "SELECT 1"}]}, "quary"),
        ({"offsite": {"remote": "/x"}}, "mutually exclusive"),
        ({"dest": None, "offsite": {"remot": "/x"}}, "remot"),
        ({"dest": None, "offsite": {"remote": "/x"}, "as_of": "2026-11-21T10:15:00Z"}, "src is latest or an id"),
        ({"src": "20261121_101500"}, "there is no backup 20261121_101500"),
    ],
)
def test_bad_input_is_one_line(options, change, message):
    given = {name: value for name, value in {**options, **change}.items() if value is not None}
    status, failed = run(drill_restore, **given)
    assert (status, "\n" in failed["msg"]) == (1, False)
    assert message in failed["msg"]
