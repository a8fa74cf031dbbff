# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a site lives, as the release logic sees it: a small protocol, and its implementation on a local disk.

All names are relative to the site's base folder and use forward slashes. The logic of records, locks, swaps and
pruning is written against ``Store`` alone, so that hosts reached only by SFTP or an API serve the same logic
(``backends.open_store`` opens them).
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import os
import secrets
import shutil
import stat
import time
import typing as t

from .._common.errors import Refused
from .._common.files import exchange, fsync_folder, site_base, write_atomic
from .._common.progress import Advance, Say, silent, unseen
from .._common.runner import Later
from .manifest import Manifest
from .verify import Drift, Scan, verify_tree
from .walk import Rules, manifest_of

STATE = ".runbook"


@dataclasses.dataclass(frozen=True)
class Stat:
    """What a name is: ``kind`` is ``folder``, ``file``, ``link`` or ``other``; ``size`` in bytes; ``mode`` permission bits;
    ``mtime`` in seconds since 1970, 0 where it is not known."""

    kind: str
    size: int
    mode: int
    mtime: float = 0.0


class Store(t.Protocol):
    """The operations that release logic needs. Missing names answer ``None``; other trouble is an ``OSError``.

    ``links`` is false where names can't be symbolic links: there ``current`` is the live release's own folder.
    """

    @property
    def base(self) -> str: ...
    @property
    def links(self) -> bool: ...
    def absolute(self, name: str) -> str: ...
    def check_base(self) -> bool: ...
    def stat(self, name: str) -> Stat | None: ...
    def names(self, folder: str) -> list[str]: ...
    def entries(self, folder: str) -> dict[str, Stat]: ...
    def read(self, name: str) -> bytes | None: ...
    def read_each(self, names: t.Sequence[str]) -> list[bytes | None]: ...
    def read_link(self, name: str) -> str | None: ...
    def write(self, name: str, data: bytes, mode: int = 0o600) -> None: ...
    def append(self, name: str, data: bytes) -> None: ...
    def make_folder(self, name: str, mode: int) -> None: ...
    def chmod(self, name: str, mode: int) -> None: ...
    def link(self, target: str, name: str) -> None: ...

    def rename(self, old: str, new: str) -> bool:
        """Rename, over a file or link that has the new name. Whether that was one atomic step."""

    def exchange(self, one: str, other: str) -> bool: ...

    def trade(self, current: str, aside: str, new: str) -> float:
        """Move a folder aside and another into its place, undone when the second step fails. For how many milliseconds the
        name was missing."""

    def remove(self, name: str) -> None: ...
    def remove_tree(self, name: str) -> None: ...
    def empty_trash(self) -> None: ...
    def mutex(self) -> t.ContextManager[None]: ...

    def settle(self) -> str:
        """Put right what a killed run left of a rename that is not atomic here. Says what was done, if anything was."""

    def verify(self, folder: str, manifest: Manifest, advance: Advance = unseen) -> tuple[Drift, str]:
        """How a folder differs from a manifest, every byte hashed; and ``stamp`` of what was hashed."""

    def stamp(self, folder: str) -> str:
        """A digest of what can be seen of a folder without reading it. While it is the same, nobody touched the folder."""

    def manifest_of(self, folder: str, say: Say = silent) -> Manifest:
        """What a folder that nobody staged consists of, as it is."""


@dataclasses.dataclass
class Put:
    """What a tree was made of. ``stamps``: what can be seen of each file without reading it, by its path in the tree; ``stamp``: the
    whole tree's, where it is known already."""

    linked: int = 0
    copied: int = 0
    sent_files: int = 0
    sent_bytes: int = 0
    resumed: int = 0
    stamps: dict[str, str] = dataclasses.field(default_factory=dict)
    stamp: str = ""
    notes: list[str] = dataclasses.field(default_factory=list)


