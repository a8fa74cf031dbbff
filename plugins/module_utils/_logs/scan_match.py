# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines of a block a pattern is in. Blocks are searched as a whole; only where something was found is a line looked at."""

from __future__ import annotations

import functools
import re
import typing as t

from .._common.errors import InvalidInput

Span = t.Tuple[int, int]

# What is a list of plain words joined by | can be found without trying the pattern at every place.
_WORDS = re.compile(r"^[\w :=/,;'\"<>@&-]+(?:\|[\w :=/,;'\"<>@&-]+)*$", re.ASCII)


class Block:
    """Whole lines of a log, and what several patterns want to know of them."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @functools.cached_property
    def lowered(self) -> bytes:
        return self.data.lower()


class Matcher:
    """Finds the lines that ``regex`` is in. ``words``, in lower case: no line without one of them has to be looked at.
    ``confirm`` has to match a found line from its beginning, too.
    """

    def __init__(self, regex: bytes, words: t.Sequence[bytes] = (), ignore_case: bool = False, confirm: bytes = b"") -> None:
        self._regex = re.compile(regex, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
        self._words = tuple(words)
        self._confirm = re.compile(confirm) if confirm else None

    def lines(self, block: Block) -> t.Iterator[Span]:
        """Begin and end (without the line break) of every line, each once, in their order."""
        return self._by_words(block) if self._words else self._by_regex(block.data)

    def _by_regex(self, data: bytes) -> t.Iterator[Span]:
        position, size, search = 0, len(data), self._regex.search
        while True:
            match = search(data, position)
            if match is None or (match.start() >= size and data.endswith(b"\n")) or not size:
                return
            end = data.find(b"\n", match.start())
            if end < 0:
                end = size
            begin = data.rfind(b"\n", 0, match.start()) + 1
            # \s and [^x] also fit line breaks; what was found then need not be in this line.
            if (match.end() <= end or search(data, begin, end)) and self._confirmed(data, begin, end):
                yield begin, end
            position = end + 1
            if position > size:
                return

    def _by_words(self, block: Block) -> t.Iterator[Span]:
        data, lowered = block.data, block.lowered
        found: dict[int, int] = {}
        for word in self._words:
            position = lowered.find(word)
            while position >= 0:
                begin = data.rfind(b"\n", 0, position) + 1
                end = data.find(b"\n", position)
                if end < 0:
                    end = len(data)
                if begin not in found and self._regex.search(data, begin, end) and self._confirmed(data, begin, end):
                    found[begin] = end
                position = lowered.find(word, end)
        yield from sorted(found.items())

    def _confirmed(self, data: bytes, begin: int, end: int) -> bool:
        return self._confirm is None or self._confirm.match(data, begin, end) is not None


def custom(text: str, option: str, ignore_case: bool = False) -> Matcher:
    """A user's pattern, ``InvalidInput`` when it is none."""
    if not text or "\n" in text or "\0" in text:
        raise InvalidInput(f"{option} {text!r} is empty or has a line break; give a regular expression for one line")
    words = [word.lower().encode() for word in text.split("|")] if ignore_case and _WORDS.match(text) else []
    try:
        return Matcher(text.encode(), words, ignore_case)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidInput(f"{option} {text!r} is no regular expression: {error}") from None


def without(block: Block, unwanted: t.Sequence[Matcher]) -> Block:
    """The block without the lines that any of the patterns is in."""
    spans = sorted({span for matcher in unwanted for span in matcher.lines(block)})
    if not spans:
        return block
    kept, position = [], 0
    for begin, end in spans:
        kept.append(block.data[position:begin])
        position = end + 1
    kept.append(block.data[position:])
    return Block(b"".join(kept))
