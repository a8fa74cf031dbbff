# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of assignments as a shell reads them with ``.``, and systemd with ``EnvironmentFile=``. Nothing in them is ever run."""

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
    """One pass over a text; ``expands``: by the rules of a shell, which replaces references and runs commands."""

    def __init__(self, text: str, *, expands: bool) -> None:
        self._text = text
        self._shell = expands
        self._at = 0
        self.settings = Settings()

    def read(self) -> Settings:
        comments = "#" if self._shell else "#;"
        while True:
            self._skip(" \t\r\n;" if self._shell else " \t\r\n")
            if self._at >= len(self._text):
                return self.settings
            if self._text[self._at] in comments:
                self._at = self._end_of_line()
                continue
            if self._shell:
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
        """A value: pieces of text, quoted or not, up to the end of the word (shell) or line (systemd)."""
        text, found = self._text, ""
        why = ""
        begun = False
        while self._at < len(text):
            char = text[self._at]
            if char == "\n" or (self._shell and char in " \t;"):
                break
            if char == "'" or char == '"':
                piece, problem = self._quoted(char)
            elif char == "\\":
                piece, problem = self._escaped(text[self._at + 1 : self._at + 2], quoted=False), ""
                self._at += 2
            else:
                computed = self._shell and (char in "`&|<>()" or text.startswith("$(", self._at))
                piece, problem = char, _COMPUTED if computed else ""
                self._at += 1
                if problem:
                    self._at = self._end_of_line()
            if not begun and not self._shell and not piece.strip() and char in " \t\r":
                continue
            begun = True
            why = why or problem
            found += piece
        if self._shell:
            self._skip(" \t\r")
            rest = text[self._at : self._at + 1]
            if not why and rest and rest not in "\n;#":
                why = "is not all of its line: a shell takes what follows for a command; put the value in quotes"
                self._at = self._end_of_line()
        else:
            found = found.rstrip(" \t\r")
        if why:
            return Value(why=why)
        value = expand(found, self.settings.get, bare=True) if self._shell else Value(found)
        return value if value.why else Value(value.text.replace(_DOLLAR, "$"))

    def _escaped(self, char: str, *, quoted: bool) -> str:
        if char == "\n":
            return ""
        if quoted and self._shell and char not in '$`"\\':
            return f"\\{char}"
        return self._literal(char)

    def _literal(self, text: str) -> str:
        return text.replace("$", _DOLLAR) if self._shell else text

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
            if char == "\\" and (quote == '"' or not self._shell):
                found += self._escaped(text[self._at + 1 : self._at + 2], quoted=True)
                self._at += 2
                continue
            if quote == '"' and self._shell and (char == "`" or text.startswith("$(", self._at)):
                why = _COMPUTED
            found += self._literal(char) if quote == "'" else char
            self._at += 1
        raise Broken(lines_before(text, begin), "begins a value with a quote that is never closed")

    def _skip(self, characters: str) -> None:
        while self._at < len(self._text) and self._text[self._at] in characters:
            self._at += 1

    def _end_of_line(self) -> int:
        end = self._text.find("\n", self._at)
        return len(self._text) if end < 0 else end


def read_shell(text: str) -> Settings:
    """The variables that a file sets when a shell reads it; ``Broken`` for anything but assignments."""
    return _Assignments(text, expands=True).read()


def read_systemd(text: str) -> Settings:
    """The variables of a file for ``EnvironmentFile=``: quotes, backslashes, lines that go on, no references."""
    return _Assignments(text, expands=False).read()
