# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last lines of a log, for the person who has to find out why."""

from __future__ import annotations

import os
import stat
import typing as t

from .._common.errors import InvalidInput
from .._evidence.scrub import Scrubber

_WINDOW = 65536
_LONGEST = 500


def check_lines(count: int) -> int:
    """How many lines may be shown; ``InvalidInput`` beyond 0 to 500."""
    if not 0 <= count <= 500:
        raise InvalidInput(f"log_lines {count} is not from 0 to 500")
    return count


def last_lines(path: str, count: int, scrub: Scrubber) -> dict[str, t.Any]:
    """``{path, lines, message}``: at most ``count`` lines, printable and without secrets; the message says why there are none."""
    try:
        # A pipe would be waited for.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as stream:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                return {"path": path, "lines": [], "message": "it is no file"}
            stream.seek(max(0, status.st_size - _WINDOW))
            text = stream.read(_WINDOW).decode("utf-8", "replace")
    except OSError as error:
        return {"path": path, "lines": [], "message": error.strerror or str(error)}
    lines = scrub.text(text).splitlines()
    if status.st_size > _WINDOW:
        lines = lines[1:]  # it may begin anywhere
    shown = ["".join(char if char.isprintable() else " " for char in line)[:_LONGEST] for line in lines[-count:] if count]
    return {"path": path, "lines": shown, "message": "" if shown else "it is empty"}
