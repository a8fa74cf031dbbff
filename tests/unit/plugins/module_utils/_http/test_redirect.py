# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redirects: what is followed, what is expected of them, and what does not travel along."""

from __future__ import annotations

import pytest


@pytest.fixture
def other(start):
    return start(label="other")


def seen(server):
    return [(method, path.partition("?")[0]) for method, path, _headers in server.seen]


def test_not_followed_by_default(server, probe):
    assert "got 302" in probe("/redirect?to=/")["message"]
    assert len(server.seen) == 1


def test_followed_to_the_answer(probe):
    outcome = probe(
        "/redirect?to=/redirect%3Fto=/json",
        follow_redirects="safe",
        redirects={"locations": ["/redirect?to=/json", "/json"]},
        text=["status"],
    )
    assert outcome["status"] == "ok", outcome["message"]
    assert [url.rpartition("/")[2] for url in outcome["redirects"]] == ["redirect?to=***", "json"]


def test_the_time_is_that_of_all_hops(probe):
    outcome = probe("/redirect?to=/slow/0.1", follow_redirects="all")
    assert outcome["phases"]["total"] > 100 and outcome["phases"]["ttfb"] > 100


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("/loop", {}, "expected at most 5 redirects, got another one to http://127.0.0.1"),
        ("/loop", {"redirects": {"max_hops": 2}}, "expected at most 2 redirects"),
        ("/redirect?to=/", {"redirects": {"locations": []}}, "expected 0 redirects, got another one"),
        ("/redirect?to=/", {"redirects": {"locations": ["/", "/b"]}}, "/b, got status 200 without redirect"),
        ("/redirect?to=/a%3Fx=1", {"redirects": {"locations": ["/a?x=2"]}}, "with another query"),
        ("/redirect?to=ftp://www.example.com/", {}, "expected a redirect that can be followed, got a Location that can't be"),
        ("/redirect?to=http://me:hunter2@www.example.com/", {}, "a Location that can't be, because it contains user information"),
        ("/redirect?to=http://www.example.com:x/", {}, "a Location that can't be"),
    ],
)
def test_not_met(probe, url, options, message):
    outcome = probe(url, follow_redirects="all", **options)
    assert (outcome["status"], message in outcome["message"]) == ("failed", True), outcome["message"]
    assert "hunter2" not in str(outcome)


def test_a_downgrade_is_refused_unless_allowed(server, probe, start, certificates, authority):
    secure = start(certificates["good"])
    url = f"https://localhost:{secure.port}/redirect?to=http://localhost:{server.port}/"
    refused = probe(url, ca_path=authority.path, follow_redirects="all")
    assert "expected no redirect from https to http" in refused["message"] and server.seen == []
    assert probe(url, ca_path=authority.path, follow_redirects="all", redirects={"allow_downgrade": True})["status"] == "ok"


@pytest.mark.parametrize(
    "secret",
    [
        {"url_username": "me", "url_password": "hunter2"},
        {"bearer_token": "hunter2hunter2"},
        {"hmac": {"secret": "hunter2"}},
        {"headers": {"X-Api-Key": "hunter2", "Cookie": "session=hunter2"}},
    ],
)
def test_credentials_do_not_travel_to_another_origin(server, other, probe, secret):
    outcome = probe(f"/redirect?to=http://127.0.0.1:{other.port}/", follow_redirects="all", **secret)
    assert outcome["status"] == "ok", outcome["message"]
    names = {"authorization", "x-signature", "x-api-key", "cookie"}
    assert names & {name.lower() for name in server.seen[0][2]}
    assert not names & {name.lower() for name in other.seen[0][2]}


def test_credentials_stay_with_their_origin(server, probe):
    probe("/redirect?to=/", follow_redirects="all", bearer_token="hunter2hunter2")
    assert server.seen[1][2]["Authorization"] == "Bearer hunter2hunter2"


@pytest.mark.parametrize(("code", "method"), [("301", "GET"), ("302", "GET"), ("303", "GET"), ("307", "POST"), ("308", "POST")])
def test_the_method_after_a_post(server, probe, code, method):
    outcome = probe(f"/redirect?to=/echo&code={code}", method="POST", body={"a": 1}, body_format="json", follow_redirects="all")
    assert outcome["status"] == "ok"
    assert server.seen[1][0] == method
    assert ("Content-Type" in server.seen[1][2]) is (method == "POST")


def test_a_body_is_not_sent_to_another_origin(other, probe):
    outcome = probe(f"/redirect?to=http://127.0.0.1:{other.port}/&code=307", method="POST", body="hunter2", follow_redirects="all")
    assert "expected no redirect that sends the body to another host, got 307" in outcome["message"]
    assert other.seen == []


def test_the_pinned_node_serves_the_sites_other_ports_too(server, other, probe):
    url = f"http://www.example.com/redirect?to=http://www.example.com:{other.port}/"
    outcome = probe(url, connect_to=f"127.0.0.1:{server.port}", follow_redirects="all")
    assert outcome["status"] == "ok", outcome["message"]
    assert other.seen[0][2]["Host"] == f"www.example.com:{other.port}"


def test_the_pinned_node_does_not_serve_other_hosts(server, start, probe):
    other = start(address="127.0.0.2")
    url = f"http://www.example.com/redirect?to=http://127.0.0.2:{other.port}/"
    outcome = probe(url, connect_to=f"127.0.0.1:{server.port}", follow_redirects="all")
    assert outcome["status"] == "ok", outcome["message"]
    assert seen(other) == [("GET", "/")] and len(server.seen) == 1


def test_no_more_hops_than_allowed(server, probe):
    probe("/loop", follow_redirects="all", redirects={"max_hops": 2})
    assert len(server.seen) == 3


def test_further_requests_go_where_the_redirect_led(server, other, probe):
    outcome = probe(
        f"/redirect?to=http://127.0.0.1:{other.port}/page", follow_redirects="all", revalidate=["etag"], bearer_token="hunter2hunter2"
    )
    assert outcome["status"] == "ok", outcome["message"]
    assert seen(other) == [("GET", "/page"), ("GET", "/page")]
    assert all("Authorization" not in headers for _method, _path, headers in other.seen)
