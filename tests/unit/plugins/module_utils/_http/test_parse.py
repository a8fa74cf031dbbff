# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input is refused for all probes, in one line that names the probe, before any request."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._http.parse import parse_probes

HTTPS = "https://www.example.com/"
SHA = "0" * 64

BAD = [
    ({"status": ["2000"]}, "neither a code"),
    ({"status": []}, "leave it out"),
    ({"regex": ["("]}, "regex '\\('"),
    ({"regex_absent": ["[z-a]"]}, "bad character range"),
    ({"expect_headers": [{"name": "A", "regex": "*"}]}, "nothing to repeat"),
    ({"expect_headers": [{"name": "A: b"}]}, "not a header name"),
    ({"expect_headers": [{"name": "A", "value": "b", "regex": "c"}]}, "exclude each other"),
    ({"expect_headers": [{"name": "A", "value": "b", "state": "absent"}]}, "exclude each other"),
    ({"json": [{"query": "a["}]}, "not valid JMESPath"),
    ({"sha256": "abc"}, "sha256sum"),
    ({"cache": {}}, "expects nothing"),
    ({"cache": {"present": ["max-age>=soon"]}}, "number of seconds"),
    ({"cache": {"present": ["a b"]}}, "can't be read"),
    ({"cache": {"present": ["public"], "absent": ["Public"]}}, "keep one"),
    ({"redirects": {"max_hops": 3}}, "follow_redirects"),
    ({"redirects": {"locations": ["/a", "/b"]}}, "more than one location"),
    ({"follow_redirects": "all", "redirects": {"locations": ["/a", "/b"], "max_hops": 1}}, "raise max_hops"),
    ({"follow_redirects": "all", "redirects": {"max_hops": 0}}, "1 to 50"),
    ({"redirects": {"locations": ["ftp://www.example.com/"]}}, "can't be a redirect"),
    ({"method": "POST", "follow_redirects": "safe"}, "follows GET and HEAD only"),
    ({"range": {"bytes": "5-2"}}, "is empty"),
    ({"range": {"bytes": "-"}}, "not one byte range"),
    ({"range": {"bytes": "0-1,3-4"}}, "not one byte range"),
    ({"range": {"bytes": "-0"}}, "is empty"),
    ({"range": {"bytes": "0-1", "sha256": "x"}}, "range sha256"),
    ({"method": "POST", "range": {"bytes": "0-1"}}, "range needs method GET"),
    ({"method": "HEAD", "head_equals_get": True}, "head_equals_get needs method GET"),
    ({"method": "POST", "revalidate": ["etag"]}, "revalidate needs method GET"),
    ({"method": "HEAD", "text": ["a"]}, "has no body"),
    ({"method": "HEAD", "sha256": SHA}, "has no body"),
    ({"method": "GET /"}, "can't be probed"),
    ({"method": "CONNECT"}, "can't be probed"),
    ({"samples": 0}, "samples 0"),
    ({"samples": 19, "latency": [{"percentile": "p95"}]}, "p95 needs at least 20 samples and there are 19"),
    ({"latency": [{"percentile": "p50"}]}, "p50 needs at least 2 samples and there is 1"),
    ({"latency": [{"phase": "tls"}]}, "needs an https url"),
    ({"latency": [{"warn": 200.0, "crit": 100.0}]}, "above crit"),
    ({"latency": [{"warn": -1.0}]}, "not more than 0"),
    ({"latency": [{"crit": float("nan")}]}, "not more than 0"),
    ({"certificate": {}}, "needs an https url"),
    ({"url": HTTPS, "certificate": {"warn": 3, "crit": 5}}, "below crit"),
    ({"timeout": 0.0}, "timeout"),
    ({"timeout": float("nan")}, "timeout"),
    ({"retries": -1}, "retries"),
    ({"delay": -1.0}, "delay"),
    ({"max_body": 0}, "max_body"),
    ({"headers": {"A\r\nB": "c"}}, "can't be set"),
    ({"headers": {"A": "b\r\nC: d"}}, "one line"),
    ({"headers": {"A": {"b": 1}}}, "one line"),
    ({"headers": {"A": None}}, "one line"),
    ({"headers": {"A": "\u20ac"}}, "encode"),
    ({"headers": {"Content-Length": "3"}}, "framing"),
    ({"headers": {"Authorization": "x"}, "bearer_token": "abc"}, "given twice"),
    ({"headers": {"x-signature": "x"}, "hmac": {"secret": "abc"}}, "given twice"),
    ({"url_password": "hunter2"}, "without url_username"),
    ({"url_username": "a", "bearer_token": "abc"}, "exclude each other"),
    ({"url_username": "a:b", "url_password": "hunter2"}, "colon"),
    ({"bearer_token": "a\nb"}, "bearer_token"),
    ({"bearer_token": ""}, "bearer_token"),
    ({"hmac": {"secret": ""}}, "secret is empty"),
    ({"hmac": {"secret": "hunter2", "header": "a b"}}, "not a header name"),
    ({"hmac": {"secret": "hunter2", "key_id": "a\nb"}}, "one line"),
    ({"hmac": {"secret": "hunter2", "parts": []}}, "parts is empty"),
    ({"hmac": {"secret": "hunter2", "parts": ["key_id", "timestamp"]}}, "there is none"),
    ({"clock_skew": {"crit": 0.0}}, "not more than 0"),
    ({"clock_skew": {"crit": float("inf")}}, "not more than 0"),
    ({"clock_skew": {"crit": 0.5}}, "whole seconds"),
    ({"clock_skew": {"warn": 400.0}}, "above crit 300"),
    ({"clock_skew": {"query": "a["}}, "not valid JMESPath"),
    ({"method": "HEAD", "clock_skew": {"query": "time"}}, "has no body"),
    ({"body": {"a": 1}}, "set body_format"),
    ({"body": "{", "body_format": "json"}, "not JSON"),
    ({"body": [1], "body_format": "form-urlencoded"}, "mapping or a text"),
    ({"client_key": "/k.pem"}, "without client_cert"),
    ({"connect_to": "a:b"}, "no port"),
    ({"connect_to": "192.0.2.1", "proxy": "http://proxy.example.com:3128"}, "exclude each other"),
    ({"proxy": "https://proxy.example.com"}, "plain HTTP"),
    ({"proxy": "http://user:hunter2@proxy.example.com"}, "proxy_username"),
    ({"proxy": "proxy.example.com:3128"}, "proxy"),
    ({"proxy_username": "a"}, "without proxy"),
    ({"http_agent": "a\nb"}, "http_agent"),
    ({"url": "http://user:hunter2@www.example.com/"}, "url_username"),
    ({"url": "/relative"}, "give base_url"),
]


