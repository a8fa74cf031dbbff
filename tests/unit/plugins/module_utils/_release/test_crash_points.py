# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill every use case before each of its changes: the old or the new state is there, and the next run ends right."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import warnings

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused
from ansible_collections.runbook.ops.plugins.module_utils._release import lock
from ansible_collections.runbook.ops.plugins.plugin_utils._conversation import Lost
from faults import kill_sweep
from faults.crash_points import every_crash_point
from faults.small_site import Host, SmallSite, write_tree

CONTENT = {number: {"index.php": f"version {number}\n", "lib/same.php": "same\n", "lib/own": f"{number}" * 100} for number in range(1, 6)}


@pytest.fixture
def crash(quick):
    """``crash(begin, act, check)``: for every crash point a fresh copy of what ``begin`` made; ``check`` gets the site."""
    work = SmallSite(os.path.join(quick, "work"))

    def crash(begin, act, check):
        first = SmallSite(os.path.join(quick, "first"))
        os.makedirs(first.place)
        begin(first)
        counts = {}

        def prepare():
            shutil.rmtree(work.place, ignore_errors=True)
            shutil.copytree(first.place, work.place, symlinks=True)

        def checked(number):
            announced = work.path(".runbook/swap.json").exists()
            what = check(work, announced)
            counts[what] = counts.get(what, 0) + 1

        points = every_crash_point(prepare, lambda: act(work), checked)
        print(f"{points} crash points: {counts}")
        return points, counts

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside pytest's threads
        yield crash


def two(site):
    site.deploy("r1", CONTENT[1])
    site.stage("r2", CONTENT[2])


def three(site):
    site.deploy("r1", CONTENT[1])
    site.deploy("r2", CONTENT[2])


def whole(site, release):
    """The release has exactly the bytes of its version."""
    root = site.path("releases", release)
    found = {os.path.relpath(path, root): path.read_text() for path in root.rglob("*") if path.is_file()}
    return found == CONTENT[int(release[1:])]


def served(site):
    """What is current, after a look at every byte of it."""
    current = site.current()
    assert current is None or whole(site, current)
    return current


def said_so(result, announced):
    text = result.get("recovered") or " ".join(result.get("notes", []))
    assert bool(text) == announced, (result, announced)


def in_order(site):
    site.prune()
    assert not site.leftovers()
    assert [json.loads(line) for line in site.path(".runbook/history.jsonl").read_text().splitlines()]
    facts = site.info(verify=True)
    assert all(row["verified"] for row in facts["releases"])
    assert not facts["problem"]


@pytest.mark.parametrize("then", ["again", "prune", "stage", "back"])
def test_swap(crash, then):
    def check(site, announced):
        at = served(site)
        assert at in ("r1", "r2")
        if then == "again":
            said_so(site.swap("r2"), announced)
            assert served(site) == "r2"
        elif then == "prune":
            said_so(site.prune(), announced)
            assert served(site) == at
        elif then == "stage":
            said_so(site.stage("r3", CONTENT[3]), announced)
            assert served(site) == at
        else:
            result = site.swap("r1")
            said_so(result, announced)
            assert served(site) == "r1"
        now = served(site)
        in_order(site)
        assert site.states() == {
            "r1": "live" if now == "r1" else "retired",
            "r2": "live" if now == "r2" else site.states()["r2"],
            **({"r3": "ready"} if then == "stage" else {}),
        }
        if now == "r2":
            assert site.swap("previous")["after"] == "r1"
        return at

    points, counts = crash(two, lambda site: site.swap("r2"), check)
    assert points >= 15
    assert set(counts) == {"r1", "r2"}


RUN = {"lock_owner": "run 1", "lock_ttl": 60}


@pytest.mark.parametrize("then", ["the same run", "another run"])
def test_staged_and_swapped_in_one_call(crash, then):
    """The run asks again when it gets no answer, and knows then whether the swap is made; another one starts anew."""

    def check(site, announced):
        at = served(site)
        assert at in ("r1", "r2")
        if then == "the same run":
            told = site.stage("r2", CONTENT[2], host=TellsOnly(site.base), swap=True, **RUN)
            if at == "r1":
                assert "swap" not in told
                assert site.swap("r2", lock_owner="run 1")["before"] == "r1"
            else:
                assert (told["changed"], told["state"], told["current"]) == (True, "ready", "r1")
                assert {key: told["swap"][key] for key in ("changed", "before", "after")} == {
                    "changed": True,
                    "before": "r1",
                    "after": "r2",
                }
            assert site.swap("r1", mark_bad=True, lock_owner="run 1")["changed"]
            site.finish(release="r2", outcome="rolled back", mark_bad=True, lock_owner="run 1", prune=False)
            assert (served(site), site.states()) == ("r1", {"r1": "live", "r2": "bad"})
        else:
            other = {**RUN, "lock_owner": "run 2", "lock_take_over": True}
            result = site.stage("r2", CONTENT[2], swap=True, **other)
            assert result["swap"]["changed"] == (at == "r1")
            assert (served(site), site.states()) == ("r2", {"r1": "retired", "r2": "live"})
            site.finish(release="r2", lock_owner="run 2", prune=False)
        in_order(site)
        return at

    def begin(site):
        site.deploy("r1", CONTENT[1])

    points, counts = crash(begin, lambda site: site.stage("r2", CONTENT[2], swap=True, **RUN), check)
    assert points >= 30
    assert set(counts) == {"r1", "r2"}


