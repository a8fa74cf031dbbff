# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file and byte that is hashed or built is told once, large files while they are read."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common import progress
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._release import build, walk
from ansible_collections.runbook.ops.plugins.module_utils._release.info import release_info
from ansible_collections.runbook.ops.plugins.module_utils._release.options import INFO, STAGE, SWAP
from ansible_collections.runbook.ops.plugins.module_utils._release.release_stage import release_stage
from ansible_collections.runbook.ops.plugins.module_utils._release.swap import release_swap
from ansible_collections.runbook.ops.plugins.plugin_utils._options import TaskOptions


@pytest.mark.parametrize(
    "sizes", [[], [0, 1, 5], [walk.CHUNK - 1, walk.CHUNK, walk.CHUNK + 1, 3 * walk.CHUNK], [1] * 700 + [2 * walk.CHUNK]]
)
@pytest.mark.parametrize("said", [1, walk.CHUNK, walk.SAID])
@pytest.mark.parametrize("large", [0, walk.LARGE])
def test_all_that_is_hashed_is_told(tmp_path, monkeypatch, sizes, said, large):
    monkeypatch.setattr(walk, "SAID", said)
    monkeypatch.setattr(walk, "LARGE", large)
    monkeypatch.setattr(walk.os, "cpu_count", lambda: 4)
    told, paths = [], []
    for number, size in enumerate(sizes):
        paths.append(str(tmp_path / str(number)))
        (tmp_path / str(number)).write_bytes(b"x" * size)
    walk.hash_files(paths, sum(sizes), lambda files, size: told.append((files, size)))
    assert sum(files for files, _size in told) == len(sizes)
    assert sum(size for _files, size in told) == sum(sizes)


def test_a_large_file_is_told_while_it_is_read_and_done_at_its_end(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * (2 * walk.CHUNK + 5))
    told = []
    walk.hash_file(str(tmp_path / "large"), advance=lambda files, size: told.append((files, size)))
    assert told == [(0, walk.CHUNK), (0, walk.CHUNK), (1, 5)]


@pytest.mark.parametrize("how", ["copied", "moved", "linked"])
def test_all_that_is_built_is_told(tmp_path, how):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"x" * 3_000_000)
    (source / "b").write_bytes(b"y")
    manifest = walk.manifest_of(str(source), walk.Rules())
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    if how == "moved":
        for path, entry in manifest.files.items():
            (source / path).rename(blobs / entry.digest)
    known = {entry.digest: str(source / path) for path, entry in manifest.files.items()} if how == "linked" else {}
    told = []
    built = build.Builder(
        str(tmp_path / "tree"),
        build.Owner(None, None),
        known=known,
        blobs=str(blobs),
        source=str(source) if how == "copied" else None,
        advance=lambda files, size: told.append((files, size)),
    ).build(manifest)
    assert getattr(built, how) == 2
    assert (sum(files for files, _size in told), sum(size for _files, size in told)) == (2, 3_000_001)


def test_the_use_cases_that_may_be_long_say_how_far_they_are(www, monkeypatch):
    real = progress.Progress.__init__
    monkeypatch.setattr(progress.Progress, "__init__", lambda self, *given, **more: real(self, *given, **{**more, "quiet": 0, "every": 0}))
    said = []
    run = Run(say=lambda line: said.append(line.partition(":")[0]))
    source = www.source("r1", {"a": "1"})
    release_stage(TaskOptions({"path": www.base, "src": source, "release": "r1", "remote_src": True}, STAGE).values, run)
    assert list(dict.fromkeys(said)) == [f"hashing {source}", "building r1", "verifying r1", "writing r1 to the disk"]
    said.clear()
    release_swap(TaskOptions({"path": www.base, "release": "r1", "verify": "full"}, SWAP).values, run)
    assert "verifying r1" in said
    said.clear()
    release_info(TaskOptions({"path": www.base, "verify": True}, INFO).values, run)
    assert "verifying r1" in said
