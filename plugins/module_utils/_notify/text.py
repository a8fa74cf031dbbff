# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for chat services: cut between whole characters as readers see them, whatever the script and direction."""

from __future__ import annotations

import re
import typing as t
import unicodedata

ELLIPSIS = "…"
_ZWJ = "\u200d"
# Signs that belong to the character before them although Unicode does not call them marks: joiners, skin tones, flag tags, halfwidth signs.
_EXTENDS = re.compile("[\u200c\u200d\uff9e\uff9f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
_REGIONAL = re.compile("[\U0001f1e6-\U0001f1ff]")
# Signs that belong to the character after them, such as the Arabic number signs.
_PREPENDS = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]")
_HANGUL_LEAD = re.compile("[\u1100-\u115f\ua960-\ua97c]")
_HANGUL_SYLLABLE = re.compile("[\u1100-\u115f\ua960-\ua97c\uac00-\ud7a3]")
_HANGUL_TAIL = re.compile("[\u1160-\u11ff\ud7b0-\ud7fb]")
# What opens a stretch of its own direction, and what closes it: isolates and embeddings.
_CLOSES = {
    "\u2066": "\u2069",
    "\u2067": "\u2069",
    "\u2068": "\u2069",
    "\u202a": "\u202c",
    "\u202b": "\u202c",
    "\u202d": "\u202c",
    "\u202e": "\u202c",
}
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")

Render = t.Callable[[str], str]


def plain(text: str) -> str:
    """The text as it is."""
    return text


def clean(value: t.Any) -> str:
    """Text that every service takes: valid Unicode without control characters other than line breaks and tabs."""
    text = str(value).replace("\r\n", "\n").replace("\r", "\n")
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) != "Cc").strip()


def one_line(value: t.Any) -> str:
    """``clean`` with every stretch of white space as one space: for titles, names and headers."""
    return " ".join(clean(value).split())


def units(text: str) -> int:
    """The length in UTF-16 units, never less than what any service counts as characters."""
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)


def graphemes(text: str) -> t.Iterator[str]:
    """The characters as readers see them: letters with their marks, whole emoji, whole flags.

    Follows Unicode's UAX 29 as far as the standard library's tables carry; where those leave a doubt it does not part.
    """
    start = 0
    for position in range(1, len(text)):
        if _parts(text, start, position):
            yield text[start:position]
            start = position
    if text:
        yield text[start:]


def _parts(text: str, start: int, position: int) -> bool:
    before, after = text[position - 1], text[position]
    if before in "\n\t " or after in "\n\t ":
        return True
    if _EXTENDS.match(after) or unicodedata.category(after) in ("Mn", "Me", "Mc"):
        return False
    if before == _ZWJ or _PREPENDS.match(before) or unicodedata.combining(before) == 9:  # 9: viramas, which join two letters
        return False
    if _HANGUL_TAIL.match(after) or (_HANGUL_LEAD.match(before) and _HANGUL_SYLLABLE.match(after)):
        return False
    if _REGIONAL.match(before) and _REGIONAL.match(after):
        return (position - start) % 2 == 0
    return True


def split(text: str, limit: int, render: Render = plain) -> tuple[str, str]:
    """The longest beginning whose rendering has at most ``limit`` units, rendered, and the rest as it was.

    ``render`` escapes single characters. A stretch of its own direction that is cut is closed.
    """
    whole = render(text)
    if units(whole) <= limit:
        return whole, ""
    kept: list[str] = []
    used, length, opened = 0, 0, ""
    for grapheme in graphemes(text):
        shown = render(grapheme)
        after = _still_open(opened, grapheme)
        if used + units(shown) + len(after) > limit:
            break
        kept.append(shown)
        used, length, opened = used + units(shown), length + len(grapheme), after
    return "".join(kept) + opened, text[length:]


def fit(text: str, limit: int, render: Render = plain) -> str:
    """The text rendered in at most ``limit`` units; what had to be cut is marked by an ellipsis."""
    whole, rest = split(text, limit, render)
    if not rest:
        return whole
    head, _rest = split(text, max(0, limit - len(ELLIPSIS)), render)
    return head + ELLIPSIS if limit >= len(ELLIPSIS) else ""


def pieces(text: str, limit: int, count: int, render: Render = plain) -> list[str]:
    """At most ``count`` pieces of at most ``limit`` units each; the last one says by an ellipsis that there was more."""
    found: list[str] = []
    rest = text
    while rest and len(found) < count:
        if len(found) == count - 1:
            found.append(fit(rest, limit, render))
            break
        head, following = split(rest, limit, render)
        if len(following) == len(rest):  # one character with more marks than fit
            break
        found.append(head)
        rest = following
    return found


def right_to_left(text: str) -> bool:
    """Whether the first letter that has a direction runs from right to left."""
    return next((found != "L" for found in map(unicodedata.bidirectional, text) if found in ("L", "R", "AL")), False)


def isolated(text: str) -> str:
    """The text so that it can stand in a line with other text and neither reorders the other."""
    if _BIDI.search(text) or any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in text):
        return f"\u2068{text}\u2069"
    return text


def _still_open(opened: str, grapheme: str) -> str:
    """The closing signs, innermost first, that are due after ``grapheme``."""
    for char in grapheme:
        if char in _CLOSES:
            opened = _CLOSES[char] + opened
        elif char == "\u2069" and char in opened:
            opened = opened[opened.index(char) + 1 :]
        elif char == "\u202c" and opened.startswith(char):
            opened = opened[1:]
    return opened
