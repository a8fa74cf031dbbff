# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What switching needs of a site, so that it works on a disk and through a ``Store`` alike."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

FLAG = "maintenance.flag"
DATA = "maintenance.d"
HTACCESS = ".htaccess"
# What a killed run leaves beside a file: ours begin with a dot, those of a store don't. The snippets hide both from visitors.
_PARTIAL = re.compile(r"(?P<name>[^/]+)\.[0-9a-f]{12}\.partial")
# The names that a message may tell. In one of the folders the entry's name is a secret.
PUBLIC = frozenset((FLAG, DATA, HTACCESS, "page.html", "retry_after", "allow", "token", "retry"))


@dataclasses.dataclass(frozen=True)
class Owner:
    """Who shall own what is made; -1 leaves it to the system and accepts what is there."""

    uid: int = -1
    gid: int = -1

    def holds(self, found: os.stat_result) -> bool:
        return self.uid in (-1, found.st_uid) and self.gid in (-1, found.st_gid)


class Entries(t.Protocol):
    """The entries of one folder.

    Each ``ensure_…`` method answers whether something was wrong, and puts it right unless the folder is ``dry`` (check mode).
    A folder that check mode only imagines is empty.
    """

    path: str
    dry: bool

    def __enter__(self) -> Entries: ...
    def __exit__(self, *_: object) -> None: ...

    def is_file(self, name: str) -> bool:
        """Whether that name is a regular file, itself and not through a link."""

    def all_names(self) -> list[str]:
        """The sorted names in the folder."""

    def names(self) -> list[str]:
        """The same without what an interrupted run left behind."""
        return [name for name in self.all_names() if not is_left_over(name)]

    def read(self, name: str) -> bytes | None:
        """The content of a regular file, or None when there is none; anything else under that name is refused."""

    def child(self, name: str) -> Entries:
        """The folder of that name; an imagined one when it does not exist. A link or a file there is refused."""

    def ensure_folder(self, name: str, mode: int) -> bool:
        """A folder of that name and mode."""

    def ensure_file(self, name: str, data: bytes, mode: int) -> bool:
        """A regular file of that content and mode, at every moment wholly the old or wholly the new one."""

    def ensure_content(self, name: str, data: bytes) -> bool:
        """That content in an existing regular file, which keeps its mode and owner."""

    def ensure_link(self, name: str, target: str) -> bool:
        """A symbolic link to exactly that target in the folder; where there are no links, a file of the same content."""

    def ensure_absent(self, name: str) -> bool:
        """No file and no link of that name."""

    def ensure_only(self, wanted: t.Collection[str], data: bytes, mode: int) -> bool:
        """Exactly the wanted files, the new ones made before the old ones go."""
        made = [self.ensure_file(name, data, mode) for name in wanted]
        return any(made) | self._without(lambda name: name not in wanted)

    def ensure_no_folder(self, name: str, ours: t.Collection[str] | None = None) -> bool:
        """No folder of that name, unless it holds something that is not ours (None: all is).

        Whoever put that there knows why, and without a flag it does no harm.
        """

    def remove_partials(self, names: t.Collection[str]) -> bool:
        """Remove what interrupted runs left beside the files of these names."""
        return self._without(lambda name: is_left_over(name, names))

    def _without(self, unwanted: t.Callable[[str], bool]) -> bool:
        gone = [self.ensure_absent(name) for name in self.all_names() if unwanted(name)]
        return any(gone)

    def sync(self) -> None:
        """Make the names in the folder survive a power failure, where that is ours to say."""


def is_left_over(name: str, of: t.Collection[str] | None = None) -> bool:
    """Whether a killed run left the file called ``name``, beside one of the files called ``of`` (None: beside any)."""
    match = _PARTIAL.fullmatch(name)
    return match is not None and (of is None or match["name"] in of or (match["name"][:1] == "." and match["name"][1:] in of))
