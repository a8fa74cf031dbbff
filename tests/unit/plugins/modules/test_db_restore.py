# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import sqlite3

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._database.options import RESTORE
from ansible_collections.runbook.ops.plugins.modules import db_backup, db_restore
from contract import complaints, run

FORMAT_1 = pathlib.Path(__file__).parents[3] / "fixtures" / "backups" / "format_1"


def test_documentation_and_options_agree():
    assert complaints(db_restore, RESTORE, secrets=("login_password", "encryption_identity")) == []


def query(path, sql):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(sql).fetchall()
        connection.commit()
        return rows


@pytest.fixture
def good(tmp_path):
    """Options for a database that was backed up with three rows and has one now."""
    path = str(tmp_path / "app.db")
    for sql in ("CREATE TABLE a (n)", "INSERT INTO a VALUES (1), (2), (3)"):
        query(path, sql)
    options = {"engine": "sqlite", "name": path, "dest": str(tmp_path / "backups")}
    assert run(db_backup, **options, compression="gzip")[0] == 0
    query(path, "DELETE FROM a WHERE n > 1")
    return {**options, "state_dir": str(tmp_path / "state")}


def everything(good):
    folder = pathlib.Path(good["name"]).parent
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_restore(good):
    before = everything(good)
    status, predicted = run(db_restore, True, **good)
    assert (status, predicted["changed"], everything(good) == before) == (0, True, True)
    status, restored = run(db_restore, **good, safety_backup=False)
    assert (status, restored["changed"], restored["rows"], restored["recovered"]) == (0, True, 3, "")
    assert query(good["name"], "SELECT count(*) FROM a") == [(3,)]
    assert query(restored["previous"], "SELECT count(*) FROM a") == [(1,)]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"engine": "oracle"}, "must be one of"),
        ({"engine": "postgresql"}, "it can't be restored with engine: postgresql"),
        ({"name": "/nonexistent/app.db"}, "there is no backup of"),
        ({"name": None}, "give dest and name"),
        ({"dest": None}, "give dest and name"),
        ({"dest": "backups"}, "give an absolute path"),
        ({"target": "app.db"}, "is not an absolute path"),
        ({"src": "yesterday"}, "is neither latest, an id"),
        ({"src": "20200101_000000"}, "there is no backup 20200101_000000"),
        ({"as_of": "2020-01-01T00:00:00Z"}, "had ended by"),
        ({"mode": "scratch"}, "is the database that was backed up"),
        ({"mode": "in_place"}, "say force: true"),
        ({"keep_previous": "x"}, "is no duration"),
        ({"writer_stop_commands": ["true"]}, "belong together"),
        ({"encryption_identity_file": "/nonexistent/key"}, "can't be read"),
        ({"encryption_identity": "AGE-SECRET-KEY-1", "encryption_identity_file": "/b"}, "mutually exclusive"),
    ],
)
def test_one_line_for_bad_input(good, more, message):
    before = everything(good)
    for check in (True, False):
        status, result = run(db_restore, check, **{**good, **more})
        assert (status, message in result["msg"]) == (1, True), result["msg"]
    assert everything(good) == before


def _cut(data, sidecar):
    os.truncate(data, data.stat().st_size - 1)


def _data_missing(data, sidecar):
    data.unlink()


def _sidecar_missing(data, sidecar):
    sidecar.unlink()


def _sidecar_cut(data, sidecar):
    os.truncate(sidecar, 100)


def _exchanged(data, sidecar):
    sidecar.rename(sidecar.with_name("20200101_000000.json"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "it was cut or replaced"),
        (_data_missing, "only its sidecar is there"),
        (_sidecar_missing, "there is no backup of"),
        (_sidecar_cut, "is no sidecar"),
        (_exchanged, "is the sidecar of another backup"),
    ],
)
def test_a_damaged_backup_is_named_and_nothing_changed(good, damage, message):
    (sidecar,) = pathlib.Path(good["dest"]).glob("*/*.json")
    damage(sidecar.with_suffix(".sqlite.gz"), sidecar)
    before = everything(good)
    for check in (True, False):
        status, result = run(db_restore, check, **good)
        assert (status, message in result["msg"]) == (1, True), result["msg"]
    assert everything(good) == before


def test_other_bytes_are_found_before_the_switch(good):
    (data,) = pathlib.Path(good["dest"]).glob("*/*.gz")
    data.write_bytes(b"x" * data.stat().st_size)
    status, result = run(db_restore, **good)
    assert (status, "was not touched" in result["msg"]) == (1, True), result["msg"]
    assert query(good["name"], "SELECT count(*) FROM a") == [(1,)]
    assert not list(pathlib.Path(good["name"]).parent.glob(".rb_*"))


def test_a_backup_of_format_1_is_restored_for_ever(tmp_path):
    """Made by version 0.1.0; tests/database does the same with the other engines."""
    shutil.copytree(FORMAT_1 / "sqlite", tmp_path / "backups")
    (sidecar,) = (tmp_path / "backups").glob("*/*.json")
    target = str(tmp_path / "app.db")
    status, restored = run(db_restore, engine="sqlite", src=str(sidecar), target=target, mode="scratch", state_dir=str(tmp_path / "state"))
    assert (status, restored.get("msg"), restored["rows"]) == (0, None, 50)
    assert query(target, "SELECT note FROM parent JOIN some USING (id) ORDER BY id")[-1] == ("1 سلام 🙂 49",)
