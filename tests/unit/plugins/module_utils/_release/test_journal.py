# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Announced steps: taken or not, and said so. Every crash point is in test_crash_points.py."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._release import journal
from faults.small_site import listing


def test_nothing_announced(three):
    assert journal.recover(three.site) == ""


@pytest.mark.parametrize("taken", [False, True])
def test_recovering_is_predicted_and_done(three, taken):
    step = journal.Step("r2", "r3", "slow", True, by="sam")
    journal.begin(three.site, step)
    if taken:
        journal.take(three.site, step)
    before = listing(three.base)
    predicted = journal.recover(three.site, check_mode=True)
    assert listing(three.base) == before
    assert journal.recover(three.site) == predicted
    assert ("had already made" if taken else "without making it") in predicted
    assert three.states() == ({"r1": "retired", "r2": "live", "r3": "bad"} if taken else {"r1": "retired", "r2": "retired", "r3": "live"})
    assert three.info()["history"][-1]["outcome"] == ("finished" if taken else "undone")
    assert journal.recover(three.site) == ""


def test_finishing_twice_is_the_same_as_once(three):
    step = journal.Step("r2", "r3", "slow", True)
    journal.begin(three.site, step)
    journal.take(three.site, step)
    journal.finish(three.site, step)
    once = three.site.records()
    journal.finish(three.site, step)
    again = three.site.records()
    assert {name: (record.state, record.previous) for name, record in once.items()} == {
        name: (record.state, record.previous) for name, record in again.items()
    }


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"colour": "green"}'])
def test_a_damaged_journal_is_a_clear_error(three, data):
    three.path(".runbook/swap.json").write_bytes(data)
    with pytest.raises(RunbookError, match=r"swap\.json can't be read .*look at current and remove that file"):
        three.swap("r2")


def test_a_link_that_fails_leaves_current_alone(three, monkeypatch):
    def fail(*args):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(three.store.__class__, "rename", fail)
    with pytest.raises(OSError, match="Read-only"):
        three.swap("r2")
    monkeypatch.undo()
    assert three.current() == "r3"
    assert "without making it" in three.swap("r3")["recovered"]
    assert not three.leftovers()
