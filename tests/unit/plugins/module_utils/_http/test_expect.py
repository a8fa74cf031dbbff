# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every expectation about an answer, met and not met, against a real server."""

from __future__ import annotations

import hashlib

import pytest

HOME = b"<html><title>Example</title><p>Welcome to the site</p></html>\n"
HOME_SHA = hashlib.sha256(HOME).hexdigest()

MET = [
    ("/", {}),
    ("/status/204", {"status": ["204"]}),
    ("/status/404", {"status": ["4xx"]}),
    ("/status/503", {"status": ["200", "500-599"]}),
    ("/", {"expect_headers": [{"name": "x-frame-options"}]}),
    ("/", {"expect_headers": [{"name": "X-Frame-Options", "value": "DENY"}]}),
    ("/", {"expect_headers": [{"name": "Content-Type", "regex": "^text/html"}]}),
    ("/", {"expect_headers": [{"name": "X-Powered-By", "state": "absent"}]}),
    ("/", {"text": ["Welcome"], "text_absent": ["Fatal error"]}),
    ("/", {"regex": ["<title>\\w+</title>"], "regex_absent": ["(?i)exception"]}),
    ("/", {"sha256": HOME_SHA}),
    ("/", {"sha256": "SHA256:" + HOME_SHA.upper()}),
    ("/json", {"json": [{"query": "status", "value": "up"}, {"query": "queue.length", "operator": "lt", "value": 10}]}),
    ("/chunked", {"text": ["Welcome"], "sha256": HOME_SHA}),
    ("/until-close", {"sha256": HOME_SHA}),
    ("/hints", {"sha256": HOME_SHA}),
    ("/gzip", {"text": ["Welcome"], "sha256": HOME_SHA}),
    ("/gzip-chunked", {"text": ["Welcome", "second member"]}),
    ("/deflate", {"sha256": HOME_SHA}),
    ("/deflate-bare", {"sha256": HOME_SHA}),
    ("/brotli", {}),
    ("/latin", {"text": ["Grüße"]}),
    ("/big/5000000", {"sha256": hashlib.sha256(b"\0" * 5_000_000).hexdigest(), "max_body": 1000}),
    (
        "/page",
        {
            "cache": {
                "present": ["public", "max-age>=600", "max-age<=600", "max-age=600"],
                "absent": ["no-store", "b"],
                "vary": ["accept-encoding", "Origin"],
            }
        },
    ),
    ("/echo", {"method": "POST", "body": {"a": 1}, "body_format": "json", "json": [{"query": "body", "value": '{"a": 1}'}]}),
    ("/echo", {"method": "POST", "body": {"a": "x y"}, "body_format": "form-urlencoded", "json": [{"query": "body", "value": "a=x+y"}]}),
    ("/", {"method": "HEAD", "expect_headers": [{"name": "Content-Length", "value": str(len(HOME))}]}),
    ("/redirect?to=/next&code=301", {"redirects": {"locations": ["/next"]}}),
]

NOT_MET = [
    ("/status/500", {}, "expected status 200, got 500"),
    ("/status/200", {"status": ["301", "4xx"]}, "expected status 301 or 4xx, got 200"),
    ("/", {"expect_headers": [{"name": "X-None"}]}, "expected header X-None, got no such header"),
    ("/", {"expect_headers": [{"name": "X-Frame-Options", "value": "SAMEORIGIN"}]}, "header X-Frame-Options: SAMEORIGIN, got 'DENY'"),
    ("/", {"expect_headers": [{"name": "X-None", "value": "a"}]}, "header X-None: a, got no such header"),
    ("/", {"expect_headers": [{"name": "Content-Type", "regex": "json"}]}, "Content-Type to match json, got 'text/html; charset=utf-8'"),
    ("/", {"expect_headers": [{"name": "Server", "state": "absent"}]}, "expected no header Server, got 'BaseHTTP"),
    ("/", {"text": ["Goodbye"]}, "expected text 'Goodbye', got a body of 62 bytes without it"),
    ("/", {"text_absent": ["Welcome"]}, "expected no text 'Welcome', got a body that has it"),
    ("/", {"regex": ["^Welcome"]}, "expected text matching '^Welcome', got"),
    ("/", {"regex_absent": ["W.l"]}, "expected no text matching 'W.l', got"),
    ("/", {"sha256": "0" * 64}, f"expected sha256 {'0' * 64}, got {HOME_SHA} (62 bytes)"),
    ("/json", {"json": [{"query": "status", "value": "down"}]}, 'expected json status eq "down", got "up"'),
    ("/json", {"json": [{"query": "nothing.here", "operator": "exists"}]}, "expected json nothing.here exists, got null"),
    ("/", {"json": [{"query": "a", "value": 1}]}, "expected JSON, got text/html; charset=utf-8 that is not JSON"),
    ("/page", {"cache": {"present": ["max-age>=601"]}}, "expected Cache-Control with max-age>=601, got 'public, max-age=600"),
    ("/page", {"cache": {"present": ["private"]}}, "Cache-Control with private"),
    ("/page", {"cache": {"present": ["public=1"]}}, "Cache-Control with public=1"),
    ("/page", {"cache": {"absent": ["public"]}}, "Cache-Control without public"),
    ("/page", {"cache": {"vary": ["Cookie"]}}, "expected Vary with cookie, got 'Accept-Encoding, Origin'"),
    ("/", {"cache": {"present": ["public"]}}, "Cache-Control with public, got no such header"),
    ("/head-body", {"method": "HEAD"}, "without body, got 62 bytes after its headers"),
    ("/cut", {}, "expected status 200, got an answer cut off in mid-body"),
    ("/cut-chunked", {}, "got an answer cut off in mid-body"),
    ("/closed", {}, "(phase ttfb)"),
    ("/garbage", {}, "got an answer that is not HTTP"),
    ("/gzip-cut", {}, "expected a whole body, got a gzip body that ends too early"),
    ("/gzip-broken", {}, "expected a whole body, got a broken gzip body"),
    ("/slow/2", {"timeout": 0.2}, "got no answer within 0.2 s (phase ttfb)"),
    ("/drip", {"timeout": 0.4}, "got no answer within 0.4 s (phase body)"),
    ("/drip-head", {"timeout": 0.4}, "got no answer within 0.4 s (phase ttfb)"),
    ("/redirect?to=/next", {"redirects": {"locations": ["/other"]}}, "expected redirect to"),
    ("/redirect?to=/next", {"status": ["302"], "redirects": {"locations": []}}, "expected 0 redirects, got another one to"),
    ("/", {"status": ["200"], "redirects": {"locations": ["/next"]}}, "/next, got status 200 without redirect"),
    ("/redirect?to=ftp://a/", {"redirects": {"locations": ["/other"]}}, "got a Location that is no http URL"),
]

