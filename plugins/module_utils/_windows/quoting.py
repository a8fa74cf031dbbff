# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments as Windows programs read them: one text, which each program takes apart by the rules of ``CommandLineToArgvW``.

A log file needs ``cmd.exe`` around the command, which has rules of its own before those; what it would change is refused.
"""

from __future__ import annotations

import re
import typing as t

from .._common.errors import InvalidInput

# Bare, these mean only themselves to programs and to cmd.exe alike.
_PLAIN = re.compile(r"[A-Za-z0-9_./:\\+=@,~#-]+")


def quoted(argument: str) -> str:
    """One argument, as ``CommandLineToArgvW`` reads it back.

    Backslashes are themselves but before a double quote, where two stand for one; so those before the closing quote are doubled.
    """
    return argument if _PLAIN.fullmatch(argument) else _wrapped(argument)


def _wrapped(argument: str) -> str:
    doubled = re.sub(r'(\\*)"', r'\1\1\\"', argument)
    ending = len(doubled) - len(doubled.rstrip("\\"))
    return '"' + doubled + "\\" * ending + '"'


def joined(arguments: t.Iterable[str]) -> str:
    """The text that a program takes apart into these arguments."""
    return " ".join(quoted(argument) for argument in arguments)


def split(line: str, task: str) -> list[str]:
    """A command that somebody wrote, taken apart as Windows would; ``InvalidInput`` when a quote is left open."""
    found: list[str] = []
    place = 0
    while place < len(line):
        if line[place] in " \t":
            place += 1
            continue
        word, place = _word(line, place, task)
        found.append(word)
    return found


def _word(line: str, place: int, task: str) -> tuple[str, int]:
    word, inside = "", False
    while place < len(line) and (inside or line[place] not in " \t"):
        slashes = len(line) - place - len(line[place:].lstrip("\\"))
        place += slashes
        if line[place : place + 1] != '"':
            word += "\\" * slashes
            if slashes == 0:
                word += line[place]
                place += 1
            continue
        word += "\\" * (slashes // 2)
        place += 1
        if slashes % 2:
            word += '"'
        elif inside and line[place : place + 1] == '"':
            # Two quotes within quotes are one that is meant.
            word += '"'
            place += 1
        else:
            inside = not inside
    if inside:
        raise InvalidInput(f"the command of the task {task} has a double quote that is not closed; give it as a list of arguments")
    return word, place


def logged(program: str, arguments: t.Sequence[str], log: str, task: str) -> str:
    """The arguments of ``cmd.exe`` that run a command and append what it says to a file.

    ``InvalidInput`` for what ``cmd.exe`` would change even inside quotes: double quotes and percent signs.
    """
    for text in (program, *arguments, log):
        if '"' in text or "%" in text:
            raise InvalidInput(
                f"{text!r} of the task {task} can't be kept as it is where a log is written, because cmd.exe changes double quotes and "
                "percent signs; leave log out and let the program write its own"
            )
    # With /s exactly the outermost quotes are taken off, whatever is between; without /d others' AutoRun would run first.
    words = " ".join(_for_cmd(word) for word in (program, *arguments))
    return f'/d /s /v:off /c "{words} >> {_for_cmd(log)} 2>&1"'


def _for_cmd(argument: str) -> str:
    # Narrower: commas, equals signs and the like part words for cmd.exe.
    return argument if re.fullmatch(r"[A-Za-z0-9_./:\\+-]+", argument) else _wrapped(argument)
