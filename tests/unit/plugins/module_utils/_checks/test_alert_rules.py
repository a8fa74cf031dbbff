# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules over a history that is written here, minute by minute."""

from __future__ import annotations

import json
import os
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks import history
from ansible_collections.runbook.ops.plugins.module_utils._checks.alert_rules import ALERT_RULES, alert_rules
from ansible_collections.runbook.ops.plugins.module_utils._checks.rules import RULE
from ansible_collections.runbook.ops.plugins.module_utils._common import clock
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._notify.message import parse_message
from ansible_collections.runbook.ops.plugins.module_utils._notify.options import MESSAGE

START = clock.seconds("2026-03-01T12:00:00Z")
ERRORS = {"name": "many errors", "checks": ["error rate"], "above": 5, "for": "2m", "severity": "critical"}
DOWN = {"name": "down", "checks": ["ready"], "status": ["failed", "crashed"], "times": 2, "within": "3m", "severity": "critical"}


class Site:
    """A history and the minutes that have passed."""

    def __init__(self, folder: t.Any) -> None:
        self.folder, self.state = str(folder / "history"), str(folder / "state" / "alerts.json")
        os.makedirs(self.folder)
        self.warnings: list[str] = []

    def record(
        self, minute: float, value: t.Any = None, check: str = "error rate", host: str = "web1", status: str = "ok", **more: t.Any
    ) -> None:
        item = {"name": check, "status": status, "value": value, "unit": "%", "message": "", **more}
        history.append(self.folder, [history.Record(clock.stamp(START + 60 * minute), "r", host, status, [item])])

    def ask(self, minute: float, *rules: t.Mapping[str, t.Any], check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        defaults = {name: option.get("default") for name, option in ALERT_RULES.options.items()}
        items = [{**{name: option.get("default") for name, option in RULE.items()}, **rule} for rule in rules]
        given = {"rules": items, "history": self.folder, "state_file": self.state, "at": clock.stamp(START + 60 * minute), "fail": False}
        return alert_rules({**defaults, **given, **options}, Run(check_mode=check, warn=self.warnings.append))

    def states(self, minute: float, *rules: t.Mapping[str, t.Any], **options: t.Any) -> list[tuple[str, str, bool]]:
        return [(alert["host"], alert["state"], alert["changed"]) for alert in self.ask(minute, *rules, **options)["alerts"]]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


class TestWindows:
    def test_above_for_two_minutes(self, site):
        for minute, value in enumerate([1, 6, 7]):
            site.record(minute, value)
        found = site.ask(2, ERRORS)
        assert (found["status"], found["alerts"], found["checks"][0]["pending"]) == ("ok", [], 1)
        site.record(3, 8)
        assert site.states(3, ERRORS) == [("web1", "firing", True)]
        assert site.states(3, ERRORS) == [("web1", "firing", False)]
        site.record(4, 5)  # on the limit is allowed
        assert site.states(4, ERRORS) == [("web1", "resolved", True)]
        assert site.states(4, ERRORS) == []

    def test_one_good_record_ends_the_stretch(self, site):
        for minute, value in enumerate([6, 6, 4, 6, 6]):
            site.record(minute, value)
        assert site.states(4, ERRORS) == []
        site.record(5, 6)
        assert site.states(5, ERRORS) == [("web1", "firing", True)]

    def test_a_pause_ends_the_stretch(self, site):
        site.record(0, 9)
        site.record(20, 9)
        assert site.states(20, ERRORS) == []
        assert site.states(20, {**ERRORS, "gap": "1h"}) == [("web1", "firing", True)]

    def test_pauses_within_the_window_end_it_too(self, site):
        for minute in (0, 20, 40):
            site.record(minute, 9)
        assert site.states(40, {**ERRORS, "for": "30m"}) == []
        assert site.states(40, {**ERRORS, "for": "30m", "gap": "20m"}) == [("web1", "firing", True)]

    def test_a_rule_sees_its_own_window_whatever_others_need(self, site):
        site.record(0, 9)
        other = {"name": "other", "checks": ["x"], "above": 1, "for": "5h"}
        assert [item["status"] for item in site.ask(30, ERRORS, other)["checks"]] == ["skipped", "skipped"]

    def test_at_once(self, site):
        site.record(0, 9)
        assert site.states(0, {**ERRORS, "for": "0"}) == [("web1", "firing", True)]

    def test_below_and_a_nested_field(self, site):
        rule = {"name": "slow", "checks": ["probe*"], "above": 1500, "for": "5m", "field": "latency.p95"}
        for minute in range(6):
            site.record(minute, 1, check="probe /", latency={"p95": 1501})
        assert site.states(5, rule) == [("web1", "firing", True)]
        site.record(6, 3)
        few = {"name": "few", "checks": ["error rate"], "below": 4}
        assert site.states(6, few) == [("web1", "firing", True), ("web1", "resolved", True)]

    def test_times_within(self, site):
        for minute, status in enumerate(["failed", "ok", "ok", "ok", "crashed"]):
            site.record(minute, check="ready", status=status)
        assert site.states(4, DOWN) == []
        site.record(5, check="ready", status="ok")
        site.record(6, check="ready", status="failed")
        assert site.states(6, DOWN) == [("web1", "firing", True)]

    def test_what_could_not_be_evaluated_neither_breaks_nor_clears(self, site):
        for minute in range(3):
            site.record(minute, 9)
        site.record(3, None, status="crashed")
        assert site.states(3, ERRORS) == [("web1", "firing", True)]
        site.record(4, None, status="crashed")
        assert site.states(4, ERRORS) == [("web1", "firing", False)]
        other = {**ERRORS, "name": "other"}
        for minute in range(40, 43):
            site.record(minute, None, status="crashed")
        assert site.ask(42, other)["checks"][0]["status"] == "crashed"

    def test_records_out_of_order_and_of_the_future(self, site):
        for minute in (0, 2, 1, 3, 60):
            site.record(minute, 1 if minute == 1 else 9)
        assert site.states(3, ERRORS) == [("web1", "firing", True)]

    def test_clear_for(self, site):
        rule = {**ERRORS, "clear_for": "3m"}
        for minute, value in enumerate([9, 9, 9, 1, 1, 9, 1, 1, 1]):
            site.record(minute, value)
        expected = {2: True, 3: False, 4: False, 5: False, 6: False, 8: False}
        for minute, changed in expected.items():
            assert site.states(minute, rule) == [("web1", "firing", changed)], minute
        site.record(9, 1)
        assert site.states(9, rule) == [("web1", "resolved", True)]

    def test_each_host_is_its_own(self, site):
        for minute in range(3):
            site.record(minute, 9)
            site.record(minute, 9, host="web2")
            site.record(minute, 9, host="db1")
        assert site.states(2, {**ERRORS, "hosts": ["web*"]}) == [("web1", "firing", True), ("web2", "firing", True)]


class TestAbsence:
    RULE = {"name": "silent", "checks": ["ready"], "hosts": ["web1", "web9"], "absent": True, "for": "10m"}

    def test_named_series_and_those_heard_of(self, site):
        site.record(0, check="ready")
        assert site.states(5, self.RULE) == [("web9", "firing", True)]
        assert site.states(11, self.RULE) == [("web1", "firing", True), ("web9", "firing", False)]
        site.record(12, check="ready", host="web9")
        assert site.states(12, self.RULE) == [("web1", "firing", False), ("web9", "resolved", True)]

    def test_a_host_that_was_heard_of_is_missed_long_after(self, site):
        rule = {**self.RULE, "hosts": ["*"]}
        site.record(0, check="ready")
        assert site.states(1, rule) == []
        assert site.states(600, rule) == [("web1", "firing", True)]
        assert site.states(8 * 1440, rule) == [("web1", "resolved", True)]

    def test_a_series_that_stops_keeps_its_alert_and_says_so(self, site):
        for minute in range(3):
            site.record(minute, 9)
        site.ask(2, ERRORS)
        found = site.ask(18, ERRORS)
        assert [(alert["state"], "no record" in alert["message"]) for alert in found["alerts"]] == [("firing", True)]
        assert site.states(3000, ERRORS) == [("web1", "firing", False)]
        assert site.states(8 * 1440, ERRORS) == [("web1", "resolved", True)]

    def test_nothing_to_judge(self, site):
        found = site.ask(0, ERRORS)
        assert (found["status"], found["checks"][0]["message"]) == ("skipped", "the history has no record of it")


class TestAlerts:
    DEGREES = (
        {"name": "errors", "alert": "error rate", "checks": ["error rate"], "above": 2, "for": "5m", "severity": "error"},
        {**ERRORS, "alert": "error rate"},
    )
    RESPONSES = {
        "error rate": {
            "first": ["Look at the logs", "Look at the last deploys"],
            "escalate": "Roll back",
            "escalate_after": "15m",
            "escalate_targets": ["on-call"],
            "playbook": "runbook.ops.rollback",
            "link": "https://runbooks.example.com/errors",
        }
    }

    def test_the_worst_degree_counts(self, site):
        for minute in range(6):
            site.record(minute, 3)
        [alert] = site.ask(5, *self.DEGREES)["alerts"]
        assert (alert["severity"], alert["since"]) == ("error", "2026-03-01T12:00:00Z")
        for minute in range(6, 9):
            site.record(minute, 9)
        [alert] = site.ask(8, *self.DEGREES)["alerts"]
        assert (alert["severity"], alert["changed"], alert["rules"]) == ("critical", True, ["errors", "many errors"])
        site.record(9, 3)
        [alert] = site.ask(9, *self.DEGREES)["alerts"]
        assert (alert["severity"], alert["changed"]) == ("error", True)

    def test_messages_are_what_notify_takes(self, site):
        for minute in range(3):
            site.record(minute, 9)
        found = site.ask(2, *self.DEGREES, responses=self.RESPONSES)
        [message] = found["messages"]
        assert message["key"] == "error rate/web1/error rate"
        assert message["fields"]["first"] == "Look at the logs\nLook at the last deploys"
        assert message["fields"]["playbook"] == "runbook.ops.rollback"
        assert message.keys() <= MESSAGE.keys()
        parse_message({**{name: option.get("default") for name, option in MESSAGE.items()}, **message}, 1)

    def test_escalated_and_over(self, site):
        for minute in range(20):
            site.record(minute, 9)
        assert len(site.ask(14, *self.DEGREES, responses=self.RESPONSES)["messages"]) == 1
        found = site.ask(16, *self.DEGREES, responses=self.RESPONSES)
        assert (found["alerts"][0]["escalated"], found["changed"]) == (True, True)
        first, second = found["messages"]
        assert (second["targets"], second["severity"], second["key"]) == (["on-call"], "critical", first["key"] + "/escalated")
        site.record(20, 0)
        for minute in (20, 60):  # a day long, so that a run that could not tell is made up for
            found = site.ask(minute, *self.DEGREES, responses=self.RESPONSES)
            assert [message["state"] for message in found["messages"]] == ["resolved", "resolved"]
        assert site.ask(3 * 1440, *self.DEGREES, responses=self.RESPONSES)["messages"] == []

    def test_a_rule_that_is_gone_resolves(self, site):
        for minute in range(3):
            site.record(minute, 9)
        site.ask(2, ERRORS)
        assert [(alert["state"], alert["message"]) for alert in site.ask(2, DOWN)["alerts"]] == [("resolved", "its rule is gone")]

    def test_check_mode_remembers_nothing(self, site):
        for minute in range(3):
            site.record(minute, 9)
        for _time in range(2):
            assert site.ask(2, ERRORS, check=True)["changed"]
        assert not os.path.exists(site.state)
        site.ask(2, ERRORS)
        assert not site.ask(2, ERRORS, check=True)["changed"]

    def test_failure(self, site):
        for minute in range(3):
            site.record(minute, 9)
        with pytest.raises(RunbookError, match="1 of 1 rule not ok - many errors: error rate of web1: 9 %, above 5 for 2 minutes"):
            site.ask(2, ERRORS, fail=True)

    def test_a_broken_state_file_is_set_aside(self, site):
        for minute in range(3):
            site.record(minute, 9)
        site.ask(2, ERRORS)
        with open(site.state, "w") as stream:
            json.dump({"alerts": {"x": {}}, "seen": {}}, stream)
        assert site.states(2, ERRORS) == [("web1", "firing", True)]
        assert "set aside" in site.warnings[0]

    def test_broken_lines_of_the_history_are_said(self, site):
        for minute in range(3):
            site.record(minute, 9)
            with open(f"{site.folder}/2026-03-01.jsonl", "a") as stream:
                stream.write("{broken\n")
        assert site.states(2, ERRORS) == [("web1", "firing", True)]
        assert len(site.warnings) == 3


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"above": 1, "below": 2}, "exactly one of above, below, status and absent, not above and below"),
        ({}, "not none"),
        ({"above": float("nan")}, "no number"),
        ({"above": 1, "for": "soon"}, "no duration"),
        ({"above": 1, "times": 2}, "belong together"),
        ({"above": 1, "times": 2, "within": "3m", "for": "2m"}, "goes with within only"),
        ({"absent": True}, "absent needs for"),
        ({"above": 1, "checks": []}, "must each have"),
        ({"above": 1, "response": "error rat"}, "nearest are error rate"),
    ],
)
def test_bad_rules(site, rule, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        site.ask(0, {"name": "x", "checks": ["y"], **rule}, responses={"error rate": {}})


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"responses": {"a": {"fist": 1}}}, "do you mean first"),
        ({"responses": {"a": 1}}, "is no mapping"),
        ({"history": "/nonexistent"}, "no history folder"),
        ({"at": "yesterday"}, "not a moment"),
        ({"rules": []}, "rules is empty"),
    ],
)
def test_bad_options(site, options, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        site.ask(0, ERRORS, **options)


def test_two_rules_of_one_name(site):
    with pytest.raises(InvalidInput, match="is there twice"):
        site.ask(0, ERRORS, ERRORS)
