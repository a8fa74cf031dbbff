# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import io
import os
import pathlib
import tarfile
import tracemalloc

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.archive import build, fit
from ansible_collections.runbook.ops.plugins.module_utils._release.manifest import Entry, Manifest
from ansible_collections.runbook.ops.plugins.module_utils._release.walk import Rules, manifest_of


@pytest.fixture
def source(tmp_path: pathlib.Path) -> pathlib.Path:
    root = tmp_path / "source"
    (root / "a" / ("deep" * 30)).mkdir(parents=True)
    (root / "a" / ("deep" * 30) / "مرحبا.txt").write_text("x" * 1000)
    (root / "a" / "run.sh").write_text("#!/bin/sh\n")
    (root / "a" / "run.sh").chmod(0o755)
    (root / "empty").mkdir(mode=0o750)
    return root


def packed(source: pathlib.Path, manifest: Manifest, made: int = 1_700_000_000) -> bytes:
    out = io.BytesIO()
    assert build(str(source), manifest, made, out) == len(out.getvalue())
    return out.getvalue()


def test_the_same_files_make_the_same_bytes(source: pathlib.Path) -> None:
    manifest = manifest_of(str(source), Rules())
    first = packed(source, manifest)
    for path in source.rglob("*"):
        os.utime(path, (1, 1))
    assert packed(source, manifest) == first
    assert packed(source, manifest, 1_700_000_001) != first


def test_what_is_in_it_is_the_manifest(source: pathlib.Path, tmp_path: pathlib.Path) -> None:
    manifest = manifest_of(str(source), Rules())
    with tarfile.open(fileobj=io.BytesIO(packed(source, manifest))) as archive:
        assert {(member.uid, member.gid, member.uname, member.mtime) for member in archive} == {(0, 0, "", 1_700_000_000)}
        archive.extraction_filter = lambda member, path: member
        archive.extractall(tmp_path / "out")
    assert manifest_of(str(tmp_path / "out"), Rules(keep_all=True)) == manifest


@pytest.mark.parametrize("change", ["bytes", "size", "gone", "link"])
def test_a_source_that_changed_is_refused(source: pathlib.Path, change: str) -> None:
    manifest = manifest_of(str(source), Rules())
    path = source / "a/run.sh"
    if change in ("gone", "link"):
        path.unlink()
    if change == "link":
        path.symlink_to("/etc/passwd")
    elif change != "gone":
        path.write_text("#!/bin/zz\n" if change == "bytes" else "longer than before")
    with pytest.raises((RunbookError, OSError), match="run.sh"):
        packed(source, manifest)


def test_links_and_odd_names_do_not_fit() -> None:
    with pytest.raises(RunbookError, match="x is a symbolic link"):
        fit(Manifest.of([Entry("x", "l", 0o777, 0, "target")]))
    with pytest.raises(RunbookError, match=r"caf\\udce9 is not UTF-8"):
        fit(Manifest.of([Entry("caf\udce9", "f", 0o644, 0, "")]))


def test_memory_does_not_grow_with_files(tmp_path: pathlib.Path) -> None:
    root = tmp_path / "large"
    root.mkdir()
    size = 60_000_000
    with open(root / "zeros", "wb") as stream:
        stream.truncate(size)
    digest = hashlib.sha256(bytes(size)).hexdigest()
    manifest = Manifest.of([Entry("zeros", "f", 0o644, size, digest)])
    with open(tmp_path / "out", "w+b") as out:
        tracemalloc.start()
        build(str(root), manifest, 1, out)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8_000_000
