# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of JSON lines that a run leaves: only appended to, and never a reason for the run to fail."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
import typing as t

# A line that is not important waits for the disk no longer than this many seconds.
_FLUSH_EVERY = 5.0
# What a task returned can be of any size; a line has an end.
_LONGEST = 1 << 20


class EvidenceFile:
    """Lines for ``path``. What could not be written is counted in ``lost`` and said once with ``warn``."""

    def __init__(self, path: str, warn: t.Callable[[str], None]) -> None:
        self.path = path
        self.lost = 0
        self._warn = warn
        self._fd = -1
        self._torn = False
        self._flushed = 0.0
        self._said = False

    def open(self) -> bool:
        """Make the file, for its owner alone, and its folder. Whether that worked; else it was said."""
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
            self._fd = os.open(self.path, flags, 0o600)
            if not stat.S_ISREG(os.fstat(self._fd).st_mode):
                os.close(self._fd)
                self._fd = -1
                raise OSError(0, "it is no regular file")
        except OSError as error:
            self._say(error)
        return self._fd >= 0

    def write(self, record: t.Mapping[str, t.Any], important: bool = False) -> None:
        """Append a record as one line; one that is ``important`` is on the disk afterwards."""
        if self._fd < 0:
            self.lost += 1
            return
        try:
            if self.lost and self._said:
                self._append(_line({"event": "lost", "run": record.get("run", ""), "lines": self.lost}))
            self._append(_line(record))
            if important or time.monotonic() - self._flushed > _FLUSH_EVERY:
                os.fsync(self._fd)
                self._flushed = time.monotonic()
        except OSError as error:
            self.lost += 1
            self._say(error)

    def _append(self, line: bytes) -> None:
        # One write for each line, so that lines of runs that share a file do not mix; a line break first where half a line stands.
        data = b"\n" + line if self._torn else line
        written = 0
        while written < len(data):
            # Torn until all of it is there, because the next write may raise.
            count = os.write(self._fd, data[written:])
            written += count
            self._torn = written < len(data)

    def close(self) -> None:
        """Close the file, and say how much of the run it lacks."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1
        if self.lost:
            self._warn(f"the evidence in {self.path} lacks {self.lost} line{'' if self.lost == 1 else 's'} of this run")

    def _say(self, error: OSError) -> None:
        if not self._said:
            self._said = True
            self._warn(f"evidence can't be written to {self.path}: {error.strerror or error}; the run goes on without")


def _line(record: t.Mapping[str, t.Any]) -> bytes:
    data = _dump(record)
    if len(data) > _LONGEST:
        kept = {name: value for name, value in record.items() if name not in ("result", "msg", "item")}
        data = _dump({**kept, "cut": f"its result of {len(data)} bytes is longer than a line may be"})
    return data + b"\n"


def _dump(value: t.Any) -> bytes:
    # What is no text, such as half of a surrogate pair, becomes an escape that JSON knows.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "backslashreplace")
