# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What backups a folder holds and what each of them is worth, told by looking and never by remembering."""

from __future__ import annotations

import calendar
import dataclasses
import os
import re
import stat
import time
import typing as t
import urllib.parse

from .._common import clock
from .._common.errors import InvalidInput, RunbookError
from .._common.process import ProgramMissing
from . import parts, sidecar
from .parts import Codec
from .retention import Candidate, State
from .sidecar import BadSidecar, Sidecar
from .streams import pieces

# How much is proven: sizes alone, the stored bytes' sha256, or the plain bytes' too after decrypting and decompressing.
Depth = t.Literal["none", "checksum", "deep"]
_OF_ID = re.compile(r"(\d{8}_\d{6}(?:_\d+)?)(\.|$)")
_PARTIAL = re.compile(r"^\.partial-|\.partial$")
Tick = t.Callable[[int], None]


@dataclasses.dataclass
class Entry:
    """A backup: what has a sidecar, readable or not. ``verified`` is how deep it was looked into."""

    id: str
    folder: str
    sidecar: Sidecar | None
    state: State = "good"
    trouble: str = ""
    verified: Depth = "none"

    @property
    def ended(self) -> float:
        """Seconds since the epoch. Of an unreadable sidecar the id tells it well enough."""
        if self.sidecar:
            return clock.seconds(self.sidecar.ended)
        return float(calendar.timegm(time.strptime(self.id[:15], "%Y%m%d_%H%M%S")))

    @property
    def series(self) -> str:
        """The same for backups of the same things."""
        if not self.sidecar:
            return ""
        chosen = [*self.sidecar.include, *(f"without {name}" for name in self.sidecar.exclude)]
        return f"{self.sidecar.engine}: {', '.join(chosen) or 'all'}"

    def candidate(self) -> Candidate:
        return Candidate(self.id, self.ended, self.state, self.trouble, self.series)

    def verify(self, depth: Depth, identity: str = "", tick: Tick = lambda count: None) -> None:
        """Look deeper, if that was not done and the backup seems good."""
        if depth == self.verified or self.verified == "deep" or self.state != "good" or not self.sidecar:
            return
        codec = Codec(compression=self.sidecar.compression, identity=identity)
        try:
            for part in self.sidecar.parts:
                if depth == "checksum":
                    parts.stored_as_written(self.folder, part, tick)
                else:
                    with parts.read_part(self.folder, part, codec, self.sidecar.encrypted, tick) as reader:
                        for _piece in pieces(reader):
                            pass
        except (InvalidInput, ProgramMissing):
            raise
        except RunbookError as error:
            # What another key may open is not damaged.
            self.state = "unknown" if isinstance(error, parts.WrongKey) else "bad"
            self.trouble = error.message
        except OSError as error:
            # A disk that does not answer now proves nothing against the backup.
            self.state, self.trouble = "unknown", f"{error.filename or self.folder} can't be read: {error.strerror}"
        else:
            self.verified = depth


@dataclasses.dataclass
class Catalogue:
    """One database's folder. ``orphans`` are names of no backup that have the look of one: data without sidecar, partial files."""

    folder: str
    name: str
    entries: list[Entry]
    orphans: list[str]
    attempts: list[dict[str, t.Any]]
    restores: list[dict[str, t.Any]]

    @property
    def good(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.state == "good"]


def folders(dest: str, name: str | None) -> list[str]:
    """Paths of the folders of one database, or of all in ``dest`` that hold backups; raises when there is no such place."""
    if not dest.startswith("/"):
        raise InvalidInput(f"dest {dest!r} is not absolute")
    if not os.path.isdir(dest):
        raise RunbookError(f"dest {dest} is no folder on this host; make a backup there first, or correct the path")
    if name is not None:
        return [sidecar.folder_of(dest, name)]
    found = []
    with os.scandir(dest) as listed:
        for entry in listed:
            if entry.is_dir(follow_symlinks=False) and sidecar.folder_of("", urllib.parse.unquote(entry.name)) == entry.name:
                inside = os.listdir(entry.path)
                if any(_OF_ID.match(one) for one in inside) or sidecar.ATTEMPTS in inside:
                    found.append(entry.path)
    return sorted(found)


def scan(folder: str) -> Catalogue:
    """What one database's folder holds, newest backup first; sizes are compared, contents are not read."""
    name = urllib.parse.unquote(os.path.basename(folder))
    try:
        names = sorted(os.listdir(folder)) if not os.path.islink(folder) else []
    except FileNotFoundError:
        names = []
    if os.path.islink(folder):
        raise RunbookError(f"{folder} is a symbolic link; backups are looked for in real folders only")
    entries = [_entry(folder, name, one[:-5]) for one in names if one.endswith(".json") and sidecar.is_id(one[:-5])]
    have = {entry.id for entry in entries}
    orphans = [one for one in names if _PARTIAL.search(one) or ((match := _OF_ID.match(one)) and match[1] not in have)]
    entries.sort(key=lambda entry: (entry.ended, entry.id), reverse=True)
    return Catalogue(folder, name, entries, orphans, sidecar.logged(folder, sidecar.ATTEMPTS), sidecar.logged(folder, sidecar.RESTORES))


def names_of(folder: str, identity: str) -> list[str]:
    """The names in a folder that belong to a backup's data, whatever its sidecar says."""
    sidecar_name = f"{identity}.json"
    return sorted(one for one in os.listdir(folder) if one != sidecar_name and (match := _OF_ID.match(one)) and match[1] == identity)


def _entry(folder: str, name: str, identity: str) -> Entry:
    try:
        found = sidecar.read(sidecar.sidecar_path(folder, identity))
    except BadSidecar as error:
        return Entry(identity, folder, None, "bad", error.message)
    trouble = _misplaced(found, name) or _sizes(folder, found)
    return Entry(identity, folder, found, "bad" if trouble else "good", trouble)


def _misplaced(found: Sidecar, name: str) -> str:
    if sidecar.folder_of("", found.name) != sidecar.folder_of("", name):
        return f"its sidecar is of database {found.name}, not {name}"
    if not clock.seconds(found.ended):
        return f"its sidecar has no time of its end ({found.ended!r})"
    return ""


def _sizes(folder: str, found: Sidecar) -> str:
    for part in found.parts:
        path = os.path.join(folder, part.file)
        try:
            information = os.lstat(path)
        except FileNotFoundError:
            return f"{path} is missing"
        except OSError as error:
            return f"{path} can't be looked at: {error.strerror}"
        if not stat.S_ISREG(information.st_mode):
            return f"{path} is not an ordinary file"
        if not information.st_size and part.stored_bytes:
            return f"{path} is empty instead of {part.stored_bytes:,} bytes"
        if information.st_size < part.stored_bytes:
            return f"{path} is cut: {information.st_size:,} of {part.stored_bytes:,} bytes"
        if information.st_size > part.stored_bytes:
            return f"{path} has {information.st_size:,} bytes instead of {part.stored_bytes:,}: it was replaced or appended to"
        if not os.path.basename(part.file).startswith(found.id) and not part.file.startswith(f"{found.id}/"):
            return f"its sidecar names {part.file}, which is not of backup {found.id}"
    return ""
