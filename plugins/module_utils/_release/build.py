# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build a release's tree on a local disk out of what is there: earlier releases, uploaded files, a source folder."""

from __future__ import annotations

import contextlib
import dataclasses
import grp
import os
import pwd
import stat
import typing as t

from .._common.errors import InvalidInput, Refused
from .._common.progress import Advance, unseen
from .manifest import Entry, Manifest
from .site import RELEASES, Record, Site
from .store import LocalStore, Store

# ext4 allows 65,000 names for one inode.
MOST_LINKS = 60_000
# How many releases are searched for content: what none of the newest has is cheaper to send than to look for.
SEARCHED = 3


@dataclasses.dataclass(frozen=True)
class Owner:
    """Numeric owner of new files; ``None``: whatever this process gives them."""

    uid: int | None
    gid: int | None

    @classmethod
    def named(cls, owner: str | None, group: str | None) -> Owner:
        """Look up names or numbers; ``InvalidInput`` for unknown ones."""
        try:
            uid = None if not owner else int(owner) if str(owner).isdigit() else pwd.getpwnam(owner).pw_uid
        except KeyError:
            raise InvalidInput(f"owner {owner!r} is not a user of this host; create it first or correct owner") from None
        try:
            gid = None if not group else int(group) if str(group).isdigit() else grp.getgrnam(group).gr_gid
        except KeyError:
            raise InvalidInput(f"group {group!r} is not a group of this host; create it first or correct group") from None
        return cls(uid, gid)

    def give(self, path: str) -> None:
        if self.uid is not None or self.gid is not None:
            os.chown(path, -1 if self.uid is None else self.uid, -1 if self.gid is None else self.gid, follow_symlinks=False)

    def has(self, seen: os.stat_result) -> bool:
        """Whether a file already belongs to whom new ones would."""
        uid = os.geteuid() if self.uid is None else self.uid
        return seen.st_uid == uid and (self.gid is None or seen.st_gid == self.gid)


class Known:
    """Where this host has content already: sha256 to a path in a complete release, newest release first."""

    def __init__(self, site: Site, store: Store, records: t.Mapping[str, Record]) -> None:
        self._site, self._store = site, store
        usable = [record for record in records.values() if record.state in ("ready", "live", "retired") and site.exists(record.id)]
        self._releases = sorted(usable, key=lambda item: (item.state == "live", item.created), reverse=True)[:SEARCHED]
        self._manifests: dict[str, Manifest] = {}

    def releases(self) -> list[str]:
        """The releases that are looked at, the live one first."""
        return [record.id for record in self._releases]

    def manifest(self, release: str) -> Manifest | None:
        """The manifest of any release, read once; ``RunbookError`` for a damaged one."""
        return self._manifests.get(release) or self._site.manifest(release, self.any)

    @property
    def any(self) -> Manifest | None:
        """A manifest that has been read, if there is one: others are much like it."""
        return next(iter(self._manifests.values()), None)

    def manifests(self) -> t.Iterator[tuple[str, Manifest]]:
        """Release ids and manifests, the live one first, loaded when asked for."""
        for record in self._releases:
            if record.id not in self._manifests:
                manifest = self._site.usable_manifest(record.id, self.any)
                if manifest is None:
                    continue
                self._manifests[record.id] = manifest
            yield record.id, self._manifests[record.id]

    def find(self, wanted: t.Iterable[str]) -> dict[str, str]:
        """The absolute paths of those sha256 that some release has."""
        left = set(wanted)
        found: dict[str, str] = {}
        for release, manifest in self.manifests():
            if not left:
                break
            root = self._store.absolute(f"{RELEASES}/{release}")
            for entry in manifest.entries:
                if entry.kind == "f" and entry.digest in left:
                    found[entry.digest] = f"{root}/{entry.path}"
                    left.discard(entry.digest)
        return found


@dataclasses.dataclass
class Built:
    """What a tree was made of: counts of files, and the sha256 that nothing could supply."""

    linked: int = 0
    copied: int = 0
    moved: int = 0
    lacking: list[str] = dataclasses.field(default_factory=list)
    linked_from: dict[str, str] = dataclasses.field(default_factory=dict)  # path in the release -> file it was linked from


