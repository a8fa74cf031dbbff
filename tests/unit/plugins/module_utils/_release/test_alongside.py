# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are hashed by another process while they are put in place."""

from __future__ import annotations

import os
import select
import signal
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._release import alongside, verify, walk

NUMBER = 3 * alongside.STEP + 5


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A process even for few files, and although pytest's own threads are there."""
    monkeypatch.setattr(alongside, "FEW", 1)
    monkeypatch.setattr(alongside.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(alongside.threading, "active_count", lambda: 1)


@pytest.fixture
def tree(tmp_path):
    """A tree, its manifest, and the files of that in their order."""
    root = tmp_path / "tree"
    for number in range(NUMBER):
        folder = root / f"d{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}").write_text(f"content {number}")
    manifest = walk.manifest_of(str(root), walk.Rules(keep_all=True))
    return root, manifest, [entry for entry in manifest.entries if entry.kind == "f"]


@pytest.fixture
def hashed(monkeypatch):
    """The paths that ``verify_tree`` hashed itself."""
    paths = []
    real = verify.hash_files

    def noting(given, size, advance):
        paths.extend(given)
        return real(given, size, advance)

    monkeypatch.setattr(verify, "hash_files", noting)
    return paths


def place_all(along):
    for _number in range(NUMBER):
        along.placed()


def told():
    rows = []
    return rows, lambda files, size: rows.append((files, size))


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_what_is_right_is_not_hashed_again(tree, hashed):
    root, manifest, files = tree
    rows, advance = told()
    with alongside.Alongside(str(root), files) as along:
        child = along._child
        place_all(along)
        drift, stamp = verify.verify_tree(str(root), manifest, advance, along.right)
    assert child
    assert gone(child)
    assert (bool(drift), hashed) == (False, [])
    assert stamp == verify.Scan(str(root)).stamp()
    assert [sum(column) for column in zip(*rows)] == [NUMBER, manifest.total_bytes]


def test_nothing_is_hashed_before_it_is_placed(tree):
    root, _manifest, files = tree
    with alongside.Alongside(str(root), files) as along:
        for _number in range(alongside.STEP):
            along.placed()
        deadline = time.monotonic() + 10
        while along._found[-2] < alongside.STEP and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert along._found[-2] == alongside.STEP


def test_a_file_that_is_not_what_the_manifest_says(tree, hashed):
    root, manifest, files = tree
    wrong = root / files[70].path
    wrong.write_text("x" * files[70].size)
    with alongside.Alongside(str(root), files) as along:
        place_all(along)
        drift, _stamp = verify.verify_tree(str(root), manifest, hashed_by=along.right)
    assert drift.drifted == [files[70].path]
    assert hashed == [str(wrong)]


@pytest.mark.parametrize("when", ["before it is looked at", "after"])
def test_a_file_that_changes_after_it_was_hashed(tree, hashed, when):
    root, manifest, files = tree
    path = root / files[3].path
    seen = path.stat()

    def change():
        with open(path, "r+") as stream:
            stream.write("X")
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # only ctime tells

    with alongside.Alongside(str(root), files) as along:
        place_all(along)
        while not select.select([along._ended], [], [], 10)[0]:
            pass
        time.sleep(0.02)  # a clock tick of the file system
        if when == "before it is looked at":
            change()
        drift, stamp = verify.verify_tree(str(root), manifest, hashed_by=along.right)
    if when == "after":
        change()
        assert not drift
        assert verify.Scan(str(root)).stamp() != stamp
    else:
        assert drift.drifted == [files[3].path]
        assert hashed == [str(path)]


def test_a_process_that_is_killed_leaves_the_rest_to_be_hashed(tree, hashed):
    root, manifest, files = tree
    wrong = root / files[-1].path
    wrong.write_text("x" * files[-1].size)
    with alongside.Alongside(str(root), files) as along:
        for _number in range(alongside.STEP):
            along.placed()
        os.kill(along._child, signal.SIGKILL)
        for _number in range(NUMBER - alongside.STEP):
            along.placed()
        drift, _stamp = verify.verify_tree(str(root), manifest, hashed_by=along.right)
    assert drift.drifted == [files[-1].path]
    assert NUMBER - alongside.STEP <= len(hashed) <= NUMBER


def test_work_that_fails_ends_it(tree):
    root, _manifest, files = tree
    with pytest.raises(OSError, match="full"), alongside.Alongside(str(root), files) as along:
        child = along._child
        along.placed()
        raise OSError("full")
    assert gone(child)


def test_it_holds_nothing_of_ours(tree):
    """Neither the connection, which would not end, nor a lock that outlives who took it."""
    root, _manifest, files = tree
    there, here = os.pipe()
    with alongside.Alongside(str(root), files) as along:
        os.close(here)
        for _number in range(alongside.STEP):
            along.placed()
        assert select.select([there], [], [], 10)[0]
        assert os.read(there, 1) == b""
    os.close(there)


def test_a_file_that_is_not_there(tree, hashed):
    root, manifest, files = tree
    (root / files[5].path).unlink()
    with alongside.Alongside(str(root), files) as along:
        place_all(along)
        drift, _stamp = verify.verify_tree(str(root), manifest, hashed_by=along.right)
    assert (drift.missing, hashed) == ([files[5].path], [])


@pytest.mark.parametrize(("name", "value"), [("FEW", NUMBER + 1), ("os.cpu_count", lambda: 1), ("threading.active_count", lambda: 2)])
def test_where_it_would_not_be_faster(tree, hashed, monkeypatch, name, value):
    root, manifest, files = tree
    monkeypatch.setattr(f"{alongside.__name__}.{name}", value)
    with alongside.Alongside(str(root), files) as along:
        assert not along._child
        place_all(along)
        drift, _stamp = verify.verify_tree(str(root), manifest, hashed_by=along.right)
    assert (bool(drift), len(hashed)) == (False, NUMBER)


def test_a_deploy_does_not_trust_a_spoilt_file_of_an_earlier_release(www, hashed):
    files = {f"d/{number}": f"content {number}" for number in range(NUMBER)}
    www.deploy("r1", files)
    path = www.path("releases/r1/d/7")
    path.chmod(0o644)
    path.write_text("spoilt 7!")
    assert not hashed  # all of r1 was hashed alongside
    notes = www.stage("r2", {**files, "new": "1"})["notes"]
    assert any("d/7 is no longer what was staged there" in note for note in notes)
    www.swap("r2")
    assert www.path("current/d/7").read_text() == "content 7"
