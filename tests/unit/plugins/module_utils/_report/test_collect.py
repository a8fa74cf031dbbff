# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.runbook.ops.plugins.module_utils._report.model import Event
from operations.reports import item, record, report


def checks(found):
    return {(host.name, check.name): check.status for host, check in found.checks()}


def test_the_newest_result_of_each_check_counts():
    found = report(record("web1", item("a", "failed"), item("b", "warning"), ago=1), record("web1", item("a")))
    assert checks(found) == {("web1", "a"): "ok", ("web1", "b"): "warning"}
    assert (found.status, found.counts()["ok"], found.summary()) == ("warning", 1, "1 warning, 2 checks on 1 host")


def test_results_that_were_written_late_do_not_count_as_newest():
    found = report(record("web1", item("a", "failed")), record("web1", item("a"), ago=0.01))
    assert checks(found) == {("web1", "a"): "failed"}


def test_what_is_worst_stands_first():
    found = report(record("a", item("x")), record("b", item("x", "warning"), item("y", "crashed")), record("c", item("x", "failed")))
    assert [host.name for host in found.hosts] == ["b", "c", "a"]
    assert [check.name for check in found.hosts[0].checks] == ["y", "x"]


def test_how_long_a_result_counts_depends_on_how_often_it_is_due():
    old = [item("daily", "failed"), item("weekly", "failed", frequency="weekly"), item("monthly", "failed", frequency="monthly")]
    assert set(checks(report(record("web1", *old, ago=2)))) == {("web1", "daily"), ("web1", "weekly"), ("web1", "monthly")}
    assert set(checks(report(record("web1", *old, ago=8)))) == {("web1", "weekly"), ("web1", "monthly")}
    assert set(checks(report(record("web1", *old, ago=40)))) == {("web1", "monthly")}
    assert checks(report(record("web1", *old, ago=80))) == {}


def test_nothing_at_all():
    found = report()
    assert (found.status, found.hosts, found.summary()) == ("skipped", [], "all ok, 0 checks on 0 hosts")


def kinds(found):
    return [(change.kind, change.check, change.before, change.after) for change in found.changes]


def test_changes_since_yesterday():
    before = [item("worse"), item("better", "failed"), item("same", "failed"), item("grew", "ok", 10, "GB"), item("steady", "ok", 10, "GB")]
    now = [
        item("worse", "crashed"),
        item("better"),
        item("same", "failed"),
        item("grew", "ok", 15, "GB"),
        item("steady", "ok", 14, "GB"),
        item("new", "warning"),
    ]
    found = report(record("web1", *before, ago=1), record("web1", *now))
    assert kinds(found) == [
        ("worse", "worse", "ok", "crashed"),
        ("new", "new", "", "warning"),
        ("value", "grew", "10 GB", "15 GB"),
        ("better", "better", "failed", "ok"),
    ]


def test_yesterday_is_the_last_run_of_an_earlier_day():
    runs = [record("web1", item("a"), ago=0.5), record("web1", item("a", "failed"), ago=0.1), record("web1", item("a", "failed"))]
    assert kinds(report(*runs)) == [("worse", "a", "ok", "failed")]


def test_a_check_that_is_not_due_today_did_not_change():
    runs = [record("web1", item("a", frequency="weekly"), ago=14), record("web1", item("a", "failed", frequency="weekly"), ago=7)]
    assert kinds(report(*runs, record("web1", item("b"), ago=1), record("web1", item("b")))) == []


def test_what_is_gone_is_said_once():
    assert kinds(report(record("web1", item("a"), ago=3.5))) == [("gone", "a", "ok", "")]
    assert kinds(report(record("web1", item("a"), ago=4.5))) == []


def test_events_of_the_days_only_the_newest_first():
    events = [
        Event(at, "deploy", at, "ok")
        for at in ("2026-01-01T00:00:00Z", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", "2027-01-01T00:00:00Z")
    ]
    assert [event.at[:10] for event in report(events=events).events] == ["2026-11-21", "2026-11-20"]


def test_days_keep_the_worst_status_and_the_mean():
    found = report(record("web1", item("a", "failed", 10, "ms"), ago=0.1), record("web1", item("a", "ok", 20, "ms")), days=3)
    check = found.hosts[0].checks[0]
    assert check.series.statuses() == ["", "", "failed"]
    assert check.series.means() == [None, None, 15.0]
