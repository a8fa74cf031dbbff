# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores that are filled from the controller; where names can't be links, current is the release's own folder."""

from __future__ import annotations

import os
import shutil
import warnings

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._release import options as specs
from ansible_collections.runbook.ops.plugins.module_utils._release.backends import on_controller
from ansible_collections.runbook.ops.plugins.module_utils._release.run import release_run
from ansible_collections.runbook.ops.plugins.module_utils._release.stage_plan import rules_from_options
from ansible_collections.runbook.ops.plugins.module_utils._release.stage_remote import stage_remote
from ansible_collections.runbook.ops.plugins.module_utils._release.swap import release_swap
from ansible_collections.runbook.ops.plugins.module_utils._release.walk import manifest_of
from faults.crash_points import every_crash_point
from faults.remote_site import FilledStore, FolderStore, RemoteSite
from faults.small_site import defaults

CONTENT = {number: {"index.php": f"version {number}\n", "lib/same.php": "same\n", "lib/own": f"{number}" * 100} for number in range(1, 6)}


@pytest.fixture(params=[FilledStore, FolderStore], ids=["links", "folders"])
def www(quick, request):
    site = RemoteSite(os.path.join(quick, "a"))
    os.makedirs(site.place)
    site.kind = request.param
    return site


@pytest.fixture
def folders(quick):
    site = RemoteSite(os.path.join(quick, "a"))
    os.makedirs(site.place)
    return site


def serves(site):
    return site.path("current/index.php").read_text()


def test_forth_and_back(www):
    www.deploy("r1", CONTENT[1])
    staged = www.stage("r2", CONTENT[2])
    assert (staged["sent_files"], staged["linked_files"], staged["state"]) == (2, 1, "ready")
    assert serves(www) == "version 1\n"
    swapped = www.swap("r2")
    assert (swapped["before"], swapped["after"], serves(www)) == ("r1", "r2", "version 2\n")
    assert swapped["atomic"] is www.kind.links
    assert (swapped["missing_ms"] > 0) is not www.kind.links
    back = www.swap("previous", mark_bad=True, reason="broken")
    assert (back["after"], back["rolled_back"], serves(www)) == ("r1", True, "version 1\n")
    assert www.states() == {"r1": "live", "r2": "bad"}
    assert www.swap("r1")["changed"] is False
    assert not www.leftovers()
    facts = www.info(verify=True)
    assert facts["current"] == "r1" and all(row["verified"] for row in facts["releases"])


def test_retention_and_withdrawal(www):
    for number in range(1, 6):
        www.deploy(f"r{number}", CONTENT[number])
        www.age(f"r{number}", 600 - number)
    assert www.prune(keep=2, check=True)["removed"] == ["r3", "r2", "r1"]
    assert www.prune(keep=2)["removed"] == ["r3", "r2", "r1"]
    assert serves(www) == "version 5\n" and set(www.states()) == {"r4", "r5"}
    assert not list(www.path(".runbook/manifests").glob("r1*"))
    assert www.swap("none")["after"] is None
    assert not os.path.lexists(www.path("current"))
    assert www.swap("r5")["before"] is None and serves(www) == "version 5\n"


def test_the_same_content_is_not_staged_again(www):
    www.deploy("r1", CONTENT[1])
    again = www.stage("r2", CONTENT[1], reuse_current=True)
    assert (again["changed"], again["release"], again["state"]) == (False, "r1", "live")


def test_check_mode_changes_nothing_and_says_the_same(www):
    www.deploy("r1", CONTENT[1])
    before = sorted(map(str, www.path().rglob("*")))
    planned = www.stage("r2", CONTENT[2], check=True)
    assert (planned["changed"], planned["sent_files"], planned["changes"]["changed"]) == (True, 2, 2)
    assert www.swap("r2", check=True, assume_staged=True)["changed"] is True
    assert sorted(map(str, www.path().rglob("*"))) == before


