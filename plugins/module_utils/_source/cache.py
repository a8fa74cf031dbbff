# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of resolved sources: trees keyed by their content, made once, shared by all processes of a user.

    <root>/entries/<key>/tree       what was unpacked
    <root>/entries/<key>/entry.json written last: without it the entry does not exist
    <root>/partial/<key>            downloads that may be resumed
    <root>/git/<id>                 bare repositories
    <root>/digests/<name>           what a local archive's digest was, see ``source``
    <root>/locks/<name>             one lock file (flock) for each of them

An entry is made as ``<key>.building`` and renamed when complete, so a killed run leaves nothing half. An entry written
before the machine's last start counts as missing: it was not flushed to disk, so a power failure may have emptied its files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import re
import shutil
import stat
import time
import typing as t

from .._common.errors import InvalidInput, Refused, RunbookError

KEEP_DAYS = 14
KEEP_NEWEST = 10
_FRESH = 24 * 3600.0  # seconds; a source resolved within a day may still be in use by a running play
_WAIT = 1800.0  # seconds to wait for another process that builds the same entry
_KEY = re.compile(r"^[a-z0-9][a-z0-9.-]{0,190}$")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A complete tree; ``data`` is what its builder returned (JSON values), ``created`` whether this call made it."""

    path: str
    data: t.Mapping[str, t.Any]
    created: bool


def default_root() -> str:
    """``$XDG_CACHE_HOME/runbook.ops``, or the same below ``~/.cache``; a relative XDG_CACHE_HOME counts as unset."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "runbook.ops")


