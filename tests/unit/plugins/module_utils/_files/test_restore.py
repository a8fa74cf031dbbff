# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore's switch: killed at every step, the next run finishes or undoes. Only the repository is a stand-in here."""

from __future__ import annotations

import contextlib
import os
import shutil
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._files import options, place, restore
from ansible_collections.runbook.ops.plugins.module_utils._files.restic import VERIFIED, Snapshot


class Folder:
    """As a repository with one snapshot, which is a folder; ``spoil`` is what happens to a restored one."""

    where = "/srv/restic"
    gone = False

    def __init__(self, kept, source, spoil=lambda path: None):
        self.kept, self.source, self.spoil = str(kept), source, spoil

    def snapshots(self, tags, host="", path=""):
        if self.gone:
            raise RunbookError("not reached")
        return [Snapshot("0123456789", "2026-11-21T10:15:00.123456789Z", (self.source,), "web", (VERIFIED,), "0123456789")]

    def nodes(self, snapshot):
        def node(path, shown):
            status = os.lstat(path)
            kind = "symlink" if os.path.islink(path) else "dir" if os.path.isdir(path) else "file"
            whole, rest = divmod(status.st_mtime_ns, 10**9)
            moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{rest:09}Z"
            yield {
                "path": shown,
                "type": kind,
                "size": status.st_size if kind == "file" else 0,
                "mtime": moment,
                "mode": status.st_mode & 0o777,
            }
            if kind == "dir":
                for name in sorted(os.listdir(path)):
                    yield from node(f"{path}/{name}", f"{shown}/{name}")

        yield from node(self.kept, self.source)

    def run(self, *words):
        assert words[0] == "restore"
        inside = os.path.join(words[words.index("--target") + 1], self.source.lstrip("/"))
        shutil.copytree(self.kept, inside, symlinks=True)
        self.spoil(inside)
        return b""


def content(path):
    found = {}
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            one = os.path.join(folder, name)
            found[os.path.relpath(one, path)] = open(one).read() if os.path.isfile(one) else None  # noqa: SIM115
    return found


@pytest.fixture
def site(tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    (kept / "sub").mkdir(parents=True)
    (kept / "sub" / "b").write_text("b")
    (kept / "a").write_text("new")
    live = tmp_path / "www" / "uploads"
    live.mkdir(parents=True)
    (live / "a").write_text("old")
    repository = Folder(kept, str(live))
    monkeypatch.setattr(restore, "opened", lambda location: contextlib.nullcontext(repository))
    monkeypatch.setattr(restore.os, "sync", lambda: None)
    return repository


def go(site, preview=False, **more):
    given = {name: option.get("default") for name, option in options.FILES_RESTORE.options.items()}
    given.update(repository="/srv/restic", password="long enough", path=site.source, host="web", force=True, **more)
    return restore.files_restore(given, Run(check_mode=preview))


def test_check_mode_apply_again(site):
    before = content(site.source)
    assert go(site, preview=True)["changed"] is True
    assert content(site.source) == before
    done = go(site)
    assert (content(site.source), content(done["previous"])) == (content(site.kept), before)
    for preview in (True, False):
        assert go(site, preview=preview)["changed"] is False


@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_step(site, can_exchange, there, when):
    """Ended without any clean-up before or after each change of the disk."""
    new, old = content(site.kept), {"a": "old"}
    parent = os.path.dirname(site.source)
    for step in range(1, 60):
        shutil.rmtree(parent)
        os.makedirs(site.source if there else parent)
        if there:
            with open(os.path.join(site.source, "a"), "w") as stream:
                stream.write("old")
        killed = _killed_at(site, step, when, can_exchange)
        live = content(site.source) if os.path.exists(site.source) else None
        if can_exchange or not there:
            assert live in ((old, new) if there else (None, new))
        # What is live is put right first, even when the repository can't be reached now.
        site.gone = True
        with pytest.raises(RunbookError, match="not reached"):
            go(site)
        site.gone = False
        assert (content(site.source) if os.path.exists(site.source) else None) in ((old, new) if there else (None, new))
        again = go(site)
        assert content(site.source) == new
        assert [name for name in os.listdir(parent) if "restore" in name] == []
        if there:
            assert [content(path) for path in place.Place(site.source).previous()] == [old]
        if not killed:
            assert step > 6
            assert again["recovered"] == ""
            return
    pytest.fail("it was never not killed")


def _killed_at(site, step, when, can_exchange):
    count = [0]

    def watch(real):
        def call(*given, **named):
            count[0] += 1
            if count[0] == step and when == "before":
                os._exit(99)
            result = real(*given, **named)
            if count[0] == step and when == "after":
                os._exit(99)
            return result

        return call

    pid = os.fork()
    if pid == 0:
        try:
            place.exchange = watch(place.exchange) if can_exchange else lambda one, other: False
            for name in ("mkdir", "rename", "unlink", "rmdir"):
                setattr(os, name, watch(getattr(os, name)))
            go(site)
        except BaseException:
            os._exit(98)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, 99)
    return code == 99


def test_what_is_restored_differently_never_goes_live(site):
    for spoil in (
        lambda path: os.unlink(f"{path}/a"),
        lambda path: open(f"{path}/more", "w").close(),
        lambda path: os.truncate(f"{path}/sub/b", 0),
        lambda path: os.chmod(f"{path}/sub", 0o700),
        shutil.rmtree,
    ):
        site.spoil = spoil
        with pytest.raises(RunbookError, match="is not what it lists|has no"):
            go(site)
        assert content(site.source) == {"a": "old"}
        assert os.listdir(os.path.dirname(site.source)) == ["uploads"]


def test_previous_ones_are_kept_by_number(site):
    for number in range(4):
        with open(os.path.join(site.source, "a"), "w") as stream:
            stream.write(str(number))
        go(site, keep_previous=2)
    assert [content(path)["a"] for path in place.Place(site.source).previous()] == ["3", "2"]


def test_a_link_is_refused(site, tmp_path):
    os.symlink(site.source, tmp_path / "link")
    with pytest.raises(Refused, match="symbolic link"):
        go(site, target=str(tmp_path / "link"))


def test_a_journal_that_cannot_be_read(site):
    with open(os.path.join(os.path.dirname(site.source), ".uploads.restore.json"), "w") as stream:
        stream.write("{")
    with pytest.raises(RunbookError, match="can't be read"):
        go(site)
    assert content(site.source) == {"a": "old"}
