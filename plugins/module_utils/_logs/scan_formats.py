# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lines of each kind of log look like: where their time is, which message to show, and how a kind is recognised."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from .._common.errors import RunbookError

# The formats that can be asked for, and the layouts that each may turn out to have.
FORMATS: dict[str, tuple[str, ...]] = {
    "auto": ("jsonl", "access", "nginx_error", "apache_error", "laravel", "syslog", "plain"),
    "plain": ("plain",),
    "nginx": ("access", "nginx_error", "jsonl"),
    "apache": ("access", "apache_error"),
    "laravel": ("laravel", "jsonl"),
    "syslog": ("syslog",),
    "journald": ("journal",),
    "jsonl": ("jsonl",),
}
# Of a log's beginning, how many lines are looked at to recognise it.
_LOOK_AT = 200

_YEAR_FIRST = rb"\d{4}[-/]\d\d[-/]\d\d[T ] ?\d{1,2}:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
_DAY_FIRST = rb"\d\d[- ][A-Z][a-z]{2}[- ]\d{4} \d\d:\d\d:\d\d(?:\.\d+)?(?: (?:UTC|GMT))?"
_NO_YEAR = rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
_KEYS = rb"(?:@?timestamp|time|ts|datetime|date|time_local|time_iso8601)"


@dataclasses.dataclass(frozen=True)
class Layout:
    """``stamp`` finds a line's time from its beginning (group 1); ``message`` what a line says without its time,
    of which the first ``code`` bytes are no variable part.
    """

    name: str
    stamp: re.Pattern[bytes]
    message: t.Callable[[bytes], bytes]
    requests: bool = False  # every line is a request
    code: int = 0


def _after(pattern: bytes, until: bytes = b"") -> t.Callable[[bytes], bytes]:
    begin, end = re.compile(pattern), re.compile(until or rb"\Z")

    def message(line: bytes) -> bytes:
        match = begin.match(line)
        rest = line[match.end() :] if match else line
        stop = end.search(rest)
        return rest[: stop.start()] if stop else rest

    return message


_REQUEST = re.compile(rb'"([A-Z]+) ([^ ?"]*)[^"]*" (\d{3}) ')


def _request(line: bytes) -> bytes:
    """Without the query: it may hold what nobody should read."""
    match = _REQUEST.search(line)
    if not match:
        return _BEFORE_TIME.sub(b"", line)
    method, path, status = match.groups()
    return status + b" " + method + b" " + path


_BEFORE_TIME = re.compile(rb"^[^\n]*?\[[^\]\n]*\] ?")


def _json_message(line: bytes) -> bytes:
    try:
        entry = json.loads(line)
        if not isinstance(entry, dict):
            return line
    except ValueError:
        return line
    for key in ("message", "msg", "error", "event"):
        if isinstance(entry.get(key), str):
            return str(entry[key]).encode("utf-8", "replace")
    if "status" in entry and ("uri" in entry or "request_uri" in entry or "request" in entry):
        path = str(entry.get("uri") or entry.get("request_uri") or entry["request"])
        return f"{entry['status']} {path.partition('?')[0]}".encode("utf-8", "replace")
    return line


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            "access",
            re.compile(rb"[^\n]*?\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "),
            _request,
            requests=True,
            code=3,
        ),
        Layout(
            "nginx_error",
            re.compile(rb"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[[a-z]+\] "),
            _after(rb"\S+ \S+ \[[a-z]+\] \S+ (?:\*\d+ )?", rb", client: "),
        ),
        Layout(
            "apache_error",
            re.compile(rb"\[([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4})\] \["),
            _after(rb"(?:\[[^\]\n]*\] )*", rb", referer: "),
        ),
        Layout(
            "laravel",
            re.compile(rb"\[(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)\] [\w-]+\.[A-Z]+: "),
            _after(rb"\[[^\]\n]*\] [\w-]+\.", rb' \{"| at /'),
        ),
        Layout(
            "syslog",
            re.compile(
                rb"(?:<\d+>(?:1 )?)?("
                + _NO_YEAR
                + rb"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)) [\w.:-]+ [^\s\[:{\"]+[\[: ]"
            ),
            _after(rb"(?:<\d+>(?:1 )?)?(?:" + _NO_YEAR + rb"|\S+) \S+ "),
        ),
        # What scan_journal.py makes of journald's entries.
        Layout("journal", re.compile(rb"<\d>(\d{10}\.\d+) "), _after(rb"<\d>\S+ ")),
        Layout(
            "jsonl",
            re.compile(rb"\{[^\n]*?\"" + _KEYS + rb'"\s*:\s*"?(' + _YEAR_FIRST + rb"|\d\d/[A-Z][^\"\n]+|\d{10}(?:\d{3}|\.\d+)?)"),
            _json_message,
        ),
        Layout(
            "plain",
            re.compile(
                rb"[\[(]?(" + _YEAR_FIRST + rb"|" + _DAY_FIRST + rb"|" + _NO_YEAR + rb"|\d{10}(?:\.\d+)?(?=[\] ]))"
                # Redis has its process before the time.
                rb"|\d+:[A-Z] (" + _DAY_FIRST + rb")"
            ),
            _after(rb"[\[(]?(?:" + _YEAR_FIRST + rb"|" + _DAY_FIRST + rb"|" + _NO_YEAR + rb")[\])]?[\s:,-]*"),
        ),
    )
}


def recognise(head: bytes, wanted: str, path: str) -> Layout:
    """The layout of a log that begins with ``head``; ``RunbookError`` when nothing in it looks like the format that was asked for."""
    names = FORMATS[wanted]
    if len(names) == 1:
        return LAYOUTS[names[0]]
    lines = head.split(b"\n")[:_LOOK_AT]
    # Whole lines tell; the last one may have been cut.
    lines = [line for line in (lines[:-1] or lines) if line]
    hits = {name: sum(1 for line in lines if LAYOUTS[name].stamp.match(line)) for name in names if name != "plain"}
    best = max(hits, key=lambda name: hits[name])
    if hits[best]:
        return LAYOUTS[best]
    if "plain" in names:
        return LAYOUTS["plain"]
    if lines:
        raise RunbookError(f"{path} does not look like format {wanted}: no time in its first lines; give its format, such as plain")
    return LAYOUTS[names[0]]


def stamp_of(layout: Layout, data: bytes, position: int = 0) -> bytes | None:
    """The text of a line's time."""
    match = layout.stamp.match(data, position)
    if not match:
        return None
    return next((group for group in match.groups() if group is not None), None)
