# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans as a whole: every status from its cause."""

from __future__ import annotations

import threading

import pytest

from .scanning import access, scan, scan_all

BEGIN = 1767340000


@pytest.fixture
def log(tmp_path):
    """A hundred requests: 90 answered in 100 ms, 6 not found in 500 ms, 4 failed after 2 s."""
    path = tmp_path / "access.log"
    lines = [(200, "0.100")] * 90 + [(404, "0.500")] * 6 + [(502, "2.000")] * 4
    path.write_text("".join(access(BEGIN + second, status, f"/item/{second}", more) for second, (status, more) in enumerate(lines)))
    return path


def test_all_measures(log):
    measures = [{"pattern": "errors"}, {"pattern": "warnings"}, {"measure": "requests"}, {"measure": "rate", "pattern": "errors"}]
    measures += [{"measure": name} for name in ("p50", "p95", "p99", "max")]
    result = scan_all({"name": "shop", "paths": [str(log)], "measures": measures})
    assert [(item["name"], item["value"], item["unit"]) for item in result["checks"]] == [
        ("shop errors", 4, "lines"),
        ("shop warnings", 6, "lines"),
        ("shop requests", 100, "requests"),
        ("shop errors rate", 4, "%"),
        ("shop p50", 100, "ms"),
        ("shop p95", 500, "ms"),
        ("shop p99", 2000, "ms"),
        ("shop max", 2000, "ms"),
    ]
    assert (result["status"], result["msg"], result["changed"]) == ("ok", "8 checks ok", False)
    assert result["checks"][0]["top"] == [{"message": "502 GET /item/N", "count": 4}]
    assert {"name", "status", "value", "unit", "warn", "crit", "message", "duration_ms"} <= result["checks"][0].keys()


@pytest.mark.parametrize(
    ("measure", "status", "message"),
    [
        ({"pattern": "errors", "warn": 4}, "ok", '4 lines, most often "502 GET /item/N" (4)'),
        ({"pattern": "errors", "warn": 3, "crit": 10}, "warning", "4 lines, above warn 3"),
        ({"pattern": "errors", "warn": 1, "crit": 3}, "failed", "4 lines, above crit 3"),
        ({"measure": "requests", "direction": "below", "crit": 1000}, "failed", "100 requests, below crit 1000"),
        ({"measure": "p95", "crit": 499}, "failed", "500 ms, above crit 499, 100 requests"),
        ({"measure": "rate", "pattern": "errors", "min_requests": 500}, "skipped", "100 requests, too few to judge (min_requests 500)"),
        ({"measure": "p95", "min_requests": 101}, "skipped", "too few to judge"),
        ({"regex": "GET /item/[0-4] ", "crit": 4}, "failed", "5 lines, above crit 4"),
    ],
)
def test_limits(log, measure, status, message):
    item = scan(log, measures=[measure])
    assert item["status"] == status
    assert item["message"].startswith(message) or (status == "skipped" and message in item["message"])


def test_what_is_excluded_is_no_request(log):
    item = scan(log, exclude=["/item/9[89] ", "/item/[0-9] "], measures=[{"measure": "rate", "pattern": "errors"}])
    assert (item["count"], item["requests"]) == (2, 88)


def test_errors_of_one_log_against_requests_of_another(log, tmp_path):
    app = tmp_path / "laravel.log"
    app.write_text("[2026-01-02 10:00:00] production.ERROR: broken\n#0 a\n" * 3)
    rate = {"measure": "rate", "pattern": "errors", "crit": 2}
    (shop, errors) = scan_all(
        {"name": "shop", "paths": [str(log)], "measures": [{"pattern": "errors"}]},
        {"name": "app", "paths": [str(app)], "against": "shop", "measures": [rate]},
    )["checks"]
    assert (errors["value"], errors["status"], errors["requests"]) == (3, "failed", 100)
    log.unlink()
    (shop, errors) = scan_all(
        {"name": "shop", "paths": [str(log)], "measures": [{"pattern": "errors"}]},
        {"name": "app", "paths": [str(app)], "against": "shop", "measures": [rate]},
    )["checks"]
    assert (shop["status"], errors["status"]) == ("crashed", "crashed")
    assert "the requests of scan shop could not be read: " in errors["message"]
    item = scan(app, measures=[rate])
    assert (item["status"], "no requests in a log of format laravel" in item["message"]) == ("crashed", True)


