# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of a constant size: messages, request times."""

from __future__ import annotations

import random

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._http.percentile import percentile
from ansible_collections.runbook.ops.plugins.module_utils._logs import scan_tally
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_tally import Groups, Latencies, normalised, times_in


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (b"order 17 of 2026-01-02 10:00:00 took 1.5 s", "order N of N-N-N N took N s"),
        (b"user 550e8400-e29b-41d4-a716-446655440000 from 203.0.113.7:443", "user N from N"),
        (b"key deadbeef0123456789 at 0x7f3c2a08", "key N at N"),
        (b"AH01071: HTTP500 SQLSTATE[42S02]", "AH01071: HTTP500 SQLSTATE[NS02]"),
        (b"password=hunter2&x=1", "password=***&x=N"),
        (b'{"api_key": "abc", "a": 1}', '{"api_key": "***", "a": N}'),
        (b"Authorization: Bearer abc.def", "Authorization: ***"),
        (b"redis://shop:s3cret@cache.example.com", "redis://shop:***@cache.example.com"),
        ("خطأ 7 é".encode(), "خطأ N é"),
        (b"bad \xff \x1b[31m red", "bad \ufffd  [Nm red"),
        (b"x" * 5000, "x" * 197 + "..."),
    ],
)
def test_messages_of_a_kind_look_alike(message, shown):
    assert normalised(message) == shown


def test_the_most_frequent_are_kept(monkeypatch):
    monkeypatch.setattr(scan_tally, "_GROUPS", 100)
    groups = Groups()
    letters = "abcdefghij"
    for number in range(3000):
        groups.add(b"often" if number % 3 else "".join(letters[int(digit)] for digit in f"{number:04}").encode())
    assert groups.top(1) == [{"message": "often", "count": 2000}]
    assert len(groups.top(1000)) <= 100


def test_percentiles_as_of_all_values():
    choice, latencies, values = random.Random(7), Latencies(), []
    for _block in range(10):
        block = [f"{choice.random() * 3:.3f}" for _value in range(500)]
        values += [float(value) * 1000 for value in block]
        latencies.add([value.encode() for value in block], 1000.0)
    for name in ("p50", "p95", "p99", "max"):
        assert latencies.percentile(name) == pytest.approx(percentile(values, name))
    assert latencies.count == 5000


def test_many_different_times_are_rounded(monkeypatch):
    monkeypatch.setattr(scan_tally, "_TIMES", 100)
    latencies = Latencies()
    values = list(range(1, 200000, 7))
    latencies.add([b"%d" % value for value in values], 0.001)
    assert latencies.percentile("p95") == pytest.approx(percentile([value / 1000 for value in values], "p95"), rel=0.01)
    assert latencies.count == len(values)
    assert len(latencies._values) < 3000


def test_too_few_times_are_no_percentile():
    latencies = Latencies()
    latencies.add([b"0.1"] * 19, 1000.0)
    assert latencies.percentile("p95") is None
    latencies.add([b"2"], 1.0)  # another unit
    assert latencies.percentile("p95") == 100
    assert latencies.percentile("max") == 100


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b'"GET / HTTP/1.1" 200 12 "-" "a" 0.250\n', 250),
        (b'"GET / HTTP/1.1" 200 12 "-" "a" "0.250" 0.249 .\n', 250),
        (b'"GET / HTTP/1.1" 200 12 "-" "a" rt=0.250 urt="0.249"\n', 250),
        (b'"GET / HTTP/1.1" 200 12 "-" "a" 250000\n', 250),
        (b'{"status": 200, "request_time": "0.250"}\n', 250),
        (b'{"status": 200, "duration_ms": 250}\n', 250),
        (b'"GET / HTTP/1.1" 200 12\n', None),
        (b'"GET / HTTP/1.1" 200 12 "-" "a"\n', None),
    ],
)
def test_where_request_times_are(line, value):
    found = times_in(line)
    assert (found and [float(text) * found[1] for text in found[0].findall(line)]) == (value and [value])
