# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration file holds, as its readers hand it on: names, and values that are known or known not to be readable."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._common.errors import RunbookError

# Longer names are taken for what they usually are: a line of a key or certificate that lost its quotes.
_LONGEST_NAME = 100


@dataclasses.dataclass(frozen=True)
class Value:
    """A value. ``why``, when it is not empty, says why the text can't be told; nothing prints the text."""

    text: str = dataclasses.field(default="", repr=False)
    why: str = ""


class Broken(RunbookError):
    """A file that no program would read; the message says where and never what is there."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line} {what}")


class Settings:
    """All that a file sets, by name. Names below others are joined by dots, ``connections.mysql.password``."""

    def __init__(self) -> None:
        self._values: dict[str, Value] = {}
        # Every name that ever had others below it, so that most need not be compared with all.
        self._above: set[str] = set()

    def names(self) -> list[str]:
        return sorted(name for name in self._values if name)

    def get(self, name: str) -> Value | None:
        """The value of a name; None when the file does not set it. What may be set by code is there, and not readable."""
        if name in self._values:
            return self._values[name]
        if self._below(name):
            return Value(why="is a list of values")
        while name:
            name = name.rpartition(".")[0]
            above = self._values.get(name)
            if above and above.why:
                return above
        return None

    def clear(self, name: str) -> None:
        """Forget a name and those below it; all for an empty one."""
        for other in self._below(name):
            del self._values[other]
        self._values.pop(name, None)

    def put(self, name: str, value: Value) -> None:
        """Set a name anew, whatever it and those below it were."""
        self.clear(name)
        self._values[name] = value
        while "." in name:
            name = name.rpartition(".")[0]
            self._above.add(name)

    def _below(self, name: str) -> list[str]:
        if name and name not in self._above:
            return []
        return [one for one in self._values if not name or one.startswith(f"{name}.")]


def is_name(name: str, rest: str) -> bool:
    """Whether what stands before the ``=`` is a name, or rather the end of a key in base64 that would be shown as one."""
    if len(name) > _LONGEST_NAME or rest.strip() == "=":
        return False
    # People's names in letters of both cases are rarely this long, and have neither digits nor several capitals side by side.
    mixed = all(re.search(some, name) for some in ("[a-z]", "[A-Z]", "[0-9]|[A-Z]{2}")) and not re.search("[_.-]", name)
    return not (mixed and len(name) >= 16 and not rest.strip())


def lines_before(text: str, position: int) -> int:
    """The number of the line that a position is in."""
    return text.count("\n", 0, position) + 1


_REFERENCE = re.compile(r"\$\{(?P<braced>[A-Za-z_]\w*)(?P<more>:?-(?P<default>[^${}]*))?\}|\$(?P<bare>[A-Za-z_]\w*)")


def expand(text: str, known: t.Callable[[str], Value | None], *, bare: bool) -> Value:
    """``text`` with its ``${NAME}`` and ``${NAME:-default}`` replaced by what the file set before; ``bare``: also ``$NAME``.

    What comes from elsewhere, and what programs read differently, is not readable.
    """
    parts: list[str] = []
    position = 0
    while True:
        start = text.find("$", position)
        if start < 0:
            return Value("".join([*parts, text[position:]]))
        parts.append(text[position:start])
        match = _REFERENCE.match(text, start)
        if not match:
            if text.startswith(("${", "$("), start):
                return Value(why="has an expression that only the program which reads it can evaluate")
            parts.append("$")
            position = start + 1
            continue
        if match["bare"] and not bare:
            return Value(why="has a $ before a name, which programs read differently; put the value in single quotes")
        name = match["braced"] or match["bare"]
        found = known(name)
        if found and found.why:
            return Value(why=f"takes the value of {name}, which can't be told")
        if match["more"] and (found is None or (match["more"].startswith(":") and not found.text)):
            found = Value(match["default"])
        if found is None:
            return Value(why=f"takes the value of {name}, which is not set before it in the file")
        parts.append(found.text)
        position = match.end()
