# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site that nobody is connected to: what would be done is written down, line by line, and done in memory only."""

from __future__ import annotations

import contextlib
import json
import posixpath
import stat
import typing as t

from .._common import clock
from .._common.progress import Advance, Say, silent, unseen
from .._release.manifest import Entry, Manifest
from .._release.site import RELEASES, Record
from .._release.store import STATE, Put, Stat
from .._release.verify import Drift

_MODES = {"folder": 0o755, "file": 0o644, "link": 0o777}


class Rehearsal:
    """A ``RemoteStore`` in memory, empty at the beginning. ``transcript``: what was done, as one line for each step. ``links``: whether
    names can be symbolic links on the host that it stands in for."""

    def __init__(self, path: str, links: bool = True) -> None:
        self.links = self.hard_links = links
        self.base = "/" + posixpath.normpath(path).strip("/") if path.startswith("/") else posixpath.normpath(path)
        self.transcript: list[str] = []
        self._names: dict[str, tuple[str, bytes]] = {"": ("folder", b"")}
        self._silent = False

    def assume(self, release: str) -> None:
        """Have a release that is ready, as a host has that it was staged on."""
        self._silent = True
        self.make_folder(f"{RELEASES}/{release}", 0o755)
        self.write(f"{STATE}/releases/{release}.json", Record(release, "ready", clock.now(), stamp=self.stamp("")).to_json())
        self._silent = False

    def assume_file(self, name: str) -> None:
        """Have a file that nobody but the user can have put there."""
        self._silent = True
        self.make_folder(posixpath.dirname(name), 0o755)
        self.write(name, b"")
        self._silent = False

    def _say(self, line: str) -> None:
        if not self._silent:
            self.transcript.append(line)

    def absolute(self, name: str) -> str:
        return f"{self.base}/{name}" if name else self.base

    def check_base(self) -> bool:
        return True

    def stat(self, name: str) -> Stat | None:
        found = self._names.get(name)
        return Stat(found[0], len(found[1]), _MODES[found[0]]) if found else None

    def names(self, folder: str) -> list[str]:
        prefix = f"{folder}/" if folder else ""
        return sorted({name[len(prefix) :].split("/")[0] for name in self._names if name.startswith(prefix) and name != folder})

    def entries(self, folder: str) -> dict[str, Stat]:
        found = {name: self.stat(f"{folder}/{name}" if folder else name) for name in self.names(folder)}
        return {name: what for name, what in found.items() if what}

    def read(self, name: str) -> bytes | None:
        found = self._names.get(name)
        return found[1] if found and found[0] == "file" else None

    def read_each(self, names: t.Sequence[str]) -> list[bytes | None]:
        return [self.read(name) for name in names]

    def read_link(self, name: str) -> str | None:
        found = self._names.get(name)
        return found[1].decode() if found and found[0] == "link" else None

    def write(self, name: str, data: bytes, mode: int = 0o600) -> None:
        self._say(f"write {self.absolute(name)} ({len(data):,} bytes)")
        self._put(name, "file", data)

    def write_each(self, files: t.Mapping[str, bytes], move: tuple[str, str] | None = None) -> None:
        for name, data in files.items():
            self.write(name, data)
        if move:
            self.rename(*move)

    def chmod(self, name: str, mode: int) -> None:
        self._say(f"chmod {mode:o} {self.absolute(name)}")

    def append(self, name: str, data: bytes) -> None:
        event = json.loads(data).get("event", "") if data.startswith(b"{") else ""
        self._say(f"append to {self.absolute(name)}{f': {event}' if event else ''}")
        self._put(name, "file", (self.read(name) or b"") + data)

    def make_folder(self, name: str, mode: int) -> None:
        if name in self._names:
            return
        self._put(name, "folder", b"")
        self._say(f"mkdir {self.absolute(name)} ({stat.filemode(stat.S_IFDIR | mode)})")

    def _put(self, name: str, kind: str, data: bytes) -> None:
        folder = posixpath.dirname(name)
        while folder and folder not in self._names:
            self._names[folder] = ("folder", b"")
            folder = posixpath.dirname(folder)
        self._names[name] = (kind, data)

    def link(self, target: str, name: str) -> None:
        self._say(f"symlink {self.absolute(name)} -> {target}")
        self._put(name, "link", target.encode())

    def rename(self, old: str, new: str) -> bool:
        self._say(f"rename {self.absolute(old)} to {self.absolute(new)}")
        for name in [name for name in self._names if name == old or name.startswith(old + "/")]:
            self._names[new + name[len(old) :]] = self._names.pop(name)
        return True

    def exchange(self, one: str, other: str) -> bool:
        return False

    def trade(self, current: str, aside: str, new: str) -> float:
        self.rename(current, aside)
        self.rename(new, current)
        return 0.0

    def remove(self, name: str) -> None:
        if self._names.pop(name, None):
            self._say(f"remove {self.absolute(name)}")

    def remove_tree(self, name: str) -> None:
        gone = [each for each in self._names if each == name or each.startswith(name + "/")]
        for each in gone:
            del self._names[each]
        if gone:
            self._say(f"remove {self.absolute(name)} and all in it")

    def empty_trash(self) -> None: ...

    def mutex(self) -> t.ContextManager[None]:
        return contextlib.nullcontext()

    def settle(self) -> str:
        return ""

    def verify(self, folder: str, manifest: Manifest, advance: Advance = unseen) -> tuple[Drift, str]:
        return Drift([], [], []), self.stamp(folder)

    def stamp(self, folder: str) -> str:
        return "rehearsed"

    def manifest_of(self, folder: str, say: Say = silent) -> Manifest:
        return Manifest.of([])

    def put_tree(
        self, source: str, manifest: Manifest, folder: str, known: t.Mapping[str, tuple[str, str]], say: Say = silent, hardlink: bool = True
    ) -> Put:
        self.make_folder(folder, 0o755)
        put = Put()
        for entry in manifest.entries:
            self._put_entry(entry, f"{folder}/{entry.path}", put)
        return put

    def _put_entry(self, entry: Entry, name: str, put: Put) -> None:
        if entry.kind == "d":
            self.make_folder(name, entry.mode)
        elif entry.kind == "l":
            self.link(entry.digest, name)
        else:
            self._say(f"put {entry.path} to {self.absolute(name)} ({entry.size:,} bytes, sha256 {entry.digest[:12]}, mode {entry.mode:o})")
            self._put(name, "file", b"")
            put.stamps[entry.path] = ""
            put.sent_files += 1
            put.sent_bytes += entry.size

    def space(self) -> tuple[int, int] | None:
        return None
