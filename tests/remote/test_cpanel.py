# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases through cPanel's API: a double of its server acts on the folder that a real Apache serves."""

from __future__ import annotations

import collections
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.progress import silent
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.api import Api
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.mutex import Mutex
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.store import CpanelStore
from remote.rounds import rounds
from remote.tenant import TROUBLE, Tenant, tree_of

# What changes the site, as the double calls it.
CHANGES = (
    "Fileman::upload_files",
    "Fileman::fileop:extract",
    "Fileman::fileop:rename",
    "Fileman::fileop:move",
    "Fileman::fileop:unlink",
    "Fileman::rename_file",
    "Fileman::move_file",
    "Fileman::delete_file",
    "Fileman::mkdir",
    "Batch::strict",
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What a controller would wait for minutes passes in tenths of seconds."""
    for function, changes in (
        (CpanelStore.__init__, {"stale_after": 0.8, "beat": 0.1, "patience": 0.3}),
        (Mutex.__init__, {"stale_after": 0.8, "beat": 0.1, "pause": 0.05}),
    ):
        monkeypatch.setattr(function, "__kwdefaults__", {**function.__kwdefaults__, **changes})
    monkeypatch.setattr(Api.__init__, "__defaults__", (silent, lambda seconds: time.sleep(min(seconds, 1.0) / 100)))


@pytest.fixture(params=[136, 110])
def panel(request, start_panel):
    return start_panel(request.param)


@pytest.fixture
def customer(cpanel_place, panel, sources):
    return Tenant(cpanel_place, "cpanel", str(cpanel_place.base), panel.remote, sources)


def one_line(error):
    message = str(getattr(error.value, "message", error.value))
    assert "\n" not in message
    assert "TOKEN" not in message
    return message


def test_the_life_of_a_site(customer):
    customer.deploy("r1")
    assert customer.served() == "r1"
    assert not customer.deploy("r1")["changed"]
    made = customer.deploy("r2")
    assert customer.served() == "r2"
    assert made["missing_ms"] >= 0
    assert customer.swap("previous")["after"] == "r1"
    assert customer.served() == "r1"
    customer.deploy("r3")
    customer.swap("r1", mark_bad=True, reason="broken")
    assert customer.states() == {"r1": "live", "r2": "retired", "r3": "bad"}
    for number in (4, 5):
        customer.deploy(f"r{number}")
    assert set(customer.prune(keep=2, keep_bad=0)["removed"]) == {"r1", "r2", "r3"}
    assert customer.served() == "r5"
    assert customer.leftovers() == []


def test_cut_at_random_calls(customer, panel, chance):
    """The connection ends before or after a call that changes something; the next run goes on or undoes."""
    customer.deploy("r0")
    panel.calls.clear()
    customer.deploy("r1")
    calls = collections.Counter(call for call in panel.calls if call in CHANGES)
    seen = collections.Counter()
    for number in range(2, rounds(6) + 2):
        old, new = f"r{number - 1}", f"r{number}"
        customer.source(new)
        function = chance.choice(sorted(calls))
        kind = chance.choice(["cut_before", "cut_after", "error"])
        panel.fail(function, kind, "it can't be done", skip=chance.randrange(calls[function]), times=20)
        try:
            customer.deploy(new)
            seen["done all the same"] += 1
        except TROUBLE as error:
            assert "\n" not in str(error)
            seen["failed"] += 1
        panel.faults.clear()
        served = customer.served_or_nothing()
        assert served in (old, new, None), f"round {number}: {function} {kind}: {served}"
        customer.deploy(new)
        assert customer.served() == new, f"round {number}: {function} {kind}"
        customer.prune(keep=2)
        assert customer.leftovers() == [], f"round {number}: {function} {kind}"
    print(dict(seen), dict(calls))


def test_a_swap_whose_second_step_fails_is_taken_back(customer, panel):
    customer.deploy("r0")
    customer.stage("r1")
    for function in ("Fileman::rename_file", "Fileman::fileop:rename"):
        panel.fail(function, "error", "it can't be done", skip=1, times=1)
    panel.fail("Batch::strict", "error", "it can't be done", times=1)
    with pytest.raises(TROUBLE) as error:
        customer.swap("r1")
        raise OSError("it went well")
    one_line(error)
    panel.faults.clear()
    assert customer.served() in ("r0", "r1")
    customer.swap("r1")
    assert customer.served() == "r1"


def test_lies_quota_and_permission(customer, panel):
    customer.deploy("r0")
    for function, kind in (("Fileman::fileop:extract", "lie"), ("Fileman::upload_files", "truncate"), ("Fileman::upload_files", "refuse")):
        panel.fail(function, kind, "no", times=0)
        with pytest.raises(TROUBLE) as error:
            customer.deploy("r1")
        one_line(error)
        panel.faults.clear()
        assert customer.served() == "r0"
    panel.quota_mb = panel.used()[0] + 0.3
    with pytest.raises(TROUBLE) as error:
        customer.deploy("r1")
    assert "quota" in one_line(error) or "space" in one_line(error)
    panel.quota_mb = 0
    good, customer.remote = customer.remote, {**customer.remote, "token": "WRONGTOKEN"}
    with pytest.raises(RunbookError) as error:
        customer.deploy("r1")
    one_line(error)
    customer.remote = good
    assert customer.served() == "r0"
    customer.deploy("r1")
    assert customer.served() == "r1"


def test_the_lock(customer):
    customer.deploy("r0")
    customer.lock("dead")
    with pytest.raises(Refused, match="locked by dead"):
        customer.deploy("r1")
    customer.lock("next", take_over=True)
    customer.deploy("r1", lock_owner="next")
    assert customer.served() == "r1"
    assert tree_of(customer.place.path("releases", "r0")) == tree_of(customer.source("r0"))


# At most so many calls, by version; 110 can't rename in the call that looks what became of it.
CALLS = {136: {"stage": 40, "swap": 28, "finish": 20}, 110: {"stage": 50, "swap": 36, "finish": 32}}


def test_a_small_deploy_takes_few_calls(customer, panel, tmp_path, monkeypatch):
    """As the role makes it. A call far away takes a second and more, whatever it asks."""
    monkeypatch.setattr(
        CpanelStore.__init__, "__kwdefaults__", {**CpanelStore.__init__.__kwdefaults__, "beat": 1000.0, "stale_after": 1000.0}
    )
    steps = {
        "stage": lambda release, source: customer.stage(release, src=source, lock_owner="run", lock_ttl=600),
        "swap": lambda release, source: customer.swap(release, lock_owner="run"),
        "finish": lambda release, source: customer.finish(release=release, lock_owner="run", outcome="deployed", details={"hosts": "www"}),
    }
    counted = {}
    for number in range(1, 4):
        source = tmp_path / f"r{number}"
        for name in ("index.php", "about.html", "wp/lib.php", "wp/deep/er.php", "img/logo.svg"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(f"{name} of {number}\n")
        for step, take in steps.items():
            before = len(panel.authorizations)
            take(f"r{number}", str(source))
            counted[step] = len(panel.authorizations) - before
        assert tree_of(customer.place.path("current")) == tree_of(source)
    print(f"calls of version {panel.version}: {counted}, {sum(counted.values())} in all")
    assert all(counted[step] <= most for step, most in CALLS[panel.version].items()), counted
    assert customer.leftovers() == []
