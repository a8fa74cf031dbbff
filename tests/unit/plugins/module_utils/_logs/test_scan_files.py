# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files belong to a log."""

from __future__ import annotations

import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_files import base_of, find_files


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("access.log", "access.log"),
        ("access.log.1", "access.log"),
        ("access.log.12.gz", "access.log"),
        ("access.log-20260102", "access.log"),
        ("access.log-20260102.zst", "access.log"),
        ("access.log-20260102-030405", "access.log"),
        ("access.log-20260102.1.xz", "access.log"),
        ("access.log-1767348000.gz", "access.log"),
        ("access.log.2026-01-02_03-04-05", "access.log"),
        ("access-20260102.log", "access.log"),
        ("laravel-2026-01-02.log", "laravel.log"),
        ("laravel-2026-01-02.log.gz", "laravel.log"),
        ("php8.2-fpm.log", "php8.2-fpm.log"),
        ("php8.2-fpm.log.1", "php8.2-fpm.log"),
        ("web1", "web1"),
        ("web-8080", "web-8080"),
        ("catalina.2026-01-02.log", "catalina.log"),
        ("other_vhosts_access.log", "other_vhosts_access.log"),
    ],
)
def test_the_name_that_all_parts_share(name, base):
    assert base_of(f"/var/log/{name}") == f"/var/log/{base}"


@pytest.fixture
def folder(tmp_path):
    for name in ("access.log", "access.log.1", "access.log.2.gz", "access.log.bak", "access_ssl.log", "error.log", "error.log.1.zst"):
        (tmp_path / name).write_text(name)
    (tmp_path / "old.log").mkdir()
    return tmp_path


def names(folder, *patterns, rotated=True, followed=()):
    files, missing = find_files([str(folder / pattern) for pattern in patterns], rotated, [str(folder / path) for path in followed])
    return sorted(os.path.basename(file.path) for file in files), [os.path.basename(path) for path in missing]


def test_rotated_files_belong_to_the_log(folder):
    assert names(folder, "access.log") == (["access.log", "access.log.1", "access.log.2.gz"], [])
    assert names(folder, "access.log", rotated=False) == (["access.log"], [])
    assert names(folder, "*.log", rotated=False) == (["access.log", "access_ssl.log", "error.log"], [])
    assert names(folder, "error.log*", "access.log.1") == (
        ["access.log", "access.log.1", "access.log.2.gz", "error.log", "error.log.1.zst"],
        [],
    )


def test_what_is_not_there_is_said(folder):
    assert names(folder, "gone.log", "gone/*.log", "error.log", rotated=False) == (["error.log"], ["gone.log", "*.log"])
    (folder / "error.log").unlink()  # just renamed; the writer has not made a new one yet
    assert names(folder, "error.log") == (["error.log.1.zst"], [])


def test_a_file_counts_once_under_all_its_names(folder):
    os.link(folder / "access.log", folder / "access.log.9")
    (folder / "current.log").symlink_to("access.log")
    found, _missing = names(folder, "access.log", "current.log", rotated=False)
    assert found == ["access.log"]


def test_what_was_followed_is_found_again(folder):
    (folder / "error.log").unlink()
    assert names(folder, "error.*g", rotated=True)[1] == ["error.*g"]
    assert names(folder, "error.*g", followed=["error.log"])[0] == ["error.log.1.zst"]


def test_a_compressor_at_work(folder):
    (folder / "access.log.1.gz").write_text("half")
    assert "access.log.1.gz" not in names(folder, "access.log")[0]
