# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of ``NAME=value`` lines as the dotenv libraries and ``docker run --env-file`` read them.

The libraries (PHP's, Python's, Node's, that of Compose) agree on most and differ on some; where they differ, a value is not readable.
"""

from __future__ import annotations

import re

from .env_values import Broken, Settings, Value, expand, is_name, lines_before

_START = re.compile(r"(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*")
# Behind a closing quote only a comment may stand.
_REST = r"(?=[ \t]*(?:#[^\r\n]*)?(?:\r|\n|\Z))"
_SINGLE = re.compile(rf"'((?:\\'|[^'])*)'{_REST}")
_DOUBLE = re.compile(rf'"((?:\\.|[^"\\])*)"{_REST}', re.DOTALL)
_BACKTICK = re.compile(rf"`([^`]*)`{_REST}")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "\\": "\\", '"': '"', "'": "'", "$": "$"}
# Stands for an escaped dollar until references are replaced; no file has it, because NUL is refused.
_DOLLAR = "\0"


def read_dotenv(text: str) -> Settings:
    """The names of a ``.env`` file; ``Broken`` for a line that is none of a comment, nothing, and ``NAME=value``."""
    settings = Settings()
    position, seen = 0, set()
    while position < len(text):
        end = _end_of_line(text, position)
        line = text[position:end].strip()
        if not line or line.startswith("#"):
            position = end + 1
            continue
        position += len(text[position:end]) - len(text[position:end].lstrip())
        start = _START.match(text, position)
        if not start or not is_name(start["name"], text[start.end() : end]):
            raise Broken(lines_before(text, position), "is not NAME=value; put a value of several lines in quotes")
        value, position = _value(text, start.end(), settings)
        name = start["name"]
        before = settings.get(name) if name in seen else None
        if before and (before.text, before.why) != (value.text, value.why):
            # PHP's library takes the first, the others the last.
            value = Value(why="is set more than once, and programs differ in which of them counts")
        seen.add(name)
        settings.put(name, value)
        position = _end_of_line(text, position) + 1
    return settings


def _end_of_line(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _value(text: str, position: int, settings: Settings) -> tuple[Value, int]:
    """A value and where it ends."""
    end = _end_of_line(text, position)
    quote = text[position : position + 1]
    if quote and quote in "'\"`":
        match = {"'": _SINGLE, '"': _DOUBLE, "`": _BACKTICK}[quote].match(text, position)
        if match:
            inner = match[1]
            if quote == '"':
                return _double(inner, settings), match.end()
            return Value(inner.replace("\\'", "'") if quote == "'" else inner), match.end()
        if text.find(quote, position + 1) < 0:
            raise Broken(lines_before(text, position), "begins a value with a quote that is never closed")
        if text.find(quote, position + 1, end) < 0:
            raise Broken(lines_before(text, position), "begins a value of several lines that does not end at the end of a line")
        return Value(why="has something behind its closing quote"), end
    written = re.split(r"[ \t]#", text[position:end], maxsplit=1)[0].strip()
    if "#" in written:
        return Value(why="has a # without quotes, where some programs let a comment begin; put the value in quotes"), end
    if re.search(r"[\"'`\\]", written):
        return Value(why="has quotes or a backslash inside, which programs read differently; put the whole value in quotes"), end
    return expand(written, settings.get, bare=False), end


def _double(inner: str, settings: Settings) -> Value:
    unknown = [match[1] for match in _ESCAPE.finditer(inner) if match[1] not in _PLAIN]
    if unknown:
        return Value(why="has a backslash before a character that programs read differently; put the value in single quotes")
    plain = _ESCAPE.sub(lambda match: _DOLLAR if match[1] == "$" else _PLAIN[match[1]], inner)
    found = expand(plain, settings.get, bare=False)
    return found if found.why else Value(found.text.replace(_DOLLAR, "$"))


def read_docker(text: str) -> Settings:
    """The names of a file for ``docker run --env-file``: everything behind ``=`` is the value, quotes too."""
    settings = Settings()
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r").lstrip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        # Without = the value is that of whoever starts the container; what does not look like a name for that may be a line of a key.
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*" if equals else r"[A-Z][A-Z0-9_]{0,40}", name) or not is_name(name, value):
            raise Broken(number, "is not NAME=value; such files have no values of several lines")
        settings.put(name, Value(value) if equals else Value(why="is taken from the environment of who starts the container"))
    return settings
