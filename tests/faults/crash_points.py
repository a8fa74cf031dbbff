# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a process before each of its changes to the disk, one after another: no instant between two changes is left out."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import typing as t

# Every call by which the release core changes names or forces them to the disk, and every opening of a file to write.
# What lies between two of them changes nothing but the bytes of a file that the call before has opened.
CALLS = ("rename", "replace", "symlink", "link", "unlink", "mkdir", "rmdir", "fsync", "chmod", "fchmod", "chown")


def run_until(act: t.Callable[[], object], number: int, more: t.Sequence[str] = ()) -> bool:
    """Run ``act`` in a process that kills itself before its change ``number`` (from 0). Returns whether it got that far.

    ``more`` names further calls of ``os`` that count as changes."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        try:
            _arm(number, more)
            act()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == -signal.SIGKILL:
        return True
    assert code == 0, f"the process that was to be killed before change {number} failed by itself"
    return False


def _arm(number: int, more: t.Sequence[str]) -> None:
    left = number

    def counting(real: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*args: t.Any, **more: t.Any) -> t.Any:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return real(*args, **more)

        return call

    for name in (*CALLS, *more):
        setattr(os, name, counting(getattr(os, name)))
    read, create = os.open, counting(os.open)
    changes = os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def opening(path: t.Any, flags: int, *args: t.Any, **more: t.Any) -> int:
        return t.cast(int, (create if flags & changes else read)(path, flags, *args, **more))

    os.open = opening  # type: ignore[assignment]


def every_crash_point(
    prepare: t.Callable[[], None], act: t.Callable[[], object], check: t.Callable[[int], None], more: t.Sequence[str] = ()
) -> int:
    """``prepare``, ``act`` until it is killed, ``check``; for every change that ``act`` makes. Returns how many there were."""
    number = 0
    while True:
        prepare()
        if not run_until(act, number, more):
            return number
        check(number)
        number += 1
