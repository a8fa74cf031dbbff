# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source is walked once for all hosts, hashed only where it changed, and never believed to be what it was."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._release.walk import Rules
from ansible_collections.runbook.ops.plugins.plugin_utils import _source_walk
from ansible_collections.runbook.ops.plugins.plugin_utils._source_walk import Memory, walk_once
from faults.small_site import write_tree


@pytest.fixture
def walk(tmp_path, monkeypatch):
    """``walk(run)`` of a source of two files; ``walk.hashed`` counts files that were read."""
    source = tmp_path / "source"
    write_tree(source, {"a": "1", "d/b": "2"})
    hashed = []
    real = _source_walk.hash_found

    def counting(root, found):
        hashed.extend(os.path.basename(item.path) for item in found)
        return real(root, found)

    monkeypatch.setattr(_source_walk, "hash_found", counting)

    def walk(run="run", rules=None):
        return walk_once(str(source), rules or Rules(), str(tmp_path / "cache"), run)

    walk.source, walk.hashed, walk.cache = source, hashed, tmp_path / "cache"
    return walk


def old(path):
    then = time.time() - 3600
    os.utime(path, (then, then))


def test_one_run_walks_once(walk):
    first = walk()
    (walk.source / "a").write_text("changed")
    assert walk().manifest == first.manifest
    assert walk("another run").manifest != first.manifest
    assert walk(rules=Rules(exclude=("a",))).manifest != first.manifest


def test_unchanged_files_are_not_read_again(walk, monkeypatch):
    walk("one")
    monkeypatch.setattr(_source_walk, "RACY", -1.0)  # as if all was written long ago
    walk("two")
    del walk.hashed[:]
    walk("three")
    assert walk.hashed == []
    (walk.source / "a").write_text("9")
    fresh = walk("four").manifest
    assert walk.hashed == ["a"]
    assert fresh.files["a"].digest != fresh.files["d/b"].digest


def test_files_that_were_just_written_are_read_again(walk):
    walk("one")
    walk("two")
    assert walk.hashed == ["a", "b"] * 2


@pytest.mark.parametrize("data", [b"", b"{", b"null\n"[:2]])
def test_a_damaged_memory_is_forgotten(walk, data):
    walk("one")
    for path in (walk.cache / "hashes").iterdir():
        path.write_bytes(data)
    assert walk("two").manifest.files.keys() == {"a", "d/b"}


def test_what_was_staged_is_remembered_for_each_host_and_path(walk):
    manifest = walk().manifest
    Memory(str(walk.cache), "web1", "/srv/a").keep(manifest)
    assert Memory(str(walk.cache), "web1", "/srv/a").recall(manifest) == manifest
    assert Memory(str(walk.cache), "web2", "/srv/a").recall(manifest) is None
    assert Memory(str(walk.cache), "web1", "/srv/b").recall(manifest) is None
    for path in (walk.cache / "staged").iterdir():
        path.write_bytes(b"x")
    assert Memory(str(walk.cache), "web1", "/srv/a").recall(manifest) is None
