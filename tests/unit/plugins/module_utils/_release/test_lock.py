# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One owner at a time, also when two want it in the same instant."""

from __future__ import annotations

import json
import os
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common import clock
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused
from ansible_collections.runbook.ops.plugins.module_utils._release import lock
from faults.small_site import SmallSite, listing


def test_taken_renewed_and_given_back(www):
    first = www.lock("deploy 1", where="ci.example.com", purpose="release 9", ttl=60)
    assert (first["changed"], first["taken_from"]) == (True, None)
    assert {key: first["lock"][key] for key in ("owner", "where", "purpose", "ttl", "expired")} == {
        "owner": "deploy 1",
        "where": "ci.example.com",
        "purpose": "release 9",
        "ttl": 60,
        "expired": False,
    }
    assert www.lock("deploy 1")["changed"] is False
    assert www.lock("deploy 1", state="released")["changed"] is True
    assert www.lock("deploy 1", state="released")["changed"] is False
    assert www.site.store.stat(lock.LOCK) is None
    assert not www.leftovers()


def test_check_mode_changes_nothing(www):
    assert www.lock("deploy 1", check=True)["changed"] is True
    assert not os.path.exists(www.base)
    os.makedirs(www.base)
    assert www.lock("deploy 1", check=True)["changed"] is True
    assert os.listdir(www.base) == []
    www.lock("deploy 1")
    before = listing(www.base)
    assert www.lock("deploy 1", check=True)["changed"] is False
    assert www.lock("deploy 2", check=True, take_over=True)["changed"] is True
    assert www.lock("deploy 1", check=True, state="released")["changed"] is True
    with pytest.raises(Refused):
        www.lock("deploy 2", check=True, wait=5)
    assert listing(www.base) == before


def test_a_second_one_is_told_who_from_where_and_since_when(www):
    www.lock("deploy 1", where="ci.example.com", purpose="release 9", ttl=600)
    with pytest.raises(Refused) as caught:
        www.lock("deploy 2")
    message = caught.value.message
    since = caught.value.result["lock"]["since"]
    for part in ("deploy 1 from ci.example.com for release 9", f"since {since}", "expires in", "take_over: true"):
        assert part in message


def test_a_stale_lock_is_taken_over_by_name(www):
    """With Kamal a stale lock blocked deploys for weeks."""
    www.lock("deploy 1", where="gone.example.com", ttl=2592000)
    with pytest.raises(Refused):
        www.lock("deploy 2")
    result = www.lock("deploy 2", take_over=True)
    assert result["taken_from"]["owner"] == "deploy 1"
    assert "taken over from deploy 1 from gone.example.com" in result["msg"]
    assert lock.holder(www.site).owner == "deploy 2"
    assert www.info()["history"][-1]["event"] == "lock_taken_over"
    with pytest.raises(Refused, match="belongs to deploy 2"):
        www.lock("deploy 1", state="released")


def test_a_lock_that_ran_out_is_taken_without_asking(www):
    www.lock("deploy 1", ttl=1)
    path = www.path(".runbook/lock/owner.json")
    held = json.loads(path.read_text())
    path.write_text(json.dumps({**held, "renewed": clock.stamp(time.time() - 5)}))
    assert www.info()["lock"]["expired"]
    assert www.lock("deploy 2")["taken_from"]["owner"] == "deploy 1"


def test_renewing_counts_from_now(www):
    www.lock("deploy 1", ttl=100)
    path = www.path(".runbook/lock/owner.json")
    held = json.loads(path.read_text())
    path.write_text(json.dumps({**held, "renewed": clock.stamp(time.time() - 90), "since": clock.stamp(time.time() - 90)}))
    www.lock("deploy 1", ttl=100)
    renewed = lock.holder(www.site)
    assert clock.seconds(renewed.renewed) > time.time() - 5
    assert clock.seconds(renewed.since) < time.time() - 80


