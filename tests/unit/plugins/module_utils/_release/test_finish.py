# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing a deploy: prune, tell, unlock; and unlock whatever happens."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._release import finish as finish_module
from ansible_collections.runbook.ops.plugins.module_utils._release.finish import release_finish
from ansible_collections.runbook.ops.plugins.module_utils._release.options import FINISH
from faults.small_site import defaults, listing


@pytest.fixture
def locked(three):
    three.lock("one")
    return three


def test_a_deploy_is_closed(locked):
    result = locked.finish(
        release="r3",
        outcome="deployed",
        lock_owner="one",
        keep=2,
        by="sam",
        started=time.time() - 5,
        details={"commit": "5f2c9e1", "time": "x", "none": None, "empty": ""},
    )
    assert (result["changed"], result["removed"], result["released"], result["marked_bad"]) == (True, ["r1"], True, False)
    event = locked.info()["history"][-1]
    assert 4 <= event.pop("duration_s") <= 60
    assert event.pop("time").endswith("Z")
    assert event == {"event": "deploy", "release": "r3", "outcome": "deployed", "by": "sam", "commit": "5f2c9e1", "detail_time": "x"}
    assert locked.info()["lock"] is None


def test_check_mode_changes_nothing_and_predicts(locked):
    before = listing(locked.base)
    predicted = locked.finish(release="r2", outcome="deployed", lock_owner="one", keep=2, mark_bad=True, check=True)
    assert listing(locked.base) == before
    made = locked.finish(release="r2", outcome="deployed", lock_owner="one", keep=2, mark_bad=True)
    for key in ("changed", "removed", "kept", "plan", "marked_bad", "diff"):
        assert predicted[key] == made[key], key


def test_check_mode_counts_the_release_that_would_be_live(locked):
    assert locked.finish(release="r4", outcome="deployed", lock_owner="one", keep=2, check=True)["kept"] == ["r4", "r3"]


def test_a_deploy_that_found_nothing_to_do_writes_no_line(locked):
    lines = len(locked.info(history=0)["history"])
    assert locked.finish(lock_owner="one")["changed"] is False
    assert len(locked.info(history=0)["history"]) == lines
    assert locked.info()["lock"] is None


@pytest.mark.parametrize("trouble", [RunbookError("no"), OSError(5, "Input/output error", "/x")])
def test_trouble_with_pruning_still_tells_and_unlocks(locked, monkeypatch, trouble):
    def fail(*args):
        raise trouble

    monkeypatch.setattr(finish_module, "prune_by", fail)
    with pytest.raises(
        RunbookError, match="the deploy is recorded and unlocked, but old releases could not be pruned: (no|Input/output error on /x)"
    ) as caught:
        locked.finish(release="r3", outcome="deployed", lock_owner="one")
    assert caught.value.result["released"]
    facts = locked.info()
    assert facts["lock"] is None
    assert facts["history"][-1]["outcome"] == "deployed"


def test_keep_1_is_refused_before_anything(locked):
    before = listing(locked.base)
    with pytest.raises(InvalidInput, match="nothing to roll back to"):
        locked.finish(release="r3", outcome="deployed", lock_owner="one", keep=1)
    assert listing(locked.base) == before


def test_mark_bad(locked):
    assert locked.finish(release="r2", outcome="rolled back", mark_bad=True, lock_owner="one", prune=False)["marked_bad"]
    assert locked.states()["r2"] == "bad"
    assert not locked.finish(release="r2", mark_bad=True)["marked_bad"]
    assert not locked.finish(release="r3", mark_bad=True)["marked_bad"], "what is served is not marked"
    assert not locked.finish(release="r9", mark_bad=True)["marked_bad"]


def test_another_owners_lock_is_refused(locked):
    before = listing(locked.base)
    with pytest.raises(Refused, match="locked by one"):
        locked.finish(release="r3", outcome="deployed", lock_owner="two")
    assert listing(locked.base) == before


def test_a_lock_that_passed_to_another_run_is_left_to_it(locked):
    path = locked.path(".runbook/lock/owner.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "owner": "two", "renewed": "2020-01-01T00:00:00Z"}))
    result = locked.finish(release="r3", outcome="deployed", lock_owner="one")
    assert result["released"] is False
    assert locked.info()["lock"]["owner"] == "two"


def test_no_site(www):
    with pytest.raises(Refused, match="there is no deploy to finish"):
        www.finish()


@pytest.mark.parametrize("killed", [False, True])
def test_what_was_pruned_may_be_deleted_later_and_is_also_after_a_crash(locked, killed):
    later = []
    options = defaults(FINISH, path=locked.base, release="r3", outcome="deployed", lock_owner="one", keep=2)
    result = release_finish(options, Run(later=later.append))
    assert (result["removed"], result["released"]) == (["r1"], True)
    assert not locked.path("releases/r1").exists() and "r1" not in [item["id"] for item in locked.info()["releases"]]
    trash = locked.path(".runbook/trash")
    assert len(list(trash.iterdir())) == len(later) == 2  # the release and the lock
    if killed:
        assert locked.prune(keep=2)["removed"] == []
        assert not list(trash.iterdir())
    for work in later:  # the next run was faster: then there is nothing to do
        work()
    assert not list(trash.iterdir())
