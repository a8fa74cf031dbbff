# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that patterns are in, each once."""

from __future__ import annotations

import random
import re

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_match import Block, Matcher, custom, without

TEXT = b"one error and one error more\nnothing\n\n  \nERROR\nerror code\ncode\nlast error"


def lines(matcher, data=TEXT):
    return [data[begin:end] for begin, end in matcher.lines(Block(data))]


def test_a_line_counts_once():
    assert lines(custom("error", "regex")) == [b"one error and one error more", b"error code", b"last error"]
    assert lines(custom("error", "regex", ignore_case=True)) == [b"one error and one error more", b"ERROR", b"error code", b"last error"]
    assert lines(custom("^error|more$", "regex")) == [b"one error and one error more", b"error code"]


def test_a_pattern_does_not_reach_into_the_next_line():
    assert lines(custom(r"error\s+code", "regex")) == [b"error code"]
    assert lines(custom(r"ERROR\s+error", "regex")) == []
    assert lines(custom("[^x]+code", "regex")) == [b"error code"]


@pytest.mark.parametrize(
    "pattern", ["error", "o", "e", "", r"\s", "[^e]", "^", "$", ".*", "x?", "error|code", r"\berror\b", "(?i)ERROR", "^$"]
)
@pytest.mark.parametrize("ignore_case", [False, True])
def test_as_if_line_by_line(pattern, ignore_case):
    choice = random.Random(pattern)
    words = [b"error", b"code", b"ERROR", b" ", b"x", b"\n", b"\n", b"e"]
    matcher = Matcher(pattern.encode(), ignore_case=ignore_case) if not pattern else custom(pattern, "regex", ignore_case)
    each = re.compile(pattern.encode(), re.IGNORECASE if ignore_case else 0)
    for _round in range(200):
        data = b"".join(choice.choice(words) for _word in range(choice.randrange(30))) + choice.choice([b"", b"\n"])
        parts = data.split(b"\n")
        expected = [part for part in (parts[:-1] if data.endswith(b"\n") or not data else parts) if each.search(part)]
        assert lines(matcher, data) == expected, data


def test_lines_are_taken_out():
    assert without(Block(TEXT), [custom("error", "x"), custom("^$", "x")]).data == b"nothing\n  \nERROR\ncode\n"
    block = Block(TEXT)
    assert without(block, [custom("never", "x")]) is block


@pytest.mark.parametrize("text", ["", "(", "[a", "a\nb", "a{99999999999999999999}"])
def test_what_is_no_pattern(text):
    with pytest.raises(InvalidInput, match="regex"):
        custom(text, "regex")
