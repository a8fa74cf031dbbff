# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of assignments as a shell reads them with ``.``. Nothing in them is ever run."""

from __future__ import annotations

import re

from .env_values import Broken, Settings, Value, expand, is_name, lines_before

_START = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)=")
# What a file for a shell may have besides assignments without making a value another one.
_HARMLESS = re.compile(r"(?:set [-+][aeux]+|:|export(?: [A-Za-z_]\w*)+)(?=[ \t]*(?:#[^\n]*)?(?:;|\n|\Z))")
# Stands for a dollar that means itself; no file has it, because NUL is refused.
_DOLLAR = "\0"
_COMPUTED = "is made by a command, which is not run here"


class _Assignments:
    """One pass over a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.settings = Settings()

    def read(self) -> Settings:
        while True:
            self._skip(" \t\r\n;")
            if self._at >= len(self._text):
                return self.settings
            if self._text[self._at] == "#":
                self._at = self._end_of_line()
                continue
            harmless = _HARMLESS.match(self._text, self._at)
            if harmless:
                self._at = harmless.end()
                continue
            if re.compile(r"export[ \t]+").match(self._text, self._at):
                self._at += len("export")
                self._skip(" \t")
            self._assignment()

    def _assignment(self) -> None:
        start = _START.match(self._text, self._at)
        if not start or not is_name(start["name"], self._text[start.end() : self._end_of_line()]):
            raise Broken(lines_before(self._text, self._at), "is no assignment; put a value of several lines in quotes")
        self._at = start.end()
        self.settings.put(start["name"], self._word())

    def _word(self) -> Value:
        """A value: pieces of text, quoted or not, up to the end of the word."""
        text, found, why = self._text, "", ""
        while self._at < len(text) and text[self._at] not in " \t;\n":
            char = text[self._at]
            if char == "'" or char == '"':
                piece, problem = self._quoted(char)
                found, why = found + piece, why or problem
            elif char == "\\":
                found += self._escaped(text[self._at + 1 : self._at + 2], quoted=False)
                self._at += 2
            elif char in "`&|<>()" or text.startswith("$(", self._at):
                self._at = self._end_of_line()
                return Value(why=why or _COMPUTED)
            else:
                found += char
                self._at += 1
        self._skip(" \t\r")
        rest = text[self._at : self._at + 1]
        if rest and rest not in "\n;#":
            why = why or "is not all of its line: a shell takes what follows for a command; put the value in quotes"
            self._at = self._end_of_line()
        if why:
            return Value(why=why)
        value = expand(found, self.settings.get, bare=True)
        return value if value.why else Value(value.text.replace(_DOLLAR, "$"))

    def _escaped(self, char: str, *, quoted: bool) -> str:
        if char == "\n":
            return ""
        if quoted and char not in '$`"\\':
            return f"\\{char}"
        return _literal(char)

    def _quoted(self, quote: str) -> tuple[str, str]:
        """What stands between quotes, and why it can't be told."""
        text, begin = self._text, self._at
        self._at += 1
        found, why = "", ""
        while self._at < len(text):
            char = text[self._at]
            if char == quote:
                self._at += 1
                return found, why
            if char == "\\" and quote == '"':
                found += self._escaped(text[self._at + 1 : self._at + 2], quoted=True)
                self._at += 2
                continue
            if quote == '"' and (char == "`" or text.startswith("$(", self._at)):
                why = _COMPUTED
            found += _literal(char) if quote == "'" else char
            self._at += 1
        raise Broken(lines_before(text, begin), "begins a value with a quote that is never closed")

    def _skip(self, characters: str) -> None:
        while self._at < len(self._text) and self._text[self._at] in characters:
            self._at += 1

    def _end_of_line(self) -> int:
        end = self._text.find("\n", self._at)
        return len(self._text) if end < 0 else end


def _literal(text: str) -> str:
    return text.replace("$", _DOLLAR)


def read_shell(text: str) -> Settings:
    """The variables that a file sets when a shell reads it; ``Broken`` for anything but assignments."""
    return _Assignments(text).read()
