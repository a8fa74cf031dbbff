# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Crontabs as people have them: cron's own lines, or the table of a runbook with schedule and command in words."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import typing as t

from .._common.errors import InvalidInput
from . import schedule

_SETTING = re.compile(r"(?:\"([^\"]+)\"|'([^']+)'|([A-Za-z_][A-Za-z0-9_]*))\s*=\s*(.*)")
_NAMED = re.compile(r"#\s*job:\s*(.+)")
_ROW = re.compile(r"\|((?:`[^`]*`|[^|`])*)")
_HOLE = re.compile(r"<[A-Za-z][A-Za-z0-9_ -]*>")
# Settings of cron itself that change when or how jobs run, in ways that not every cron knows.
_REFUSED = {
    "CRON_TZ": "write times by the host's clock",
    "RANDOM_DELAY": "give jobs times of their own",
    "MAILFROM": "the alert command decides that",
}
_RUNS_OTHERS = re.compile(r"(?:ba|da|z)?sh|php[\d.]*|python[\d.]*|perl|ruby|node|env|nice|ionice|nohup|sudo|flock|timeout|cd|test|\[")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line: when, what by which shell, as whom (empty: the crontab's owner), with which environment and input."""

    name: str
    schedule: str
    command: str
    shell: str
    user: str
    environment: dict[str, str]
    stdin: str
    mailto: str


def parse(text: str, *, users: bool) -> list[Entry]:
    """All entries of a crontab; ``users``: each names its user in the sixth field. ``InvalidInput`` naming the line at fault."""
    entries: list[Entry] = []
    settings: dict[str, str] = {}
    name = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        try:
            if not line or line.startswith("#"):
                named = _NAMED.fullmatch(line)
                name = named[1].strip() if named else ""
                continue
            if line.startswith("|"):
                entry = _row(line, settings)
            elif re.match(r"[\w\"']+\s*=", line):
                _set(line, settings)
                continue
            else:
                entry = _line(line, settings, users)
        except InvalidInput as error:
            raise InvalidInput(f"line {number} of the crontab: {error.message}") from None
        if entry:
            entries.append(dataclasses.replace(entry, name=_unique(name or _name(entry.command), entries)))
        name = ""
    return entries


def _set(line: str, settings: dict[str, str]) -> None:
    match = _SETTING.fullmatch(line)
    if not match:
        raise InvalidInput("it is no setting; write NAME=value")
    name, value = match[1] or match[2] or match[3], match[4].strip()
    if name in _REFUSED:
        raise InvalidInput(f"{name} is not supported; {_REFUSED[name]}")
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    settings[name] = value


def _line(line: str, settings: t.Mapping[str, str], users: bool) -> Entry:
    count = (1 if line.startswith("@") else 5) + (1 if users else 0)
    fields = line.split(None, count)
    if len(fields) <= count:
        raise InvalidInput(
            f"it has no command; write {'@daily' if line.startswith('@') else 'five fields'}{', a user' if users else ''} and a command"
        )
    when = " ".join(fields[: count - 1 if users else count])
    if when.lower() not in (*schedule.NICKNAMES, schedule.BOOT) and (when.startswith("@") or not re.fullmatch(r"[\w*/,\- ]+", when)):
        raise InvalidInput(f"{when!r} is no time that every cron knows; write five fields or {', '.join(schedule.NICKNAMES)}")
    schedule.parse(when, "this line")
    command, stdin = _percent(fields[count])
    return _entry(when, command, stdin, fields[count - 1] if users else "", settings)


def _row(line: str, settings: t.Mapping[str, str]) -> Entry | None:
    """A row of a table in Markdown: schedule, command, purpose. Its head and the line below are none."""
    cells = [cell.strip() for cell in _ROW.findall(line)]
    if len(cells) < 2 or re.fullmatch(r":?-+:?", cells[0]) or not cells[1].startswith("`"):
        if len(cells) >= 2 and cells[0] and not re.fullmatch(r":?-+:?|(?i:schedule|when|time|frequency)", cells[0]):
            raise InvalidInput("its command is not between backquotes; write | schedule | `command` | purpose |")
        return None
    schedule.parse(cells[0], "this line")
    return _entry(cells[0], cells[1].strip("`").strip(), "", "", settings)


def _entry(when: str, command: str, stdin: str, user: str, settings: t.Mapping[str, str]) -> Entry:
    hole = _HOLE.search(command)
    if hole:
        raise InvalidInput(f"the command has the placeholder {hole[0]}; put in what it stands for")
    environment = {name: value for name, value in settings.items() if name not in ("MAILTO", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING")}
    return Entry("", when, command, settings.get("SHELL") or "/bin/sh", user, environment, stdin, settings.get("MAILTO", ""))


def _percent(command: str) -> tuple[str, str]:
    r"""``(command, input)``: for cron a ``%`` ends the command, those after it are line breaks of its input, and ``\%`` is one."""
    first, *more = re.split(r"(?<!\\)%", command)
    return first.replace("\\%", "%").strip(), "\n".join(part.replace("\\%", "%") for part in more) + ("\n" if more else "")


def _name(command: str) -> str:
    """A name that stays the same as long as the command does: the program's or script's, and a few digits of the command's digest."""
    chosen = "job"
    for word in re.findall(r"[^\s;&|<>()\"'`$]+", command):
        base = os.path.splitext(os.path.basename(word))[0]
        if word.startswith("-") or "=" in word or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", base):
            if chosen != "job":
                break
            continue
        chosen = base
        if not _RUNS_OTHERS.fullmatch(base):
            break
    plain = re.sub(r"[^a-z0-9_]+", "-", chosen.lower()).strip("-_")[:40] or "job"
    return f"{plain}-{hashlib.sha256(command.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"


def _unique(name: str, entries: t.Sequence[Entry]) -> str:
    number, found = 1, name
    while any(entry.name == found for entry in entries):
        number += 1
        found = f"{name}-{number}"
    return found