def test_without_hard_links_every_file_is_to_be_sent(www, monkeypatch):
    www.deploy("r1", CONTENT[1])
    monkeypatch.setattr(www.kind, "hard_links", False)
    assert www.stage("r2", CONTENT[2], check=True)["sent_files"] == 3
    assert www.stage("r2", CONTENT[2])["sent_files"] == 3


def test_links_to_shared_data_lead_there_from_where_the_release_is_served(www):
    www.deploy("r1", CONTENT[1], shared_dirs=["uploads", "var/data"])
    www.path("shared/uploads/photo").write_text("kept")
    assert www.path("current/uploads/photo").read_text() == "kept"
    www.deploy("r2", CONTENT[2], shared_dirs=["uploads", "var/data"])
    assert www.path("current/uploads/photo").read_text() == "kept"
    assert www.stage("r3", CONTENT[2], shared_dirs=["uploads", "var/data"], reuse_current=True)["release"] == "r2"


def test_a_real_folder_is_adopted(www):
    os.makedirs(www.path("current"))
    www.path("current/index.php").write_text("by hand\n")
    www.stage("r1", CONTENT[1])
    with pytest.raises(Refused, match="adopt_directory"):
        www.swap("r1")
    adopted = www.swap("r1", adopt_directory=True)["before"]
    assert adopted.startswith("adopted_") and serves(www) == "version 1\n"
    www.swap("previous")
    assert serves(www) == "by hand\n"


def test_an_interrupted_staging_is_taken_over_under_another_id(www, monkeypatch):
    www.deploy("r1", CONTENT[1])
    www.lock("one")
    real = www.kind.put_tree

    def cut(self, *args, **more):
        real(self, *args, **more)
        raise OSError(104, "Connection reset by peer")

    monkeypatch.setattr(www.kind, "put_tree", cut)
    with pytest.raises(OSError, match="reset"):
        www.stage("r2", CONTENT[2], lock_owner="one")
    monkeypatch.setattr(www.kind, "put_tree", real)
    www.lock("two", take_over=True)
    result = www.stage("r3", CONTENT[2], lock_owner="two")
    assert (result["resumed_files"], result["sent_files"]) == (3, 0)
    assert any("r2 had sent was taken over" in note for note in result["notes"])
    assert "r2" not in www.states()


@pytest.mark.parametrize("owner", [{"owner": "www-data"}, {"shared_dirs": [{"src": "uploads", "owner": "www-data"}]}])
def test_nobody_is_given_files_away_to(www, owner):
    with pytest.raises(InvalidInput, match="host without a shell"):
        www.stage("r1", CONTENT[1], **owner)


def test_a_second_step_that_fails_is_undone(folders, monkeypatch):
    folders.deploy("r1", CONTENT[1])
    folders.stage("r2", CONTENT[2])
    real = FolderStore.rename

    def rename(self, old, new):
        if old == "releases/r2":
            raise PermissionError(13, "Permission denied", old)
        return real(self, old, new)

    monkeypatch.setattr(FolderStore, "rename", rename)
    with pytest.raises(PermissionError):
        folders.swap("r2")
    assert serves(folders) == "version 1\n"
    monkeypatch.setattr(FolderStore, "rename", real)
    assert folders.swap("r2")["recovered"].startswith("an interrupted run had announced")
    assert serves(folders) == "version 2\n"


class MovingFirst(FolderStore):
    moves_first = True


