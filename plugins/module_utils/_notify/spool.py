# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a target has not been told yet, on disk before anything is sent.

``<state_dir>/<target>/spool/<order>-<identity>.json`` waits; ``.sending`` while it is being sent, so that a run that was killed
meanwhile leaves behind that it may have arrived; ``rejected/`` has what the service refused for ever.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import secrets
import time
import typing as t

from .._common.files import fsync_folder, write_json
from .memory import Memory
from .message import Message

_WAITING, _SENDING = ".json", ".sending"


@dataclasses.dataclass
class Entry:
    """One message for one target. ``path`` is None when it could not be written down; ``uncertain``: it may have arrived before."""

    message: Message
    identity: str
    path: str | None = None
    uncertain: bool = False
    earlier: bool = False


class Folder:
    """One target's folder. Other than ``add`` and ``read``, everything needs the lock."""

    def __init__(self, state_dir: str, target: str, warn: t.Callable[[str], None]) -> None:
        self.path = os.path.join(state_dir, target)
        self.spool = os.path.join(self.path, "spool")
        self._warn = warn

    def add(self, messages: t.Sequence[Message]) -> list[Entry]:
        """Write the messages down, in their order. What can't be written is returned without path, and still to be sent."""
        entries = []
        for position, message in enumerate(messages):
            entry = Entry(message, secrets.token_hex(16))
            path = os.path.join(self.spool, f"{time.time_ns():020d}-{position:04d}-{entry.identity}{_WAITING}")
            try:
                os.makedirs(self.spool, mode=0o700, exist_ok=True)
                write_json(path, message.to_dict())
                entry.path = path
            except OSError as error:
                self._warn(f"{error.strerror} on {self.spool}: a message that is not delivered now can't be kept for the next run")
            entries.append(entry)
        return entries

    def read(self) -> list[Entry]:
        """All that waits, oldest first. A file that is no message is set aside."""
        try:
            names = sorted(name for name in os.listdir(self.spool) if name.endswith((_WAITING, _SENDING)))
        except OSError:
            return []
        entries = []
        for name in names:
            path = os.path.join(self.spool, name)
            stem, ending = os.path.splitext(name)
            try:
                with open(path, encoding="utf-8") as stream:
                    message = Message.from_dict(json.load(stream))
            except FileNotFoundError:
                continue  # another run has sent it
            except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
                self._set_aside(path, error)
                continue
            entries.append(Entry(message, stem.rpartition("-")[2], path, uncertain=ending == _SENDING, earlier=True))
        return entries

    @contextlib.contextmanager
    def locked(self, wait: float) -> t.Iterator[bool]:
        """Whether this run has the folder, waiting up to ``wait`` seconds. A folder that can't be locked is nobody else's either."""
        try:
            os.makedirs(self.spool, mode=0o700, exist_ok=True)
            fd = os.open(os.path.join(self.path, "lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError:
            yield True
            return
        end = time.monotonic() + wait
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= end:
                        yield False
                        return
                    time.sleep(0.05)
            yield True
        finally:
            os.close(fd)

    def begin(self, entry: Entry) -> None:
        """From here on the message may have arrived."""
        self._rename(entry, _SENDING)

    def put_back(self, entry: Entry) -> None:
        """It has certainly not arrived in this attempt."""
        if not entry.uncertain:
            with contextlib.suppress(OSError):  # then the next run says that it may have arrived
                self._rename(entry, _WAITING)

    def forget(self, entry: Entry) -> None:
        """It is done with."""
        if entry.path is not None:
            with contextlib.suppress(OSError):  # what was told is remembered by its identity too
                os.unlink(entry.path)

    def reject(self, entry: Entry) -> str | None:
        """Keep it where it is never sent from again; the file's path, None when that can't be."""
        if entry.path is None:
            return None
        folder = os.path.join(self.path, "rejected")
        kept = os.path.join(folder, f"{os.path.splitext(os.path.basename(entry.path))[0]}{_WAITING}")
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            os.rename(entry.path, kept)
            fsync_folder(folder)
        except OSError:
            return None
        return kept

    def memory(self) -> Memory:
        """What the target was told; a broken file is set aside and alerts that are still there are told again."""
        path = os.path.join(self.path, "state.json")
        try:
            with open(path, encoding="utf-8") as stream:
                return Memory.from_dict(json.load(stream))
        except FileNotFoundError:
            return Memory()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            self._set_aside(path, error)
            return Memory()

    def remember(self, memory: Memory) -> None:
        """Write down what the target was told."""
        try:
            write_json(os.path.join(self.path, "state.json"), memory.to_dict())
        except OSError as error:
            self._warn(f"{error.strerror} on {self.path}/state.json: what was told now may be told again by the next run")

    def _rename(self, entry: Entry, ending: str) -> None:
        if entry.path is None:
            return
        path = f"{os.path.splitext(entry.path)[0]}{ending}"
        if path != entry.path:
            os.rename(entry.path, path)
            entry.path = path
            fsync_folder(self.spool)

    def _set_aside(self, path: str, error: Exception) -> None:
        said = error.strerror if isinstance(error, OSError) else "it can't be read"
        if isinstance(error, OSError):
            self._warn(f"{path} is left out: {said}")
            return
        aside = f"{path}.{time.time_ns()}.broken"
        with contextlib.suppress(OSError):
            os.rename(path, aside)
        self._warn(f"{path} is no record of a message or of what was told; it was set aside as {aside}")