def test_waiting_for_it(www):
    www.lock("deploy 1")
    pid = os.fork()
    if not pid:
        time.sleep(0.3)
        www.lock("deploy 1", state="released")
        os._exit(0)
    began = time.monotonic()
    assert www.lock("deploy 2", wait=20)["changed"]
    assert 0.2 < time.monotonic() - began < 10
    os.waitpid(pid, 0)


def test_waiting_in_vain(www):
    www.lock("deploy 1")
    began = time.monotonic()
    with pytest.raises(Refused):
        www.lock("deploy 2", wait=0.3)
    assert 0.25 < time.monotonic() - began < 5


def test_another_owners_lock_is_released_only_by_force(www):
    www.lock("deploy 1")
    with pytest.raises(Refused, match="nothing was released"):
        www.lock("deploy 2", state="released")
    assert www.lock("deploy 2", state="released", take_over=True)["changed"]
    assert www.info()["history"][-1]["event"] == "lock_broken"


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"owner": "x"}', b'{"owner":"x","where":"","since":"","renewed":"","ttl":"soon"}']
)
def test_an_unreadable_lock_is_nobodys(www, data):
    www.lock("deploy 1")
    www.path(".runbook/lock/owner.json").write_bytes(data)
    assert www.lock("deploy 2")["changed"]


def test_a_lock_without_an_owner_is_nobodys(www):
    www.lock("deploy 1")
    www.path(".runbook/lock/owner.json").unlink()
    assert www.lock("deploy 2")["changed"]


@pytest.mark.parametrize(("owner", "options"), [("", {}), ("a", {"ttl": 0}), ("a", {"ttl": -1})])
def test_nonsense_is_refused(www, owner, options):
    with pytest.raises(InvalidInput):
        www.lock(owner, **options)
    assert not os.path.exists(www.base)


def test_trash_that_cannot_be_deleted_does_not_keep_the_lock(www, monkeypatch):
    www.lock("deploy 1")
    www.path(".runbook/trash").mkdir()
    www.path(".runbook/trash/stuck").mkdir()
    real = www.store.__class__._destroy

    def destroy(path):
        if path.endswith("stuck"):
            raise PermissionError(13, "Permission denied", path)
        real(path)

    monkeypatch.setattr(www.store.__class__, "_destroy", staticmethod(destroy))
    assert www.lock("deploy 1", state="released")["changed"]


def race(place, rounds, contend):
    """Two processes at each of many starting lines; how often each number of them won."""
    wins = {}
    for number in range(rounds):
        www = SmallSite(os.path.join(place, str(number)))
        os.makedirs(www.place, exist_ok=True)
        line_out, line_in = os.pipe()
        children = []
        for name in ("one", "two"):
            pid = os.fork()
            if not pid:
                os.close(line_in)
                os.read(line_out, 1)  # both are woken when the last writer has gone
                try:
                    contend(www, name)
                    os._exit(0)
                except Refused:
                    os._exit(1)
                except BaseException:
                    os._exit(2)
            children.append(pid)
        os.close(line_out)
        os.close(line_in)
        ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        wins[tuple(sorted(ends))] = wins.get(tuple(sorted(ends)), 0) + 1
    return wins


def test_two_contenders_have_one_winner_200_times(quick):
    """Deployer's lock lets both in, in 2 of 400 tries."""
    assert race(quick, 200, lambda www, name: www.lock(name)) == {(0, 1): 200}


def test_two_contenders_for_an_expired_lock_have_one_winner_200_times(quick):
    def contend(www, name):
        www.lock(name)

    for number in range(200):
        www = SmallSite(os.path.join(quick, str(number)))
        os.makedirs(www.place)
        www.lock("dead", ttl=1)
        path = www.path(".runbook/lock/owner.json")
        path.write_text(json.dumps({**json.loads(path.read_text()), "renewed": "2020-01-01T00:00:00Z"}))
    assert race(quick, 200, contend) == {(0, 1): 200}


def test_two_deploys_at_once_have_one_winner(quick):
    def contend(www, name):
        www.stage(f"r-{name}", {"a": name}, lock_owner=name, lock_ttl=60)

    assert race(quick, 20, contend) == {(0, 1): 20}
