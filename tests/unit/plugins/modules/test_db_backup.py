# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import contextlib
import os
import sqlite3

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._database.options import BACKUP
from ansible_collections.runbook.ops.plugins.modules import db_backup
from contract import complaints, run


def test_documentation_and_options_agree():
    assert complaints(db_backup, BACKUP, secrets=("login_password",)) == []


@pytest.fixture
def good(tmp_path):
    """Options for a database of two tables."""
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE a (n); INSERT INTO a VALUES (1), (2); CREATE TABLE b (n); INSERT INTO b VALUES (3);")
    return {"engine": "sqlite", "name": str(path), "dest": str(tmp_path / "backups"), "compression": "gzip"}


def test_a_backup(good):
    status, predicted = run(db_backup, True, **good)
    assert (status, predicted["changed"], predicted["id"], os.path.exists(good["dest"])) == (0, True, None, False)
    status, made = run(db_backup, **good, schema_revision_query="SELECT max(n) FROM b")
    assert (status, made["changed"], made["backup"]["rows"], made["backup"]["schema_revision"]) == (0, True, 3, "3")
    assert os.path.isfile(made["sidecar"])
    for check in (True, False):
        status, again = run(db_backup, check, **good, fresh_for="1h")
        assert (status, again["changed"], again["id"]) == (0, False, made["id"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"engine": "oracle"}, "must be one of"),
        ({"name": "/nonexistent/app.db"}, "/nonexistent/app.db"),
        ({"name": "app.db"}, "is not an absolute path"),
        ({"dest": "backups"}, "give an absolute path"),
        ({"tables": ["a", "users"]}, "no table fits 'users'; there are a, b"),
        ({"compression_level": 12}, "is not one of gzip's, 0 to 9"),
        ({"compression_threads": 65}, "is not between 0"),
        ({"jobs": 33}, "is not between 1 and 32"),
        ({"counts": False}, "checksums need counts"),
        ({"fresh_for": "x"}, "is no duration"),
        ({"mode": "0666"}, "does not suit a backup"),
        ({"mode": "rw"}, "is no mode"),
        ({"client_cert": "/etc/cert.pem"}, "client_key"),
    ],
)
def test_one_line_for_bad_input(good, more, message):
    for check in (True, False):
        status, result = run(db_backup, check, **{**good, **more})
        assert (status, message in result["msg"]) == (1, True), result["msg"]
    assert not os.path.exists(good["dest"])
