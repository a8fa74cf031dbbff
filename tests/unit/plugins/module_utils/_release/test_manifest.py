# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests: written and read again, damaged ones refused, and digests that stand for content."""

from __future__ import annotations

import json

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._release.manifest import Entry, Manifest, compare

ENTRIES = [
    Entry("a-b", "f", 0o644, 1, "1" * 64),
    Entry("a/b/c", "f", 0o755, 2, "2" * 64),
    Entry("a/b0", "f", 0o644, 3, "3" * 64),
    Entry("a.b", "l", 0o777, 0, "a/b"),
    Entry("odd \udcff\n", "f", 0o644, 4, "4" * 64),
]


def test_written_and_read_again():
    manifest = Manifest.of(ENTRIES)
    again = Manifest.from_json(manifest.to_json())
    assert again == manifest
    assert again.trees == manifest.trees
    assert [entry.path for entry in manifest.entries if entry.kind == "d"] == ["a", "a/b"]
    assert (manifest.total_bytes, len(manifest.files)) == (10, 4)


def test_entries_that_two_manifests_have_are_in_memory_once():
    old = Manifest.of(ENTRIES)
    new = Manifest.of([ENTRIES[1]._replace(size=9), Entry("0", "f", 0o644, 1, "5" * 64), Entry("zz", "d", 0o755, 0, ""), *ENTRIES[2:]])
    again = Manifest.from_json(new.to_json(), old)
    assert again == new and again.trees == new.trees
    own = {id(entry) for entry in old.entries}
    assert {entry.path for entry in again.entries if id(entry) not in own} == {"0", "a/b/c", "zz"}


def test_every_damaged_byte_is_noticed():
    data = Manifest.of(ENTRIES).to_json()
    start = data.index(b"\n")
    for place in range(start, len(data) - 1, 7):
        with pytest.raises(RunbookError, match="its manifest can't be used"):
            Manifest.from_json(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    for cut in (0, 1, start, start + 1, len(data) - 2):
        with pytest.raises(RunbookError):
            Manifest.from_json(data[:cut])


@pytest.mark.parametrize("change", [{"mode": 0o600}, {"size": 9}, {"digest": "9" * 64}, {"path": "a/b/d"}, {"kind": "l"}], ids=str)
def test_any_change_changes_the_digests_above_it_alone(change):
    before = Manifest.of(ENTRIES)
    after = Manifest.of([ENTRIES[1]._replace(**change), *(entry for entry in ENTRIES if entry != ENTRIES[1])])
    assert {folder for folder in before.trees if before.trees[folder] != after.trees[folder]} == {"", "a", "a/b"}


def test_equal_folders_have_equal_digests_wherever_they_are():
    manifest = Manifest.of([Entry("x/y/f", "f", 0o644, 1, "1"), Entry("z/f", "f", 0o644, 1, "1")])
    assert manifest.trees["x/y"] == manifest.trees["z"]


def test_below():
    manifest = Manifest.of(ENTRIES)
    assert [entry.path for entry in manifest.below("a")] == ["a/b", "a/b/c", "a/b0"]
    assert [entry.path for entry in manifest.below("a/b")] == ["a/b/c"]
    assert len(manifest.below("")) == len(manifest.entries)


def test_compare():
    before, after = Manifest.of(ENTRIES[:3]), Manifest.of([ENTRIES[0]._replace(mode=0o600), *ENTRIES[2:]])
    changes = compare(before, after)
    assert (changes.added, changes.changed, changes.removed) == (["a.b", "odd \udcff\n"], ["a-b"], ["a/b/c"])
    assert not compare(before, before)
    assert len(compare(None, before).added) == 3
    assert json.dumps(before.root)