NOT_EVALUATED = [
    ("/gzip-cut", {"text": ["Welcome"]}, "expected a readable body, got a gzip body that ends too early"),
    ("/brotli", {"text": ["Welcome"]}, "Content-Encoding 'br'"),
    ("/brotli", {"sha256": "0" * 64}, "Content-Encoding 'br'"),
    ("/big/5000", {"text": ["a"], "max_body": 1000}, "expected a body of at most max_body (1000 bytes), got 5000 bytes"),
    ("/bomb", {"text": ["a"], "max_body": 1000}, "got 67108864 bytes"),
    ("/json", {"json": [{"query": "length(queue.rate)", "value": 1}]}, "on which it can't be evaluated"),
]


@pytest.mark.parametrize(("url", "options"), MET)
def test_met(probe, url, options):
    outcome = probe(url, **options)
    assert outcome["status"] == "ok", outcome["message"]
    assert outcome["failures"] == [] and "excerpt" not in outcome


@pytest.mark.parametrize(("url", "options", "message"), NOT_MET)
def test_not_met(probe, url, options, message):
    outcome = probe(url, **options)
    assert outcome["status"] == "failed"
    assert message in outcome["message"]
    assert " from http://127.0.0.1:" in outcome["message"]
    assert "\n" not in outcome["message"]


@pytest.mark.parametrize(("url", "options", "message"), NOT_EVALUATED)
def test_not_evaluated(probe, url, options, message):
    outcome = probe(url, **options)
    assert (outcome["status"], message in outcome["message"]) == ("crashed", True), outcome


def test_all_failures_of_an_answer_are_named_with_an_excerpt(probe):
    outcome = probe("/status/404", text=["Welcome"], expect_headers=[{"name": "X-None"}])
    assert [failure["expected"] for failure in outcome["failures"]] == ["status 200", "header X-None", "text 'Welcome'"]
    assert outcome["excerpt"] == "status 404"


def test_the_excerpt_is_short_and_printable(probe):
    outcome = probe("/big/5000", text=["a"])
    assert len(outcome["excerpt"]) <= 200 and outcome["excerpt"].isprintable()


def test_the_result_has_the_schema_of_all_results(probe):
    outcome = probe("/json", name="health")
    assert {"name", "status", "value", "unit", "warn", "crit", "message", "duration_ms"} <= set(outcome)
    assert (outcome["name"], outcome["unit"], outcome["http_status"]) == ("health", "ms", 200)
    assert outcome["value"] == outcome["phases"]["total"] > 0
    assert set(outcome["phases"]) == {"dns", "connect", "ttfb", "total"}
    parts = sum(outcome["phases"][phase] for phase in ("dns", "connect", "ttfb"))
    assert parts <= outcome["phases"]["total"] + 0.01


def test_a_slow_answer_is_seen_in_its_phase(probe):
    phases = probe("/slow/0.15")["phases"]
    assert phases["ttfb"] >= 149 and phases["ttfb"] > phases["connect"]
