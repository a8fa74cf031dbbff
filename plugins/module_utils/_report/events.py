# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events from what is recorded elsewhere: releases' history lines, drills' evidence, and what the caller names."""

from __future__ import annotations

import json
import os
import stat
import typing as t

from .._common import clock
from .._common.errors import InvalidInput
from .._common.outcome import SEVERITY, Status
from .model import Event, EventKind

_KINDS = ("deploy", "rollback", "drill", "other")
_LARGEST = 4 * 1024 * 1024
_BY_HAND = "rolled back by hand"


def from_history(lines: t.Iterable[t.Mapping[str, t.Any]], host: str) -> list[Event]:
    """The deploys and rollbacks of a site's ``history`` lines (``release_info``); lines without a moment are left out."""
    found = []
    for line in lines:
        at, outcome = str(line.get("time", "")), str(line.get("outcome") or "")
        # Every deploy and every return by hand ends with such a line; the steps on their way have others.
        if line.get("event") != "deploy" or not outcome or not clock.seconds(at):
            continue
        title = str(line.get("release") or "")
        if outcome == _BY_HAND:
            found.append(Event(at, "rollback", title, "warning", host, outcome))
        else:
            found.append(Event(at, "deploy", title, "ok" if outcome == "deployed" else "failed", host, outcome))
    return found


def from_evidence(document: t.Mapping[str, t.Any]) -> Event | None:
    """The event of a drill's evidence (``drill_report``); None when it is no such document."""
    at, status = str(document.get("ended") or document.get("started") or ""), document.get("status")
    if not clock.seconds(at) or status not in SEVERITY or not document.get("scenario"):
        return None
    title = f"{document['scenario']}: {document.get('subject', '')}"
    return Event(at, "drill", title, t.cast(Status, status), str(document.get("host") or ""), str(document.get("message") or ""))


def from_folder(folder: str, said: t.Callable[[str], None]) -> list[Event]:
    """The events of all drills whose evidence is in a folder; what can't be read is told to ``said``."""
    found = []
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        said(f"{folder} can't be read for drills ({error.strerror})")
        return []
    for name in names:
        if not name.endswith(".json"):
            continue
        path = os.path.join(folder, name)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as stream:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    continue
                document = json.loads(stream.read(_LARGEST))
        except (OSError, ValueError, RecursionError) as error:
            said(f"{path} is no evidence of a drill that can be read ({type(error).__name__})")
            continue
        event = from_evidence(document) if isinstance(document, dict) else None
        if event:
            found.append(event)
    return found


def given(item: t.Mapping[str, t.Any]) -> Event:
    """An event as the caller wrote it; ``InvalidInput`` when it has no moment, kind or status."""
    kind, status = item.get("kind") or "other", item.get("status") or "ok"
    if kind not in _KINDS:
        raise InvalidInput(f"events: {kind!r} is no kind of event; there are {', '.join(_KINDS)}")
    if status not in SEVERITY:
        raise InvalidInput(f"events: {status!r} is no status; there are {', '.join(SEVERITY)}")
    if not clock.seconds(str(item.get("at"))):
        raise InvalidInput(f"events: at {item.get('at')!r} is no moment; write it as 2026-01-02T03:04:05Z")
    if not item.get("title"):
        raise InvalidInput("events: an event has no title")
    return Event(
        str(item["at"]),
        t.cast(EventKind, kind),
        str(item["title"]),
        t.cast(Status, status),
        str(item.get("host") or ""),
        str(item.get("message") or ""),
    )
