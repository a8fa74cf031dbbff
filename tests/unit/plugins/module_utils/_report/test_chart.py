# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import re

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._report.chart import _ticks, draw, strip, trends_of
from ansible_collections.runbook.ops.plugins.module_utils._report.words import Words
from operations.reports import item, many, record, report


def drawn(hosts, values, **more):
    records = [
        record(f"web{number}", item("home", "ok", value, "ms", **more), ago=len(values) - 1 - day)
        for day, value in enumerate(values)
        for number in range(hosts)
    ]
    found = report(*records, days=len(values))
    (trend,) = trends_of(found.hosts)
    return draw(trend, found.days, [1], Words())


def test_few_hosts_have_a_line_each_and_many_a_median_and_a_range():
    few, lots = drawn(2, [10, 20]), drawn(9, [10, 20])
    assert few.count('class="line') == 4 and "web1 20 ms" in few  # each line and its sign in the key
    assert 'class="band"' in lots and "median of 9 hosts" in lots


def test_a_gap_stays_a_gap_and_a_single_day_is_a_dot():
    line = re.search(r'd="([^"]+)" class="line l0"', drawn(1, [10, None, 10, 10]))[1]
    assert line.count("M") == 2 and line.count("h.01") == 1


def test_what_is_drawn_is_also_said():
    assert "home: 10 ms on 2026-11-21, 30 ms on 2026-11-22, highest 30 ms" in drawn(1, [10, 30])


def test_limits_are_shown_when_they_are_near():
    near, far = drawn(1, [60, 60], warn=100, crit=1000), drawn(1, [60, 60], warn=None, crit="many")
    assert "limit warn" in near and "limit crit" not in near and "limit" not in far


@pytest.mark.parametrize("values", [[0, 0], [5, 5], [-3, 4], [1e-9, 2e-9], [1e12, 3e12]])
def test_every_number_is_finite(values):
    assert not re.search(r"nan|inf", drawn(1, values))


@pytest.mark.parametrize(("low", "high"), [(0, 97), (0, 100), (0, 1), (-7, 3), (0, 0), (0, 0.013), (2, 1e9)])
def test_ticks_enclose_what_is_drawn(low, high):
    ticks = _ticks(low, high)
    assert 2 <= len(ticks) <= 6 and ticks[0] <= low and ticks[-1] >= high - 1e-9
    steps = {round(b - a, 12) for a, b in zip(ticks, ticks[1:])}
    assert len({f"{step:.6g}" for step in steps}) == 1 and math.isfinite(sum(ticks))


def test_only_latencies_and_sizes_have_trends_those_that_are_not_well_first():
    found = trends_of(report(*many(1, 8, 5), record("web1.example.com", item("queue 7", "failed", 5, "messages"))).hosts)
    assert [trend.name for trend in found] == ["queue 7", "disk /srv/1", "disk /srv/5", "page 0", "page 4", "queue 3"]


def test_strip():
    drawn = strip(["", "ok", "ok", "failed", ""], "five days")
    assert 'class="ok"' in drawn and "M1 5h2v9h-2z" in drawn and "M3 0h1v14h-1z" in drawn and 'aria-label="five days"' in drawn