@pytest.mark.parametrize(("options", "hint"), BAD, ids=[hint for _options, hint in BAD])
def test_bad_input_is_one_line_that_names_the_probe(options, hint):
    probes = [{"name": "fine", "url": HTTPS}, {"name": "odd one", "url": "http://www.example.com/", **options}]
    with pytest.raises(InvalidInput, match=hint) as caught:
        parse_probes({"probes": probes})
    message = caught.value.message
    assert message.startswith("probe 'odd one': ")
    assert "\n" not in message and "hunter2" not in message


def test_a_nameless_probe_is_named_by_position_and_url():
    with pytest.raises(InvalidInput, match=r"^probe 2 \(http://www.example.com/a\): status"):
        parse_probes({"probes": [{"url": HTTPS}, {"url": "http://www.example.com/a?token=x", "status": ["x"]}]})


@pytest.mark.parametrize(
    ("options", "hint"),
    [({"probes": []}, "at least one"), ({"probes": None}, "at least one"), ({"probes": [{"url": HTTPS}], "concurrency": 0}, "concurrency")],
)
def test_bad_calls(options, hint):
    with pytest.raises(InvalidInput, match=hint):
        parse_probes(options)


def test_names_must_differ_but_default_names_are_numbered():
    with pytest.raises(InvalidInput, match="another probe"):
        parse_probes({"probes": [{"name": "a", "url": HTTPS}, {"name": "a", "url": HTTPS}]})
    names = [probe.name for probe in parse_probes({"probes": [{"url": HTTPS}, {"url": HTTPS}, {"url": HTTPS}]})]
    assert names == [f"GET {HTTPS}", f"GET {HTTPS} #2", f"GET {HTTPS} #3"]


def test_a_probe_takes_the_modules_options_unless_it_has_its_own():
    top = {
        "timeout": 3.0,
        "connect_to": "192.0.2.1",
        "headers": {"A": "1", "B": "2"},
        "url_username": "u",
        "url_password": "p",
        "retries": 4,
    }
    own = {"timeout": 1.0, "connect_to": "", "headers": {"b": "3"}, "bearer_token": "t" * 8, "retries": 0}
    first, second = parse_probes({**top, "probes": [{"url": HTTPS}, {"url": HTTPS, **own}]})
    assert (first.timeout, str(first.route.node), first.backoff.retries) == (3.0, "192.0.2.1", 4)
    assert (second.timeout, second.route.node, second.backoff.retries) == (1.0, None, 0)
    assert dict(first.headers)["B"] == "2" and first.credentials.username == "u"
    assert {name: value for name, value in second.headers if name in ("A", "B", "b")} == {"A": "1", "b": "3"}
    assert second.credentials.username is None and second.credentials.bearer_token


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "200"),
        ({"redirects": {"locations": ["/a"]}}, "3xx"),
        ({"redirects": {"locations": []}}, "200"),
        ({"redirects": {"locations": ["/a"]}, "follow_redirects": "all"}, "200"),
        ({"redirects": {"locations": ["/a"]}, "status": ["301", 308]}, "301 or 308"),
    ],
)
def test_default_status(options, text):
    assert str(parse_probes({"probes": [{"url": HTTPS, **options}]})[0].status) == text


@pytest.mark.parametrize(
    ("limits", "days"), [({}, (30, 14)), ({"warn": 10}, (10, 10)), ({"crit": 60}, (60, 60)), ({"warn": 90, "crit": 7}, (90, 7))]
)
def test_default_days_do_not_contradict_a_given_limit(limits, days):
    limit = parse_probes({"probes": [{"url": HTTPS, "certificate": limits}]})[0].certificate
    assert (limit.warn, limit.crit) == days


def test_latency_without_limits_has_the_documented_one():
    limit = parse_probes({"probes": [{"url": HTTPS, "latency": [{}]}]})[0].latency[0]
    assert (limit.phase, limit.percentile, limit.warn, limit.crit) == ("total", "max", None, 1000.0)
