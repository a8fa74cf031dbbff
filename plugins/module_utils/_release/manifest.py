# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release consists of: every folder, file and link with its mode and sha256, and a digest for each subtree.

Subtree digests (as git's trees) let a controller learn in one question which folders a host lacks: equal digests mean
equal content, whatever the release or the folder is called.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import hashlib
import json
import typing as t

from .._common.errors import RunbookError

# Bytes of a subtree digest that are sent to ask "do you have this?". A collision can't do harm: the answer is
# used to rebuild the whole manifest, whose full root digest is compared before anything is written.
SHORT = 8


class Entry(t.NamedTuple):
    """One name of a release. ``digest`` is a file's sha256 (hex), a link's target, and empty for a folder."""

    path: str
    kind: str  # "f", "l" or "d"
    mode: int
    size: int
    digest: str


def parent(path: str) -> str:
    """The folder of a name; the root is the empty string."""
    return path.rpartition("/")[0]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """All entries of a release in order of their paths."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, entries: t.Iterable[Entry]) -> Manifest:
        """A manifest of entries in any order; folders that are only implied are added."""
        known = {entry.path: entry for entry in entries}
        for path in list(known):
            folder = parent(path)
            while folder and folder not in known:
                known[folder] = Entry(folder, "d", 0o755, 0, "")
                folder = parent(folder)
        return cls(tuple(known[path] for path in sorted(known)))

    @functools.cached_property
    def children(self) -> dict[str, list[Entry]]:
        """What lies directly in each folder (the root is ``""``), in order of the names."""
        children: dict[str, list[Entry]] = {"": []}
        for entry in self.entries:
            if entry.kind == "d":
                children.setdefault(entry.path, [])
            children[parent(entry.path)].append(entry)
        return children

    @functools.cached_property
    def trees(self) -> dict[str, str]:
        """The digest (sha256, hex) of all that is below each folder (the root is ``""``)."""
        trees: dict[str, str] = {}
        # A folder's path sorts before the paths below it, so the reverse order meets children first.
        for path in sorted(self.children, reverse=True):
            cut = len(path) + 1 if path else 0
            # NUL alone ends a field: names and link targets may hold line breaks, and would else pass for other entries.
            lines = [
                f"{entry.kind} {entry.mode:o} {entry.size} {entry.path[cut:]}\0{trees[entry.path] if entry.kind == 'd' else entry.digest}\0"
                for entry in self.children[path]
            ]
            trees[path] = hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
        return trees

    @property
    def root(self) -> str:
        """The sha256 (hex) that names this exact content."""
        return self.trees[""]

    @functools.cached_property
    def files(self) -> dict[str, Entry]:
        return {entry.path: entry for entry in self.entries if entry.kind == "f"}

    @property
    def total_bytes(self) -> int:
        return sum(entry.size for entry in self.entries if entry.kind == "f")

    def below(self, folder: str) -> t.Sequence[Entry]:
        """All entries inside a folder, at any depth."""
        if not folder:
            return self.entries
        paths = self._paths
        return self.entries[bisect.bisect_left(paths, folder + "/") : bisect.bisect_left(paths, folder + "0")]

    @functools.cached_property
    def _paths(self) -> list[str]:
        return [entry.path for entry in self.entries]

    def to_json(self) -> bytes:
        """One line of JSON with the digest of the second, which holds the subtree digests and the entries."""
        body = json.dumps({"trees": self.trees, "entries": self.entries}, separators=(",", ":")).encode()
        head = {"format": 1, "root": self.root, "sha256": hashlib.sha256(body).hexdigest()}
        return b"\n".join((json.dumps(head).encode(), body, b""))

    @classmethod
    def from_json(cls, data: bytes, like: Manifest | None = None) -> Manifest:
        """The manifest of ``to_json``; ``RunbookError`` when its bytes were damaged. Entries that ``like`` has too are its own objects:
        releases differ little, and several of them are in memory at once."""
        begin, end = data.find(b"\n") + 1, len(data)
        while end > begin and data[end - 1] == 10:
            end -= 1
        # A view, and no list beside the entries: the text of 25,000 files would else be there four times while it is read.
        body = memoryview(data)[begin:end]
        try:
            if hashlib.sha256(body).hexdigest() != json.loads(data[:begin])["sha256"]:
                raise ValueError("its bytes were altered")
            document = json.loads(str(body, "utf-8"))
            manifest = cls(tuple(_shared(document.pop("entries"), like.entries if like else ())))
            # Computed when it was written and covered by the digest just checked.
            manifest.__dict__["trees"] = document["trees"]
        except (ValueError, TypeError, KeyError) as error:
            raise RunbookError(f"its manifest can't be used ({error})") from error
        return manifest


def _shared(rows: list[t.Any], known: t.Sequence[Entry]) -> list[Entry]:
    """The rows as entries, in the place of the rows; those that are known, in the same order of paths, are the known objects."""
    at, end = 0, len(known)
    for index, row in enumerate(rows):
        entry = Entry._make(row)
        while at < end and known[at].path < entry.path:
            at += 1
        rows[index] = known[at] if at < end and known[at] == entry else entry
    return rows


@dataclasses.dataclass(frozen=True)
class Changes:
    """How one manifest differs from another: paths of files and links, folders left out."""

    added: list[str]
    changed: list[str]
    removed: list[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def compare(old: Manifest | None, new: Manifest) -> Changes:
    """What must happen to ``old`` (``None``: nothing there) to make it ``new``."""
    before = {entry.path: entry for entry in (old.entries if old else ()) if entry.kind != "d"}
    after = {entry.path: entry for entry in new.entries if entry.kind != "d"}
    return Changes(
        added=[path for path in after if path not in before],
        changed=[path for path, entry in after.items() if path in before and before[path] != entry],
        removed=[path for path in before if path not in after],
    )
