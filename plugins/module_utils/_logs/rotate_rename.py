# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs that are given another name, and a new file in their place, in one step."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t

from .._common.files import exchange
from .rotate_bytes import own
from .rotate_names import Log, next_path
from .rotate_trust import opened


@dataclasses.dataclass(frozen=True)
class Create:
    """The new log. What is ``None`` is as it was with the old one."""

    wanted: bool = True
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None


def rename(log: Log, new: Create, suffix: str, moment: float) -> str:
    """Rotate the log; its path now. Who has it open goes on writing there until they open the log anew."""
    # Only within a file system is it one step; from another one it is moved when nobody writes any more.
    folder = log.dest if os.stat(log.dest).st_dev == os.stat(log.folder).st_dev else log.folder
    path = next_path(log, folder, suffix, moment)
    with opened(log.path) as old:
        if new.wanted:
            _make(path, old, new)
            if exchange(log.path, path, flush=False):
                return path
            os.unlink(path)
        os.rename(log.path, path)
        if new.wanted:
            # Who opens a log that is not there makes it.
            with contextlib.suppress(FileExistsError):
                _make(log.path, old, new)
    return path


def _make(path: str, old: int, new: Create) -> None:
    status = os.fstat(old)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        uid = status.st_uid if new.uid is None else new.uid
        gid = status.st_gid if new.gid is None else new.gid
        own(fd, uid, gid, status.st_mode & 0o7777 if new.mode is None else new.mode)
        for name, value in _attributes(old):
            with contextlib.suppress(OSError):
                os.setxattr(fd, name, value)
    finally:
        os.close(fd)


def _attributes(fd: int) -> t.Iterator[tuple[str, bytes]]:
    """Labels and access lists, where there are any and they may be seen."""
    try:
        for name in os.listxattr(fd):
            yield name, os.getxattr(fd, name)
    except OSError:
        return
