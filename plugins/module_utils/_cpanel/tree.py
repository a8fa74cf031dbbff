# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole trees as the API shows them: what they consist of, whether they are what a manifest says, and how far that can be proved."""

from __future__ import annotations

import hashlib
import typing as t

from .._common.errors import RunbookError
from .._common.progress import Advance
from .._release.manifest import Entry, Manifest
from .._release.verify import Drift
from .answers import ApiError
from .facts import Item
from .files import Files

READ_LARGEST = 4 * 1024 * 1024  # bytes: how large a file is asked back for, nobody says how large they may be
READ_MOST = 128 * 1024 * 1024  # bytes that are read back for one release, the smallest files first
UNREADABLE = 20  # files that may come back changed before the API counts as unable to give files back
_KINDS = {"d": "folder", "f": "file", "l": "link"}


def stamp_of(found: t.Mapping[str, Item]) -> str:
    """A digest of all names with their kinds, sizes, times of change (whole seconds) and permissions."""
    digest = hashlib.sha256()
    for path in sorted(found):
        what = found[path]
        own = "" if what.kind == "folder" else f"{what.size} {what.mtime}"
        digest.update(f"{path}\0{what.kind} {what.mode:o} {own}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def compare(found: t.Mapping[str, Item], manifest: Manifest) -> Drift:
    """What differs in names, kinds and sizes. Where a link leads, no answer tells."""
    drift = Drift([], [], [])
    for entry in manifest.entries:
        seen = found.get(entry.path)
        if seen is None:
            drift.missing.append(entry.path)
        elif seen.kind != _KINDS[entry.kind] or (entry.kind == "f" and seen.size != entry.size):
            drift.drifted.append(entry.path)
    known = {entry.path for entry in manifest.entries}
    drift.extra.extend(sorted(path for path in found if path not in known))
    return drift


class Proof(t.NamedTuple):
    """``drifted``: paths with other contents; ``said``: what was proved, in words."""

    drifted: list[str]
    said: str


def read_back(files: Files, folder: str, manifest: Manifest, advance: Advance) -> Proof:
    """Ask for the files' contents and hash them, as far as the API gives them back."""
    chosen, total = [], 0
    for entry in sorted(manifest.files.values(), key=lambda each: each.size):
        if entry.size > READ_LARGEST or total + entry.size > READ_MOST:
            break
        chosen.append(entry)
        total += entry.size
    paths = {f"{folder}/{entry.path}": entry for entry in chosen}
    drifted, good, odd = [], 0, 0
    try:
        wanted = {path: entry.digest for path, entry in paths.items()}
        for path, digest in files.hashes([(path, entry.size) for path, entry in paths.items()], wanted):
            entry = paths[path]
            advance(1, entry.size)
            if digest is None:
                odd += 1
                if odd > UNREADABLE:
                    break
            elif digest != entry.digest:
                drifted.append(entry.path)
            else:
                good += 1
    except ApiError as error:
        if error.kind == "unknown":
            raise
    count = len(manifest.files)
    links = sum(1 for entry in manifest.entries if entry.kind == "l")
    more = f"; {links:,} symbolic links are there, where they lead can't be read" if links else ""
    if good == count:
        return Proof(drifted, f"every name, size and byte of {count:,} files was read back and compared{more}")
    said = f"every name and size was compared, and the contents of {good:,} of {count:,} files were read back and hashed"
    if not good:
        said = "every name and size was compared; the host does not give contents back"
    return Proof(drifted, f"{said}; the others rest on the archive's own checksum, which the host checked as it unpacked{more}")


def manifest_of(files: Files, root: str, found: t.Mapping[str, Item], shown: str) -> Manifest:
    """The manifest of a folder, every file read; ``RunbookError`` for one that the API does not give back. ``root``: its path,
    ``found``: what is in it, ``shown``: how messages name it."""
    paths = []
    for path, what in found.items():
        if what.kind not in ("file", "folder"):
            raise RunbookError(f"{shown}/{path} is a {what.kind}, which can't be part of a release; move it away")
        if what.kind == "file":
            if what.size > READ_LARGEST:
                raise RunbookError(f"{shown}/{path} has {what.size:,} bytes, too many to be read through cPanel's API")
            paths.append((f"{root}/{path}", what.size))
    digests = {path[len(root) + 1 :]: digest for path, digest in files.hashes(paths, {})}
    lost = next((path for path, digest in digests.items() if digest is None), None)
    if lost is not None:
        raise RunbookError(f"{shown}/{lost} is not given back byte for byte by cPanel's API, so it can't be recorded")
    return Manifest.of(
        Entry(path, "d", what.mode, 0, "") if what.kind == "folder" else Entry(path, "f", what.mode, what.size, digests[path] or "")
        for path, what in found.items()
    )
