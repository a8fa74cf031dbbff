# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files for systemd's ``EnvironmentFile=``, read with the states that systemd itself goes through (``parse_env_file``)."""

from __future__ import annotations

import re

from .env_values import Broken, Settings, Value, is_name, lines_before

_START = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)=")
_BLANK = " \t\r"
# What a backslash takes its meaning from between double quotes; before others it stays.
_ESCAPED = '"\\`$'


def read_systemd(text: str) -> Settings:
    """The variables of a file for ``EnvironmentFile=``: quotes, backslashes, lines that go on, no references."""
    settings = Settings()
    position = 0
    while position < len(text):
        char = text[position]
        if char in _BLANK or char == "\n":
            position += 1
        elif char in "#;":
            position = _end_of_line(text, position)
        else:
            start = _START.match(text, position)
            if not start or not is_name(start["name"], text[start.end() : _end_of_line(text, position)]):
                raise Broken(lines_before(text, position), "is no assignment; put a value of several lines in quotes")
            value, position = _value(text, start.end())
            settings.put(start["name"], Value(value))
    return settings


def _value(text: str, position: int) -> tuple[str, int]:
    """A value and where it ends. Quotes count only where a piece of it begins; what is not quoted loses the blanks at its end."""
    found = ""
    while position < len(text) and text[position] != "\n":
        char = text[position]
        if char in _BLANK:
            position += 1
        elif char in "'\"":
            piece, position = _quoted(text, position)
            found += piece
        else:
            piece, position = _plain(text, position)
            return found + piece, position
    return found, position


def _plain(text: str, position: int) -> tuple[str, int]:
    found, kept = "", 0
    while position < len(text) and text[position] != "\n":
        char = text[position]
        position += 1
        if char == "\\":
            if position < len(text) and text[position] != "\n":
                found += text[position]
            position += 1
            kept = len(found)
            continue
        found += char
        if char not in _BLANK:
            kept = len(found)
    return found[:kept], position


def _quoted(text: str, position: int) -> tuple[str, int]:
    quote, begin, found = text[position], position, ""
    position += 1
    while position < len(text):
        char = text[position]
        position += 1
        if char == quote:
            return found, position
        if char == "\\" and quote == '"':
            following = text[position : position + 1]
            position += 1
            found += following if following in _ESCAPED else "" if following == "\n" else f"\\{following}"
        else:
            found += char
    raise Broken(lines_before(text, begin), "begins a value with a quote that is never closed")


def _end_of_line(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end
