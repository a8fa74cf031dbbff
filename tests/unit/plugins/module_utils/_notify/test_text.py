# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text is cut between characters as readers see them, and keeps its direction."""

from __future__ import annotations

import random

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._notify.text import (
    clean,
    fit,
    graphemes,
    isolated,
    one_line,
    pieces,
    right_to_left,
    split,
    units,
)

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
THUMB = "\U0001f44d\U0001f3fd"
FLAGS = "\U0001f1f8\U0001f1e6\U0001f1e9\U0001f1ea"  # two flags
WALES = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
KEYCAP = "1\ufe0f\u20e3"
MARKED = "مُحَمَّد"
HANGUL = "\u1112\u1161\u11ab"
HINDI = "\u0915\u094d\u0937"  # two letters that are joined


@pytest.mark.parametrize("whole", [FAMILY, THUMB, FLAGS[:2], WALES, KEYCAP, "e\u0301", HANGUL, HINDI, "\u0600\u0661"])
def test_one_character_for_readers(whole):
    assert list(graphemes(f"a{whole}b")) == ["a", whole, "b"]


def test_flags_are_counted_in_pairs():
    assert list(graphemes(FLAGS)) == [FLAGS[:2], FLAGS[2:]]


def test_marks_stay_with_their_letters():
    assert list(graphemes(MARKED)) == ["مُ", "حَ", "مَّ", "د"]


def test_no_cut_is_ever_inside_a_character():
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    for _round in range(200):
        characters = dice.choices([FAMILY, THUMB, FLAGS[:2], WALES, KEYCAP, "e\u0301", "a", "م", "مَّ", "\n", " ", "😀"], k=30)
        # A space between two flags, or they would count as one row of signs anyway.
        text = " ".join(characters)
        limit = dice.randrange(0, 80)
        head, rest = split(text, limit)
        assert units(head) <= limit, seed
        assert head + rest == text, seed
        assert list(graphemes(text))[: len(list(graphemes(head)))] == list(graphemes(head)), seed
        shown = fit(text, limit)
        assert units(shown) <= limit, seed
        shown.encode("utf-8")


def test_lengths_are_of_what_is_shown():
    assert fit("<<<<", 9, lambda text: text.replace("<", "&lt;")) == "&lt;&lt;…"
    assert units("😀") == 2
    assert fit("😀😀", 3) == "😀…"
    assert fit("abc", 3) == "abc"
    assert fit("abcd", 3) == "ab…"
    assert fit("abcd", 0) == ""


def test_a_direction_that_was_opened_is_closed():
    text = "\u2067مرحبا \u202bبالعالم\u202c كلها\u2069 end"
    head, _rest = split(text, 8)
    assert (head[-1], head.count("\u2067"), units(head) <= 8) == ("\u2069", 1, True)
    nested, _rest = split(text, 12)
    assert nested.endswith("\u202c\u2069")


def test_pieces_are_all_of_the_text():
    text = (FAMILY + "x") * 100
    found = pieces(text, 50, 1000)
    assert "".join(found) == text
    assert all(units(piece) <= 50 for piece in found)
    assert pieces(text, 50, 2)[-1].endswith("…")
    assert pieces("e" + "\u0301" * 100, 50, 5) == []


def test_clean():
    assert clean("a\x00b\x1b[31m\r\nc\rd\te ") == "ab[31m\nc\nd\te"
    assert clean("\ud83d\ude00 \udcff") == "😀 \ufffd"
    assert one_line(" a\n\tb ") == "a b"


def test_directions():
    assert right_to_left("١. ارتفاع")
    assert right_to_left("5 % ارتفاع www")
    assert not right_to_left("www ارتفاع")
    assert not right_to_left("12 %")
    assert isolated("ارتفاع") == "\u2068ارتفاع\u2069"
    assert isolated("plain") == "plain"
