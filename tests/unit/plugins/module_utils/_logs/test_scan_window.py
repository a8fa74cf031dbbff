# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows of time: what bisection finds is what reading every line finds."""

from __future__ import annotations

import gzip
import os
import random
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._logs import scan_content, scan_window

from .scanning import access, count, scan

BEGIN = 1767340000


def write(path, moments):
    path.write_text("".join(access(moment, path=f"/{number}") for number, moment in enumerate(moments)))


@pytest.fixture(params=["large blocks", "small blocks"])
def blocks(request, monkeypatch):
    if request.param == "small blocks":
        monkeypatch.setattr(scan_content, "BLOCK", 1000)
        monkeypatch.setattr(scan_window, "BLOCK", 1000)
        monkeypatch.setattr(scan_window, "_NARROW", 300)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_any_window_of_a_log_that_is_a_little_out_of_order(tmp_path, blocks, seed, ending):
    choice = random.Random(seed)
    moments, now = [], BEGIN
    for _line in range(3000):
        now += choice.choice([0, 0, 0, 1, 1, 5, 600 if choice.random() < 0.02 else 0])
        moments.append(now - choice.choice([0, 0, 0, choice.randrange(100)]))
    path = tmp_path / "access.log"
    write(path, moments)
    if ending:
        path.with_name("access.log.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = path.with_name("access.log.gz")
        (tmp_path / "access.log").unlink()
    edges = [choice.choice(moments) + choice.choice([-1, 0, 0, 1]) for _edge in range(12)] + [BEGIN - 1000, now + 1000]
    for _window in range(15):
        since, until = sorted(choice.sample(edges, 2))
        if since == until:
            continue
        expected = sum(since <= moment < until for moment in moments)
        assert count(path, regex="GET", since=str(since), until=str(until)) == expected, (since, until)
        assert count(path, regex="GET", since=str(since)) == sum(since <= moment for moment in moments)


def test_only_the_window_is_read(tmp_path):
    path = tmp_path / "access.log"
    write(path, range(BEGIN, BEGIN + 40000))
    item = scan(path, since=str(BEGIN + 39000), measures=[{"measure": "requests"}])
    assert item["value"] == 1000
    assert item["bytes"] < 200_000 < path.stat().st_size


def test_a_log_that_is_not_in_order_is_read_as_a_whole(tmp_path):
    path = tmp_path / "access.log"
    write(path, [*range(BEGIN + 5000, BEGIN + 9000), *range(BEGIN, BEGIN + 4000)])
    assert count(path, regex="GET", since=str(BEGIN + 8000)) == 1000
    assert count(path, regex="GET", since=str(BEGIN + 3000), until=str(BEGIN + 6000)) == 2000


def test_lines_without_a_time_belong_to_the_one_before(tmp_path):
    path = tmp_path / "laravel.log"
    entries = [f"[2026-01-02 10:{minute:02}:00] production.ERROR: broken\n#0 /srv/a.php(1)\n#1 {{main}}\n" for minute in range(60)]
    path.write_text("".join(entries))
    for since, expected in (("2026-01-02T10:30:00Z", 30), ("2026-01-02T10:59:30Z", 0), ("2026-01-02T09:00:00Z", 60)):
        assert count(path, since=since) == expected
        assert count(path, since=since, regex="main") == expected
    assert count(path, since="2026-01-02T10:30:00Z", time_zone="+01:00") == 0
    assert count(path, since="2026-01-02T09:30:00Z", time_zone="+01:00") == 30


def test_a_giant_entry_is_bisected_over(tmp_path):
    path = tmp_path / "app.log"
    with path.open("w") as stream:
        for minute in range(60):
            stream.write(f"2026-01-02 10:{minute:02}:00 ERROR\n" + "no time in this line\n" * 20000 * (minute == 30))
    for minute in (5, 29, 30, 31, 55):
        assert count(path, since=f"2026-01-02T10:{minute:02}:00Z", time_zone="utc") == 60 - minute
        assert count(path, since=f"2026-01-02T10:{minute:02}:00Z", regex="no time", time_zone="utc") == (20000 if minute <= 30 else 0)


def test_words_for_days(tmp_path):
    path = tmp_path / "access.log"
    midnight = int(time.time()) // 86400 * 86400
    write(path, [midnight - 86401, midnight - 86400, midnight - 1, midnight])
    for since, until, expected in (("today", None, 1), ("yesterday", None, 3), ("yesterday", "today", 2), ("3d", None, 4)):
        assert count(path, regex="GET", since=since, until=until, time_zone="utc") == expected


def test_a_window_needs_times(tmp_path):
    path = tmp_path / "app.log"
    path.write_text("ERROR without a time\n" * 5)
    assert count(path) == 5
    item = scan(path, since="1h")
    assert (item["status"], "no times that can be read" in item["message"]) == ("crashed", True)


def test_files_of_before_are_not_opened(tmp_path):
    old = tmp_path / "access.log.1.gz"
    old.write_bytes(b"no gzip at all")
    path = tmp_path / "access.log"
    write(path, [time.time()])
    assert scan(path)["status"] == "crashed"
    os.utime(old, (BEGIN, BEGIN))
    assert scan(path, since="1h", measures=[{"measure": "requests"}])["value"] == 1
