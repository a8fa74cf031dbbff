# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thresholds, checks and conditions: what is refused before a server is asked, and what a value means."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.thresholds import NotANumber, Thresholds, number, plain
from ansible_collections.runbook.ops.plugins.module_utils._database.ask import kinds_of, value_of, waiting
from ansible_collections.runbook.ops.plugins.module_utils._database.ask_sql import oldest
from ansible_collections.runbook.ops.plugins.module_utils._database.check_options import CHECK
from ansible_collections.runbook.ops.plugins.module_utils._database.checks import Check, Reading, parse_checks
from ansible_collections.runbook.ops.plugins.module_utils._database.conditions import documents, parse_conditions, sql
from ansible_collections.runbook.ops.plugins.module_utils._database.query import run_checks


@pytest.mark.parametrize(
    ("warn", "crit", "below", "value", "status"),
    [
        (5, 10, False, 5, "ok"),
        (5, 10, False, 5.1, "warning"),
        (5, 10, False, 10, "warning"),
        (5, 10, False, 10.1, "failed"),
        (10, 5, True, 10, "ok"),
        (10, 5, True, 9.9, "warning"),
        (10, 5, True, 4.9, "failed"),
        (None, 0, False, 0, "ok"),
        (None, 0, False, 1, "failed"),
        (7, 7, False, 8, "failed"),
        (0, None, False, 1, "warning"),
        (None, None, False, 1e300, "ok"),
    ],
)
def test_thresholds(warn, crit, below, value, status):
    assert Thresholds(warn, crit, below).judge(value)[0] == status


@pytest.mark.parametrize(
    ("warn", "crit", "below"), [(10, 5, False), (5, 10, True), (float("nan"), None, False), (None, float("inf"), False)]
)
def test_impossible_thresholds(warn, crit, below):
    with pytest.raises(InvalidInput):
        Thresholds(warn, crit, below)


@pytest.mark.parametrize("value", [None, "", "abc", "NaN", "inf", "-Infinity", True, False, [], {}, "1,5", "10 %", "x" * 500])
def test_no_numbers(value):
    with pytest.raises(NotANumber) as error:
        number(value)
    assert len(str(error.value)) < 120


@pytest.mark.parametrize(("value", "found"), [("10", 10), ("1.50", 1.5), (3, 3), ("-0", 0), (" 7 ", 7), ("1e3", 1000)])
def test_numbers(value, found):
    assert plain(number(value)) == found


def given(**check):
    return {**{name: option.get("default") for name, option in CHECK.items()}, **check}


def parse(*checks, engine="mariadb", **options):
    options = {"engine": engine, "database": "shop", "timeout": 10.0, "checks": [given(**check) for check in checks], **options}
    return parse_checks(options, kinds_of(engine))


def test_defaults_belong_to_the_kind():
    ping, connections, letters, own = parse(
        {"kind": "ping"}, {"kind": "connections"}, {"kind": "dead_letters", "table": "t"}, {"kind": "replication_lag", "warn": "5m"}
    )
    assert (ping.name, ping.unit, ping.thresholds.crit) == ("ping", "ms", 1000)
    assert (connections.measure, connections.unit, connections.thresholds.warn, connections.thresholds.crit) == ("percent", "%", 70, 90)
    assert letters.thresholds == Thresholds(None, 0)
    # Whoever gives one limit has said what counts.
    assert own.thresholds == Thresholds(300, None)


def test_an_age_column_means_the_age():
    (check,) = parse({"kind": "queue_depth", "table": "jobs", "age_column": "made", "crit": "1h", "age_unit": "seconds"})
    assert (check.measure, check.unit, check.thresholds.crit, check.age_unit) == ("age", "s", 3600, "seconds")


def test_sizes():
    (check,) = parse({"kind": "table_size", "warn": "500M", "crit": "2GiB"})
    assert check.thresholds == Thresholds(500 * 1024**2, 2 * 1024**3)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({}, "kind query needs query"),
        ({"query": "SELECT 1", "table": "t"}, "does not take table"),
        ({"kind": "queue_depth"}, "needs table"),
        ({"kind": "queue_depth", "table": "t", "measure": "age"}, "need each other"),
        ({"kind": "queue_depth", "table": "t", "measure": "count", "age_column": "a"}, "need each other"),
        ({"kind": "connections", "measure": "age"}, "measures percent or count, not age"),
        ({"kind": "memory"}, "mariadb has no memory"),
        ({"kind": "ping", "warn": 10, "crit": 5}, "crit 5 is reached before warn 10"),
        ({"kind": "ping", "warn": "many"}, "is no number"),
        ({"kind": "ping", "crit": True}, "is no number"),
        ({"kind": "replication_lag", "crit": "soon"}, "no duration"),
        ({"kind": "ping", "timeout": 0.0}, "timeout 0"),
        ({"kind": "slow_queries", "longer_than": "x"}, "no duration"),
        ({"query": "SELECT 1", "max_rows": -1}, "max_rows"),
        ({"kind": "queue_depth", "table": "t", "where": [{"column": "a", "operator": "in", "value": 1}]}, "needs a list"),
    ],
)
def test_checks_that_make_no_sense(check, message):
    with pytest.raises(InvalidInput, match=message) as error:
        parse(check)
    assert error.value.message.startswith("check '")


def test_names_differ():
    with pytest.raises(InvalidInput, match="two checks are called 'ping'"):
        parse({"kind": "ping"}, {"kind": "ping"})
    with pytest.raises(InvalidInput, match="checks is empty"):
        parse()


