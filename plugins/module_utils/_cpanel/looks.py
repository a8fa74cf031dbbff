# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a site: what is asked while its mutex is held is asked once, because nobody else changes it.

What proves that a step was taken is not asked here: that has to be seen, and ``Files`` remembers nothing. But what is seen there is
learnt, and most often it answers the next question.
"""

from __future__ import annotations

import contextlib
import typing as t

from .._common.errors import Refused
from .._release.lock import LOCK
from .._release.site import HISTORY, INCOMING, JOURNAL, RELEASES, SHARED
from .._release.store import STATE
from .._remote.memory import Memory
from . import calls
from .answers import Answer
from .facts import Item
from .files import COMPARED, READ_AT_ONCE, Files, Listing
from .place import Place

TRASH = f"{STATE}/trash"
ARCHIVES = f"{STATE}/archives"  # what was sent and is not unpacked yet
INTENT = f"{STATE}/exchange.json"  # what is being replaced by two renames, while it is
_RECORDS = f"{STATE}/releases"
# What every use case asks for, and where it is no surprise if it is missing.
_FOLDERS = (_RECORDS, f"{STATE}/manifests", INCOMING, TRASH, ARCHIVES)
_TEXTS = (INTENT, JOURNAL, HISTORY)
_ALL = "*"  # what the memory calls the site itself, which no change makes it forget

Seen = t.Dict[str, t.Dict[str, Item]]
# A kind of the memory and a name of the site.
Question = t.Tuple[str, str]


class Looks:
    """Names are relative to the site's base."""

    def __init__(self, files: Files, place: Place) -> None:
        self._files, self._place = files, place
        self._memory = Memory()
        self._glimpse: Seen = {}
        files.heard = self._hear

    def _hear(self, path: str, found: Listing) -> None:
        name = self._place.name(path)
        if name is not None:
            self._memory.keep("entries", name, found)

    # -- looking -----------------------------------------------------------------------------------------------

    def check_base(self) -> bool:
        """Whether the base exists; refuses one that is not a folder or that any user of the server could tamper with."""
        return bool(self._memory.each("base", [_ALL], lambda _names: [self._checked_base()])[0])

    def _checked_base(self) -> bool:
        found, host = self._look_around(), self._files.api.account.host
        if found is None:
            return False
        if found.kind != "folder":
            raise Refused(f"{self._place.base} is a {found.kind} on {host}; give the site's folder, or move that away")
        if found.mode & 0o002 and not found.mode & 0o1000:
            raise Refused(f"{self._place.base} is writable by every user of {host}; set its permissions to 0755 in the file manager")
        return True

    def _look_around(self) -> Item | None:
        """What the base is; and what is in it, as far as a use case begins with that."""
        paths = {self._place.rel(name): name for name in ("", STATE, _RECORDS)}
        found, seen = self._files.first_look(self._place.rel(""), list(paths))
        self._glimpse = {paths[path]: names for path, names in seen.items()}
        return found

    def glimpse(self) -> Seen:
        """The names in the base and in its state as they were a moment ago, without the mutex: good for guessing what to ask for."""
        if not self._glimpse:
            self._look_around()
        seen, self._glimpse = self._glimpse, {}
        return seen

    def stat(self, name: str) -> Item | None:
        folder, _slash, inner = name.rpartition("/")
        names: dict[str, Item] | None = self._memory.known("entries", folder) if name else None
        if names is not None:
            return names.get(inner)
        if self.absent(name):
            return None
        return self._memory.each("stat", [name], lambda names: [self._files.stat(self._place.rel(each)) for each in names])[0]

    def kind(self, name: str) -> str | None:
        """What a name is by the list of its folder, which tells of every kind of link too."""
        folder, _slash, inner = name.rpartition("/")
        seen = self.entries(folder).get(inner)
        return seen.kind if seen else None

    def absent(self, name: str) -> bool:
        """Whether it is known that there is no such name."""
        return self._memory.absent(name)

    def is_empty(self, folder: str) -> bool:
        """Whether it is known that nothing is in a folder."""
        return bool(self._memory.known("entries", folder) == {})

    def entries(self, folder: str) -> dict[str, Item]:
        return self._memory.each("entries", [folder], self._list)[0] or {}

    def _list(self, folders: t.Sequence[str]) -> list[Listing]:
        return [None if self.absent(folder) else self._files.names(self._place.rel(folder)) for folder in folders]

    def read_each(self, names: t.Sequence[str]) -> list[bytes | None]:
        return self._memory.each("read", names, self._read)

    def _read(self, names: t.Sequence[str]) -> list[bytes | None]:
        paths = {name: self._place.rel(name) for name in names if not self.absent(name)}
        sizes = {path: size for name, path in paths.items() for size in [self._size(name)] if size is not None}
        found = dict(zip(paths, self._files.reads(list(paths.values()), sizes)))
        return [found.get(name) for name in names]

    def _size(self, name: str) -> int | None:
        folder, _slash, inner = name.rpartition("/")
        seen = (self._memory.known("entries", folder) or {}).get(inner)
        return seen.size if seen else None

    # -- while the mutex is held -------------------------------------------------------------------------------

    def questions(self, seen: Seen) -> list[Question]:
        """What every use case asks for, as far as it is likely to be there. One that is not ends the call that they are asked in."""
        state = seen.get(STATE, {})
        there = [name for name in _FOLDERS if name.rpartition("/")[2] in state]
        asked = [("entries", folder) for folder in (STATE, "", *there, *(name for name in (RELEASES, SHARED) if name in seen.get("", {})))]
        texts = [name for name in _TEXTS for what in [state.get(name.rpartition("/")[2])] if what and what.size <= COMPARED]
        records = {f"{_RECORDS}/{name}": what.size for name, what in seen.get(_RECORDS, {}).items() if name.endswith(".json")}
        if len(records) <= READ_AT_ONCE[0] and sum(records.values()) <= READ_AT_ONCE[1]:
            texts += sorted(records)
        if LOCK.rpartition("/")[2] in state:
            texts.append(f"{LOCK}/owner.json")
        return asked + [("read", name) for name in texts]

    def command(self, question: Question) -> calls.Command:
        kind, name = question
        path = self._place.rel(name)
        return calls.list_files(path) if kind == "entries" else calls.get_file_content(path)

    def begin(self, asked: t.Sequence[Question], answers: t.Sequence[Answer]) -> None:
        """From now on nobody else changes the site. ``answers`` are younger than that."""
        self._memory.begin()
        self._memory.keep("base", _ALL, True)  # or there would be nothing to hold the mutex of
        for (kind, name), answer in zip(asked, answers):
            path = self._place.rel(name)
            if kind == "entries":
                self._files.whole(path, answer)
            else:
                self._memory.keep(kind, name, self._files.content(path, answer, self._size(name)))

    def end(self) -> None:
        self._memory.end()

    def changing(self, *names: str) -> None:
        """Before anything is changed: what is known of these names is no longer true."""
        self._memory.changed(*names, further_up=False)

    @contextlib.contextmanager
    def making(self, made: t.Mapping[str, Item]) -> t.Iterator[None]:
        """While single names are made in folders that are there. When that has gone well they are known, and so is what lies beside."""
        folders = {name: name.rpartition("/")[0] for name in made}
        beside = {folder: self._memory.known("entries", folder) for folder in folders.values()}
        self.changing(*made)
        yield
        for name, what in made.items():
            names = beside[folders[name]]
            if names is not None:
                if what.kind == "folder" and name.rpartition("/")[2] not in names:
                    self._memory.keep("entries", name, {})  # a new one is empty
                names[name.rpartition("/")[2]] = what
                self._memory.keep("entries", folders[name], names)

    def wrote(self, name: str, data: bytes) -> None:
        """What was just read back."""
        self._memory.keep("read", name, data)
