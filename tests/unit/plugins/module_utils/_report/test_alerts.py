# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.runbook.ops.plugins.module_utils._notify.options import NOTIFY
from ansible_collections.runbook.ops.plugins.module_utils._report.alerts import alerts_of, severity_of, worst
from operations.reports import item, record, report


def told(found):
    return [(alert["source"], alert["key"], alert["state"], alert["severity"]) for alert in alerts_of(found)]


def test_what_is_not_well_and_what_is_well_again():
    before = [item("a", "failed"), item("b"), item("c", "warning"), item("d", "failed")]
    now = [item("a"), item("b", "crashed", message="no answer"), item("c", "warning"), item("d", "skipped"), item("e")]
    found = report(record("web1", *before, ago=1), record("web1", *now))
    assert told(found) == [
        ("web1", "Checks/web1/b", "firing", "error"),
        ("web1", "Checks/web1/c", "firing", "warning"),
        ("web1", "Checks/web1/a", "resolved", "info"),
    ]
    assert alerts_of(found)[0]["title"] == "web1: b crashed" and alerts_of(found)[0]["text"] == "no answer"


def test_a_key_does_not_depend_on_how_bad_it_is():
    keys = {alerts_of(report(record("web1", item("a", status))))[0]["key"] for status in ("warning", "failed", "crashed")}
    assert keys == {"Checks/web1/a"}


def test_what_was_well_for_long_is_not_told():
    found = report(record("web1", item("a", "failed"), ago=9), *[record("web1", item("a"), ago=day) for day in range(8, -1, -1)])
    assert told(found) == []


def test_what_is_no_longer_checked_is_over():
    assert told(report(record("web1", item("a", "failed"), ago=3.5))) == [("web1", "Checks/web1/a", "resolved", "info")]


def test_severities():
    def of(status, **more):
        return severity_of(report(record("web1", item("a", status, **more))).hosts[0].checks[0])

    assert [of("ok"), of("skipped"), of("warning"), of("failed"), of("crashed")] == ["", "", "warning", "error", "error"]
    assert [of("failed", severity="critical"), of("failed", severity="info"), of("warning", severity="critical")] == [
        "critical",
        "info",
        "warning",
    ]
    assert of("warning", severity="info") == "info" and of("failed", severity="nonsense") == "error"
    assert worst([]) == "" and worst(["", "warning", "info"]) == "warning"


def test_notify_takes_them_as_they_are():
    known = NOTIFY.options["messages"]["options"]
    for alert in alerts_of(report(record("web1", item("a", "failed", 1, "ms")))):
        assert alert.keys() <= known.keys()
        assert alert["severity"] in known["severity"]["choices"] and alert["state"] in known["state"]["choices"]
