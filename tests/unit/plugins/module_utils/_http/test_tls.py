# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""https: verification, days of certificates that do not verify, SNI, client certificates."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput


@pytest.fixture
def tls(probe, start, certificates, authority):
    """Probes https://www.example.com on a server with the named certificate."""

    def ask(name, top=None, path="/", host="www.example.com", **options):
        server = start(certificates[name])
        outcome = probe(
            f"https://{host}:{server.port}{path}", top={"ca_path": authority.path, "connect_to": "127.0.0.1", **(top or {})}, **options
        )
        return outcome, server

    return ask


def test_verified_with_all_phases(tls):
    outcome, _server = tls("good", certificate={}, latency=[{"phase": "tls", "crit": 2000.0}])
    assert outcome["status"] == "ok", outcome["message"]
    assert set(outcome["phases"]) == {"dns", "connect", "tls", "ttfb", "total"}
    assert outcome["value"] == outcome["phases"]["tls"] > 0
    certificate = outcome["certificate"]
    assert (certificate["days"], certificate["verified"], certificate["subject"]) == (400, True, "www.example.com")


def test_connect_to_keeps_host_and_sni(tls):
    _outcome, server = tls("good")
    assert server.names == ["www.example.com"]
    assert server.seen[0][2]["Host"] == f"www.example.com:{server.port}"


def test_each_node_answers_for_itself(probe, start):
    nodes = [start(label="one"), start(label="two")]
    probes = [
        {
            "url": "http://www.example.com/",
            "connect_to": f"127.0.0.1:{node.port}",
            "expect_headers": [{"name": "X-Node", "value": node.label}],
        }
        for node in nodes
    ]
    assert probe.all(probes)["status"] == "ok"
    assert [node.seen[0][2]["Host"] for node in nodes] == ["www.example.com"] * 2


@pytest.mark.parametrize(
    ("name", "status", "days", "message"),
    [
        ("soon", "warning", 20, "expected a certificate valid for 30 days, got 20 days (until "),
        ("last", "failed", 5, "expected a certificate valid for 14 days, got 5 days (until "),
    ],
)
def test_days(tls, name, status, days, message):
    outcome, _server = tls(name, certificate={})
    assert (outcome["status"], outcome["certificate"]["days"]) == (status, days)
    assert message in outcome["message"]
    assert tls(name)[0]["status"] == "ok"


def test_days_of_an_expired_certificate(tls):
    outcome, server = tls("expired", certificate={})
    assert outcome["status"] == "failed"
    assert (outcome["certificate"]["days"], outcome["certificate"]["verified"]) == (-3, False)
    assert "certificate has expired" in outcome["message"]
    assert "expected a certificate valid for 14 days, got -3 days" in outcome["message"]
    assert server.seen == [], "no request may be sent to a server that did not prove who it is"


def test_wrong_name_says_which(tls):
    outcome, server = tls("wrong", url_username="me", url_password="hunter2")
    assert outcome["status"] == "failed"
    assert "ostname mismatch" in outcome["message"] and "it is for other.example.com" in outcome["message"]
    assert server.seen == []


def test_an_unknown_authority_fails_unless_told_otherwise(probe, start, certificates):
    server = start(certificates["good"])
    url = f"https://localhost:{server.port}/"
    assert "certificate that does not verify" in probe(url)["message"]
    outcome = probe(url, validate_certs=False, certificate={})
    assert (outcome["status"], outcome["certificate"]["days"], outcome["certificate"]["verified"]) == ("ok", 400, False)


def test_a_rejected_certificate_is_not_asked_for_again(tls):
    outcome, _server = tls("expired", retries=3, delay=0.01)
    assert outcome["attempts"] == 1


def test_client_certificate(probe, start, certificates, authority):
    server = start(certificates["good"], client_ca=authority.path)
    url, top = f"https://localhost:{server.port}/", {"ca_path": authority.path}
    assert probe(url, top=top)["status"] == "failed"
    cert, key = certificates["client"]
    outcome = probe(url, top=top, client_cert=cert, client_key=key)
    assert outcome["status"] == "ok", outcome["message"]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"ca_path": "/nonexistent/ca.pem"}, "ca_path /nonexistent/ca.pem can't be used"),
        ({"client_cert": "/nonexistent/cert.pem"}, "client_cert /nonexistent/cert.pem"),
    ],
)
def test_unusable_files_are_refused_before_any_request(server, probe, options, hint):
    with pytest.raises(InvalidInput, match=hint):
        probe.all([{"url": "/"}, {"url": "https://localhost/", **options}])
    assert server.seen == []


def test_a_certificate_without_its_key_is_refused(probe, certificates):
    with pytest.raises(InvalidInput, match="client_cert"):
        probe("https://localhost/", client_cert=certificates["good"][0])


def test_plain_http_on_a_tls_port(probe, server):
    outcome = probe(f"https://127.0.0.1:{server.port}/")
    assert outcome["status"] == "failed" and "failed TLS handshake" in outcome["message"]


def test_a_silent_server_is_given_up_in_time(probe):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        outcome = probe(f"https://127.0.0.1:{listener.getsockname()[1]}/", timeout=0.3)
    assert "no answer within 0.3 s (phase tls)" in outcome["message"]
    assert outcome["duration_ms"] < 2000


def test_certificate_days_without_any_answer_are_not_evaluated(probe):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = probe(f"https://127.0.0.1:{port}/", certificate={})
    assert outcome["status"] == "crashed"
    assert "connection refused (phase connect)" in outcome["message"]
    assert "expected a certificate valid for 14 days, got none that could be read" in outcome["message"]