class Cache:
    """The cache below ``root`` (default: ``default_root()``), made with mode 0700 if missing.

    ``Refused`` when the folder belongs to somebody else or others may write to it: whoever can write there decides what
    is deployed. Entries handed out stay locked against pruning until ``close`` or the end of the process.
    """

    def __init__(self, root: str | None = None, *, keep_days: float = KEEP_DAYS, keep_newest: int = KEEP_NEWEST) -> None:
        root = os.path.expanduser(root or default_root())
        if not root.startswith("/"):
            raise InvalidInput(f"cache_dir {root!r} is not absolute")
        self._keep_seconds = keep_days * 86400
        self._keep_newest = keep_newest
        self._held: list[int] = []
        try:
            os.makedirs(os.path.dirname(root), exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.mkdir(root, 0o700)
            self.root = os.path.realpath(root)
            _trust(self.root)
            for part in ("entries", "partial", "git", "digests", "locks"):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(os.path.join(self.root, part), 0o700)
        except OSError as error:
            raise RunbookError(f"cache folder {root}: {error.strerror}; set cache_dir to a folder you may write") from None

    def close(self) -> None:
        """Let go of the entries handed out."""
        while self._held:
            os.close(self._held.pop())

    def entry(self, key: str, build: t.Callable[[str], t.Mapping[str, t.Any]]) -> Entry:
        """The entry ``key``; if it is missing, ``build(folder)`` makes the tree ``folder`` (not there yet) and returns its data.

        Of several processes that ask at once, one builds and the others wait for it.
        """
        fd = self._lock(key, fcntl.LOCK_SH)
        data = self._complete(key)
        created = data is None
        if data is None:
            os.close(fd)
            fd = self._lock(key, fcntl.LOCK_EX)
            try:
                data = self._complete(key)
                created = data is None
                if data is None:
                    data = self._build(key, build)
            except BaseException:
                os.close(fd)
                raise
            fcntl.flock(fd, fcntl.LOCK_SH)
        self._held.append(fd)
        if created:
            self.prune()
        return Entry(path=os.path.join(self._entry(key), "tree"), data=data, created=created)

    def partial(self, key: str) -> str:
        """Path of a download in progress; hold ``locked(key)`` while writing to it."""
        return os.path.join(self.root, "partial", _checked(key))

    def repository(self, key: str) -> str:
        """Path of a bare repository; hold ``locked(key)`` while using it."""
        return os.path.join(self.root, "git", _checked(key))

    def digests(self, key: str) -> str:
        """Path of a remembered digest; hold ``locked(key)`` while using it."""
        return os.path.join(self.root, "digests", _checked(key))

    @contextlib.contextmanager
    def locked(self, key: str) -> t.Iterator[int]:
        """Exclusive use of ``key``; yields the descriptor that holds the lock, for children that must hold it too."""
        fd = self._lock(key, fcntl.LOCK_EX)
        try:
            yield fd
        finally:
            os.close(fd)

    def prune(self) -> list[str]:
        """Remove what was not used for ``keep_days`` or is not among the newest; never what is locked or used within a day."""
        removed = []
        for part in ("entries", "partial", "git", "digests"):
            folder = os.path.join(self.root, part)
            seen: dict[str, float] = {}
            for name in os.listdir(folder):
                with contextlib.suppress(OSError):
                    key = name[: -len(".building")] if name.endswith(".building") else name
                    seen[key] = max(seen.get(key, 0.0), self._used(folder, name))
            oldest_kept = time.time() - self._keep_seconds
            for rank, (key, used) in enumerate(sorted(seen.items(), key=lambda item: -item[1])):
                if used > time.time() - _FRESH or (rank < self._keep_newest and used > oldest_kept):
                    continue
                if self._remove(folder, key):
                    removed.append(key)
        return removed

    # -- inside ------------------------------------------------------------------------------------------------

    def _entry(self, key: str) -> str:
        return os.path.join(self.root, "entries", _checked(key))

    def _complete(self, key: str) -> t.Mapping[str, t.Any] | None:
        """The data of a complete entry, whose last use becomes now."""
        record = os.path.join(self._entry(key), "entry.json")
        try:
            with open(record, encoding="utf-8") as stream:
                said = json.load(stream)
            os.utime(record)
        except (OSError, ValueError):
            return None
        data = said.get("data") if isinstance(said, dict) and said.get("boot") == _boot() else None
        return data if isinstance(data, dict) else None

    def _build(self, key: str, build: t.Callable[[str], t.Mapping[str, t.Any]]) -> t.Mapping[str, t.Any]:
        final = self._entry(key)
        building = final + ".building"
        for leftover in (building, final):
            _remove_tree(leftover)
        os.mkdir(building, 0o700)
        try:
            data = dict(build(os.path.join(building, "tree")))
            with open(os.path.join(building, "entry.json"), "w", encoding="utf-8") as stream:
                json.dump({"boot": _boot(), "data": data}, stream)
            os.rename(building, final)
        except BaseException:
            _remove_tree(building)
            raise
        return data

    def _used(self, folder: str, name: str) -> float:
        """Time of last use: of the entry's record, or of the file, repository or unfinished build itself."""
        path = os.path.join(folder, name)
        try:
            return os.stat(os.path.join(path, "entry.json")).st_mtime
        except OSError:
            return os.stat(path).st_mtime

    def _remove(self, folder: str, key: str) -> bool:
        if not _KEY.match(key):
            return False
        lock = os.path.join(self.root, "locks", key)
        fd = _open_lock(lock)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            for name in (key, key + ".building"):
                with contextlib.suppress(OSError):
                    if self._used(folder, name) > time.time() - _FRESH:
                        return False  # used between our look and our lock
                _remove_tree(os.path.join(folder, name))
            with contextlib.suppress(FileNotFoundError):
                os.unlink(lock)
            return True
        finally:
            os.close(fd)

    def _lock(self, key: str, kind: int) -> int:
        """A descriptor that holds the lock; waits for other holders."""
        path = os.path.join(self.root, "locks", _checked(key))
        deadline = time.monotonic() + _WAIT
        while True:
            fd = _open_lock(path)
            try:
                fcntl.flock(fd, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                if time.monotonic() > deadline:
                    raise RunbookError(
                        f"another process has been using the cache entry {key} in {self.root} for {_WAIT / 60:.0f} minutes; "
                        f"find it with 'fuser {path}'"
                    ) from None
                time.sleep(0.05)
                continue
            except BaseException:
                os.close(fd)
                raise
            # Whoever pruned may have removed the file between our opening and our locking it: then it locks nothing.
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(fd).st_ino == os.stat(path).st_ino:
                    return fd
            os.close(fd)


def _open_lock(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _remove_tree(path: str) -> None:
    """Remove a folder or file, if it is there."""
    try:
        shutil.rmtree(path)
    except NotADirectoryError:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _checked(key: str) -> str:
    if not _KEY.match(key) or key.endswith(".building"):
        raise ValueError(f"not a cache key: {key!r}")
    return key


def _trust(root: str) -> None:
    there = os.stat(root)
    if not stat.S_ISDIR(there.st_mode):
        raise Refused(f"cache folder {root} is no folder; set cache_dir to another one")
    if there.st_uid != os.geteuid():
        raise Refused(
            f"cache folder {root} belongs to user {there.st_uid}, not to user {os.geteuid()}; set cache_dir to a folder of your own"
        )
    if there.st_mode & 0o022:
        raise Refused(f"others may write to the cache folder {root}; run 'chmod 700 {root}', or set cache_dir to a private folder")


def _boot() -> str:
    """An id of the machine's current start; empty where the system does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""
