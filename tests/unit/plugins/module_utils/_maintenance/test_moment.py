# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._common.times import parse_moment
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.moment import (
    check_retry_after,
    check_until,
    for_people,
    in_words,
    retry_header,
)

NOW = datetime.datetime(2030, 1, 31, 21, 0, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    "text", ["2030-01-31T22:30:00+01:00", "2030-01-31 21:30:00Z", "2030-01-31T21:30z", "1896125400", " 2030-01-31T21:30:00.9+00:00 "]
)
def test_one_moment(text: str) -> None:
    assert parse_moment(text, "until") == datetime.datetime(2030, 1, 31, 21, 30, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2030-01-31T22:30:00", "time zone"),
        ("tomorrow", "ISO 8601"),
        ("1896125400000", "milliseconds"),
        ("2030-02-31T00:00:00Z", "ISO 8601"),
    ],
)
def test_no_moment(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        parse_moment(text, "until")


def test_limits() -> None:
    with pytest.raises(InvalidInput, match="is past"):
        check_until(NOW, NOW)
    with pytest.raises(InvalidInput, match="year"):
        check_until(NOW + datetime.timedelta(days=400), NOW)
    for seconds in (0, -1, 10**9):
        with pytest.raises(InvalidInput, match="between"):
            check_retry_after(seconds)


def test_header() -> None:
    until = parse_moment("2030-01-31T22:30:00+01:00", "until")
    assert retry_header(90, until, NOW) == "90"
    assert retry_header(None, until, NOW) == "Thu, 31 Jan 2030 21:30:00 GMT"
    assert retry_header(None, until, until) == "300"
    assert retry_header(None, None, NOW) == "300"


def test_words() -> None:
    assert [in_words(seconds) for seconds in (5, 60, 299, 3600, 5500, 86400, 200000)] == [
        *("a minute", "about 1 minute", "about 5 minutes", "about 1 hour", "about 2 hours", "about 1 day", "about 2 days")
    ]
    assert for_people(parse_moment("2030-01-31T22:30:00+01:00", "until")) == "Thursday 31 January 2030, 22:30 (UTC+01:00)"
    assert for_people(parse_moment("2030-01-31T22:30:00Z", "until")) == "Thursday 31 January 2030, 22:30 (UTC)"
