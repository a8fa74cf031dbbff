# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case: concurrency, retries, samples, limits, secrets, proxies, check mode."""

from __future__ import annotations

import base64
import json
import socket
import time
from email.utils import formatdate

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._http import probe as use_case
from ansible_collections.runbook.ops.plugins.module_utils._http.client import Client
from ansible_collections.runbook.ops.plugins.module_utils._http.parse import parse_probes


def test_probes_run_at_the_same_time_and_keep_their_order(probe):
    start = time.monotonic()
    result = probe.all([{"name": f"p{number}", "url": f"/slow/{0.3 - number * 0.02}"} for number in range(12)], concurrency=12)
    elapsed = (time.monotonic() - start) * 1000
    assert elapsed < sum(item["duration_ms"] for item in result["probes"]) / 2
    assert [item["name"] for item in result["probes"]] == [f"p{number}" for number in range(12)]
    assert (result["status"], result["changed"], result["msg"]) == ("ok", False, "12 probes ok")


def test_a_failed_probe_raises_with_all_results(probe):
    with pytest.raises(RunbookError) as caught:
        probe.all([{"name": "home", "url": "/"}, {"name": "web1 shop", "url": "/status/500"}], fail=True)
    assert caught.value.message.startswith("1 of 2 probes not ok - web1 shop: expected status 200, got 500 from http://127.0.0.1:")
    assert (caught.value.result["status"], caught.value.result["changed"]) == ("failed", False)
    assert [item["status"] for item in caught.value.result["probes"]] == ["ok", "failed"]


def test_a_warning_does_not_raise(probe):
    result = probe.all([{"url": "/slow/0.05", "latency": [{"warn": 10.0, "crit": 5000.0}]}], fail=True)
    assert result["status"] == "warning"
    assert "expected total time within 10 ms, got " in result["msg"]


def test_the_message_names_the_pinned_node(probe, server):
    outcome = probe("http://www.example.com/status/500", connect_to=f"127.0.0.1:{server.port}")
    assert outcome["message"] == f"expected status 200, got 500 from http://www.example.com/status/500 (connect_to 127.0.0.1:{server.port})"


def test_bad_input_sends_nothing(server, probe):
    with pytest.raises(InvalidInput, match="probe 'b'"):
        probe.all([{"name": "a", "url": "/"}, {"name": "b", "url": "/", "regex": ["("]}])
    assert server.seen == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:{closed}/", "got connection refused (phase connect)"),
        ("http://www.example.invalid/", "got no address for host www.example.invalid"),
    ],
)
def test_unreachable(probe, url, message):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    outcome = probe(url.format(closed=closed))
    assert (outcome["status"], outcome["http_status"], outcome["value"]) == ("failed", None, None)
    assert message in outcome["message"]


def test_ipv6(probe, start):
    try:
        server = start(address="::1")
    except OSError:
        pytest.skip("no IPv6 loopback")
    assert probe(f"http://[::1]:{server.port}/")["status"] == "ok"
    assert probe("http://www.example.com/", connect_to=f"[::1]:{server.port}")["status"] == "ok"


def test_a_hanging_name_server_is_left_behind(probe, monkeypatch):
    look_up = socket.getaddrinfo

    def hang(host, port, family=0, type=0, proto=0, flags=0):  # noqa: A002
        if not flags & socket.AI_NUMERICHOST:
            time.sleep(3)
        return look_up(host, port, family, type, proto, flags)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    outcome = probe("http://www.example.invalid/", timeout=0.2)
    assert "no answer within 0.2 s (phase dns)" in outcome["message"]
    assert outcome["duration_ms"] < 1500


def test_a_defect_met_by_one_probe_does_not_hide_the_others(probe, monkeypatch):
    real = use_case.make_attempt

    def broken(spec, *args, **kwargs):
        if spec.name == "odd":
            raise KeyError("defect")
        return real(spec, *args, **kwargs)

    monkeypatch.setattr(use_case, "make_attempt", broken)
    result = probe.all([{"name": "odd", "url": "/"}, {"name": "home", "url": "/"}])
    assert [item["status"] for item in result["probes"]] == ["crashed", "ok"]
    assert "KeyError" in result["msg"]


