# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private folders for what is on its way: gone afterwards, and removed by the next run when this one was killed."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
import time
import typing as t

# Younger ones may belong to a run that has not locked its folder yet.
_YOUNG = 60.0


@contextlib.contextmanager
def private_folder(parent: str, prefix: str) -> t.Iterator[str]:
    """The path of a folder below ``parent`` that only this user can enter. Left ones are known by the lock that died with their run."""
    for left in glob.glob(os.path.join(glob.escape(parent), prefix + "*")):
        with contextlib.suppress(OSError):
            fd = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                status = os.fstat(fd)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if status.st_uid == os.geteuid() and time.time() - status.st_ctime > _YOUNG:
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(fd)
    folder = tempfile.mkdtemp(prefix=prefix, dir=parent)  # mode 0700
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(fd)
