# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forward, back, away and refused: what a swap does, and what it must never do."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused
from faults.small_site import SmallSite, listing, write_tree


def refused(www, match, call, kind=Refused):
    """The call is refused, in one line, and has changed nothing at all."""
    before = listing(www.base)
    with pytest.raises(kind, match=match) as caught:
        call()
    assert "\n" not in caught.value.message
    assert listing(www.base) == before
    return caught.value


def test_a_release_becomes_current(www):
    www.stage("r1", {"index.php": "one\n"})
    result = www.swap("r1")
    assert (result["changed"], result["before"], result["after"], result["atomic"], result["recovered"]) == (True, None, "r1", True, "")
    assert os.readlink(www.path("current")) == "releases/r1"
    assert www.served() == {"index.php": b"one\n"}
    assert www.states() == {"r1": "live"}


def test_again_changes_nothing(three):
    before = listing(three.base)
    result = three.swap("r3")
    assert (result["changed"], result["before"], result["after"]) == (False, "r3", "r3")
    assert listing(three.base) == before


def test_check_mode_changes_nothing_and_predicts(three):
    before = listing(three.base)
    for release in ("r1", "previous", "none"):
        predicted = three.swap(release, check=True)
        assert listing(three.base) == before
        assert predicted["changed"]


def test_check_mode_says_the_same_as_the_swap(three):
    predicted, made = three.swap("r2", check=True), three.swap("r2")
    assert predicted == made
    assert made["diff"]["before"] == "current -> releases/r3\n"
    assert made["diff"]["after"] == "current -> releases/r2\n~ index.php\n"


def test_check_mode_believes_in_a_release_that_would_have_been_staged(three):
    assert three.swap("r9", check=True, assume_staged=True)["after"] == "r9"
    refused(three, "r9 is not known", lambda: three.swap("r9", check=True))
    refused(three, "r9 is not known", lambda: three.swap("r9", assume_staged=True))


# -- back ------------------------------------------------------------------------------------------------------------


def test_previous_twice_goes_back_twice(three):
    assert three.swap("previous")["after"] == "r2"
    result = three.swap("previous")
    assert (result["after"], result["rolled_back"]) == ("r1", True)
    refused(three, "no good release precedes r1", lambda: three.swap("previous"))


def test_rollback_with_one_release_left_is_a_clear_error_and_changes_nothing(www):
    www.deploy("r1", {"a": "1"})
    error = refused(www, "no good release precedes r1", lambda: www.swap("previous"))
    assert "nothing was changed" in error.message
    assert www.served() == {"a": b"1"}


def test_rollback_without_any_release_is_a_clear_error(www):
    os.makedirs(www.base)
    with pytest.raises(Refused, match="no good release precedes an empty current"):
        www.swap("previous")


def test_newest_mtime_does_not_matter(three):
    """Others take the newest folder for the current one: here it is what the link and the records say."""
    os.utime(three.path("releases", "r1"), (2e9, 2e9))
    os.utime(three.path("releases", "r3"), (1, 1))
    assert three.swap("previous")["after"] == "r2"
    assert three.states() == {"r1": "retired", "r2": "live", "r3": "retired"}


def test_swapping_back_to_the_newest_release_keeps_it(three):
    """ansistrano.rollback deletes the release that it was told to return to when that is the newest one."""
    three.swap("r1")
    three.swap("r3")
    assert three.releases() == ["r1", "r2", "r3"]
    assert three.served()["index.php"] == b"version 3\n"


def test_previous_skips_bad_ones(three):
    three.swap("previous", mark_bad=True, reason="500")
    three.swap("r1")
    assert three.states()["r3"] == "bad"
    three.deploy("r4", {"index.php": "4"})
    three.swap("previous", mark_bad=True)
    assert three.current() == "r1"
    three.deploy("r5", {"index.php": "5"})
    assert three.swap("previous")["after"] == "r1"


def test_deploy_after_rollback_returns_to_what_was_live(three):
    three.swap("previous")
    three.deploy("r4", {"index.php": "4"})
    assert three.info()["previous"] == "r2"
    assert three.swap("previous")["after"] == "r2"


def test_forward_again_after_rollback(three):
    three.swap("previous")
    result = three.swap("r3")
    assert (result["after"], result["rolled_back"]) == ("r3", False)
    assert three.swap("previous")["after"] == "r2"


