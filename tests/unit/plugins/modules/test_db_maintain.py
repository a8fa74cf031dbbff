# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._database.check_options import MAINTAIN
from ansible_collections.runbook.ops.plugins.modules import db_maintain
from contract import complaints, run


@pytest.fixture
def database(tmp_path):
    """Ten jobs, the oldest ten days old."""
    path = str(tmp_path / "app.db")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, made TEXT)")
        connection.executemany("INSERT INTO jobs (made) VALUES (datetime('now', ?))", [(f"-{days} days",) for days in range(1, 11)])
        connection.commit()
    return path


def test_documentation_and_options_agree():
    assert complaints(db_maintain, MAINTAIN, secrets=("login_password",)) == []


def test_old_rows_go(database):
    options = {
        "engine": "sqlite",
        "name": database,
        "delete_older_than": [{"table": "jobs", "column": "made", "older_than": "108h", "batch": 2}],
    }
    status, predicted = run(db_maintain, True, **options)
    assert (status, predicted["changed"], predicted["deleted"][0]["matched"], predicted["deleted"][0]["deleted"]) == (0, True, 6, 0)
    status, done = run(db_maintain, **options, actions=["integrity"])
    assert (status, done["changed"], done["deleted"][0]["deleted"], done["deleted"][0]["batches"]) == (0, True, 6, 3)
    assert done["msg"] == "6 rows of jobs deleted; done: integrity"
    assert run(db_maintain, **options)[1]["changed"] is False


def test_the_cap(database):
    deletion = {"table": "jobs", "column": "made", "older_than": "108h", "max_rows": 5}
    status, result = run(db_maintain, engine="sqlite", name=database, delete_older_than=[deletion])
    assert (status, result["deleted"][0]["matched"]) == (1, 6)
    assert "more than max_rows (5)" in result["msg"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing to do"),
        ({"actions": ["analyze"]}, "analyze needs tables"),
        ({"actions": ["vacuum"], "lock_timeout": 0}, "lock_timeout 0"),
        ({"actions": ["vacuum"], "fresh_for": "x"}, "26h"),
        ({"engine": "redis", "actions": ["optimize"]}, "expire by themselves"),
        ({"actions": ["vacuum"], "name": "app.db"}, "absolute path"),
        ({"actions": ["vacuum"], "name": "/nonexistent/app.db"}, "no SQLite database"),
    ],
)
def test_one_line_for_bad_input(database, options, message):
    status, result = run(db_maintain, **{"engine": "sqlite", "name": database, **options})
    assert (status, message in result["msg"]) == (1, True), result["msg"]
