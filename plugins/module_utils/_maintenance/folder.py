# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the entries of a folder what they should be, relative to the folder itself.

A site's base often belongs to an unprivileged account while the module runs as root and gives files away (``owner``). Every step
is therefore relative to an open folder and never follows a link, so that nobody can lead it elsewhere between two steps.
Each ``ensure_…`` method answers whether something was wrong, and puts it right unless the folder is ``dry`` (check mode).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import secrets
import stat
import typing as t

from .._common.errors import Refused

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PARTIAL = re.compile(r"\.[^/]*\.[0-9a-f]{12}\.partial")


@dataclasses.dataclass(frozen=True)
class Owner:
    """Who shall own what is made; -1 leaves it to the system and accepts what is there."""

    uid: int = -1
    gid: int = -1

    def holds(self, found: os.stat_result) -> bool:
        return self.uid in (-1, found.st_uid) and self.gid in (-1, found.st_gid)


class Folder:
    """An open folder. ``fd`` is None for one that check mode only imagines: it is empty."""

    def __init__(self, fd: int | None, path: str, owner: Owner, dry: bool) -> None:
        self.fd = fd
        self.path = path
        self.owner = owner
        self.dry = dry

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def found(self, name: str) -> os.stat_result | None:
        """What is there under that name (a link itself, not its target), or None."""
        if self.fd is None:
            return None
        try:
            with self._told(name):
                return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        """The sorted names in the folder, without what an interrupted run left behind."""
        return [name for name in self._all() if not _PARTIAL.fullmatch(name)]

    def read(self, name: str) -> bytes | None:
        """The content of a regular file, or None when there is none; anything else under that name is refused."""
        found = self.found(name)
        if found is None:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise Refused(f"{self.path}/{name} is not a regular file; look at what it is, move it away and run again")
        with self._told(name):
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.fd)
        with os.fdopen(fd, "rb") as stream:
            return stream.read()

    def child(self, name: str) -> Folder:
        """The folder of that name; an imagined one when it does not exist. A link or a file there is refused."""
        found = self.found(name)
        path = f"{self.path}/{name}"
        if found is None:
            return Folder(None, path, self.owner, self.dry)
        if not stat.S_ISDIR(found.st_mode):
            raise Refused(f"{path} is not a folder; look at what it is, move it away and run again")
        with self._told(name):
            return Folder(os.open(name, _DIRECTORY, dir_fd=self.fd), path, self.owner, self.dry)

    def ensure_folder(self, name: str, mode: int) -> bool:
        """A folder of that name, mode and owner."""
        found = self.found(name)
        if found is not None and stat.S_IMODE(found.st_mode) == mode and self.owner.holds(found):
            return False
        if not self.dry:
            with self._told(name):
                if found is None:
                    os.mkdir(name, mode, dir_fd=self.fd)
                fd = os.open(name, _DIRECTORY, dir_fd=self.fd)
                try:
                    # Owner first: chown may clear mode bits.
                    self._give(fd)
                    os.fchmod(fd, mode)
                finally:
                    os.close(fd)
        return True

    def ensure_file(self, name: str, data: bytes, mode: int, owner: Owner | None = None) -> bool:
        """A regular file of that content, mode and owner, at every moment wholly the old or wholly the new one."""
        owner = owner or self.owner
        found = self.found(name)
        if found is not None and stat.S_IMODE(found.st_mode) == mode and owner.holds(found) and self.read(name) == data:
            return False
        if not self.dry:
            partial = _partial(name)
            with self._told(name):
                fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=self.fd)
                try:
                    with os.fdopen(fd, "wb") as stream:
                        stream.write(data)
                        stream.flush()
                        self._give(fd, owner)
                        os.fchmod(fd, mode)
                        if data:
                            os.fsync(fd)
                    os.rename(partial, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
                except BaseException:
                    with contextlib.suppress(OSError):
                        os.unlink(partial, dir_fd=self.fd)
                    raise
        return True

    def ensure_link(self, name: str, target: str) -> bool:
        """A symbolic link to exactly that target."""
        found = self.found(name)
        if found is not None and stat.S_ISLNK(found.st_mode) and os.readlink(name, dir_fd=self.fd) == target:
            return False
        if not self.dry:
            partial = _partial(name)
            with self._told(name):
                os.symlink(target, partial, dir_fd=self.fd)
                os.rename(partial, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        return True

    def ensure_absent(self, name: str) -> bool:
        """No file and no link of that name."""
        if self.found(name) is None:
            return False
        if not self.dry:
            with self._told(name):
                os.unlink(name, dir_fd=self.fd)
        return True

    def ensure_only(self, wanted: t.Collection[str], data: bytes, mode: int) -> bool:
        """Exactly the wanted files, the new ones made before the old ones go."""
        changed = False
        for name in wanted:
            changed |= self.ensure_file(name, data, mode)
        for name in self._all():
            if name not in wanted:
                changed |= self.ensure_absent(name)
        return changed

    def remove_partials(self, names: t.Collection[str]) -> bool:
        """Remove what interrupted runs left beside the files of these names."""
        changed = False
        for name in self._all():
            if _PARTIAL.fullmatch(name) and name[1 : -len(".123456789abc.partial")] in names:
                changed |= self.ensure_absent(name)
        return changed

    def ensure_no_folder(self, name: str, ours: t.Collection[str] | None = None) -> bool:
        """No folder of that name, unless it holds something that is not ours (None: all is).

        Whoever put that there knows why, and without a flag it does no harm.
        """
        if self.found(name) is None:
            return False
        with self.child(name) as child:
            if ours is not None and any(entry not in ours for entry in child.names()):
                return False
        if not self.dry:
            with self._told(name):
                os.rmdir(name, dir_fd=self.fd)
        return True

    def sync(self) -> None:
        """Make the names in the folder survive a power failure."""
        if self.fd is not None and not self.dry:
            os.fsync(self.fd)

    def _all(self) -> list[str]:
        if self.fd is None:
            return []
        with self._told(None):
            return sorted(os.listdir(self.fd))

    def _give(self, fd: int, owner: Owner | None = None) -> None:
        owner = owner or self.owner
        if not owner.holds(os.fstat(fd)):
            os.fchown(fd, owner.uid, owner.gid)

    @contextlib.contextmanager
    def _told(self, name: str | None) -> t.Iterator[None]:
        """Errors name the folder, never an entry: in one of the folders the entry's name is a secret."""
        try:
            yield
        except OSError as error:
            public = name in ("maintenance.flag", "maintenance.d", ".htaccess", "page.html", "allow", "token", "retry")
            raise type(error)(error.errno, error.strerror, f"{self.path}/{name}" if public else self.path) from None


def open_folder(path: str, owner: Owner, dry: bool) -> Folder:
    """The existing folder at ``path``; links on the way are the operator's own and are followed."""
    return Folder(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), path, owner, dry)


def _partial(name: str) -> str:
    return f".{name}.{secrets.token_hex(6)}.partial"
