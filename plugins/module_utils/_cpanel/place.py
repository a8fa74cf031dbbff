# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a site is: its base folder in the home folder of the account, which is all that the API reaches."""

from __future__ import annotations

from .._common.errors import InvalidInput
from .calls import safe
from .files import Files


class Place:
    """``base``: the site's folder, absolute or below the account's home folder; absolute once somebody asked for a path."""

    def __init__(self, files: Files, base: str) -> None:
        self.base = base.rstrip("/")
        if not self.base or "\0" in self.base:
            raise InvalidInput("the site's folder is empty; give it as /home/USER/example.com")
        self._files = files
        self._root = ""

    def rel(self, name: str) -> str:
        """A name of the site as a path below the home folder."""
        if not self._root:
            self._root = self._found_root()
        return safe(f"{self._root}/{name}" if name else self._root)

    def name(self, path: str) -> str | None:
        """The other way round; ``None`` for what is not in the site."""
        if path == self._root:
            return ""
        return path[len(self._root) + 1 :] if self._root and path.startswith(f"{self._root}/") else None

    def absolute(self, name: str) -> str:
        """The absolute path of a name of the site, on the server."""
        self.rel("")
        return f"{self.base}/{name}" if name else self.base

    def _found_root(self) -> str:
        base = self.base[2:] if self.base.startswith("~/") else self.base
        homes = self._files.homes()
        for home in homes if base.startswith("/") else []:
            if base.startswith(home + "/"):
                self.base = base
                return safe(base[len(home) + 1 :])
        if base.startswith("/"):
            raise InvalidInput(f"{base} is not inside the home folder {homes[0]}, the API reaches nothing else; give a folder below it")
        self.base = f"{homes[0]}/{base}"
        return safe(base)
