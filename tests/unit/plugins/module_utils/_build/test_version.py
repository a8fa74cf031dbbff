# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where versions and times come from: options, files, git."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._build.pack import EARLIEST
from ansible_collections.runbook.ops.plugins.module_utils._build.version import find_moment, find_version
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError

WHO = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com"}


def git(folder, *words):
    env = {
        **os.environ,
        **WHO,
        "GIT_COMMITTER_DATE": "1700000000 +0100",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
    }
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, env=env)


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "site"
    root.mkdir()
    git(root, "init", "-q")
    (root / "index.html").write_text("1")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "one")
    git(root, "tag", "v1.4.2")
    return root


def test_git_says_it(repository):
    assert find_version(str(repository), None, None) == "v1.4.2"
    assert find_moment(str(repository), None, {}) == 1700000000
    (repository / "index.html").write_text("2")
    assert find_version(str(repository), None, None) == "v1.4.2-dirty"
    git(repository, "commit", "-q", "-a", "-m", "two")
    assert find_version(str(repository), None, None).startswith("v1.4.2-1-g")


def test_a_repository_runs_nothing(repository, tmp_path):
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(trap))
    assert find_version(str(repository), None, None) == "v1.4.2"
    find_moment(str(repository), None, {})
    assert not (tmp_path / "sprung").exists()


def test_options_win(repository):
    assert find_version(str(repository), "2.0", None) == "2.0"
    assert find_moment(str(repository), 5, {"SOURCE_DATE_EPOCH": "6"}) == 5
    assert find_moment(str(repository), None, {"SOURCE_DATE_EPOCH": "6"}) == 6


def test_nobody_knows(tmp_path):
    with pytest.raises(InvalidInput, match="give version or version_file"):
        find_version(str(tmp_path), None, None)
    assert find_moment(str(tmp_path), None, {}) == EARLIEST


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [("VERSION", "\n 1.2.3 \nmore\n", "1.2.3"), ("package.json", '{"version": "4.5.6"}', "4.5.6"), ("app/VERSION", "v7", "v7")],
)
def test_files_say_it(tmp_path, name, text, version):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert find_version(str(tmp_path), None, name) == version


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("VERSION", "", "is empty"),
        ("VERSION", "a/b", "can't be part of a file's name"),
        ("VERSION", b"\xff", "it is no text"),
        ("package.json", "{", "is not JSON"),
        ("package.json", '{"version": 3}', "no text called version"),
        ("package.json", "[]", "no text called version"),
        ("other", "", "is not in"),
        ("../x", "", "without a leading /"),
    ],
)
def test_files_that_do_not(tmp_path, name, text, match):
    if name not in ("other", "../x"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidInput, match=match):
        find_version(str(tmp_path), None, name)


@pytest.mark.parametrize("version", ["", "-1", "a b", "../1", "1" * 101, "1\n"])
def test_versions_that_are_none(tmp_path, version):
    with pytest.raises(InvalidInput, match="can't be part"):
        find_version(str(tmp_path), version, None)


@pytest.mark.parametrize(("given", "environment"), [(-1, {}), (1 << 40, {}), (None, {"SOURCE_DATE_EPOCH": "now"})])
def test_times_that_are_none(tmp_path, given, environment):
    with pytest.raises(InvalidInput, match="seconds since 1970"):
        find_moment(str(tmp_path), given, environment)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_someone_else(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in [repository, repository / ".git"]:
        os.chown(path, 12345, 12345)
    with pytest.raises(RunbookError, match="another user owns it"):
        find_version(str(repository), None, None)