class RemoteStore(Store, t.Protocol):
    """A store that is filled from the controller, because nothing can be executed where it is.

    ``hard_links`` is false where every file is sent, whatever releases there have.
    """

    @property
    def hard_links(self) -> bool: ...

    def put_tree(
        self, source: str, manifest: Manifest, folder: str, known: t.Mapping[str, tuple[str, str]], say: Say = silent, hardlink: bool = True
    ) -> Put:
        """Make ``folder`` the tree of ``manifest``, proven by reading back what was sent.

        ``known``: for a sha256 a file of a verified release that has that content, and its stamp as it was then. ``folder`` may
        hold what an interrupted call had sent; that counts once it was read back too.
        """

    def write_each(self, files: t.Mapping[str, bytes], move: tuple[str, str] | None = None) -> None:
        """Write several files of one folder, each as ``write`` does. ``move``: a rename (old, new) that depends on none of them, and may
        be made at any time meanwhile."""

    def space(self) -> tuple[int, int] | None:
        """Free bytes and inodes, where the host tells."""


def trade_by_renames(store: Store, current: str, aside: str, new: str) -> float:
    """``Store.trade`` where there is nothing better."""
    began = time.monotonic()
    store.rename(current, aside)
    try:
        store.rename(new, current)
    except OSError:
        store.rename(aside, current)
        raise
    return (time.monotonic() - began) * 1000


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "file"
    return "link" if stat.S_ISLNK(mode) else "other"


