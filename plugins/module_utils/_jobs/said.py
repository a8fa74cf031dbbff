# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command printed, read: how many it is about, and what became of each."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.jsonquery import compile_regex, parse_json

# A result with more items than this helps nobody.
MOST_ITEMS = 1000
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Counter:
    """How the number is found in what a dry run printed: by one of three ways, or (``known`` false) not at all."""

    regex: re.Pattern[str] | None = None
    lines: re.Pattern[str] | None = None
    search: t.Callable[[t.Any], t.Any] | None = None

    @property
    def known(self) -> bool:
        return bool(self.regex or self.lines or self.search)

    def read(self, text: str) -> int:
        """The number; ``RunbookError`` when the text does not say it, or says several."""
        if self.lines:
            return sum(1 for line in text.splitlines() if self.lines.search(line))
        if self.regex:
            return self._by_regex(self.regex, text)
        try:
            found = self.search(json.loads(text)) if self.search else None
        except Exception as error:  # whatever a query meets in a document
            raise RunbookError(f"what it printed can't be asked by count.query ({' '.join(str(error).split())[:120]})") from None
        if isinstance(found, list):
            return len(found)
        if isinstance(found, bool) or not isinstance(found, int) or found < 0:
            raise RunbookError(f"count.query found {json.dumps(found)[:60]}, which is no number and no list")
        return found

    @staticmethod
    def _by_regex(pattern: re.Pattern[str], text: str) -> int:
        said = {match["count" if "count" in pattern.groupindex else 1] or "" for match in pattern.finditer(text)}
        if not said:
            raise RunbookError("what it printed does not fit count.regex")
        if len(said) > 1:
            raise RunbookError(f"count.regex fits {len(said)} different numbers ({', '.join(sorted(said)[:3])})")
        number = said.pop().replace(",", "")
        if not _NUMBER.fullmatch(number):
            raise RunbookError(f"count.regex found {number[:30]!r}, which is no number")
        return int(number)


def counter_of(given: t.Mapping[str, t.Any] | None) -> Counter:
    """From ``{regex | lines | query}``; ``InvalidInput`` unless exactly one is given."""
    chosen = {name: text for name, text in (given or {}).items() if text}
    if not chosen:
        if given:
            raise InvalidInput("count is empty; give regex, lines or query")
        return Counter()
    if len(chosen) > 1:
        raise InvalidInput(f"count takes one of {', '.join(chosen)}")
    if "query" in chosen:
        return Counter(search=parse_json({"query": chosen["query"], "operator": "exists"}).search)
    if "lines" in chosen:
        return Counter(lines=compile_regex(chosen["lines"]))
    pattern = compile_regex(chosen["regex"])
    if "count" not in pattern.groupindex and pattern.groups != 1:
        raise InvalidInput(f"count.regex {chosen['regex']!r} needs one group, (…), around the number, or one that is named count")
    return Counter(regex=pattern)


def items_of(pattern: re.Pattern[str], text: str) -> list[dict[str, t.Any]]:
    """What each match of a pattern with named groups says; whole numbers as numbers, a group that was not there as None."""
    found: list[dict[str, t.Any]] = []
    for match in pattern.finditer(text):
        if len(found) == MOST_ITEMS:
            break
        found.append({name: _value(value) for name, value in match.groupdict().items()})
    return found


def totals_of(items: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, int]:
    """The sums of what is a number in all items. A name that holds ids gives a sum too, that nobody needs to read."""
    names = list(items[0]) if items else []
    return {name: sum(item[name] for item in items) for name in names if all(isinstance(item[name], int) for item in items)}


def _value(text: str | None) -> t.Any:
    return int(text) if text is not None and _NUMBER.fullmatch(text) and (text == "0" or text[0] != "0") else text
