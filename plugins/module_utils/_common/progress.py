# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far long work has come, as one line every few seconds; nothing at all about work that is short."""

from __future__ import annotations

import threading
import time
import typing as t


def megabytes(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"


def clock_time(seconds: float) -> str:
    """``1:05`` or ``2:03:04``."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


# Takes a line that says how far work is.
Say = t.Callable[[str], None]
# Called with more files and bytes that are done.
Advance = t.Callable[[int, int], None]


def silent(line: str) -> None:
    """The ``Say`` of work that nobody watches."""


def unseen(files: int, size: int) -> None:
    """The ``Advance`` of such work."""


class Progress:
    """Counts work done, by any thread, and says where it is: first after ``quiet`` seconds, then every ``every`` seconds."""

    def __init__(
        self,
        what: str,
        say: Say,
        *,
        files: int = 0,
        size: int = 0,
        noun: str = "files",
        quiet: float = 3.0,
        every: float = 3.0,
        now: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self.what, self._say, self.files, self.size, self._noun = what, say, files, size, noun
        self._every, self._now = every, now
        self._began = now()
        self._next = self._began + quiet
        self._lock = threading.Lock()
        self.done_files = 0
        self.done_bytes = 0

    def advance(self, files: int, size: int) -> None:
        """More work is done; may say so."""
        with self._lock:
            self.done_files += files
            self.done_bytes += size
            moment = self._now()
            if moment >= self._next:
                self._next = moment + self._every
                self._say(self.line(moment))

    def line(self, moment: float | None = None) -> str:
        """For example ``staging 20261121_101500: 1,200 of 23,192 files, 12.0 MB of 280.4 MB, 4.0 MB/s, 1:07 left``."""
        passed = max(0.001, (self._now() if moment is None else moment) - self._began)
        parts = []
        if self.files:
            parts.append(f"{self.done_files:,} of {self.files:,} {self._noun}")
        if self.size:
            rate = self.done_bytes / passed
            parts += [f"{megabytes(self.done_bytes)} of {megabytes(self.size)}", f"{megabytes(rate)}/s"]
            # A size may be an estimate, and more may come.
            if rate > 0 and self.done_bytes < self.size:
                parts.append(f"{clock_time((self.size - self.done_bytes) / rate)} left")
        return f"{self.what}: {', '.join(parts)}"
