# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that earlier versions made can be restored, on real servers, and are verified by what those versions recorded."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import subjects
from make_fixtures import ROWS
from test_faults import Place

FIXTURES = pathlib.Path(__file__).parents[1] / "fixtures" / "backups"
FOLDERS = sorted(path for path in FIXTURES.glob("*/*") if path.is_dir())


def test_no_engine_is_left_out() -> None:
    for version in FIXTURES.glob("format_*"):
        assert {path.name for path in version.iterdir()} >= {"identity", "sqlite_encrypted", *subjects.SUBJECTS}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_restored_and_verified(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "ROWS", ROWS)
    subject = subjects.SUBJECTS[folder.name.partition("_")[0]]
    root = pathlib.Path(f"/srv/rb_test_formats_{folder.name}")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(mode=0o750)
    shutil.copytree(folder, root / "backups")
    identity = root / "identity"
    shutil.copy(folder.parent / "identity", identity)
    if subject.user:
        for path in (root, *root.rglob("*")):
            shutil.chown(path, subject.user, subject.user)
    subject.wait()
    try:
        subject.make(1)
        content = subject.content()
        subject.make(2)
        assert subject.content() != content
        place = Place(subject, root)
        options = {"encryption_identity_file": str(identity)} if folder.name.endswith("_encrypted") else {}
        done = place.run("db_restore", jobs=2, **options)
        assert done["rows"] >= ROWS
        assert subject.content() == content
        place.no_leftovers()
    finally:
        subject.clear()
        shutil.rmtree(root, ignore_errors=True)