class LocalStore:
    """A site on a disk of this machine. Every change of names is flushed before the call returns."""

    links = True

    def __init__(self, base: str, later: Later | None = None) -> None:
        """``later``: what deletes the content of removed folders after the result (``Run.later``); at once without it."""
        self.base = site_base(os.path.expanduser(base))
        self._later = later

    def absolute(self, name: str) -> str:
        """The absolute path of a name of the site."""
        return f"{self.base}/{name}" if name else self.base

    def check_base(self) -> bool:
        """Whether the base exists; refuses one that is not a folder or that any user could tamper with."""
        try:
            found = os.stat(self.base)
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(found.st_mode):
            raise Refused(f"{self.base} is not a folder; give the site's base folder, or move that file away")
        if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            raise Refused(f"{self.base} is writable by every user, anybody could replace what is served; run: chmod o-w {self.base}")
        return True

    def stat(self, name: str) -> Stat | None:
        try:
            found = os.lstat(self.absolute(name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Stat(_kind(found.st_mode), found.st_size, stat.S_IMODE(found.st_mode), found.st_mtime)

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(self.absolute(folder)))
        except FileNotFoundError:
            return []

    def entries(self, folder: str) -> dict[str, Stat]:
        found = {name: self.stat(f"{folder}/{name}" if folder else name) for name in self.names(folder)}
        return {name: what for name, what in found.items() if what}

    def read(self, name: str) -> bytes | None:
        try:
            fd = os.open(self.absolute(name), os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        with os.fdopen(fd, "rb") as stream:
            return stream.read()

    def read_each(self, names: t.Sequence[str]) -> list[bytes | None]:
        return [self.read(name) for name in names]

    def read_link(self, name: str) -> str | None:
        try:
            return os.readlink(self.absolute(name))
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.EINVAL:  # there, but not a link
                return None
            raise

    def write(self, name: str, data: bytes, mode: int = 0o600) -> None:
        """Replace a file in one step; the new one has that mode whatever the old one had."""
        path = self.absolute(name)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        write_atomic(path, data, mode)

    def append(self, name: str, data: bytes) -> None:
        """Add one line. A line that an earlier run was killed in is closed first, so that only that one is unreadable."""
        fd = os.open(self.absolute(name), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "rb+", buffering=0) as stream:
            size = stream.seek(0, os.SEEK_END)
            torn = False
            if size:
                stream.seek(size - 1)
                torn = stream.read(1) != b"\n"
            left = memoryview((b"\n" if torn else b"") + data)
            while left:  # a disk that is nearly full takes a part, and says so only when asked again
                left = left[stream.write(left) :]
            os.fsync(stream.fileno())

    def make_folder(self, name: str, mode: int) -> None:
        path = self.absolute(name)
        missing = []
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        for folder in reversed(missing):
            try:
                os.mkdir(folder, mode)
            except FileExistsError:
                if os.path.isdir(folder):  # another process made it meanwhile, the mutex lies in one of these itself
                    continue
                raise
            os.chmod(folder, mode)  # whatever the umask
            fsync_folder(os.path.dirname(folder))

    def chmod(self, name: str, mode: int) -> None:
        """Give a file or folder that mode; a link is followed, so it is for names that ``stat`` has told of."""
        os.chmod(self.absolute(name), mode)

    def link(self, target: str, name: str) -> None:
        os.symlink(target, self.absolute(name))
        fsync_folder(os.path.dirname(self.absolute(name)))

    def rename(self, old: str, new: str) -> bool:
        source, dest = self.absolute(old), self.absolute(new)
        os.rename(source, dest)
        fsync_folder(os.path.dirname(dest))
        if os.path.dirname(source) != os.path.dirname(dest):
            fsync_folder(os.path.dirname(source))
        return True

    def exchange(self, one: str, other: str) -> bool:
        """Swap two names in one step; ``False`` where the kernel or file system can't."""
        return exchange(self.absolute(one), self.absolute(other))

    def trade(self, current: str, aside: str, new: str) -> float:
        return trade_by_renames(self, current, aside, new)

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.absolute(name))
            fsync_folder(os.path.dirname(self.absolute(name)))

    def remove_tree(self, name: str) -> None:
        """Remove a folder: renamed out of sight first, so that a killed removal leaves no half release under its name."""
        if self.stat(name) is None:
            return
        trash = f"{STATE}/trash/{secrets.token_hex(6)}"
        self.make_folder(f"{STATE}/trash", 0o700)
        self.rename(name, trash)
        # Only what was thrown away here: trash of others that can't be deleted must not keep a lock from being given back.
        if self._later is None:
            self._destroy(self.absolute(trash))
        else:
            self._later(lambda: self._destroy_alone(self.absolute(trash)))

    def _destroy_alone(self, path: str) -> None:
        """Delete what is in the trash, unless another run has come to it first."""
        with self.mutex():
            if os.path.lexists(path):
                self._destroy(path)

    def settle(self) -> str:
        return ""  # every rename is atomic

    def verify(self, folder: str, manifest: Manifest, advance: Advance = unseen) -> tuple[Drift, str]:
        return verify_tree(self.absolute(folder), manifest, advance)

    def stamp(self, folder: str) -> str:
        return Scan(self.absolute(folder)).stamp()

    def manifest_of(self, folder: str, say: Say = silent) -> Manifest:
        return manifest_of(self.absolute(folder), Rules(keep_all=True), say)

    def empty_trash(self) -> None:
        """Delete what was thrown away by runs that were killed."""
        for name in self.names(f"{STATE}/trash"):
            self._destroy(self.absolute(f"{STATE}/trash/{name}"))

    @staticmethod
    def _destroy(path: str) -> None:
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
            return
        everything = os.R_OK | os.W_OK | os.X_OK
        if not os.access(path, everything):
            os.chmod(path, 0o700)
        for folder, folders, _files in os.walk(path):
            # A release may carry folders that its own owner can't write to.
            for child in (os.path.join(folder, each) for each in folders):
                if not os.path.islink(child) and not os.access(child, everything):
                    os.chmod(child, 0o700)
        shutil.rmtree(path)

    @contextlib.contextmanager
    def mutex(self) -> t.Iterator[None]:
        """Exclude other processes on this host while state is read and changed. Ends with the process, however it ends."""
        self.make_folder(STATE, 0o700)
        fd = os.open(self.absolute(f"{STATE}/mutex"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)
