# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command printed, read."""

from __future__ import annotations

import re

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._jobs.said import MOST_ITEMS, counter_of, items_of, totals_of


def test_a_number_is_read():
    assert counter_of({"regex": r"delete ([\d,]+)"}).read("would delete 12,345 rows; delete 12,345") == 12345
    assert counter_of({"regex": r"(a|b) (?P<count>\d+)"}).read("a 7") == 7
    assert counter_of({"lines": "^job"}).read("job 1\nno\njob 2") == 2
    assert counter_of({"lines": "^job"}).read("") == 0
    assert counter_of({"query": "n"}).read('{"n": 3}') == 3
    assert counter_of(None).known is False


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"regex": r"(\S+) rows"}, "minus rows"),
        ({"regex": r"(-?\d+) rows"}, "-1 rows"),
        ({"regex": r"(\d+) rows"}, "1 rows, 2 rows"),
        ({"query": "n"}, '{"n": true}'),
        ({"query": "n"}, '{"n": "3"}'),
        ({"query": "n"}, '{"n": -3}'),
        ({"query": "m"}, '{"n": 3}'),
        ({"query": "n"}, "no document"),
    ],
)
def test_what_is_no_number_is_never_one(given, text):
    with pytest.raises(RunbookError):
        counter_of(given).read(text)


def test_items_and_their_sums():
    found = items_of(re.compile(r"job (?P<job>\S+) n=(?P<n>\d+)(?: e=(?P<e>\w+))?"), "job 007 n=2\njob b n=3 e=x")
    assert found == [{"job": "007", "n": 2, "e": None}, {"job": "b", "n": 3, "e": "x"}]
    assert (totals_of(found), totals_of([])) == ({"n": 5}, {})
    assert len(items_of(re.compile("(?P<x>.)"), "x" * 2000)) == MOST_ITEMS
