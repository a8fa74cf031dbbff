# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill does and how long each part of it takes."""

from __future__ import annotations

import contextlib
import time
import typing as t

from .._common.errors import RunbookError
from .._common.outcome import Outcome, Status
from .._common.runner import describe_os_error


class Phases:
    """Phases in their order, as outcomes in seconds. ``recovery`` phases are what a real recovery would consist of: the RTO."""

    def __init__(self) -> None:
        self.items: list[Outcome] = []

    @contextlib.contextmanager
    def phase(self, name: str, *, recovery: bool = True) -> t.Iterator[list[str]]:
        """Time a phase. The list takes words for its message; an error becomes the message and goes on."""
        began = time.monotonic()
        words: list[str] = []
        status: Status = "ok"
        try:
            yield words
        except BaseException as error:
            status = "failed"
            words = [
                error.message
                if isinstance(error, RunbookError)
                else describe_os_error(error)
                if isinstance(error, OSError)
                else repr(error)
            ]
            raise
        finally:
            self.add(name, time.monotonic() - began, status, "; ".join(words), recovery=recovery)

    def add(self, name: str, seconds: float, status: Status = "ok", message: str = "", *, recovery: bool = True) -> None:
        """A phase that was timed elsewhere."""
        taken = round(seconds, 3)
        self.items.append(Outcome(name, status, message, taken, "s", duration_ms=round(taken * 1000, 1), details={"recovery": recovery}))

    def to_list(self) -> list[dict[str, t.Any]]:
        return [item.to_dict() for item in self.items]
