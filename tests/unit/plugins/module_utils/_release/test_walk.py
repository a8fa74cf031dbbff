# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names of a source belong to a release: include, exclude, and what neither of them may hide."""

from __future__ import annotations

import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused
from ansible_collections.runbook.ops.plugins.module_utils._release.walk import Rules, Shared, Walker, manifest_of

NAMES = ["index.php", "lib/a.php", "lib/deep/b.php", "lib/deep/b.txt", "public/x.css", "public/x.map", "tests/a.php", ".git/config"]


@pytest.fixture
def root(tmp_path):
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty").mkdir()
    return tmp_path


def walked(root, **rules):
    walker = Walker(str(root), Rules(**rules))
    walker.walk()
    folders = [entry.path + "/" for entry in walker.others if entry.kind == "d"]
    return sorted([*(item.path for item in walker.files), *folders]), walker.left_out


def test_everything_but_version_control(root):
    names, left_out = walked(root)
    assert names == sorted([*NAMES[:-1], "empty/", "lib/", "lib/deep/", "public/", "tests/"])
    assert left_out == [".git/"]


@pytest.mark.parametrize(
    ("include", "exclude", "names", "left_out"),
    [
        (["*.css"], [], ["public/", "public/x.css"], [".git/", "empty/", "index.php", "lib/", "public/x.map", "tests/"]),
        (["lib"], ["*.txt"], ["lib/", "lib/a.php", "lib/deep/", "lib/deep/b.php"], None),
        (["/lib/deep/", "index.php"], [], ["index.php", "lib/", "lib/deep/", "lib/deep/b.php", "lib/deep/b.txt"], None),
        (["lib"], ["lib/deep"], ["lib/", "lib/a.php"], None),
        (["deep"], [], ["lib/", "lib/deep/", "lib/deep/b.php", "lib/deep/b.txt"], None),
        (["empty"], [], ["empty/"], None),
        ([".git"], [], [], [".git/", "empty/", "index.php", "lib/", "public/", "tests/"]),
        ([], ["lib", "*.map"], None, [".git/", "lib/", "public/x.map"]),
        (["lib"], ["lib/*"], ["lib/"], None),
    ],
)
def test_include_and_exclude(root, include, exclude, names, left_out):
    found = walked(root, include=tuple(include), exclude=tuple(exclude))
    if names is not None:
        assert found[0] == names
    if left_out is not None:
        assert found[1] == left_out


def test_what_is_not_included_can_do_no_harm(root):
    (root / "public/out").symlink_to("/etc/passwd")
    os.mkfifo(root / "tests/pipe")
    assert walked(root, include=("lib",))[0] == ["lib/", "lib/a.php", "lib/deep/", "lib/deep/b.php", "lib/deep/b.txt"]
    with pytest.raises(Refused, match="leads out"):
        walked(root, include=("public",))
    with pytest.raises(Refused, match="neither a file"):
        walked(root, include=("tests",))


def test_a_shared_path_in_a_folder_that_is_not_included(root):
    manifest = manifest_of(str(root), Rules(include=("index.php",), shared=(Shared("x.css", "public/x.css", False),)))
    assert [(entry.path, entry.kind) for entry in manifest.entries] == [("index.php", "f"), ("public", "d"), ("public/x.css", "l")]