@pytest.mark.parametrize("act", ["swap", "back", "withdraw", "adopt", "stage", "stage, moved first", "finish"])
def test_killed_anywhere_a_site_without_links_is_whole(quick, act):
    first, work = RemoteSite(os.path.join(quick, "first")), RemoteSite(os.path.join(quick, "work"))
    if act == "stage, moved first":
        act, work.kind = "stage", MovingFirst
    os.makedirs(first.place)
    if act == "adopt":
        os.makedirs(first.path("current"))
        first.path("current/index.php").write_text("by hand\n")
        first.stage("r1", CONTENT[1])
    else:
        first.deploy("r1", CONTENT[1])
        first.stage("r2", CONTENT[2])
        if act != "swap":
            first.swap("r2")
    goals = {"swap": "version 2\n", "back": "version 1\n", "withdraw": "", "adopt": "version 1\n"}
    goal, old = goals.get(act, "version 2\n"), {"swap": "version 1\n", "adopt": "by hand\n"}.get(act, "version 2\n")

    def do(site):
        if act == "stage":
            return site.stage("r3", CONTENT[3], lock_owner="me", lock_ttl=60)
        if act == "finish":
            return site.finish(release="r2", outcome="deployed", keep=2)
        if act == "back":
            return site.swap("r1", mark_bad=True)
        return site.swap({"withdraw": "none", "adopt": "r1"}.get(act, "r2"), adopt_directory=act == "adopt")

    def prepare():
        shutil.rmtree(work.place, ignore_errors=True)
        shutil.copytree(first.place, work.place, symlinks=True)

    seen = set()

    def check(number):
        there = work.path("current/index.php")
        served = there.read_text() if there.exists() else ""
        seen.add(served)
        # Two renames: the name may be missing, never half there.
        assert served in (old, goal, ""), served
        do(work)
        there = work.path("current/index.php")
        assert (there.read_text() if there.exists() else "") == goal
        if act == "stage":
            assert work.swap("r3", lock_owner="me")["after"] == "r3" and serves(work) == "version 3\n"
        if act != "stage":
            work.prune()
            assert not work.leftovers()
        facts = work.info(verify=True)
        if act in ("swap", "adopt"):  # what a rollback returns to was not forgotten in the gap
            assert (facts["previous"] or "").startswith("r1" if act == "swap" else "adopted_")
        assert not facts["problem"] and all(row["verified"] for row in facts["releases"] if row["complete"])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        points = every_crash_point(prepare, lambda: do(work), check)
    assert points > 3 and old in seen and (goal in seen)


def test_a_plan_without_a_host(www):
    source = www.source("r1", CONTENT[1])
    options = defaults(specs.STAGE, path="/home/user/site", src=source, release="r1", backend="sftp", remote={"offline": True})
    options |= {"shared_files": ["config/.env.php"], "shared_dirs": ["logs"]}
    manifest = manifest_of(source, rules_from_options(options))
    result = on_controller(lambda given, run: stage_remote(given, run, lambda: (source, manifest)), options, Run())
    assert result["sent_files"] == 3 and "put index.php to " in "\n".join(result["transcript"])
    assert result["transcript"][-1].startswith("remove /home/user/site/.runbook/incoming/r1")
    # What the user puts there is taken to be there; it is not the plan's to make.
    assert [line for line in result["transcript"] if "/site/shared/" in line] == ["mkdir /home/user/site/shared/logs (drwxr-xr-x)"]
    options = defaults(specs.SWAP, path="/home/user/site", release="r1", backend="sftp", remote={"offline": True}, assume_staged=True)
    lines = on_controller(release_swap, options, Run())["transcript"]
    assert "rename /home/user/site/.runbook/next to /home/user/site/current" in lines
    assert lines.index("symlink /home/user/site/.runbook/next -> releases/r1") == 1
    lines = on_controller(release_swap, {**options, "backend": "cpanel"}, Run())["transcript"]
    assert "rename /home/user/site/releases/r1 to /home/user/site/current" in lines and "symlink" not in "".join(lines)


def test_commands_need_a_shell():
    options = defaults(
        specs.RUN, path="/home/user/site", release="r1", commands=["true"], backend="sftp", remote={"host": "shop.example.com"}
    )
    with pytest.raises(Refused, match="can't be done over sftp"):
        release_run(options, Run())