def test_explicit_ids_in_any_order_never_lose_the_way_back(three):
    for release in ("r1", "r3", "r2", "r1", "r2", "r3", "r1", "r2"):
        before = three.current()
        three.swap(release)
        assert three.current() == release
        if before != "r1":
            continue
        assert three.info()["previous"] is not None
    assert len(three.site.ancestors("r2", three.site.records())) < 4


def test_mark_bad(three):
    three.swap("r2", mark_bad=True, reason="checkout answers 500")
    refused(three, r"r3 is marked bad \(checkout answers 500\)", lambda: three.swap("r3"))
    assert three.swap("r3", allow_bad=True)["after"] == "r3"
    assert three.states()["r3"] == "live"
    three.swap("r2")
    assert three.swap("r3")["changed"], "it counts as good again"


def test_repeating_a_swap_with_mark_bad_changes_nothing(three):
    three.swap("r2", mark_bad=True)
    before = listing(three.base)
    assert not three.swap("r2", mark_bad=True)["changed"]
    assert listing(three.base) == before
    assert three.states() == {"r1": "retired", "r2": "live", "r3": "bad"}


# -- away ------------------------------------------------------------------------------------------------------------


def test_withdrawing_the_first_release(www):
    www.deploy("r1", {"a": "1"})
    result = www.swap("none", mark_bad=True, reason="500")
    assert (result["before"], result["after"]) == ("r1", None)
    assert not os.path.lexists(www.path("current"))
    assert www.states() == {"r1": "bad"}
    assert not www.swap("none")["changed"]
    assert www.info()["history"][-1]["event"] == "withdrawn"


# -- refused ---------------------------------------------------------------------------------------------------------


def test_swap_to_an_interrupted_release_is_refused(www):
    """Capistrano publishes the release whose deploy was killed."""
    www.deploy("r1", {"a": "1"})

    class Cut(Exception):
        pass

    def cut(*args):
        raise Cut

    from ansible_collections.runbook.ops.plugins.module_utils._release import stage

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "verify_tree", cut)
        with pytest.raises(Cut):
            www.stage("r2", {"a": "2"})
    refused(www, "r2 is not ready, its staging was not completed; run the deploy again", lambda: www.swap("r2"))
    assert www.stage("r2", {"a": "2"})["state"] == "ready"
    assert www.swap("r2")["after"] == "r2"


@pytest.mark.parametrize("release", ["../r1", "", ".", "a/b", "current", "latest", "-r", "x" * 65, "r1.partial", "a\nb", "r1\n"])
def test_what_is_no_id_is_refused(three, release):
    refused(three, "can't be a release id", lambda: three.swap(release), InvalidInput)


def test_unknown_release(three):
    refused(three, r"r9 is not known .*known: r1, r2, r3.*stage it first", lambda: three.swap("r9"))


def test_no_site(www):
    with pytest.raises(Refused, match="does not exist; stage a release there first"):
        www.swap("r1")
    assert not os.path.exists(www.base)


def altered(path, data, keep_times):
    seen = os.stat(path)
    path.write_bytes(data)
    if keep_times:
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


@pytest.mark.parametrize("verify", ["auto", "full"])
@pytest.mark.parametrize(
    ("data", "keep_times"),
    [(b"longer than before\n", False), (b"VERSION 4\n", False), (b"VERSION 4\n", True)],
    ids=["longer", "as long", "as old"],
)
def test_an_altered_release_is_refused(three, verify, data, keep_times):
    three.stage("r4", {"index.php": "version 4\n"})
    altered(three.path("releases/r4/index.php"), data, keep_times)
    error = refused(
        three, r"r4 .* is not what was staged \(1 changed of 1 entries, first index.php\)", lambda: three.swap("r4", verify=verify)
    )
    assert error.result["drifted"] == ["index.php"]


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda folder: (folder / "extra.php").write_text("<?php"), "extra"),
        (lambda folder: (folder / "new").mkdir(), "extra"),
        (lambda folder: (folder / "lib/a.php").unlink(), "missing"),
        (lambda folder: os.chmod(folder / "lib/a.php", 0o666), "drifted"),
        (lambda folder: os.chmod(folder / "lib", 0o777), "drifted"),
        (lambda folder: (os.unlink(folder / "link"), os.symlink("/etc/passwd", folder / "link")), "drifted"),
        (lambda folder: (os.unlink(folder / "lib/a.php"), os.symlink("../index.php", folder / "lib/a.php")), "drifted"),
        (lambda folder: (os.unlink(folder / "lib/a.php"), os.mkfifo(folder / "lib/a.php", 0o644)), "drifted"),
    ],
)
def test_any_other_difference_is_refused(www, spoil, kind):
    www.stage("r1", {"index.php": "1", "lib/a.php": "a", "link": "->lib/a.php"})
    spoil(www.path("releases/r1"))
    assert refused(www, "is not what was staged", lambda: www.swap("r1")).result[kind]