def test_no_requests_are_no_rate(log, tmp_path):
    log.write_text("")
    app = tmp_path / "app.log"
    rate = {"measure": "rate", "pattern": "errors", "crit": 1}
    assert scan(log, measures=[rate])["status"] == "skipped"
    app.write_text("ERROR\n")
    (_shop, errors) = scan_all(
        {"name": "shop", "paths": [str(log)], "measures": [{"measure": "requests"}]},
        {"name": "app", "paths": [str(app)], "against": "shop", "measures": [rate]},
    )["checks"]
    assert (errors["status"], errors["message"]) == ("crashed", "1 line, but 0 requests, too few to judge (min_requests 1)")


def test_request_times_have_to_be_there(log):
    text = log.read_text().replace(" 0.100\n", " took [100]\n").replace(" 0.500\n", "\n").replace(" 2.000\n", "\n")
    log.write_text(text)
    item = scan(log, measures=[{"measure": "p95"}])
    assert (item["status"], "no request time in 100 requests" in item["message"]) == ("crashed", True)
    item = scan(log, measures=[{"measure": "p95"}], request_time=r"took \[(\d+)\]", request_time_unit="ms")
    assert (item["value"], item["samples"]) == (100, 90)
    log.write_text("".join(text.splitlines(True)[:10]))
    item = scan(log, measures=[{"measure": "p95"}], request_time=r"took \[(\d+)\]")
    assert (item["status"], item["message"]) == ("skipped", "p95 needs at least 20 samples and there are 10")


def test_a_log_that_is_not_there(tmp_path):
    item = scan(tmp_path / "gone.log")
    assert (item["status"], item["value"]) == ("crashed", None)
    assert item["message"] == f"{tmp_path}/gone.log matches no log; correct the path, or set allow_missing"
    item = scan(tmp_path / "gone*.log", allow_missing=True)
    assert (item["status"], item["message"]) == ("skipped", "no log is there")


def test_one_crash_keeps_nobody_from_being_read(log, tmp_path):
    result = scan_all({"name": "gone", "paths": [str(tmp_path / "gone")]}, {"name": "shop", "paths": [str(log)]})
    assert [item["status"] for item in result["checks"]] == ["crashed", "ok"]
    assert result["msg"].startswith("1 of 2 checks not ok - gone errors: ")


def test_a_pattern_that_does_not_come_to_an_end(tmp_path):
    path = tmp_path / "app.log"
    path.write_text("a" * 50 + "!\n")
    item = scan_all({"paths": [str(path)], "measures": [{"regex": "(a+)+$"}]}, timeout=0.2)["checks"][0]
    assert (item["status"], item["message"]) == (
        "crashed",
        "it took longer than timeout (0.2 s); give it more, a smaller window, or a simpler regex",
    )


def test_in_a_thread_there_is_no_alarm(log):
    found = []
    thread = threading.Thread(target=lambda: found.append(scan(log)["value"]))
    thread.start()
    thread.join()
    assert found == [4]


def test_formats_may_be_mixed(log, tmp_path):
    (tmp_path / "error.log").write_text("2026/01/02 10:00:00 [crit] 1#1: no space\n2026/01/02 10:00:00 [info] 1#1: fine\n")
    item = scan(tmp_path / "*.log", format="nginx", measures=[{"pattern": "errors"}])
    assert (item["value"], item["formats"], item["files"]) == (5, ["access", "nginx_error"], 2)
