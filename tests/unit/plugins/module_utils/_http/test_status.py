# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Status sets."""

from __future__ import annotations

import random

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._http.parse_expect import parse_range
from ansible_collections.runbook.ops.plugins.module_utils._http.status import parse_status


@pytest.mark.parametrize(
    ("items", "inside", "outside"),
    [
        ([200], [200], [199, 201, 0]),
        (["200-204"], [200, 204], [199, 205]),
        (["2xx"], [200, 299], [199, 300]),
        (["2XX", 404], [250, 404], [403]),
        ([" 301 ", "302 - 303"], [301, 302, 303], [300, 304]),
    ],
)
def test_holds_what_was_written(items, inside, outside):
    statuses = parse_status(items)
    assert all(status in statuses for status in inside)
    assert not any(status in statuses for status in outside)


@pytest.mark.parametrize(
    "item",
    ["", "20", "2000", "6xx", "0xx", "xxx", "200-", "-200", "300-200", "99-200", "200-600", "ok", "2x", "٢٠٠", "200,301", None, True],
)
def test_refuses_what_no_status_is(item):
    with pytest.raises(InvalidInput, match="neither a code"):
        parse_status([item])


def test_refuses_an_empty_list():
    with pytest.raises(InvalidInput, match="leave it out"):
        parse_status([])


def test_any_text_is_parsed_or_refused():
    """Fuzz: nothing but InvalidInput ever comes out, and what is accepted holds a code."""
    rand = random.Random(7)
    accepted = {"status": 0, "range": 0}
    for _round in range(20000):
        text = "".join(rand.choice("0123459x- X") for _round in range(rand.randint(1, 8)))
        try:
            first, last = parse_status([text]).ranges[0]
            assert 100 <= first <= last <= 599
            accepted["status"] += 1
        except InvalidInput:
            pass
        try:
            found = parse_range({"bytes": text})
            assert found.first is not None or found.last > 0
            assert found.first is None or found.last is None or found.first <= found.last
            accepted["range"] += 1
        except InvalidInput:
            pass
    assert min(accepted.values()) > 10