def test_an_untouched_release_is_not_hashed_again(www, monkeypatch):
    from ansible_collections.runbook.ops.plugins.module_utils._release import store

    www.stage("r1", {"a": "1"})
    monkeypatch.setattr(store, "verify_tree", lambda *args: pytest.fail("hashed"))
    assert www.swap("r1")["verified"] is False


def test_a_release_whose_files_were_linked_since_is_hashed_and_then_trusted(www):
    www.deploy("r1", {"a": "1", "b": "1"})
    www.deploy("r2", {"a": "2", "b": "1"})
    assert www.swap("r1")["verified"]
    www.swap("r2")
    assert not www.swap("r1")["verified"]


def test_a_release_without_its_folder_is_refused(three):
    os.rename(three.path("releases/r1"), three.path("gone"))
    refused(three, "releases/r1 is missing although its record says retired", lambda: three.swap("r1"))


def test_a_current_that_points_nowhere_is_not_already_current(three):
    os.rename(three.path("releases/r3"), three.path("gone"))
    refused(three, "current points to releases/r3, which is missing", lambda: three.swap("r3"))
    assert three.swap("previous")["after"] == "r2"


def test_a_damaged_manifest_of_the_release_that_is_left_keeps_nobody_there(three):
    three.path(".runbook/manifests/r3.json").write_text("{}")
    assert three.swap("previous")["after"] == "r2"


def test_a_damaged_manifest_is_a_clear_error(three):
    three.path(".runbook/manifests/r1.json").write_text("{}")
    with pytest.raises(Exception, match="release r1 can't be verified, its manifest can't be used .*r1.json, or stage a new release"):
        three.swap("r1", verify="full")


def test_a_locked_site_is_refused_and_names_the_holder(three):
    three.lock("deploy 1", where="ci.example.com", purpose="release 9")
    error = refused(three, "locked by deploy 1 from ci.example.com for release 9 since 20", lambda: three.swap("r1"))
    assert error.result["lock"]["owner"] == "deploy 1"
    refused(three, "locked by deploy 1", lambda: three.swap("r1", lock_owner="deploy 2"))
    assert three.swap("r1", lock_owner="deploy 1")["after"] == "r1"


# -- a current that is no link of ours ------------------------------------------------------------------------------


@pytest.fixture
def real(www):
    """current is a real folder, and a release waits."""
    write_tree(
        www.path("current"), {"index.php": "by hand\n", "uploads/a": "a", "abs": "->/etc/hostname", ".git/HEAD": "x", "run.sh": "#!"}
    )
    os.chmod(www.path("current/run.sh"), 0o4750)
    www.stage("r1", {"index.php": "one\n"})
    return www


def test_a_real_directory_is_refused_with_the_way_out(real):
    refused(real, "current is a real folder, not a link .* adopt_directory: true .* or move it away", lambda: real.swap("r1"))


@pytest.mark.parametrize("kernel", ["exchange", "old"])
def test_a_real_directory_is_adopted_and_can_be_swapped_back_to(real, kernel, monkeypatch):
    if kernel == "old":
        monkeypatch.setattr(ctypes, "CDLL", lambda *args, **more: object())
    before = {name: seen[-1] for name, seen in listing(real.path("current")).items()}
    result = real.swap("r1", adopt_directory=True)
    assert result["atomic"] is (kernel == "exchange")
    adopted = result["before"]
    assert adopted.startswith("adopted_")
    assert {name: seen[-1] for name, seen in listing(real.path("releases", adopted)).items()} == before
    assert real.served() == {"index.php": b"one\n"}
    assert real.states() == {adopted: "retired", "r1": "live"}
    assert real.info()["previous"] == adopted
    assert real.swap("previous")["after"] == adopted
    assert real.served()["index.php"] == b"by hand\n"
    assert not real.leftovers()


