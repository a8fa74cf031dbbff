# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time: a lock that is gone with the process that has it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import typing as t

from .._common import clock
from .._common.errors import Refused


class StillRunning(Refused):
    """The last run has not ended."""


@contextlib.contextmanager
def alone(folder: str, name: str) -> t.Iterator[None]:
    """Hold ``name``'s lock in ``folder``, which is made when it is missing; ``StillRunning`` when somebody has it."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    fd = os.open(os.path.join(folder, f"{name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 200, 0).decode("utf-8", "replace").strip()
            raise StillRunning(f"it is still running ({holder or 'another process'}); give it more time between two runs") from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} since {clock.now()}".encode(), 0)
        yield
    finally:
        os.close(fd)