# Retries


def attempt(probe, **options):
    """One probe with a clock of its own: the outcome and the waits."""
    waits = []
    spec = parse_probes({"base_url": probe.base, "probes": [options]})[0]
    return use_case.run_probe(spec, Client(), sleep=waits.append, rand=lambda: 0.0), waits


def test_no_retry_by_default(probe):
    outcome, waits = attempt(probe, url="/retry/1/")
    assert (outcome.status, outcome.details["attempts"], waits) == ("failed", 1, [])


def test_retries_with_backoff(probe):
    outcome, waits = attempt(probe, url="/retry/3/", retries=5, delay=2.0)
    assert (outcome.status, outcome.details["attempts"], waits) == ("ok", 4, [1, 2, 4])


def test_retries_are_limited(probe):
    outcome, waits = attempt(probe, url="/retry/9/", retries=2)
    assert (outcome.status, outcome.details["attempts"], len(waits)) == ("failed", 3, 2)


def test_an_unmet_expectation_is_retried_too(server, probe):
    outcome, _waits = attempt(probe, url="/echo", retries=2, text=["never"])
    assert outcome.details["attempts"] == len(server.seen) == 3


def test_retry_after_is_honoured(probe):
    outcome, waits = attempt(probe, url="/retry/1/7", retries=1)
    assert (outcome.status, waits) == ("ok", [7.0])


def test_retry_after_as_a_date_is_honoured(probe):
    outcome, waits = attempt(probe, url="/retry/1/" + formatdate(time.time() + 20, usegmt=True).replace(" ", "%20"), retries=1)
    assert outcome.status == "ok" and 17 < waits[0] <= 20


def test_a_longer_wish_than_max_delay_ends_the_retries(probe):
    outcome, waits = attempt(probe, url="/retry/1/3600", retries=3, max_delay=30.0)
    assert (outcome.status, waits) == ("failed", [])
    assert "not asked again, because Retry-After is 3600 s and max_delay 30 s" in outcome.message


def test_a_slow_answer_is_not_retried_until_it_is_fast(server, probe):
    outcome, waits = attempt(probe, url="/slow/0.05", retries=3, latency=[{"crit": 1.0}])
    assert (outcome.status, waits, len(server.seen)) == ("failed", [], 1)


# Samples and limits


def test_samples_and_their_percentiles(server, probe):
    outcome = probe("/", samples=20, latency=[{"percentile": "p95", "crit": 5000.0}])
    assert outcome["status"] == "ok" and len(server.seen) == 20
    samples = outcome["samples"]
    assert samples["min"] <= samples["p50"] <= samples["p95"] <= samples["max"]
    assert (samples["count"], samples["p99"], samples["notes"]) == (20, None, ["p99 needs at least 100 samples and there are 20"])
    assert outcome["value"] == samples["p95"] and outcome["crit"] == 5000.0


@pytest.mark.parametrize(
    ("limit", "message"),
    [({"percentile": "p50", "crit": 1.0}, "p50 of total time within 1 ms"), ({"phase": "ttfb", "crit": 2.0}, "ttfb time within 2 ms")],
)
def test_limits_exceeded(probe, limit, message):
    outcome = probe("/slow/0.02", samples=2, latency=[limit])
    assert outcome["status"] == "failed" and f"expected {message}, got " in outcome["message"]


def test_the_first_bad_sample_ends_the_measurement(server, probe):
    outcome = probe("/retry/0/", samples=3)
    assert outcome["status"] == "ok"
    outcome = probe("/status/500", samples=50)
    assert outcome["message"].startswith("sample 1 of 50: expected status 200, got 500")
    assert len(server.seen) == 4


def test_further_requests_are_sent_once_whatever_the_samples(server, probe):
    assert probe("/page", samples=3, head_equals_get=True)["status"] == "ok"
    assert [method for method, _path, _headers in server.seen].count("HEAD") == 1


