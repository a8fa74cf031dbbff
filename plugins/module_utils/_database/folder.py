# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of one database's backups: locked by one run at a time, and free of what killed runs left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import time
import typing as t

from .._common.errors import InvalidInput, Refused
from . import sidecar
from .sidecar import Sidecar

_PARTIAL = ".partial-"


class Folder:
    """``<dest>/<database>``, made when it is first written to."""

    def __init__(self, dest: str, name: str) -> None:
        if not dest.startswith("/") or ".." in dest.split("/"):
            raise InvalidInput(f"{dest!r} is no folder for backups; give an absolute path without '..'")
        self.dest = os.path.normpath(dest)
        self.path = sidecar.folder_of(self.dest, name)

    @contextlib.contextmanager
    def locked(self, what: str) -> t.Iterator[None]:
        """Hold the folder, made if need be, against other runs; refuses at once when another has it."""
        os.makedirs(self.path, mode=0o750, exist_ok=True)
        self.check()
        fd = os.open(os.path.join(self.path, ".lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(fd, 200, 0).decode("utf-8", "replace").strip()
                raise Refused(f"{self.path} is in use by {holder or 'another run'}; wait until that has ended") from None
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{what} (process {os.getpid()})\n".encode(), 0)
            self._remove_partials()
            yield
            os.ftruncate(fd, 0)
        finally:
            os.close(fd)

    def check(self) -> None:
        """Refuse a folder in which others could exchange our backups."""
        information = os.lstat(self.path)
        if not stat.S_ISDIR(information.st_mode):
            raise Refused(f"{self.path} is not a folder; move it away")
        if information.st_mode & stat.S_IWOTH:
            raise Refused(f"{self.path} can be written to by everybody; take that right away (chmod o-w) first")

    def new_id(self) -> str:
        """An id for a backup that begins now: UTC, unused."""
        now = time.strftime("%Y%m%d_%H%M%S", time.gmtime())
        taken = set(os.listdir(self.path))
        for number in range(1, 1000):
            identity = now if number == 1 else f"{now}_{number}"
            if not any(name == identity or name.startswith(f"{identity}.") for name in taken):
                return identity
        raise Refused(f"{self.path} has a thousand backups of this second; look at its clock")

    def partial(self) -> str:
        """A new folder for what is not a backup yet."""
        path = os.path.join(self.path, f"{_PARTIAL}{secrets.token_hex(6)}")
        os.mkdir(path, 0o700)
        return path

    def _remove_partials(self) -> None:
        # We hold the lock, so whoever made them is dead.
        for name in os.listdir(self.path):
            if name.startswith(_PARTIAL):
                shutil.rmtree(os.path.join(self.path, name))

    def ids(self) -> list[str]:
        """Ids that have a sidecar, oldest first."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        found = [name[:-5] for name in names if name.endswith(".json") and sidecar.is_id(name[:-5])]
        return sorted(found, key=_by_time)

    def read(self, identity: str) -> Sidecar:
        """One backup's sidecar; ``BadSidecar`` when it can't be believed."""
        return sidecar.read(sidecar.sidecar_path(self.path, identity))

    def readable(self) -> list[Sidecar]:
        """All backups whose sidecar can be believed, oldest first; their data is not looked at."""
        found = []
        for identity in self.ids():
            with contextlib.suppress(sidecar.BadSidecar):
                found.append(self.read(identity))
        return found

    def free(self) -> int:
        """Bytes that may be written where backups go."""
        place = self.path
        while not os.path.exists(place):
            place = os.path.dirname(place)
        space = os.statvfs(place)
        return space.f_bavail * space.f_frsize


def _by_time(identity: str) -> tuple[str, int]:
    """20261121_101500_10 comes after 20261121_101500_2."""
    return identity[:15], int(identity[16:] or 1)
