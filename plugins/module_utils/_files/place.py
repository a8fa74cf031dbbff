# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a restored folder in a live one's place by one step, written down before it is taken.

Beside the target ``/srv/www/uploads`` lie, while it is restored, ``.uploads.restore`` (what is being restored) and
``.uploads.restore.json`` (this journal); afterwards ``.uploads.previous-<time>``, what was live before.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import re
import shutil
import time
import typing as t

from .._common.errors import Refused, RunbookError
from .._common.files import exchange, fsync_folder, write_json

# restoring: the target was not touched. switching: the restored folder is verified and may have the target's name already.
Phase = t.Literal["restoring", "switching"]


@dataclasses.dataclass
class Entry:
    """An open restore. ``new`` and ``old`` are inode numbers: which folder is which is asked of the disk. ``old`` 0: there was none."""

    phase: Phase
    snapshot: str
    inside: str = ""
    previous: str = ""
    new: int = 0
    old: int = 0


class Place:
    """A target and what lies beside it for its sake."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.parent, self.name = os.path.split(target)
        self.side = os.path.join(self.parent, f".{self.name}.restore")
        self._journal = f"{self.side}.json"

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """One restore of a target at a time; refuses at once when another runs."""
        fd = os.open(self.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(f"another restore is running in {self.parent}; wait until that has ended") from None
            yield
        finally:
            os.close(fd)

    def open(self) -> Entry | None:
        """What a killed run has left open."""
        try:
            fd = os.open(self._journal, os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(fd, encoding="utf-8") as stream:
                return Entry(**json.load(stream))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, OSError) as error:
            raise RunbookError(f"{self._journal} can't be read ({error}); look at {self.target}, then remove that file") from None

    def write(self, entry: Entry) -> None:
        write_json(self._journal, dataclasses.asdict(entry))

    def close(self) -> None:
        """Nothing is open any more."""
        _remove(self.side)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._journal)
        fsync_folder(self.parent)

    def previous(self) -> list[str]:
        """What was live before, newest first."""
        return [os.path.join(self.parent, name) for _moment, name in sorted(self._numbered(), reverse=True)]

    def _numbered(self) -> list[tuple[tuple[str, int], str]]:
        """Names of previous ones with their moment and number within it."""
        pattern = re.compile(re.escape(f".{self.name}.previous-") + r"(\d{8}_\d{6})(?:_(\d+))?")
        fits = [(pattern.fullmatch(name), name) for name in os.listdir(self.parent)]
        return [((match[1], int(match[2] or 1)), name) for match, name in fits if match]

    def new_previous(self) -> str:
        """A name for what is live now, that comes after all others."""
        moment = time.strftime("%Y%m%d_%H%M%S", time.gmtime())
        number = max((number for (other, number), _name in self._numbered() if other == moment), default=0) + 1
        return os.path.join(self.parent, f".{self.name}.previous-{moment}{f'_{number}' if number > 1 else ''}")

    def switch(self, entry: Entry) -> None:
        """Give the restored folder the target's name. Two renames are needed only on file systems that can't exchange."""
        self.write(entry)
        if not entry.old:
            os.rename(entry.inside, self.target)
        elif not exchange(entry.inside, self.target):
            os.rename(self.target, entry.previous)
            os.rename(entry.inside, self.target)
        fsync_folder(self.parent)
        self.finish(entry)

    def finish(self, entry: Entry) -> None:
        """After the target is the restored folder: keep what was there before. Safe to repeat."""
        if entry.old and _inode(entry.inside) == entry.old:
            os.rename(entry.inside, entry.previous)
            fsync_folder(self.parent)
        self.close()

    def _sweep(self) -> None:
        """Journals that were not yet written when their run was killed."""
        for name in os.listdir(self.parent):
            if name.startswith(f"{os.path.basename(self._journal)}.") and name.endswith(".partial"):
                os.unlink(os.path.join(self.parent, name))

    def settle(self, check_mode: bool) -> str:
        """Finish or undo what a killed run has left. Returns a sentence about it, empty when there was nothing."""
        entry = self.open()
        if not check_mode:
            self._sweep()
        if entry is None:
            return ""
        live = _inode(self.target)
        if entry.phase == "switching" and live == entry.new:
            if not check_mode:
                self.finish(entry)
            return f"an interrupted run had already put snapshot {entry.snapshot} in place; that was completed"
        if entry.phase == "switching" and live == 0 and _inode(entry.inside) == entry.new:
            # Killed between the two renames (or before the only one, when there was no target): the new one was verified.
            if not check_mode:
                os.rename(entry.inside, self.target)
                fsync_folder(self.parent)
                self.finish(entry)
            return f"an interrupted run had not yet put snapshot {entry.snapshot} in place; that was completed"
        if not check_mode:
            self.close()
        return f"an interrupted run was restoring snapshot {entry.snapshot}; that was undone, {self.target} is as it was"


def _inode(path: str) -> int:
    try:
        return os.lstat(path).st_ino
    except FileNotFoundError:
        return 0


def _remove(path: str) -> None:
    if os.path.islink(path):
        os.unlink(path)
    elif os.path.lexists(path):
        shutil.rmtree(path)


def drop(paths: t.Iterable[str]) -> None:
    """Remove folders that are not needed any more."""
    for path in paths:
        _remove(path)
