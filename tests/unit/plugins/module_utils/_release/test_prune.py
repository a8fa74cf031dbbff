# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes, what stays, and what must stay whatever happens."""

from __future__ import annotations

import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused
from ansible_collections.runbook.ops.plugins.module_utils._release import stage as stage_module
from faults.small_site import listing, write_tree


@pytest.fixture
def seven(www):
    """r1 … r7, a day apart, the last one current."""
    for number in range(1, 8):
        www.deploy(f"r{number}", {"index.php": f"{number}\n", "same": "same\n"})
    for number in range(1, 8):
        www.age(f"r{number}", (7 - number) * 86400 + 60)
    return www


def interrupt(www, release, content):
    """Leave a release as a run leaves it that is killed while it is verified."""

    class Killed(BaseException):
        pass

    def kill(*args):
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage_module, "verify_tree", kill)
        with pytest.raises(Killed):
            www.stage(release, content)


def test_the_newest_stay(seven):
    result = seven.prune(keep=3)
    assert (result["changed"], result["removed"], result["kept"]) == (True, ["r4", "r3", "r2", "r1"], ["r7", "r6", "r5"])
    assert seven.releases() == ["r5", "r6", "r7"]
    assert sorted(seven.states()) == ["r5", "r6", "r7"]
    assert [row["reason"] for row in result["plan"]][:2] == ["current", "the previous good release, what a rollback returns to"]
    assert not seven.prune(keep=3)["changed"]
    assert not seven.leftovers()


def test_check_mode_changes_nothing_and_predicts(seven):
    before = listing(seven.base)
    predicted = seven.prune(keep=2, check=True)
    assert listing(seven.base) == before
    assert predicted == seven.prune(keep=2)


def test_live_is_never_pruned_even_after_a_rollback(seven):
    """Deployer deletes the live release in the clean-up after a rollback."""
    seven.swap("r1")
    assert seven.prune(keep=2)["kept"] == ["r7", "r6", "r1"]
    assert seven.served()["index.php"] == b"1\n"


def test_the_previous_good_one_is_never_pruned_even_after_a_rollback(seven):
    seven.swap("r2")
    result = seven.prune(keep=2)
    assert set(result["kept"]) == {"r7", "r6", "r2", "r1"}
    assert seven.swap("previous")["after"] == "r1"


def test_without_a_release_given_nothing_live_is_deleted(seven):
    """deploy_helper's state=clean deletes the live release when it isn't told which one that is."""
    for _again in range(3):
        seven.prune(keep=2)
    assert seven.current() == "r7"
    assert seven.served()["index.php"] == b"7\n"


def test_newest_mtime_does_not_matter(seven):
    for number in range(1, 8):
        os.utime(seven.path(f"releases/r{number}"), (8e8 - number, 8e8 - number))
    assert seven.prune(keep=2)["kept"] == ["r7", "r6"]


def test_failed_releases_do_not_use_up_keep(seven):
    """With Deployer a few failed deploys push every good release out."""
    for number in range(10, 14):
        seven.deploy(f"r{number}", {"index.php": f"{number}\n"})
        seven.swap("previous", mark_bad=True)
    interrupt(seven, "r20", {"index.php": "20\n"})
    result = seven.prune(keep=4)
    assert set(result["kept"]) == {"r4", "r5", "r6", "r7", "r13", "r20"}
    assert {row["release"]: row["reason"] for row in result["plan"]}["r13"] == "bad, kept to be looked at"
    assert seven.prune(keep=4, keep_bad=0)["removed"] == ["r13"]


def test_releases_that_were_never_live_do_not_use_up_keep(seven):
    """Deploys that were given up after staging, because another host failed."""
    for number in range(10, 16):
        seven.stage(f"r{number}", {"index.php": f"{number}\n"})
    result = seven.prune(keep=3)
    assert set(result["kept"]) == {"r5", "r6", "r7", "r13", "r14", "r15"}


def test_keep_days(seven):
    assert seven.prune(keep=2, keep_days=3.5)["kept"] == ["r7", "r6", "r5", "r4"]


def test_a_release_that_can_be_resumed_stays_and_an_old_one_goes(seven):
    interrupt(seven, "r8", {"index.php": "8\n"})
    assert "r8" in seven.prune(keep=2)["kept"]
    seven.age("r8", 86401)
    assert seven.prune(keep=2)["removed"] == ["r8"]
    assert not seven.leftovers()


