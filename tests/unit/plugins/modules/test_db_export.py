# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import contextlib
import os
import sqlite3

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._database.export_request import EXPORT
from ansible_collections.runbook.ops.plugins.modules import db_export
from contract import complaints, run


@pytest.fixture
def database(tmp_path):
    path = str(tmp_path / "app.db")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE places (id INTEGER PRIMARY KEY, name TEXT, batch TEXT)")
        connection.executemany("INSERT INTO places (name, batch) VALUES (?, ?)", [("=1+1", "b1"), ("مقهى", "b1"), (None, "b2")])
        connection.commit()
    return path


def test_documentation_and_options_agree():
    assert complaints(db_export, EXPORT, secrets=("login_password",)) == []


def test_written_once(database, tmp_path):
    dest = str(tmp_path / "out" / "places.csv")
    os.mkdir(os.path.dirname(dest))
    given = {"engine": "sqlite", "database": database, "table": "places", "columns": ["id", "name"], "order_by": ["id"], "dest": dest}
    where = [{"column": "batch", "value": "b1"}]
    status, result = run(db_export, True, **given, where=where)
    assert (status, result["changed"], result["rows"], os.path.exists(dest)) == (0, True, 2, False)
    status, result = run(db_export, **given, where=where)
    assert (status, result["changed"], result["rows"], result["escaped"]) == (0, True, 2, 1)
    with open(dest, "rb") as stream:
        assert stream.read() == "\ufeffid,name\n1,'=1+1\n2,مقهى\n".encode()
    status, result = run(db_export, **given, where=where)
    assert (status, result["changed"], os.listdir(os.path.dirname(dest))) == (0, False, ["places.csv"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"columns": []}, "columns is empty"),
        ({"columns": [7]}, "neither a name nor a mapping"),
        ({"columns": [{"name": "id", "heading": "x"}]}, "unknown key 'heading'"),
        ({"columns": ["id", {"name": "name", "header": "id"}]}, "two columns are called 'id'"),
        ({"columns": ["nope"]}, "has no column 'nope'"),
        ({"table": "nope"}, "has no table 'nope'"),
        ({"table": None, "query": "DELETE FROM places"}, "syntax error"),
        ({"table": None, "query": " ; "}, "query is not a text"),
        ({"table": None, "query": "SELECT 1 AS x", "columns": ["id"]}, "no such column"),
        ({"dest": "/nowhere/at/all.csv"}, "the folder /nowhere/at does not exist"),
        ({"dest": "/dev/null"}, "is no plain file"),
        ({"mode": "0777"}, "does not suit an export"),
        ({"max_rows": 2}, "more than max_rows (2)"),
        ({"engine": "redis"}, "redis has no rows to export"),
        ({"where": [{"column": "id", "operator": "in", "value": 1}]}, "needs a list of values"),
        ({"timeout": 0}, "must be above 0"),
    ],
)
def test_one_line_for_bad_input(database, tmp_path, given, message):
    usual = {"engine": "sqlite", "database": database, "table": "places", "columns": ["id", "name"], "dest": str(tmp_path / "x.csv")}
    status, result = run(db_export, **{key: value for key, value in {**usual, **given}.items() if value is not None})
    assert (status, message in result["msg"], "\n" in result["msg"]) == (1, True, False), result["msg"]
    assert os.listdir(tmp_path) == ["app.db"]
