# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One value out of an answer: by a JMESPath query in JSON, by a regular expression in text, or the text itself."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.jsonquery import JsonExpectation, NotEvaluated, compile_regex, parse_json, show

# A status or an id in itself; what is longer is a page or a log.
_LONGEST = 100


@dataclasses.dataclass(frozen=True)
class Finder:
    """``json`` or ``pattern``; with neither, all of the answer is the value."""

    json: JsonExpectation | None = None
    pattern: t.Pattern[str] | None = None

    def find(self, answer: bytes) -> str:
        """The value as text; ``RunbookError`` when there is none, or it is no single text or number."""
        text = answer.decode("utf-8", "replace").strip()
        if self.json:
            return self._of_json(self.json, answer)
        if self.pattern:
            match = self.pattern.search(text)
            if match is None:
                raise RunbookError(f"the answer has nothing that matches {self.pattern.pattern!r}")
            value = (match[1] if self.pattern.groups else match[0]) or ""
        else:
            value = text
            if value[:1] in ("{", "["):
                raise RunbookError("the answer is JSON; give a query that finds the value in it")
        value = value.strip()
        if not value or len(value) > _LONGEST or "\n" in value:
            raise RunbookError(f"the answer is {'empty' if not text else f'a text of {len(text)} characters'}, and no single value")
        return value

    def _of_json(self, wanted: JsonExpectation, answer: bytes) -> str:
        try:
            _there, found = wanted.holds(document(answer))
        except NotEvaluated as error:
            raise RunbookError(f"{wanted.query} can't be evaluated on the answer ({error})") from None
        if found is None:
            raise RunbookError(f"the answer has no {wanted.query}")
        if isinstance(found, bool) or not isinstance(found, (str, int)) or not str(found).strip() or len(str(found)) > _LONGEST:
            raise RunbookError(f"{wanted.query} of the answer is {show(found)}, which is no single text or whole number")
        return str(found).strip()


def finder_of(options: t.Mapping[str, t.Any] | None, what: str) -> Finder:
    """The finder of an option ``{query, regex}``; ``InvalidInput`` names the option."""
    if not options:
        return Finder()
    try:
        if options.get("query"):
            return Finder(json=parse_json({"query": options["query"], "operator": "exists"}))
        pattern = compile_regex(options.get("regex") or "")
    except RunbookError as error:
        raise type(error)(f"{what}: {error.message}") from None
    if pattern.search(""):
        raise InvalidInput(f"{what}: regex {pattern.pattern!r} matches an empty text; make it ask for something")
    return Finder(pattern=pattern)


def document(answer: bytes) -> t.Any:
    """The JSON document that an answer is; ``RunbookError`` for anything else, NaN and Infinity included."""

    def no_number(name: str) -> t.NoReturn:
        raise ValueError(f"{name} is no JSON number")

    if not answer.strip():
        raise RunbookError("the answer is empty, not JSON")
    try:
        return json.loads(answer, parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise RunbookError(f"the answer is not JSON ({' '.join(str(error).split())[:100]}); let it print nothing else") from None