CONDITIONS = [
    {"column": "a", "operator": "eq", "value": "it's"},
    {"column": "b", "operator": "not_in", "value": [1, 2.5, True]},
    {"column": "c", "operator": "null", "value": None},
    {"column": "d", "operator": "not_null", "value": None},
    {"column": "e", "operator": "ge", "value": 7},
]


def test_conditions_as_sql_and_as_documents():
    conditions = parse_conditions(CONDITIONS)
    assert sql(conditions, lambda name: f"[{name}]", repr) == [
        '[a] = "it\'s"',
        "[b] NOT IN (1, 2.5, True)",
        "[c] IS NULL",
        "[d] IS NOT NULL",
        "[e] >= 7",
    ]
    assert documents(conditions) == [
        {"a": {"$eq": "it's"}},
        {"b": {"$nin": [1, 2.5, True]}},
        {"b": {"$ne": None}},
        {"c": {"$eq": None}},
        {"d": {"$ne": None}},
        {"e": {"$gte": 7}},
    ]


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("eq", None),
        ("eq", [1]),
        ("eq", {"$gt": ""}),
        ("in", []),
        ("in", "x"),
        ("in", [None]),
        ("null", 1),
        ("lt", float("nan")),
        ("eq", "a\0b"),
    ],
)
def test_conditions_that_make_no_sense(operator, value):
    with pytest.raises(InvalidInput, match="where: a"):
        parse_conditions([{"column": "a", "operator": operator, "value": value}])


def check(**values):
    return Check(**{"name": "c", "kind": "query", "measure": "value", "unit": "", "thresholds": Thresholds(), "timeout": 10.0, **values})


def test_what_rows_amount_to():
    assert value_of(check(), [{"n": "5"}]).value == "5"
    assert value_of(check(column="m"), [{"n": "5", "m": "6"}]).value == "6"
    assert value_of(check(measure="rows"), []).value == 0
    for rows, more in (([], {}), ([{"n": 1}, {"n": 2}], {}), ([{"n": 1, "m": 2}], {}), ([{"n": 1}], {"column": "m"}), ([{}], {})):
        with pytest.raises(RunbookError):
            value_of(check(**more), rows)
    with pytest.raises(RunbookError, match="max_rows"):
        value_of(check(measure="rows", max_rows=1), [{"n": 1}, {"n": 2}])


def test_queues():
    assert waiting(check(measure="age"), "0", None).value == 0
    assert waiting(check(measure="age"), "2", "-3").value == 0
    # A clock that is wrong by more is not hidden.
    assert waiting(check(measure="age"), "2", "-3600").value == "-3600"
    with pytest.raises(RunbookError, match="no time can be read"):
        waiting(check(measure="age", age_column="a"), 2, None)


def test_the_table_that_was_left_longest():
    rows = [
        {"name": "a", "rows": "5000", "age": "10"},
        {"name": "b", "rows": "5000", "age": "20"},
        {"name": "small", "rows": "5", "age": None},
    ]
    assert oldest(check(), rows, "analysed").value == 20
    assert oldest(check(tables=("a*",)), rows, "analysed").value == 10
    assert oldest(check(tables=("small",)), rows, "analysed").status == "skipped"
    never = oldest(check(min_rows=0), rows, "analysed")
    assert (never.status, never.note) == ("failed", "never analysed: small")
    with pytest.raises(RunbookError, match="no table fits 'x'"):
        oldest(check(tables=("x",)), rows, "analysed")


class Asker:
    """Answers a check by its name, or raises what it finds there."""

    def __init__(self, answers, greeting=None):
        self.answers, self.greeting, self.closed = answers, greeting, False

    def greet(self, timeout, database):
        if self.greeting:
            raise self.greeting

    def read(self, asked):
        answer = self.answers[asked.name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        self.closed = True


def test_no_check_keeps_the_others_from_running():
    answers = {
        "refused": RunbookError("no such table"),
        "defect": ZeroDivisionError("oops"),
        "broken": OSError(32, "Broken pipe"),
        "stopped": Reading(None, "the SQL thread is stopped", "failed"),
        "slow and stopped": Reading("5", "paused", "failed"),
        "nothing": Reading(None, "no table", "skipped"),
        "NULL": Reading(None),
        "good": Reading("7", "all fine"),
    }
    asker = Asker(answers)
    outcomes = run_checks([check(name=name, thresholds=Thresholds(8, 9), unit="s") for name in answers], lambda: asker)
    assert [outcome.status for outcome in outcomes] == ["crashed", "crashed", "crashed", "failed", "failed", "skipped", "crashed", "ok"]
    assert [outcome.message for outcome in outcomes] == [
        "no such table",
        "ZeroDivisionError: oops",
        "Broken pipe",
        "the SQL thread is stopped",
        "5 s, paused",
        "no table",
        "the value is NULL",
        "7 s, all fine",
    ]
    assert asker.closed


def test_a_server_that_does_not_answer_crashes_all():
    asker = Asker({}, RunbookError("nobody answers"))
    outcomes = run_checks([check(name="a"), check(name="b")], lambda: asker)
    assert [(outcome.status, outcome.message) for outcome in outcomes] == [("crashed", "nobody answers")] * 2


def test_a_check_that_took_too_long_is_not_ok(monkeypatch):
    times = iter([0.0, 0.0, 11.0, 11.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    (outcome,) = run_checks([check()], lambda: Asker({"c": Reading(0)}))
    assert (outcome.status, outcome.message) == ("crashed", "it took 11.0 s, longer than its timeout of 10 s")
