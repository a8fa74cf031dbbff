# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as logs write them."""

from __future__ import annotations

import calendar
import datetime

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_stamps import DISORDER, Clock, zone_of

TEN = calendar.timegm((2026, 1, 2, 10, 0, 0))
CLOCK = Clock(zone_of("utc"), TEN + 3600.0)


@pytest.mark.parametrize(
    "text",
    [
        b"02/Jan/2026:10:00:00 +0000",
        b"02/Jan/2026:12:00:00 +0200",
        b"2026-01-02 10:00:00",
        b"2026-01-02T10:00:00Z",
        b"2026-01-02T11:00:00+01:00",
        b"2026-01-02T11:00:00+0100",
        b"2026/01/02 10:00:00",
        b"2026-01-02  10:00:00",
        b"Fri Jan 02 10:00:00 2026",
        b"02-Jan-2026 10:00:00",
        b"02-Jan-2026 10:00:00 UTC",
        b"02 Jan 2026 10:00:00",
        b"Jan  2 10:00:00",
        b"%d" % TEN,
        b"%d000" % TEN,
    ],
)
def test_one_moment_in_many_ways(text):
    assert CLOCK.read(text) == TEN


@pytest.mark.parametrize(
    ("text", "fraction"),
    [(b"2026-01-02 10:00:00,250", 0.25), (b"2026-01-02T10:00:00.5Z", 0.5), (b"Fri Jan 02 10:00:00.125000 2026", 0.125)],
)
def test_parts_of_seconds(text, fraction):
    assert CLOCK.read(text) == pytest.approx(TEN + fraction)


@pytest.mark.parametrize("text", [b"", b"yesterday", b"2026-13-02 10:00:00", b"31/Feb/2026:10:00:00 +0000", b"Foo  2 10:00:00", b"12345"])
def test_what_is_no_time(text):
    assert CLOCK.read(text) is None


def test_a_time_without_a_year_is_not_in_the_future():
    assert CLOCK.read(b"Dec 31 23:00:00") == calendar.timegm((2025, 12, 31, 23, 0, 0))
    assert CLOCK.read(b"Jan  3 09:00:00") == calendar.timegm((2026, 1, 3, 9, 0, 0))  # a clock that is a little ahead
    assert CLOCK.read(b"Feb 29 09:00:00") == calendar.timegm((2024, 2, 29, 9, 0, 0))


def test_zones():
    assert Clock(zone_of("+02:00"), TEN).read(b"2026-01-02 12:00:00") == TEN
    assert Clock(zone_of("Europe/Berlin"), TEN).read(b"2026-01-02 11:00:00") == TEN
    assert Clock(zone_of("Europe/Berlin"), TEN).read(b"2026-01-02 10:00:00Z") == TEN
    local = datetime.datetime(2026, 1, 2, 10, 0, 0).timestamp()
    assert Clock(zone_of("local"), TEN).read(b"2026-01-02 10:00:00") == local
    for name in ("Middle/Earth", "", "/etc/passwd", "+99:00"):
        with pytest.raises(InvalidInput, match="no zone"):
            zone_of(name)


def test_where_clocks_change_more_disorder_is_expected():
    berlin = Clock(zone_of("Europe/Berlin"), TEN)
    assert berlin.disorder(b"2026-01-02 10:00:00") == DISORDER + 3600
    assert berlin.disorder(b"02/Jan/2026:10:00:00 +0100") == berlin.disorder(b"2026-01-02T10:00:00Z") == DISORDER
    assert CLOCK.disorder(b"2026-01-02 10:00:00") == DISORDER


def test_midnight_is_the_zones():
    assert Clock(zone_of("+02:00"), TEN).midnight(0) == TEN - 12 * 3600
    assert CLOCK.midnight(1) == TEN - 34 * 3600
