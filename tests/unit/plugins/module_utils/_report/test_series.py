# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

from ansible_collections.runbook.ops.plugins.module_utils._report.encode import levels, runs
from ansible_collections.runbook.ops.plugins.module_utils._report.series import Series


def test_days():
    series = Series(4)
    for day, status, value in [(1, "ok", 1), (1, "warning", 3), (3, "ok", None)]:
        series.add(day, status, value)
    assert series.statuses() == ["", "warning", "", "ok"]
    assert series.means() == [None, 2.0, None, None]


def test_what_is_no_number_is_no_value():
    series = Series(1)
    for value in (True, "5", None, math.nan, math.inf, [1], 1e301):
        series.add(0, "ok", value)
    assert series.means() == [None]


def test_encoding():
    assert runs(["", "", "ok", "ok", "failed", "crashed", "warning", "skipped"]) == "-2o2f1c1w1s1"
    assert levels([0.0, None, 35.0, 17.5]) == "0-zi"
    assert levels([5.0, 5.0, None]) == "ii-"
    assert levels([5.0, None]) == ""
