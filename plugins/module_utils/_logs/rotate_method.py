# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a log is cut: so that nothing is lost, or not at all unless that is allowed."""

from __future__ import annotations

import dataclasses
import os

from .._common.errors import Refused
from .rotate_copy import TooSmall, Unsuitable, appending, can_collapse, plan_collapse
from .rotate_names import Log
from .rotate_trust import opened
from .rotate_writers import being_written, holders

METHODS = ("auto", "rename", "collapse", "pause", "copytruncate")


@dataclasses.dataclass(frozen=True)
class Allowed:
    """What the caller permits. ``reopens``: the writers can be asked to open the log anew."""

    method: str = "auto"
    reopens: bool = False
    pause: bool = False
    loss: bool = False


def choose(log: Log, allowed: Allowed) -> tuple[str, str]:
    """The method and why it is this one; ``Refused`` when none may be used, ``TooSmall`` when the log is too small for it."""
    with opened(log.path) as fd:
        if allowed.method == "collapse":
            _collapsible(log, fd)
        if allowed.method != "auto":
            return allowed.method, "as asked for"
        if allowed.reopens:
            return "rename", "its writer can reopen it"
        if not being_written(fd):
            return "rename", "nobody has it open for writing"
        try:
            _collapsible(log, fd)
            return "collapse", "it is being written, and its file system can take whole blocks off it"
        except Unsuitable as error:
            why = error
    if allowed.pause:
        return "pause", f"it is being written, and {why.message}"
    if allowed.loss:
        return "copytruncate", f"it is being written, and {why.message}"
    if isinstance(why, TooSmall):
        raise why
    raise Refused(f"it is being written, and {why.message}; give reopen, or allow_pause, or allow_loss if lines may be lost")


def _collapsible(log: Log, fd: int) -> None:
    """``Unsuitable`` unless the log can be collapsed now."""
    if not can_collapse(log.path):
        raise Unsuitable(f"its file system ({file_system(log.folder)}) can't collapse a file; ext4 and xfs can")
    found, _unseen = holders(fd)
    appending(found)
    plan_collapse(fd)


def file_system(folder: str) -> str:
    """The type of the file system that a folder is on, as ``mount`` calls it."""
    best, name = "", "unknown"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as stream:
        for line in stream:
            fields = line.split()
            point = fields[4].encode().decode("unicode_escape")
            if len(point) >= len(best) and os.path.commonpath([point, folder]) == point:
                best, name = point, fields[fields.index("-") + 1]
    return name
