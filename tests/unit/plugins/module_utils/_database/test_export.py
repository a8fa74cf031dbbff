# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case on a SQLite file, and what can be said of the other engines without their servers."""

from __future__ import annotations

import contextlib
import datetime
import os
import sqlite3
import threading

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database import export, export_mariadb, export_mongodb
from ansible_collections.runbook.ops.plugins.module_utils._database.export_request import EXPORT, Field, Wanted, within


@pytest.fixture
def options(tmp_path):
    path = str(tmp_path / "app.db")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE places (id INTEGER PRIMARY KEY, name TEXT, raw BLOB)")
        connection.executemany("INSERT INTO places (name, raw) VALUES (?, ?)", [(f"n{number}", b"\x00\xff") for number in range(20_000)])
        connection.commit()
    (tmp_path / "out").mkdir()
    options = {name: option.get("default") for name, option in EXPORT.options.items()}
    given = {"engine": "sqlite", "database": path, "table": "places", "columns": ["id", "name", "raw"], "order_by": ["id"]}
    return {**options, **given, "dest": str(tmp_path / "out" / "x.csv")}


def test_progress_and_diff(options, monkeypatch):
    said = []
    monkeypatch.setattr(export, "Progress", lambda *a, **k: progress(*a, **k, quiet=0, every=0))
    progress = __import__("ansible_collections.runbook.ops.plugins.module_utils._common.progress", fromlist=["Progress"]).Progress
    result = export.db_export(options, Run(diff=True, say=said.append))
    assert "of 20,000 rows" in said[-1] and said[-1].startswith("exporting places: ")
    assert result["diff"]["after"] == f"20000 rows, {result['bytes']} bytes, sha256 {result['sha256']}\n"
    assert result["msg"] == f"20,000 rows exported to {options['dest']}"


def test_a_full_disk_leaves_the_old_file(options, monkeypatch):
    export.db_export(options, Run())
    before = os.stat(options["dest"]).st_ino
    real = os.write

    def full(fd, data):
        if len(data) > 1000:
            raise OSError(28, "No space left on device")
        return real(fd, data)

    with contextlib.closing(sqlite3.connect(options["database"])) as connection:
        connection.execute("DELETE FROM places WHERE id = 7")
        connection.commit()
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RunbookError, match=r"out/x\.csv could not be written and is as it was: No space left on device"):
        export.db_export(options, Run())
    monkeypatch.undo()
    assert (os.stat(options["dest"]).st_ino, os.listdir(os.path.dirname(options["dest"]))) == (before, ["x.csv"])
    assert export.db_export(options, Run())["changed"] is True


def test_a_query_can_hold_no_second_statement(options):
    for text in ("SELECT 1 AS id; DELETE FROM places", "SELECT 1 AS id) AS runbook; DELETE FROM places; --", "PRAGMA user_version = 3"):
        with pytest.raises(RunbookError) as caught:
            export.db_export({**options, "table": None, "query": text, "columns": ["id"], "order_by": []}, Run())
        assert "\n" not in caught.value.message
    assert export.db_export(options, Run(check_mode=True))["rows"] == 20_000


def test_a_query_may_end_with_a_comment_and_have_conditions(options):
    where = [{"column": "id", "operator": "le", "value": 5}]
    given = {"table": None, "query": "SELECT id, name AS n FROM places -- all;", "columns": ["n"], "where": where}
    assert export.db_export({**options, **given}, Run())["rows"] == 5


def test_mariadb_shows_values_so_that_null_is_told_apart():
    assert export_mariadb._shown("runbook.`a`", "varchar") == "CONCAT('=', runbook.`a`)"
    assert export_mariadb._shown("runbook.`a`", "blob") == "CONCAT('=', LOWER(HEX(runbook.`a`)))"


def wanted(**more):
    return Wanted("shop", tuple(Field(name, name) for name in more.pop("names", ("a",))), **more)


def test_mongodb_asks_for_what_is_needed():
    command = export_mongodb._command(wanted(table="places", names=("a", "a.b", "tags.0.name", "c.d"), order_by=("a",)))
    assert command["projection"] == {"a": 1, "tags": 1, "c.d": 1, "_id": 0}
    assert command["sort"] == {"a": 1}
    assert export_mongodb._command(wanted(table="places", names=("_id",)))["projection"] == {"_id": 1}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"table": "x", "names": ("$where",)}, "no name of a field"),
        ({"query": {"aggregate": "x", "pipeline": [{"$merge": "y"}]}}, "the query writes"),
        ({"query": "SELECT 1"}, "not a mapping"),
    ],
)
def test_mongodb_refuses(more, message):
    with pytest.raises(InvalidInput, match=message):
        export_mongodb._command(wanted(**more))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, "true"),
        (2.0, "2"),
        (2.5, "2.5"),
        (float("nan"), "nan"),
        (b"\x00\xff", "00ff"),
        (datetime.datetime(2026, 11, 21, 10, 15, tzinfo=datetime.timezone.utc), "2026-11-21T10:15:00Z"),
        (datetime.datetime(2026, 11, 21, 10, 15, 0, 5000, tzinfo=datetime.timezone.utc), "2026-11-21T10:15:00.005Z"),
        ({"a": [1, None, "مقهى"], "b": {"c": True, "d": float("inf")}}, '{"a":[1,null,"مقهى"],"b":{"c":true,"d":"inf"}}'),
    ],
)
def test_mongodb_values(value, expected):
    assert export_mongodb.text_of(value) == expected


def test_within_tells_its_own_end_from_other_trouble():
    ended = threading.Event()
    with pytest.raises(RunbookError, match=r"longer than its timeout of 0\.01 s"), within(0.01, ended.set):
        ended.wait(5)
        raise RunbookError("killed")
    with pytest.raises(RunbookError, match="other"), within(60, ended.set):
        raise RunbookError("other")
