# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a site while nobody else changes it: whoever holds its mutex asks the host for each thing once."""

from __future__ import annotations

import posixpath
import typing as t

T = t.TypeVar("T")


class Memory:
    """Answers by kind (of question) and name. It keeps nothing before ``begin``. Names are relative to the site's base."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], t.Any] | None = None

    def begin(self) -> None:
        self._known = {}

    def end(self) -> None:
        self._known = None

    def each(self, kind: str, names: t.Sequence[str], ask: t.Callable[[t.Sequence[str]], t.Sequence[T]]) -> list[T]:
        """The answer for each name, those that are not known from ``ask``."""
        if self._known is None:
            return list(ask(names))
        missing = [name for name in dict.fromkeys(names) if (kind, name) not in self._known]
        for name, answer in zip(missing, ask(missing) if missing else ()):
            self._known[kind, name] = answer
        return [self._known[kind, name] for name in names]

    def known(self, kind: str, name: str) -> t.Any:
        """The answer if it is known, else ``None``."""
        return None if self._known is None else self._known.get((kind, name))

    def keep(self, kind: str, name: str, answer: t.Any) -> None:
        """Learn an answer that nobody has to ask for any more."""
        if self._known is not None:
            self._known[kind, name] = answer

    def absent(self, name: str) -> bool:
        """Whether it is known, of kind ``entries``, that a folder does not have this name, or one of those above it."""
        while name:
            folder, _slash, inner = name.rpartition("/")
            names = self.known("entries", folder)
            if names is not None and inner not in names:
                return True
            name = folder
        return False

    def changed(self, *names: str, further_up: bool = True) -> None:
        """Forget what a change of these names may have changed: they, what is in them, and the folders that they are in; without
        ``further_up`` only the nearest of these, as when it is known that the change makes no folder on its way."""
        if self._known is None:
            return
        for name in names:
            folder = posixpath.dirname(name)
            folders = {folder}
            while further_up and folder:
                folder = posixpath.dirname(folder)
                folders.add(folder)
            for key in [key for key in self._known if key[1] == name or key[1] in folders or key[1].startswith(f"{name}/")]:
                del self._known[key]