class Builder:
    """Creates a tree below ``root`` (which must not exist) from a manifest. ``placed`` is called after each of its files, in order."""

    def __init__(
        self,
        root: str,
        owner: Owner,
        *,
        known: t.Mapping[str, str],
        blobs: str,
        source: str | None = None,
        hardlink: bool = True,
        advance: Advance = unseen,
        placed: t.Callable[[], None] = lambda: None,
    ) -> None:
        self.root = root
        self.owner = owner
        self.known = known
        self.blobs = blobs
        self.source = source
        self.hardlink = hardlink
        self._advance = advance
        self._file_placed = placed
        self.built = Built()
        self._placed: dict[str, str] = {}  # sha256 -> file of this tree that an upload was moved to

    def build(self, manifest: Manifest) -> Built:
        old = os.umask(0)
        try:
            os.mkdir(self.root, 0o755)
            self.owner.give(self.root)
            for entry in manifest.entries:
                self._place(entry)
            # Last, and exactly: a folder may be read-only for its own owner, and some inherit bits from those above.
            for entry in reversed(manifest.entries):
                if entry.kind == "d":
                    os.chmod(f"{self.root}/{entry.path}", entry.mode)
        finally:
            os.umask(old)
        return self.built

    def _place(self, entry: Entry) -> None:
        path = f"{self.root}/{entry.path}"
        if entry.kind == "d":
            os.mkdir(path, entry.mode | 0o700)
        elif entry.kind == "l":
            os.symlink(entry.digest, path)
        else:
            self._place_file(entry, path)
            self._file_placed()
            return
        self.owner.give(path)

    def _place_file(self, entry: Entry, path: str) -> None:
        blob = f"{self.blobs}/{entry.digest}"
        known = self.known.get(entry.digest)
        if known and self._link_or_copy(entry, known, path):
            return
        if self.source is not None:
            self._copy(f"{self.source}/{entry.path}", entry, path)
        elif entry.digest in self._placed:
            self._copy(self._placed[entry.digest], entry, path)
        elif os.path.exists(blob):
            os.rename(blob, path)
            os.chmod(path, entry.mode)
            self.owner.give(path)
            self._placed[entry.digest] = path
            self.built.moved += 1
            self._advance(1, entry.size)
        else:
            self.built.lacking.append(entry.digest)

    def _link_or_copy(self, entry: Entry, known: str, path: str) -> bool:
        try:
            seen = os.lstat(known)
        except (FileNotFoundError, NotADirectoryError):
            return False
        if not stat.S_ISREG(seen.st_mode) or seen.st_size != entry.size:
            return False
        same = stat.S_IMODE(seen.st_mode) == entry.mode and self.owner.has(seen)
        self.built.linked_from[entry.path] = known
        if self.hardlink and same and seen.st_nlink < MOST_LINKS:
            # Some file systems have no hard links, and some forbid those to others' files.
            with contextlib.suppress(OSError):
                os.link(known, path)
                self.built.linked += 1
                self._advance(1, entry.size)
                return True
        self._copy(known, entry, path)
        return True

    def _copy(self, source: str, entry: Entry, path: str) -> None:
        fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(fd, "rb") as old, open(path, "xb") as new:
            while data := old.read(1 << 20):
                new.write(data)
                self._advance(0, len(data))
        os.chmod(path, entry.mode)
        self.owner.give(path)
        self.built.copied += 1
        self._advance(1, 0)


def check_space(store: LocalStore, needed: int, names: int) -> None:
    """Refuse before anything is written when bytes or inodes would run out."""
    place = store.base
    while not os.path.exists(place):
        place = os.path.dirname(place)
    disk = os.statvfs(place)
    free = disk.f_bavail * disk.f_frsize
    wanted = needed + max(1 << 20, needed // 50)  # folders, links and records
    if wanted > free:
        raise Refused(
            f"not enough space for the release on {place}: needs {wanted / 1e6:.1f} MB, {free / 1e6:.1f} MB free;"
            " nothing was written, free space or run release_prune",
            needed_bytes=wanted,
            free_bytes=free,
        )
    if disk.f_files and names > disk.f_favail:
        raise Refused(
            f"not enough inodes for the release on {place}: needs {names:,}, {disk.f_favail:,} free;"
            " nothing was written, remove old releases",
            needed_inodes=names,
            free_inodes=disk.f_favail,
        )
