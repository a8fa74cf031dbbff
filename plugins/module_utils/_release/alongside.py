# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hash the files of a tree in a process of its own, while this one is still putting them in place.

Making links waits for the file system, hashing for the processor; threads of one Python wait for each other instead. The process has
this one's manifest without a copy, writes what it found into memory that both share, and ends with this one, however that ends.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import select
import threading
import typing as t

from .._common.progress import Advance
from .manifest import Entry
from .walk import hash_file

# Files below which a process costs more than it gains, and files after which it is told of more.
FEW = 500
STEP = 64
# Seconds between two looks at how far it is, once there is nothing else to do.
LOOK = 0.5


class Alongside:
    """``with Alongside(root, files) as along``: ``placed`` after each of ``files``, in their order; then ``right``.

    Does nothing, and finds nothing right, where a process of its own would not be faster."""

    def __init__(self, root: str, files: t.Sequence[Entry]) -> None:
        self._root, self._files = root, files
        self._child = self._placed = 0

    def __enter__(self) -> Alongside:
        # A fork copies one thread only, and what the others hold stays held.
        if len(self._files) < FEW or (os.cpu_count() or 1) == 1 or threading.active_count() > 1:
            return self
        # For each file the ctime at which its bytes were right; behind them, how many files and bytes have been read.
        self._shared = mmap.mmap(-1, 8 * (len(self._files) + 2))
        self._found = memoryview(self._shared).cast("q")
        told, self._tell = os.pipe()
        self._ended, end = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            with contextlib.suppress(BaseException):
                gc.disable()
                _let_go(told, end)
                self._hash()
            os._exit(0)
        os.close(told)
        os.close(end)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._child:
            os.close(self._tell)
            os.close(self._ended)
            os.waitpid(self._child, 0)
            self._child = 0
            self._found.release()
            self._shared.close()

    def placed(self) -> None:
        """One more file is where it belongs, or is not going to be."""
        self._placed += 1
        if self._child and (self._placed % STEP == 0 or self._placed == len(self._files)):
            with contextlib.suppress(BrokenPipeError):  # it was killed; what it has not hashed is hashed by who needs it
                os.write(self._tell, b".")

    def right(self, advance: Advance) -> dict[str, int]:
        """Wait until all that was placed is hashed. The paths whose bytes were those of the manifest, with their ``ctime`` in nanoseconds
        before they were read: while a file has that, it has these bytes."""
        if not self._child:
            return {}
        files = size = 0
        while not select.select([self._ended], [], [], LOOK)[0]:
            done, read = self._found[-2], self._found[-1]
            advance(done - files, read - size)
            files, size = done, read
        advance(self._found[-2] - files, self._found[-1] - size)
        return {entry.path: changed for entry, changed in zip(self._files, self._found) if changed}

    def _hash(self) -> None:
        """In the process of its own."""
        last, start = len(self._files), 0
        while start < last:
            steps = len(os.read(0, 4096))
            if not steps:
                return  # nobody waits for the rest
            end = min(last, start + STEP * steps)
            for index in range(start, end):
                entry = self._files[index]
                path = f"{self._root}/{entry.path}"
                with contextlib.suppress(OSError):
                    changed = os.lstat(path).st_ctime_ns
                    if hash_file(path) == entry.digest:
                        self._found[index] = changed
                self._found[-2] += 1
                self._found[-1] += entry.size
            start = end


def _let_go(told: int, end: int) -> None:
    """Keep nothing of the parent's: not its connection, which would not end with it, and no lock."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(told, 0)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    for number in os.listdir("/proc/self/fd"):
        if int(number) > 2 and int(number) != end:
            with contextlib.suppress(OSError):
                os.close(int(number))