def test_an_unfinished_release_goes_when_a_newer_one_went_live_also_by_the_holder_of_the_lock(seven):
    interrupt(seven, "r8", {"index.php": "8\n"})
    seven.age("r8", 100)
    seven.lock("deploy 9")
    seven.stage("r9", {"index.php": "9\n"}, lock_owner="deploy 9", hardlink=False)
    seven.swap("r9", lock_owner="deploy 9")
    assert "r8" not in seven.prune(keep=2, lock_owner="deploy 9")["kept"]
    assert not seven.leftovers()


def test_withdrawn_site(seven):
    seven.swap("none")
    assert seven.prune(keep=2)["kept"] == ["r7", "r6"]


def test_folders_of_others_are_reported_and_never_touched(seven):
    write_tree(seven.path("releases/theirs"), {"a": "a"})
    seven.path("releases/note.txt").write_text("x")
    result = seven.prune(keep=2)
    assert result["unknown"] == ["note.txt", "theirs"]
    assert seven.path("releases/theirs/a").read_text() == "a"


def test_those_that_came_after_point_to_what_came_before(seven):
    seven.swap("r3")  # what a rollback returns to is r2
    seven.swap("r7")  # and now r3
    seven.prune(keep=2)
    seven.swap("previous")
    seven.prune(keep=2)
    records = seven.site.records()
    assert all(record.previous in {"", *records} for record in records.values())


def test_a_release_with_read_only_folders_is_removed(seven):
    seven.stage("r8", {"a/b/c": "c"}, dir_mode="0555")
    seven.swap("r8")
    seven.swap("previous", mark_bad=True)
    assert "r8" in seven.prune(keep=2, keep_bad=0)["removed"]
    assert not seven.leftovers()


def test_what_killed_runs_left_goes(seven):
    state = seven.path(".runbook")
    for name in ("history.jsonl.abc.partial", "releases/r1.json.abc.partial", "manifests/r1.json.abc.partial"):
        (state / name).write_text("{")
    write_tree(state, {"incoming/gone/blobs/x": "x", "incoming/r7/manifest.json": "{}", "trash/abc/a/b": "b", "lock-abc/owner.json": "{}"})
    (state / "trash").mkdir(exist_ok=True)
    (state / "trash/file").write_text("x")
    os.symlink("/etc", state / "trash/link")
    (state / "manifests/gone.json").write_text("{}")
    seven.prune(keep=5)
    assert not seven.leftovers()
    assert os.listdir(state / "incoming") == []
    assert not (state / "manifests/gone.json").exists()
    assert os.path.isdir("/etc")


def test_a_link_in_the_place_of_a_release_is_removed_and_not_followed(seven, quick):
    outside = os.path.join(quick, "outside")
    write_tree(outside, {"precious": "x"})
    os.rename(seven.path("releases/r1"), seven.path("away"))
    os.symlink(outside, seven.path("releases/r1"))
    assert "r1" in seven.prune(keep=2)["removed"]
    assert os.listdir(outside) == ["precious"]
    assert "r1" not in seven.releases()


@pytest.mark.parametrize("options", [{"keep": 1}, {"keep": 0}, {"keep": -1}])
def test_keep_1_is_refused(seven, options):
    before = listing(seven.base)
    with pytest.raises(InvalidInput, match="would leave nothing to roll back to; use 2 or more"):
        seven.prune(**options)
    assert listing(seven.base) == before


@pytest.mark.parametrize("options", [{"keep_days": -1.0}, {"keep_bad": -1}])
def test_negative_numbers_are_refused(seven, options):
    with pytest.raises(InvalidInput, match="can't be negative"):
        seven.prune(**options)


def test_a_current_that_is_no_link_stops_everything(seven):
    os.unlink(seven.path("current"))
    os.mkdir(seven.path("current"))
    before = listing(seven.path("releases"))
    with pytest.raises(Refused, match="real folder"):
        seven.prune(keep=2)
    assert listing(seven.path("releases")) == before


def test_a_locked_site_is_refused(seven):
    seven.lock("deploy 1")
    with pytest.raises(Refused, match="locked by deploy 1"):
        seven.prune(keep=2)
    assert seven.prune(keep=2, lock_owner="deploy 1")["changed"]


def test_no_site(www):
    with pytest.raises(Refused, match="nothing to prune"):
        www.prune()
