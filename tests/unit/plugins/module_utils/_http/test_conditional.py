# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HEAD, revalidation and ranges, against a server that does each of them right and wrong."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest

FILE = b"".join(b"%07d\n" % number for number in range(4096))


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("/page", {"revalidate": ["etag", "last_modified"]}),
        ("/etag-weakened", {"revalidate": ["etag"]}),
        ("/page", {"head_equals_get": True}),
        ("/chunked", {"head_equals_get": False}),
        ("/page", {"range": {"bytes": "0-99"}}),
        ("/page", {"range": {"bytes": "bytes=1234-20000"}}),
        ("/page", {"range": {"bytes": "32000-99999"}}),
        ("/page", {"range": {"bytes": "100-"}}),
        ("/page", {"range": {"bytes": "-100"}}),
        ("/page", {"range": {"bytes": "0-99", "sha256": hashlib.sha256(FILE[:100]).hexdigest()}}),
    ],
)
def test_met(probe, url, options):
    outcome = probe(url, **options)
    assert outcome["status"] == "ok", outcome["message"]


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("/", {"revalidate": ["etag"]}, "expected header ETag to revalidate with, got no such header"),
        ("/", {"revalidate": ["last_modified"]}, "expected header Last-Modified to revalidate with"),
        ("/etag-ignored", {"revalidate": ["etag"]}, 'expected 304 for If-None-Match: "n1", got 200 with ETag now \'"n2"\''),
        ("/etag-body", {"revalidate": ["etag"]}, "expected 304 for If-None-Match without body, got 62 bytes after its headers"),
        ("/etag-other", {"revalidate": ["etag"]}, 'expected 304 for If-None-Match with ETag "v1", got \'"v2"\''),
        (
            "/head-type",
            {"head_equals_get": True},
            "expected HEAD to have Content-Type as GET has ('text/html; charset=utf-8'), got 'text/plain'",
        ),
        ("/head-status", {"head_equals_get": True}, "expected HEAD to answer 200 as GET does, got 405"),
        ("/head-length", {"head_equals_get": True}, "expected HEAD to have Content-Length as GET has ('62'), got '0'"),
        ("/head-body", {"head_equals_get": True}, "expected HEAD to have no body, got 62 bytes"),
        ("/", {"range": {"bytes": "0-9"}}, "expected 206 for range 0-9, got 200"),
        ("/range-bytes", {"range": {"bytes": "0-99"}}, "expected range 0-99 to be bytes 0-99 of the whole, got other bytes"),
        ("/range-bytes", {"range": {"bytes": "0-99", "sha256": "0" * 64}}, "of range 0-99, got"),
        ("/range-stated", {"range": {"bytes": "0-99"}}, "expected Content-Range of bytes 0-99 for range 0-99, got 'bytes 1-100/32768'"),
        ("/range-unstated", {"range": {"bytes": "0-99"}}, "expected Content-Range for range 0-99, got no such header"),
        ("/range-short", {"range": {"bytes": "0-99"}}, "expected 100 bytes for range 0-99, got 50 bytes"),
        ("/range-total", {"range": {"bytes": "0-99"}}, "expected a whole of 12345 bytes as Content-Range says, got 32768 bytes"),
    ],
)
def test_not_met(probe, url, options, message):
    outcome = probe(url, **options)
    assert (outcome["status"], message in outcome["message"]) == ("failed", True), outcome["message"]


def test_nothing_more_is_asked_after_a_wrong_answer(server, probe):
    outcome = probe("/status/500", head_equals_get=True, revalidate=["etag"], range={"bytes": "0-1"})
    assert len(server.seen) == 1 and len(outcome["failures"]) == 1


def test_the_conditions_carry_the_validators_and_nothing_else_changes(server, probe):
    probe("/page", revalidate=["etag", "last_modified"], headers={"X-Mine": "1"}, url_username="me", url_password="hunter2")
    (_first, by_etag, by_date) = [headers for _method, _path, headers in server.seen]
    assert by_etag["If-None-Match"] == '"v1"' and "If-Modified-Since" not in by_etag
    assert by_date["If-Modified-Since"].startswith("Wed, 01 Jul") and "If-None-Match" not in by_date
    assert all(headers["X-Mine"] == "1" and headers["Authorization"].startswith("Basic ") for headers in (by_etag, by_date))


def test_memory_stays_flat_whatever_the_size(probe):
    digest = hashlib.sha256(b"\0" * 60_000_000).hexdigest()
    tracemalloc.start()
    outcome = probe("/big/60000000", sha256=digest, timeout=60.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outcome["status"] == "ok", outcome["message"]
    assert peak < 8 << 20
