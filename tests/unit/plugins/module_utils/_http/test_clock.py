# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clocks that differ, told by real answers."""

from __future__ import annotations

import types

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._http import clock
from ansible_collections.runbook.ops.plugins.module_utils._http.client import Exchange
from ansible_collections.runbook.ops.plugins.module_utils._http.spec import ClockLimit


def test_a_clock_that_agrees(probe):
    outcome = probe("/clock/0", clock_skew={})
    assert (outcome["status"], outcome["unit"], outcome["warn"], outcome["crit"]) == ("ok", "s", None, 300)
    assert outcome["value"] < 1.1
    assert (outcome["clock"]["source"], outcome["clock"]["within"] < 1) == ("Date header", True)
    assert " ms, a clock " in outcome["message"]


@pytest.mark.parametrize(("shift", "word", "size"), [(400, "ahead", "400"), (-400, "behind", "400")])
def test_a_clock_that_does_not(probe, monkeypatch, shift, word, size):
    for kept, side in ((True, "look at the server's"), (False, "look here first"), (None, "look at both")):
        monkeypatch.setattr(clock, "synchronised", lambda kept=kept: kept)
        outcome = probe(f"/clock/{shift}", clock_skew={"warn": 60.0}, retries=3)
        assert (outcome["status"], outcome["attempts"]) == ("failed", 1)  # waiting sets no clock
        assert abs(outcome["value"] - 400) < 1.5 and abs(outcome["clock"]["skew"] - shift) < 1.5
        assert "expected a clock within 300 s of this one (Date header), got a clock " in outcome["message"]
        assert f"s (6 minutes) {word}; " in outcome["message"] and side in outcome["message"]


def test_warning_and_latency_beside_it(probe):
    assert probe("/clock/90", clock_skew={"warn": 60.0, "crit": 120.0})["status"] == "warning"
    outcome = probe("/clock/90", clock_skew={"crit": 120.0}, latency=[{"crit": 5000.0}])
    assert (outcome["unit"], outcome["crit"], outcome["status"]) == ("ms", 5000, "ok")
    assert abs(outcome["clock"]["skew"] - 90) < 1.5


@pytest.mark.parametrize("field", ["seconds", "exact", "milliseconds", "text", "iso", "fraction", "http"])
def test_a_field_of_the_body(probe, field):
    outcome = probe("/clock/-50", clock_skew={"crit": 60.0, "query": field})
    assert outcome["status"] == "ok", outcome["message"]
    assert abs(outcome["clock"]["skew"] + 50) < 1.1
    if field in ("exact", "milliseconds", "fraction"):
        assert abs(outcome["clock"]["skew"] + 50) <= outcome["clock"]["within"] + 0.02 < 0.5


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("/clock/0?age=100", {}, "an answer from a cache"),
        ("/clock/0", {"query": "soon"}, "no moment"),
        ("/clock/0", {"query": "nothing"}, "got null, which is no moment"),
        ("/clock/0", {"query": "abs(soon)"}, "can't be evaluated"),
        ("/", {"query": "time"}, "not JSON"),
        ("/clock/0?delay=0.3", {"query": "exact", "crit": 0.1}, "which tells it to within"),
    ],
)
def test_a_clock_that_nobody_can_tell_is_never_right(probe, url, options, message):
    outcome = probe(url, clock_skew=options)
    assert (outcome["status"], message in outcome["message"]) == ("crashed", True), outcome["message"]


def test_half_the_round_trip_is_taken_off(probe):
    """The server looks at its clock before it sleeps: half of the delay stays, where the whole would without the correction."""
    outcome = probe("/clock/0?delay=0.6", clock_skew={"query": "exact", "crit": 5.0})
    assert outcome["clock"]["skew"] < -0.2
    assert abs(outcome["clock"]["skew"]) <= outcome["clock"]["within"] + 0.02


def test_no_date():
    exchange = Exchange(None, 200, "OK", [], {"ttfb": 1.0}, None)
    assert clock.check_clock(ClockLimit(None, 300), exchange)[1][0].got == "no Date header"
    exchange.headers = [("Date", "yesterday")]
    assert clock.check_clock(ClockLimit(None, 300), exchange)[1][0].status == "crashed"


def test_the_kernel_is_asked(monkeypatch):
    assert clock.synchronised() in (True, False, None)
    for state, kept in ((0, True), (5, False), (-1, None)):
        monkeypatch.setattr(clock.ctypes, "CDLL", lambda name, state=state: types.SimpleNamespace(adjtimex=lambda buffer: state))
        assert clock.synchronised() is kept
    monkeypatch.setattr(clock.ctypes, "CDLL", lambda name: object())
    assert clock.synchronised() is None


HEARTBEAT = {
    "method": "POST",
    "body": {"worker_id": "probe"},
    "body_format": "json",
    "json": [{"query": "ok", "value": True}],
    "hmac": {
        "secret": "s3cret-key",
        "header": "X-Auth-Sign",
        "timestamp_header": "X-Auth-TS",
        "parts": ["method", "path_without_query", "body_sha256", "timestamp"],
        "separator": "|",
    },
}


def test_a_heartbeat_signed_as_another_system_does_it(probe):
    assert probe("/heartbeat/0?worker=1", **HEARTBEAT, clock_skew={})["status"] == "ok"
    assert probe("/heartbeat/0", **{**HEARTBEAT, "hmac": {**HEARTBEAT["hmac"], "separator": "\n"}})["http_status"] == 401


def test_a_refused_signature_where_clocks_differ(probe):
    outcome = probe("/heartbeat/900", **HEARTBEAT)
    assert outcome["status"] == "failed"
    assert "got 401" in outcome["message"] and "(15 minutes) ahead, which may be why; " in outcome["message"]
    refused = probe("/heartbeat/0", **{**HEARTBEAT, "hmac": {**HEARTBEAT["hmac"], "secret": "another"}})
    assert "which may be why" not in refused["message"]
    assert "s3cret-key" not in str(outcome)