# Credentials and secrets


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        ({"url_username": "me", "url_password": "hunter2"}, "Authorization", "Basic " + base64.b64encode(b"me:hunter2").decode()),
        ({"bearer_token": "hunter2hunter2"}, "Authorization", "Bearer hunter2hunter2"),
        ({"headers": {"X-Api-Key": "hunter2"}}, "X-Api-Key", "hunter2"),
    ],
)
def test_credentials_are_sent_and_never_shown(server, probe, options, header, value):
    outcome = probe("/echo?key=hunter2hunter2", text=["never"], json=[{"query": "headers", "value": 1}], **options)
    assert server.seen[0][2][header] == value
    assert "hunter2" not in json.dumps(outcome)
    assert value.rpartition(" ")[2] not in json.dumps(outcome)
    assert "***" in outcome["excerpt"]


def test_a_signed_request_verifies(probe):
    options = {"method": "POST", "body": {"event": "ping"}, "body_format": "json", "hmac": {"secret": "s3cret", "prefix": "sha256="}}
    assert probe("/signed?check=s3cret", **options)["status"] == "ok"
    outcome = probe("/signed?check=other1", **options)
    assert outcome["http_status"] == 403 and "s3cret" not in json.dumps(outcome)


# Proxies


def test_http_through_a_proxy(server, probe, start_proxy):
    proxy = start_proxy()
    outcome = probe(f"http://www.example.com:{server.port}/", proxy=f"http://127.0.0.1:{proxy.port}")
    assert outcome["status"] == "ok", outcome["message"]
    assert proxy.heads[0].startswith(f"GET http://www.example.com:{server.port}/ HTTP/1.1\r\n")


def test_https_through_a_tunnel(probe, start, start_proxy, certificates, authority):
    secure, proxy = start(certificates["good"]), start_proxy("Basic " + base64.b64encode(b"me:hunter2").decode())
    options = {"proxy": f"http://127.0.0.1:{proxy.port}", "ca_path": authority.path}
    url = f"https://www.example.com:{secure.port}/"
    refused = probe(url, **options)
    assert "407 Proxy Authentication Required from proxy" in refused["message"]
    outcome = probe(url, proxy_username="me", proxy_password="hunter2", **options)
    assert outcome["status"] == "ok", outcome["message"]
    assert f"(proxy 127.0.0.1:{proxy.port})" in outcome["message"]
    assert proxy.heads[1].startswith(f"CONNECT www.example.com:{secure.port} HTTP/1.1\r\n")
    assert secure.names == ["www.example.com"] and "Proxy-Authorization" not in secure.seen[0][2]


def test_a_tunnel_to_a_pinned_node(probe, start, start_proxy, certificates, authority):
    secure, proxy = start(certificates["good"]), start_proxy()
    outcome = probe(
        "https://www.example.com/", connect_to=f"192.0.2.11:{secure.port}", proxy=f"http://127.0.0.1:{proxy.port}", ca_path=authority.path
    )
    assert outcome["status"] == "ok", outcome["message"]
    assert proxy.heads[0].startswith(f"CONNECT 192.0.2.11:{secure.port} HTTP/1.1\r\n")
    assert secure.seen[0][2]["Host"] == "www.example.com"


# Check mode


@pytest.mark.parametrize(
    ("method", "safe", "sent"),
    [("GET", None, True), ("HEAD", None, True), ("POST", None, False), ("PUT", None, False), ("POST", True, True), ("GET", False, False)],
)
def test_check_mode_sends_what_changes_nothing(server, probe, method, safe, sent):
    outcome = probe("/echo", check_mode=True, method=method, safe=safe)
    assert outcome["status"] == ("ok" if sent else "skipped")
    assert len(server.seen) == int(sent)


def test_failures_fail_in_check_mode_too(probe):
    with pytest.raises(RunbookError):
        use_case.probe_all({"probes": [{"url": probe.base + "status/500"}]}, Run(check_mode=True))
