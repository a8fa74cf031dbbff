# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove that a folder is exactly what a manifest says."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
import typing as t

from .._common.progress import Advance, unseen
from .manifest import Entry, Manifest
from .walk import hash_files


@dataclasses.dataclass
class Drift:
    """How a release differs from its manifest: paths by kind of difference."""

    drifted: list[str]
    missing: list[str]
    extra: list[str]

    def __bool__(self) -> bool:
        return bool(self.drifted or self.missing or self.extra)

    def describe(self, total: int) -> str:
        parts = [
            f"{len(names)} {what}" for what, names in (("changed", self.drifted), ("missing", self.missing), ("extra", self.extra)) if names
        ]
        first = next(iter([*self.drifted, *self.missing, *self.extra]), "")
        return f"{', '.join(parts)} of {total:,} entries, first {first}"


class Scan:
    """One look at every name below a folder: kinds, modes and inode stamps."""

    def __init__(self, root: str) -> None:
        self.found: dict[str, os.stat_result] = {}
        self._walk(root, "")

    def _walk(self, folder: str, prefix: str) -> None:
        with os.scandir(folder) as items:
            for item in items:
                path = prefix + item.name
                self.found[path] = item.stat(follow_symlinks=False)
                if item.is_dir(follow_symlinks=False):
                    self._walk(item.path, path + "/")

    def stamp(self) -> str:
        """A digest of all names and inodes. Whoever changes a byte, a mode or a name changes it (``ctime`` can't be set);
        a new hard link to a file changes it too, so that a difference proves nothing and equality proves that all is as it was."""
        digest = hashlib.sha256()
        for path in sorted(self.found):
            seen = self.found[path]
            own = (0, 0, 0) if stat.S_ISDIR(seen.st_mode) else (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
            digest.update(f"{path}\0{seen.st_mode} {seen.st_ino} {own}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def _shape_differs(root: str, entry: Entry, seen: os.stat_result) -> bool:
    mode = seen.st_mode
    if entry.kind == "l":
        return not stat.S_ISLNK(mode) or os.readlink(f"{root}/{entry.path}") != entry.digest
    if stat.S_IMODE(mode) != entry.mode:
        return True
    if entry.kind == "d":
        return not stat.S_ISDIR(mode)
    return not stat.S_ISREG(mode) or seen.st_size != entry.size


def verify_tree(
    root: str, manifest: Manifest, advance: Advance = unseen, hashed_by: t.Callable[[Advance], t.Mapping[str, int]] = lambda advance: {}
) -> tuple[Drift, str]:
    """Compare a folder with a manifest, every byte hashed. Returns the differences and the stamp of what was hashed.

    ``hashed_by``: answers which files have been hashed elsewhere and were what the manifest says, with the ``ctime`` (in ns) that they
    had before; those that have it here are not hashed again."""
    scan = Scan(root)
    right = hashed_by(advance)
    drift = Drift([], [], [])
    hashed: list[Entry] = []
    for entry in manifest.entries:
        seen = scan.found.get(entry.path)
        if seen is None:
            drift.missing.append(entry.path)
        elif _shape_differs(root, entry, seen):
            drift.drifted.append(entry.path)
        elif entry.kind == "f" and right.get(entry.path) != seen.st_ctime_ns:
            hashed.append(entry)
    known = {entry.path for entry in manifest.entries}
    drift.extra.extend(sorted(path for path in scan.found if path not in known))
    digests = hash_files([f"{root}/{entry.path}" for entry in hashed], sum(entry.size for entry in hashed), advance)
    drift.drifted.extend(entry.path for entry, digest in zip(hashed, digests) if digest != entry.digest)
    # The stamp was taken before the hashing: a byte changed in between changes the stamp of the next scan.
    return drift, scan.stamp()
