# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore is doing to a database, written down before it is done, and what may be dropped later.

One file for each database in ``state_dir``: a run that finds one there first finishes or undoes what the other began.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import time
import typing as t

from .._common.errors import Refused, RunbookError
from .._common.files import write_json

# loading: only the side database exists, the live one was not touched. in_place: the live one is being emptied and filled.
# switching: ``step`` and ``facts`` are the engine's. switched: live is new; writers have to be started, the previous one is kept.
Phase = t.Literal["loading", "in_place", "switching", "switched"]


@dataclasses.dataclass
class Entry:
    """An open restore."""

    engine: str
    where: str
    live: str
    side: str
    previous: str
    backup: str
    phase: Phase
    step: str = ""
    facts: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    # Whether those who write to the database were stopped by the run.
    stopped: bool = False
    safety: str = ""
    keep_until: float = 0.0
    began: str = ""


@dataclasses.dataclass(frozen=True)
class Kept:
    """A replaced database that is still there, until ``until`` (seconds since the epoch)."""

    name: str
    until: float


class Journal:
    """The open restore of one database, and its predecessors that are kept."""

    def __init__(self, state_dir: str, engine: str, where: str, live: str) -> None:
        self._folder = os.path.join(state_dir, "restores")
        digest = hashlib.sha256(f"{engine}\0{where}\0{live}".encode("utf-8", "surrogateescape")).hexdigest()[:24]
        self.path = os.path.join(self._folder, f"{engine}-{digest}.json")
        self._live = live

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """One restore of a database at a time; refuses at once when another runs."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        fd = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(f"another restore of {self._live} is running on this host; wait until it has ended") from None
            yield
        finally:
            os.close(fd)

    def _read(self) -> dict[str, t.Any]:
        try:
            with open(self.path, encoding="utf-8") as stream:
                return dict(json.load(stream))
        except FileNotFoundError:
            return {}
        except (ValueError, OSError) as error:
            raise RunbookError(f"{self.path} can't be read ({error}); look at the database, then remove that file") from None

    def open(self) -> Entry | None:
        """The restore that a killed run has left open."""
        found = self._read().get("open")
        try:
            return Entry(**found) if found else None
        except TypeError as error:
            raise RunbookError(
                f"{self.path} was written by another version ({error}); look at the database, then remove that file"
            ) from None

    def write(self, entry: Entry) -> None:
        """Make an entry durable, before what it announces is done."""
        write_json(self.path, {**self._read(), "open": dataclasses.asdict(entry)})

    def close(self, kept: t.Sequence[Kept] | None = None) -> None:
        """Nothing is open any more; ``kept`` replaces the list of databases to be dropped later."""
        left = self.kept() if kept is None else kept
        if left:
            write_json(self.path, {"kept": [dataclasses.asdict(item) for item in left]})
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)

    def kept(self) -> list[Kept]:
        return [Kept(str(item["name"]), float(item["until"])) for item in self._read().get("kept", [])]

    def expired(self) -> list[Kept]:
        return [item for item in self.kept() if item.until <= time.time()]
