# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rotation at a time in a folder: a lock that ends with the process, on a file that others can't open."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from .._common import clock
from .._common.errors import Refused
from .rotate_names import lock_name

# How long another rotation of the same logs is waited for: it may be compressing gigabytes.
PATIENCE = 600.0


@contextlib.contextmanager
def locked(folders: t.Iterable[str]) -> t.Iterator[None]:
    """Hold the locks of these folders, taken in one order by everybody."""
    with contextlib.ExitStack() as stack:
        for folder in sorted(set(folders)):
            stack.enter_context(_lock(folder))
        yield


@contextlib.contextmanager
def _lock(folder: str) -> t.Iterator[None]:
    path = lock_name(folder)
    fd = _take(path)
    try:
        os.pwrite(fd, f"process {os.getpid()} since {clock.now()}\n".encode(), 0)
        yield
    finally:
        # While it is held: who waits for this very file sees that it has no name any more, and starts anew.
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(fd)


def _take(path: str) -> int:
    deadline = time.monotonic() + PATIENCE
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.stat(path, follow_symlinks=False).st_ino == os.fstat(fd).st_ino:
                    return fd
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(fd, 200, 0).decode("utf-8", "replace").strip()
                os.close(fd)
                raise Refused(
                    f"{os.path.dirname(path)} is being rotated by {holder or 'another process'}; run again when it has ended"
                ) from None
            time.sleep(0.05)
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
