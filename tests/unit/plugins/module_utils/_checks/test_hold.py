# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must last before it counts, and a memory that may be damaged."""

from __future__ import annotations

import json

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks.hold import holding
from ansible_collections.runbook.ops.plugins.module_utils._checks.parse import parse_checks
from ansible_collections.runbook.ops.plugins.module_utils._common.outcome import Outcome
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run

START = 1_800_000_000


class Host:
    """A check whose status a test says, run after run, a minute apart."""

    def __init__(self, path, **hold):
        self.path, self.now, self.warnings, self.check_mode = str(path), START, [], False
        self.checks = parse_checks([{"kind": "memory", **hold}], 10)

    def see(self, status, minutes=1):
        self.now += minutes * 60
        outcome = Outcome("memory", status, "80 %")
        holding(self.path, self.checks, [outcome], self.now, Run(check_mode=self.check_mode, warn=self.warnings.append))
        return outcome

    def statuses(self, *statuses):
        return [self.see(status).status for status in statuses]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runbook" / "state.json"


def test_times_in_a_row(path):
    host = Host(path, times=3)
    assert host.statuses("failed", "failed", "ok", "failed", "failed", "failed", "failed") == [
        "ok",
        "ok",
        "ok",
        "ok",
        "ok",
        "failed",
        "failed",
    ]
    assert host.statuses("ok", "failed") == ["ok", "ok"]


def test_for_a_time(path):
    host = Host(path, **{"for": "2m"})
    assert host.statuses("warning", "warning", "warning", "ok", "warning") == ["ok", "ok", "warning", "ok", "ok"]


def test_both(path):
    host = Host(path, times=2, **{"for": "3m"})
    assert host.statuses(*["failed"] * 5) == ["ok", "ok", "ok", "failed", "failed"]


def test_each_level_counts_by_itself(path):
    host = Host(path, times=3)
    # Failing is being at least in a state of warning, so that level goes on.
    assert host.statuses("warning", "failed", "warning", "failed", "failed", "failed") == [
        "ok",
        "ok",
        "warning",
        "warning",
        "warning",
        "failed",
    ]


def test_what_is_held_is_said(path):
    host = Host(path, times=2, **{"for": "5m"})
    outcome = host.see("failed")
    assert outcome.details == {"held": "failed"}
    assert outcome.message == "80 % (failed, but so far 0 seconds, 1 time; counts after 5 minutes and 2 times in a row)"
    assert host.see("ok").details == {}


def test_crashed_is_never_held_and_not_forgotten(path):
    host = Host(path, times=3)
    assert host.statuses("crashed", "failed", "failed") == ["crashed", "ok", "failed"]
    assert host.statuses("skipped", "failed") == ["skipped", "ok"]


def test_a_clock_that_goes_back_makes_nothing_last_longer(path):
    host = Host(path, **{"for": "10m"})
    host.see("failed")
    assert [host.see("failed", -60).status, host.see("failed", 5).status, host.see("failed", 5).status] == ["ok", "ok", "failed"]


def test_check_mode_reads_and_writes_nothing(path):
    host = Host(path, times=2)
    host.check_mode = True
    assert host.statuses("failed", "failed") == ["ok", "ok"]
    assert not path.parent.exists()
    host.check_mode = False
    host.see("failed")
    before = path.read_bytes()
    host.check_mode = True
    assert host.statuses("failed") == ["failed"]
    assert path.read_bytes() == before


DAMAGE = [
    b"",
    b"{",
    b"\xff\xfe\0",
    b"[]",
    b"null",
    b'{"format": 2, "checks": {}}',
    b'{"format": 1}',
    b'{"format": 1, "checks": []}',
    b'{"format": 1, "checks": {"memory": {}}}',
    b'{"format": 1, "checks": {"memory": {"at": 1, "streaks": {"failed": {"since": "x", "times": 1}}}}}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("data", DAMAGE, ids=range(len(DAMAGE)))
def test_damage_is_set_aside_and_said_and_nothing_is_held_back(path, data):
    host = Host(path, times=3)
    host.see("failed")
    path.write_bytes(data)
    assert host.see("failed").status == "failed"
    assert len(host.warnings) == 1
    assert "was damaged" in host.warnings[0] and "\n" not in host.warnings[0]
    (aside,) = path.parent.glob("state.json.*.broken")
    assert aside.read_bytes() == data
    # It goes on from there: what counts keeps counting.
    assert host.statuses("failed", "ok", "failed") == ["failed", "ok", "ok"]
    assert len(host.warnings) == 1


@pytest.mark.parametrize("size", range(0, 120, 7))
def test_a_file_that_was_cut_anywhere_is_noticed(path, size):
    host = Host(path, times=3)
    host.see("failed")
    whole = path.read_bytes()
    assert size < len(whole) - 1
    path.write_bytes(whole[:size])
    assert host.see("failed").status == "failed"
    assert json.loads(path.read_bytes())["checks"]["memory"]["streaks"]["failed"]["times"] == 3


def test_damage_in_check_mode_stays_where_it_is(path):
    host = Host(path, times=3)
    host.see("failed")
    path.write_bytes(b"{")
    host.check_mode = True
    assert host.see("failed").status == "failed"
    assert path.read_bytes() == b"{"
    assert "is damaged" in host.warnings[0]


def test_a_link_in_its_place_is_not_followed(path, tmp_path):
    host = Host(path, times=2)
    path.parent.mkdir()
    (tmp_path / "other").write_text("kept")
    path.symlink_to(tmp_path / "other")
    assert host.see("failed").status == "failed"
    assert "can't be remembered" in host.warnings[0]
    assert (tmp_path / "other").read_text() == "kept"


def test_what_cannot_be_remembered_is_not_held_back(tmp_path):
    (tmp_path / "file").write_text("")
    host = Host(tmp_path / "file" / "state.json", times=3)
    assert host.statuses("failed", "ok") == ["failed", "ok"]
    assert "nothing is held back" in host.warnings[0]


def test_checks_that_are_gone_are_forgotten_after_a_while(path):
    first = Host(path, times=2)
    first.see("failed")
    other = Host(path, times=2, name="other")
    other.see("failed")
    assert set(json.loads(path.read_text())["checks"]) == {"memory", "other"}
    other.see("ok", 91 * 24 * 60)
    assert set(json.loads(path.read_text())["checks"]) == {"other"}


def test_nothing_is_written_where_nothing_is_held(path):
    host = Host(path)
    assert host.statuses("failed") == ["failed"]
    assert not path.parent.exists()