class TellsOnly(Host):
    """A host that is asked again after its answer was lost."""

    lost = False

    def ask(self, message, once=False):
        if not self.lost:
            self.lost = True
            raise Lost(ConnectionError("gone"))
        assert not once
        return super().ask(message)


def test_first_swap(crash):
    def check(site, announced):
        at = served(site)
        said_so(site.swap("r1"), announced)
        assert served(site) == "r1"
        in_order(site)
        return at

    points, counts = crash(lambda site: site.stage("r1", CONTENT[1]), lambda site: site.swap("r1"), check)
    assert set(counts) == {None, "r1"}


def test_swap_back_and_mark_bad(crash):
    def check(site, announced):
        at = served(site)
        result = site.swap("r1", mark_bad=True)
        said_so(result, announced)
        assert served(site) == "r1"
        in_order(site)
        # Where the step was not taken, or finished by the recovery: the mark is there in any case.
        assert site.states() == {"r1": "live", "r2": "bad"}
        return at

    points, counts = crash(three, lambda site: site.swap("previous", mark_bad=True), check)
    assert set(counts) == {"r1", "r2"}


def test_rollback_that_was_killed_does_not_go_back_twice(crash):
    def check(site, announced):
        at = served(site)
        predicted = site.swap("previous", check=True)
        result = site.swap("previous")
        said_so(result, announced)
        if at == "r2" and not announced:  # nothing is left of the killed run: this is a rollback of its own
            assert predicted["after"] == result["after"] == "r1"
            return "closed"
        assert (predicted["after"], result["after"], result["before"], result["changed"]) == ("r2", "r2", "r3", True)
        assert served(site) == "r2"
        in_order(site)
        return at

    def begin(site):
        three(site)
        site.deploy("r3", CONTENT[3])

    _points, counts = crash(begin, lambda site: site.swap("previous"), check)
    assert set(counts) == {"r3", "r2", "closed"}


def test_rollback_after_a_killed_deploy_goes_back(crash):
    def check(site, announced):
        at = served(site)
        said_so(site.swap("previous"), announced)
        assert served(site) == {"r3": "r2", "r2": "r1"}[at]
        in_order(site)
        return at

    def begin(site):
        three(site)
        site.stage("r3", CONTENT[3])

    _points, counts = crash(begin, lambda site: site.swap("r3"), check)
    assert set(counts) == {"r2", "r3"}


def test_withdraw(crash):
    def check(site, announced):
        at = served(site)
        said_so(site.swap("none", mark_bad=True), announced)
        assert served(site) is None
        in_order(site)
        assert site.states() == {"r1": "bad"}
        return at

    def begin(site):
        site.deploy("r1", CONTENT[1])

    points, counts = crash(begin, lambda site: site.swap("none", mark_bad=True), check)
    assert set(counts) == {None, "r1"}


@pytest.mark.parametrize("kernel", ["exchange", "old"])
def test_adopt(crash, kernel, monkeypatch):
    if kernel == "old":
        monkeypatch.setattr(ctypes, "CDLL", lambda *args, **more: object())

    def begin(site):
        write_tree(site.path("current"), {"index.php": "by hand\n", "uploads/a": "precious"})
        site.stage("r1", CONTENT[1])

    def check(site, announced):
        current = site.path("current")
        if current.is_symlink():
            at = served(site)
            assert at == "r1"
        elif current.is_dir():
            at = "folder"
            assert (current / "uploads/a").read_text() == "precious"
        else:
            at = "nothing"
            assert kernel == "old", "current is never missing where the kernel can exchange names"
        result = site.swap("r1", adopt_directory=True)
        said_so(result, announced)
        assert served(site) == "r1"
        in_order(site)
        adopted = [name for name in site.releases() if name.startswith("adopted_")]
        assert len(adopted) == 1
        assert site.swap("previous")["after"] == adopted[0]
        assert site.path("current/uploads/a").read_text() == "precious"
        return at

    points, counts = crash(begin, lambda site: site.swap("r1", adopt_directory=True), check)
    assert set(counts) == ({"folder", "r1"} if kernel == "exchange" else {"folder", "r1", "nothing"})


