# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One value out of an answer."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._smoke.find import finder_of


@pytest.mark.parametrize(
    ("options", "answer", "value"),
    [
        (None, b" done\n", "done"),
        ({"regex": r"job (\d+)"}, b"enqueued job 42 of 100", "42"),
        ({"regex": r"J-\d+"}, b"J-1 J-2", "J-1"),
        ({"query": "a.b"}, b'{"a": {"b": 42}}', "42"),
        ({"query": "a[0]"}, b'{"a": [" x "]}', "x"),
    ],
)
def test_found(options, answer, value):
    assert finder_of(options, "job_id").find(answer) == value


@pytest.mark.parametrize(
    ("options", "answer", "message"),
    [
        (None, b"", "the answer is empty"),
        (None, b'{"status": "done"}', "is JSON; give a query"),
        (None, b"a\nb", "no single value"),
        (None, b"x" * 101, "a text of 101 characters"),
        ({"regex": "x(y)?"}, b"x", "no single value"),
        ({"regex": "x"}, b"y", "nothing that matches 'x'"),
        ({"query": "a"}, b"{}", "the answer has no a"),
        ({"query": "a"}, b'{"a": true}', "no single text"),
        ({"query": "a"}, b'{"a": [1]}', "no single text"),
        ({"query": "a"}, b'{"a": 1.5}', "no single text"),
        ({"query": "a"}, b"<html>", "not JSON"),
        ({"query": "a"}, b"\xff", "not JSON"),
        ({"query": "abs(a)"}, b'{"a": "x"}', "can't be evaluated"),
    ],
)
def test_not_found(options, answer, message):
    with pytest.raises(RunbookError, match=message):
        finder_of(options, "job_id").find(answer)
