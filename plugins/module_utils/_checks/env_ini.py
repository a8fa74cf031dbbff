# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""INI files: sections, ``name = value``, comments; a name in a section is ``section.name``."""

from __future__ import annotations

import re

from .env_values import Broken, Settings, Value, is_name

_SECTION = re.compile(r"\[([^\[\]]+)\]\s*(?:[;#].*)?")
_LINE = re.compile(r"([A-Za-z_][\w.\- \[\]*:/\\]*?)\s*=\s*(.*)")
# Names without a value are found in MySQL's files; elsewhere such a line may be part of a value.
_MYSQL = re.compile(r"(?i)(?:mysql|mariadb|client|server|galera|mariabackup)[\w.-]*\.")
_ALONE = re.compile(r"[a-z]+(?:[-_][a-z]+)*")


def read_ini(text: str) -> Settings:
    """The names of an INI file; ``Broken`` for a line that is none of a section, a comment and ``name = value``."""
    settings = Settings()
    section, last = "", ""
    counts: dict[str, int] = {}
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in ";#!":
            continue
        head = _SECTION.fullmatch(line)
        if head:
            section, last = f"{head[1].strip()}.", ""
            continue
        match = _LINE.fullmatch(line)
        if match and is_name(match[1], match[2]):
            name = section + match[1]
            if name.endswith("[]"):
                counts[name] = counts.get(name, -1) + 1
                name = f"{name[:-2]}.{counts[name]}"
            settings.put(name, _value(match[2]))
            last = name
        elif raw[0] in " \t" and last:
            before = settings.get(last) or Value()
            settings.put(last, before if before.why else Value(f"{before.text}\n{line}"))
        elif _MYSQL.fullmatch(section) and _ALONE.fullmatch(line) and len(line) <= 40:
            settings.put(section + line, Value("true"))
            last = ""
        else:
            raise Broken(number, "is no section, no comment and not name = value")
    return settings


def _value(written: str) -> Value:
    quote = written[:1]
    if quote and quote in "\"'":
        match = re.fullmatch(rf"{quote}((?:\\.|[^{quote}\\])*){quote}\s*(?:[;#].*)?", written)
        if not match:
            return Value(why="has a quote that is not closed at its end")
        return _known(match[1].replace(f"\\{quote}", quote).replace("\\\\", "\\") if quote == '"' else match[1])
    plain = re.split(r"\s[;#]", written, maxsplit=1)[0].strip()
    if ";" in plain:
        return Value(why="has a ; without quotes, where some programs let a comment begin; put the value in quotes")
    return _known(plain)


def _known(text: str) -> Value:
    return Value(why="takes a value from the environment") if "${" in text else Value(text)
