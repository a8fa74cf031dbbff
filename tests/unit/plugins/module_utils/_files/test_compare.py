# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A listing against a folder."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._files.compare import compare, nanoseconds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T01:00:00.000000001+01:00", 1),
        ("1969-12-31T23:00:00-01:00", 0),
        ("yesterday", -1),
    ],
)
def test_nanoseconds(text, value):
    assert nanoseconds(text) == value


def node(root, path):
    status = os.lstat(os.path.join(root, path))
    kind = "dir" if os.path.isdir(os.path.join(root, path)) else "file"
    whole, rest = divmod(status.st_mtime_ns, 10**9)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{rest:09}Z"
    told = "/srv/x" + (f"/{path}" if path else "")
    return {"path": told, "type": kind, "size": status.st_size if kind == "file" else 0, "mtime": moment, "mode": status.st_mode & 0o777}


@pytest.fixture
def tree(tmp_path):
    # "a-b" sorts between "a" and "a/c" as text, but is a neighbour of "a".
    for path in ("a/c/d", "a-b", "a/e", "z/y"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return str(tmp_path)


ALL = ["", "a", "a/c", "a/c/d", "a/e", "a-b", "z", "z/y"]


@pytest.mark.parametrize("since", [None, "future"])
def test_alike(tree, since):
    moment = time.time() + 100 if since else None
    found = compare(tree, "/srv/x", [{"path": "/srv", "type": "dir"}, *(node(tree, path) for path in ALL)], unchanged_since=moment)
    assert not found
    assert (found.files, found.bytes) == (4, 5 + 3 + 3 + 3)


def test_differences(tree):
    nodes = [node(tree, path) for path in ALL if path != "a/e"]
    nodes.insert(4, {**node(tree, "a/e"), "path": "/srv/x/a/f"})
    nodes[3]["size"] = 99
    found = compare(tree, "/srv/x", nodes, unchanged_since=None)
    assert (found.missing, found.extra, found.differing) == (["a/e"], ["a/f"], ["a/c/d"])
    assert str(found) == "1 missing (such as a/e), 1 differing (such as a/c/d), 1 extra (such as a/f)"
    source = compare(tree, "/srv/x", nodes, unchanged_since=time.time() + 100)
    assert (source.missing, source.extra, source.differing) == (["a/e"], [], ["a/c/d"])
    assert not compare(tree, "/srv/x", nodes, unchanged_since=time.time() - 100)


def test_a_folder_that_was_removed_meanwhile_hides_nothing_else(tree):
    nodes = [node(tree, path) for path in ALL if path != "z/y"]
    nodes[2:2] = [{**node(tree, "a/c"), "path": "/srv/x/a/b"}, {**node(tree, "a/e"), "path": "/srv/x/a/b/gone"}]
    found = compare(tree, "/srv/x", nodes, unchanged_since=time.time() + 100)
    assert (found.missing, found.differing) == (["z/y"], [])


def test_nothing_of_it(tree):
    assert compare(tree, "/srv/x", [], unchanged_since=None).missing == [tree]


def test_names_that_are_no_text(tmp_path):
    open(os.fsencode(tmp_path) + b"/odd\xff\xfe", "w").close()
    odd = {**node(str(tmp_path), os.fsdecode(b"odd\xff\xfe")), "path": "/srv/x/odd\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"}
    assert not compare(str(tmp_path), "/srv/x", [node(str(tmp_path), ""), odd], unchanged_since=None)
