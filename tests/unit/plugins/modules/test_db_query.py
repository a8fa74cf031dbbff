# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._database.check_options import QUERY
from ansible_collections.runbook.ops.plugins.modules import db_query
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
    assert complaints(db_query, QUERY, secrets=("login_password",)) == []


def test_checks_and_failure(database):
    jobs = {"query": "SELECT COUNT(*) FROM jobs", "name": "jobs"}
    for check in (True, False):
        status, result = run(db_query, check, engine="sqlite", database=database, checks=[{**jobs, "warn": 10}, {"kind": "ping"}])
        assert (status, result["status"], result["changed"], result["msg"]) == (0, "ok", False, "2 checks ok")
        status, result = run(db_query, check, engine="sqlite", database=database, checks=[{**jobs, "crit": 9}, {"kind": "ping"}])
        assert (status, result["status"]) == (1, "failed")
        assert result["msg"] == "1 of 2 checks not ok - jobs: 10, above crit 9"
        assert [item["status"] for item in result["checks"]] == ["failed", "ok"]
    status, result = run(
        db_query, engine="sqlite", database=database, fail=False, checks=[{**jobs, "crit": 9}, {"query": "DELETE FROM jobs"}]
    )
    assert (status, result["status"]) == (0, "crashed")


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"kind": "ping", "warn": 10, "crit": 5}, "crit 5 is reached before warn 10"),
        ({"kind": "connections"}, "sqlite has no connections"),
        ({}, "needs query"),
    ],
)
def test_one_line_for_bad_input(database, check, message):
    # Even without fail, what can never be right is an error.
    status, result = run(db_query, engine="sqlite", database=database, fail=False, checks=[check])
    assert (status, message in result["msg"]) == (1, True), result["msg"]
