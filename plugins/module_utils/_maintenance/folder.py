# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the entries of a folder what they should be, relative to the folder itself.

A site's base often belongs to an unprivileged account while the module runs as root and gives files away (``owner``). Every step
is therefore relative to an open folder and never follows a link, so that nobody can lead it elsewhere between two steps.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import secrets
import stat
import typing as t

from .._common.errors import InvalidInput, Refused
from .._common.files import site_base
from .entries import HTACCESS, PUBLIC, Entries, Owner

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder(Entries):
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

    def is_file(self, name: str) -> bool:
        found = self.found(name)
        return found is not None and stat.S_ISREG(found.st_mode)

    def read(self, name: str) -> bytes | None:
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

    def ensure_content(self, name: str, data: bytes) -> bool:
        found = self.found(name)
        if found is None:
            return False
        return self.ensure_file(name, data, stat.S_IMODE(found.st_mode), Owner(found.st_uid, found.st_gid))

    def ensure_link(self, name: str, target: str) -> bool:
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
        if self.found(name) is None:
            return False
        if not self.dry:
            with self._told(name):
                os.unlink(name, dir_fd=self.fd)
        return True

    def ensure_no_folder(self, name: str, ours: t.Collection[str] | None = None) -> bool:
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
        if self.fd is not None and not self.dry:
            os.fsync(self.fd)

    def all_names(self) -> list[str]:
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
            raise type(error)(error.errno, error.strerror, f"{self.path}/{name}" if name in PUBLIC else self.path) from None


class OnDisk:
    """A site on a disk of this machine."""

    def __init__(self, path: str) -> None:
        self.base = site_base(path)

    def open(self, owner: Owner, dry: bool) -> Folder | None:
        folder = _open(self.base, owner, dry)
        if folder is None:
            return None
        found = os.fstat(t.cast(int, folder.fd))
        if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            folder.close()
            raise Refused(f"everybody may write in {self.base}, so anybody could switch maintenance; run chmod o-w {self.base} first")
        return folder

    def make(self, owner: Owner, dry: bool) -> None:
        if dry:
            return
        os.makedirs(self.base, 0o755)
        with Folder(os.open(self.base, _DIRECTORY), self.base, owner, False) as folder:
            os.fchown(t.cast(int, folder.fd), owner.uid, owner.gid)

    def nowhere(self) -> Folder:
        return Folder(None, self.base, Owner(), True)

    def beside(self, htaccess: str, owner: Owner, dry: bool) -> Folder | None:
        if not htaccess.startswith("/"):
            raise InvalidInput(f"htaccess {htaccess!r} must be the absolute path of a file named {HTACCESS}")
        return _open(posixpath.dirname(htaccess), owner, dry)

    def told(self, dry: bool) -> dict[str, t.Any]:
        return {}


def _open(path: str, owner: Owner, dry: bool) -> Folder | None:
    """The folder at ``path``, None where there is none; links on the way are the operator's own and are followed."""
    try:
        return Folder(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), path, owner, dry)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise InvalidInput(f"{path} is not a folder; path is the site's base folder, and a .htaccess lies in one") from None


def _partial(name: str) -> str:
    return f".{name}.{secrets.token_hex(6)}.partial"
