# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups to keep: nothing but times and states in, rows out."""

from __future__ import annotations

import calendar

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused
from ansible_collections.runbook.ops.plugins.module_utils._database import retention
from ansible_collections.runbook.ops.plugins.module_utils._database.retention import Candidate, Policy

DAY, HOUR = 86400.0, 3600.0
# Wednesday 2026-11-18, noon.
NOON = float(calendar.timegm((2026, 11, 18, 12, 0, 0)))
OPTIONS = {
    "keep_last": None,
    "keep_hourly": None,
    "keep_daily": None,
    "keep_weekly": None,
    "keep_monthly": None,
    "keep_yearly": None,
    "min_good": 2,
    "max_age": "10d",
}


def good(age, identity=None, series=""):
    return Candidate(identity or f"d{age:g}", NOON - age * DAY, series=series)


def bad(age, state="bad"):
    return Candidate(f"bad{age:g}", NOON - age * DAY, state, "it is cut")


def kept(candidates, policy):
    return [row.id for row in retention.plan(candidates, policy) if row.action == "keep"]


def test_last():
    assert kept([good(age) for age in range(6)], Policy(last=3)) == ["d0", "d1", "d2"]


def test_the_newest_of_each_day_and_week_and_month():
    ages = [hours / 24 for hours in range(0, 24 * 60, 6)]
    rows = kept([good(age) for age in ages], Policy(daily=3, weekly=2, monthly=2))
    # Noon today, yesterday's and the day before's 18 o'clock; Sunday the 15th's; October the 31st's.
    assert rows == ["d0", "d0.75", "d1.75", "d2.75", "d17.75"]


def test_a_year_of_daily_pruning_keeps_what_was_asked_for():
    """Pruned every day, as in life: what a later rule needs must not have been deleted by an earlier day's."""
    policy = Policy(daily=7, weekly=4, monthly=6, yearly=2)
    held: list[Candidate] = []
    for day in range(800):
        held.append(Candidate(f"day{day}", NOON + day * DAY))
        rows = {row.id: row.action for row in retention.plan(held, policy)}
        held = [candidate for candidate in held if rows[candidate.id] == "keep"]
    assert [candidate.id for candidate in held[-7:]] == [f"day{day}" for day in range(793, 800)]
    # It is January the 25th, 2029. Ends of August to December (the year's, too), and the two Sundays before last Sunday.
    assert [799 - int(candidate.id[3:]) for candidate in held[:-7]] == [147, 117, 86, 56, 25, 18, 11]


def test_bad_ones_push_nothing_out():
    candidates = [bad(0), bad(1), bad(2), good(3), good(4), good(5)]
    assert kept(candidates, Policy(last=2)) == ["bad0", "bad1", "bad2", "d3", "d4"]


def test_a_bad_one_goes_when_enough_newer_ones_are_good():
    assert "bad3" in kept([good(1), bad(3)], Policy(last=2))
    assert "bad3" in kept([good(1), bad(3), good(4), good(5)], Policy(last=2))
    assert "bad3" not in kept([good(1), good(2), bad(3)], Policy(last=2))
    # The last evidence of a database of which nothing is good.
    assert kept([bad(3), bad(4), bad(5)], Policy(last=2)) == ["bad3", "bad4", "bad5"]


def test_what_could_not_be_verified_neither_counts_nor_goes():
    assert kept([bad(0, "unknown"), good(1), good(2), good(3), bad(400, "unknown")], Policy(last=2)) == ["bad0", "d1", "d2", "bad400"]


def test_the_floor():
    # Three of one hour: the rule for hours keeps one, the floor the next two.
    candidates = [good(0.001 * number) for number in range(1, 6)]
    rows = retention.plan(candidates, Policy(hourly=5, min_good=3))
    assert [row.reason for row in rows if row.action == "keep"] == ["hourly 1 of 5", *["the floor of 3 good ones"] * 2]


def test_series_are_counted_apart():
    candidates = [good(0, "few", "some"), good(1, "few1", "some"), good(2, "few2", "some"), good(3, "all"), good(4, "all1")]
    assert kept(candidates, Policy(last=2)) == ["few", "few1", "all", "all1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing says what to keep"),
        ({"keep_last": 1}, "keep_last: 1 is below the floor, min_good: 2"),
        ({"keep_daily": 2, "min_good": 3}, "below the floor"),
        ({"keep_last": 5, "min_good": 0}, "min_good: 0"),
        ({"keep_last": 5, "keep_daily": -1}, "keep_daily: -1"),
        ({"keep_last": 5, "max_age": "soon"}, "max_age 'soon'"),
    ],
)
def test_policies_that_make_no_sense(options, message):
    with pytest.raises(InvalidInput, match=message):
        Policy.from_options({**OPTIONS, **options})


def test_a_policy():
    policy = Policy.from_options({**OPTIONS, "keep_last": 1, "keep_daily": 7})
    assert (policy.last, policy.daily, policy.min_good, policy.max_age) == (1, 7, 2, 10 * DAY)


@pytest.mark.parametrize("candidate", [good(-0.01), bad(-0.01), bad(-300, "unknown")])
def test_a_backup_from_the_future_stops_everything(candidate):
    with pytest.raises(Refused, match="a clock was or is wrong"):
        retention.guard([good(1), candidate], Policy(last=2), NOON)


def test_clocks_may_differ_a_little():
    retention.guard([good(-0.005)], Policy(last=2), NOON)


def test_backups_that_stopped_or_a_clock_that_jumped_ahead():
    policy = Policy(last=2, max_age=10 * DAY)
    retention.guard([good(9), bad(1)], policy, NOON)
    with pytest.raises(Refused, match="backups stopped or the clock jumped"):
        retention.guard([good(11), bad(1)], policy, NOON)
    retention.guard([good(11)], Policy(last=2), NOON)
    retention.guard([good(9), good(30, "old", "ended")], policy, NOON)


def test_a_failed_run_holds():
    fine = [good(0, "20261118_120000")]
    line = {"id": "20261118_120000", "ended": "2026-11-18T12:00:00Z", "status": "ok"}
    assert retention.held(fine, []) == ""
    assert retention.held(fine, [{**line, "status": "failed"}, line]) == ""
    assert "disk full" in retention.held(fine, [line, {**line, "status": "failed", "message": "disk full"}])
    assert "never ended" in retention.held(fine, [line, {"id": "20261119_120000", "status": "started"}])
    assert "not there any more" in retention.held([], [line])
    assert "it is cut" in retention.held([*fine, bad(-0.001)], [line])