def test_adopt_and_undo_by_hand(crash):
    """After a kill somebody points current to the old folder by hand: the folder is kept whatever the journal says."""

    def begin(site):
        write_tree(site.path("current"), {"index.php": "by hand\n"})
        site.stage("r1", CONTENT[1])
        site.stage("r2", CONTENT[2])

    def check(site, announced):
        if not site.path("current").is_symlink():
            return "not taken"
        site.path("current").unlink()
        site.path("current").symlink_to("releases/r2")
        site.prune()
        (adopted,) = [name for name in site.releases() if name.startswith("adopted_")]
        assert site.path("releases", adopted, "index.php").read_text() == "by hand\n"
        return "taken"

    _points, counts = crash(begin, lambda site: site.swap("r1", adopt_directory=True), check)
    assert counts["taken"] > 5


@pytest.mark.parametrize("act", ["acquire", "take over", "release"])
def test_lock(crash, act):
    def begin(site):
        site.stage("r1", CONTENT[1])
        if act != "acquire":
            site.lock("one")

    def do(site):
        if act == "release":
            site.lock("one", state="released")
        else:
            site.lock("two", take_over=act == "take over")

    def check(site, announced):
        held = lock.holder(site.site)
        owner = held.owner if held else None
        assert owner in {"acquire": (None, "two"), "take over": ("one", None, "two"), "release": ("one", None)}[act]
        assert not held or (held.ttl, held.expired) == (1800, False), "a lock is whole or not there"
        try:
            site.lock("three")
            assert owner is None
        except Refused:
            site.lock(owner, state="released")
            site.lock("three")
        site.prune(lock_owner="three")
        assert not site.leftovers()
        return owner

    _points, counts = crash(begin, do, check)
    assert len(counts) >= 2


def test_prune(crash):
    def begin(site):
        for number in range(1, 6):
            site.deploy(f"r{number}", CONTENT[number])
            site.age(f"r{number}", 600 - number)
        site.swap("r2")  # live and its way back are not the newest

    def check(site, announced):
        assert served(site) == "r2"
        assert whole(site, "r1")
        left = len(site.releases())
        # What still has a record and a folder is whole: nothing half removed can be swapped to.
        for release in site.releases():
            assert whole(site, release)
        site.prune(keep=2)
        assert set(site.releases()) == {"r1", "r2", "r4", "r5"}
        assert set(site.states()) == {"r1", "r2", "r4", "r5"}
        in_order(site)
        assert site.swap("previous")["after"] == "r1"
        return left

    points, counts = crash(begin, lambda site: site.prune(keep=2), check)
    assert set(counts) == {5, 4}


@pytest.mark.parametrize("earlier", [False, True], ids=["first", "with hard links"])
def test_stage(crash, earlier):
    def begin(site):
        if earlier:
            site.deploy("r1", CONTENT[1])

    def act(site):
        site.stage("r2", CONTENT[2], lock_owner="one", lock_ttl=600)

    def check(site, announced):
        assert served(site) == ("r1" if earlier else None)
        state = site.states().get("r2")
        if state not in ("ready", None):
            with pytest.raises(Refused):
                site.swap("r2", lock_owner="one")
        result = site.stage("r2", CONTENT[2], lock_owner="two", lock_ttl=600, lock_take_over=True)
        assert result["state"] == "ready"
        site.lock("two", state="released")
        assert whole(site, "r2")
        site.swap("r2")
        in_order(site)
        assert served(site) == "r2"
        return state

    points, counts = crash(begin, act, check)
    assert points > 50
    assert set(counts) == {None, "staging", "ready"}


def test_finish(crash):
    def begin(site):
        for number in range(1, 4):
            site.deploy(f"r{number}", CONTENT[number])
        site.lock("one")

    def act(site):
        site.finish(release="r3", outcome="deployed", lock_owner="one", keep=2)

    def check(site, announced):
        assert served(site) == "r3"
        held = site.info()["lock"] is not None
        if held:
            act(site)
        in_order(site)
        assert site.releases() == ["r2", "r3"]
        assert [event["event"] for event in site.info(history=0)["history"]].count("deploy") in (1, 2)
        return held

    _points, counts = crash(begin, act, check)
    assert set(counts) == {True, False}


def test_random_moments(quick):
    """20 rounds of a whole deploy; the full number runs in the soak."""
    result = kill_sweep.sweep(20, 20261121, 40, quick, print)
    print(result)
    assert result["looks"] > 100
    assert len(result["killed_in"]) >= 5
