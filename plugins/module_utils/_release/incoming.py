# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has arrived of a release that is being staged, and what interrupted stagings left of theirs."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._common.errors import RunbookError
from .manifest import Entry, Manifest
from .site import INCOMING, RELEASES, Site
from .store import LocalStore


class Incoming:
    """One release's folder: ``blobs``, received files named by their sha256, and ``tree``, which is being built of them."""

    def __init__(self, store: LocalStore, site: Site, release: str) -> None:
        self._store, self._site, self._release = store, site, release
        self.path = f"{INCOMING}/{release}"
        self.blobs = self._store.absolute(f"{self.path}/blobs")
        self.tree = self._store.absolute(f"{self.path}/tree")

    def make(self) -> None:
        self._store.make_folder(f"{self.path}/blobs", 0o700)

    def arrived(self) -> set[str]:
        """The sha256 of the files that were received; they are hashed when the tree is verified."""
        return set(os.listdir(self.blobs)) if os.path.isdir(self.blobs) else set()

    def harvestable(self, manifest: Manifest) -> set[str]:
        """What an interrupted build had already moved out of the uploads."""
        trees = (self.tree, self._store.absolute(f"{RELEASES}/{self._release}"))
        return {entry.digest for tree in trees for entry, _path in _own_files(tree, manifest)}

    def harvest(self, manifest: Manifest) -> None:
        """Move the files of an interrupted build back to the uploads; they are hashed again in the new one."""
        if not os.path.isdir(self.tree):
            return
        os.makedirs(self.blobs, 0o700, exist_ok=True)
        for entry, path in _own_files(self.tree, manifest):
            with contextlib.suppress(PermissionError):
                os.rename(path, f"{self.blobs}/{entry.digest}")

    def reclaim(self) -> None:
        """Take back a tree that a run put in its place and was killed before it recorded it: it is built and verified again."""
        if self._site.exists(self._release):  # and unfinished, so it can't be current
            self._store.remove_tree(f"{self.path}/tree")
            self._store.make_folder(self.path, 0o700)
            self._store.rename(f"{RELEASES}/{self._release}", f"{self.path}/tree")

    def left_by_others(self, look_only: bool) -> dict[str, str]:
        """Files that interrupted runs under other ids had sent: sha256 to path. ``look_only``: move nothing."""
        found = {}
        for other in self._others():
            data = self._store.read(f"{other.path}/manifest.json")
            if data and not look_only:
                with contextlib.suppress(RunbookError):  # damaged: what that run had built is not worth stopping this one
                    other.harvest(Manifest.from_json(data))
            for name in self._store.names(f"{other.path}/blobs"):
                if len(name) == 64:
                    found[name] = f"{other.blobs}/{name}"
        return found

    def inherit(self, uploads: t.Mapping[str, str]) -> list[str]:
        """Make other runs' uploads this one's, forget the releases that they were for, and say so."""
        for name, path in uploads.items():
            os.rename(path, f"{self.blobs}/{name}")
        notes = []
        for other in self._others() if uploads else ():
            held = self._site.record(other._release)
            if held and held.state == "staging" and not self._site.exists(other._release):
                notes.append(f"what the interrupted staging of {other._release} had received was taken over")
                self._site.forget(other._release)
        return notes

    def _others(self) -> list[Incoming]:
        return [Incoming(self._store, self._site, name) for name in self._store.names(INCOMING) if name != self._release]


def _own_files(tree: str, manifest: Manifest) -> t.Iterator[tuple[Entry, str]]:
    """The manifest's files in a tree that no other release shares, and that may be whole."""
    for entry in manifest.entries if os.path.isdir(tree) else ():
        if entry.kind == "f":
            path = f"{tree}/{entry.path}"
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                seen = os.lstat(path)
                if seen.st_nlink == 1 and seen.st_size == entry.size:
                    yield entry, path