def test_adopting_is_predicted(real):
    before = listing(real.base)
    predicted = real.swap("r1", adopt_directory=True, check=True)
    assert listing(real.base) == before
    assert (predicted["changed"], predicted["after"]) == (True, "r1")


@pytest.mark.parametrize("release", ["previous", "none"])
def test_adopting_needs_a_release(real, release):
    refused(real, "adopt_directory needs a release", lambda: real.swap(release, adopt_directory=True), InvalidInput)


def test_adopting_for_an_unready_release_changes_nothing(real):
    refused(real, "r2 is not known", lambda: real.swap("r2", adopt_directory=True))


@pytest.mark.parametrize("check", [True, False])
def test_a_folder_that_cannot_be_recorded_is_refused_before_anything_is_announced(real, check):
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(real.path("current"))
        server.bind("s")
        os.chdir(here)
        refused(real, "s in the source is neither a file", lambda: real.swap("r1", adopt_directory=True, check=check))


@pytest.mark.parametrize("target", ["/etc", "elsewhere", "releases", "releases/../../x", "../www2/releases/r1"])
def test_a_link_to_elsewhere_is_refused(three, target):
    os.unlink(three.path("current"))
    os.symlink(target, three.path("current"))
    refused(three, "which is not one of this site's releases", lambda: three.swap("r1"))


def test_an_absolute_link_of_another_tool_is_understood(three):
    os.unlink(three.path("current"))
    os.symlink(f"{three.base}/releases/r3/", three.path("current"))
    assert three.swap("previous")["after"] == "r2"
    assert os.readlink(three.path("current")) == "releases/r2"


def test_a_release_of_another_tool_can_be_returned_to(www):
    """The first deploy over a site of another tool fails its probes: it must be possible to take it back."""
    write_tree(www.path("releases/20200101000000"), {"index.php": "theirs\n"})
    os.symlink("releases/20200101000000", www.path("current"))
    www.stage("r1", {"index.php": "ours\n"})
    assert www.swap("r1")["before"] == "20200101000000"
    assert www.info()["previous"] == "20200101000000"
    assert www.swap("previous", mark_bad=True)["after"] == "20200101000000"
    assert www.served() == {"index.php": b"theirs\n"}


def test_history_says_who_what_and_why(three):
    three.swap("previous", reason="500 on /", by="sam", mark_bad=True)
    event = three.info()["history"][-1]
    assert {key: event[key] for key in ("event", "release", "before", "reason", "marked_bad", "by")} == {
        "event": "rolled_back",
        "release": "r2",
        "before": "r3",
        "reason": "500 on /",
        "marked_bad": True,
        "by": "sam",
    }
    assert all(json.loads(line) for line in three.path(".runbook/history.jsonl").read_text().splitlines())


def test_what_a_site_added_to_a_release_that_was_live_keeps_nobody_from_going_back(three):
    three.path("releases/r2/cache.bin").write_text("made by the site")
    result = three.swap("previous")
    assert result["after"] == "r2"
    assert "1 extra" in result["drift"]


def test_a_changed_release_is_swapped_to_only_when_told(three):
    path = three.path("releases/r2/index.php")
    path.unlink()
    with pytest.raises(Refused, match="allow_drift"):
        three.swap("previous")
    assert three.swap("previous", allow_drift=True)["after"] == "r2"


def test_check_mode_of_a_whole_first_deploy(quick):
    """Nothing is there yet, not even the site's folder: an earlier task would have made it."""
    site = SmallSite(quick)
    shutil.rmtree(site.base, ignore_errors=True)
    result = site.swap("r1", check=True, assume_staged=True)
    assert (result["changed"], result["before"], result["after"]) == (True, None, "r1")
    assert site.finish(check=True, release="r1", outcome="deployed")["changed"]
    with pytest.raises(Refused, match="does not exist"):
        site.swap("r1", check=True)
    assert not os.path.exists(site.base)
