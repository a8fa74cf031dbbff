# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read of which log: by inode, fingerprint of the beginning and of the place that was reached, whatever rotations do.

A rotation may rename a log, copy and empty it, cut off its beginning after copying it, and compress what it has made. All but the
first make a new inode, and none changes the bytes: the same beginning and the same bytes before the place reached are the same log.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import typing as t

from .._common.errors import InvalidInput, Refused
from .._common.files import write_json
from .._common.runner import Run
from .scan_content import HEAD, TAIL, Content, fingerprint, skip
from .scan_files import LogFile

VERSION = 1
# Fingerprints are taken of beginnings of so many bytes, so that a shorter copy can be told from another log.
_STEPS = (1024, 2048, 3072, HEAD)
# In logs of other names the same beginning means the same log only if it is that long.
_TELLING = 512


@dataclasses.dataclass(frozen=True)
class Record:
    """One file as it was left. ``offset`` counts its contents, not what they were compressed to; ``live``: it was being written to."""

    path: str
    base: str
    dev: int
    ino: int
    size: int
    mtime: float
    offset: int
    heads: list[tuple[int, str]]  # fingerprints of beginnings, the longest last
    tail: str
    live: bool
    done: bool  # nothing was left behind the offset

    def unchanged(self, file: LogFile) -> bool:
        return self.done and (self.dev, self.ino, self.size, self.mtime) == (*file.key, file.size, file.mtime)

    def begins(self, content: Content) -> bool:
        """Whether a file begins as this one did, or is a shorter copy of its beginning."""
        size, head = next((pair for pair in reversed(self.heads) if pair[0] <= len(content.head)), (0, ""))
        if not size or ((size, head) != tuple(self.heads[-1]) and size < _STEPS[0]):
            return False
        if os.path.basename(content.file.base) != os.path.basename(self.base) and size < _TELLING:
            return False
        return fingerprint(content.head[:size]) == head

    def reaches(self, content: Content, offset: int) -> bool:
        """Whether the bytes before ``offset`` of a file are those that were read last."""
        return content.tail_print(offset) == self.tail


def record_of(content: Content, offset: int, live: bool, done: bool) -> Record:
    """How a file was left."""
    file, size = content.file, min(len(content.head), offset)
    return Record(
        path=file.path,
        base=file.base,
        dev=file.dev,
        ino=file.ino,
        size=file.size if content.length is None else content.length,
        mtime=file.mtime,
        offset=offset,
        heads=[(step, fingerprint(content.head[:step])) for step in (*[step for step in _STEPS if step < size], size) if step],
        tail=content.tail_print(offset) or "",
        live=live,
        done=done,
    )


@dataclasses.dataclass
class Plan:
    """From where each file is read. ``known`` files are read on, ``new`` ones from their beginning; ``gaps`` says what has gone unread."""

    known: list[tuple[Content, int]] = dataclasses.field(default_factory=list)
    new: list[Content] = dataclasses.field(default_factory=list)
    gaps: list[str] = dataclasses.field(default_factory=list)


def plan(contents: t.Sequence[Content], records: t.Sequence[Record]) -> Plan:
    """Which file goes on where which record ended. A second copy of what is read anyway is left out."""
    made = Plan()
    files, left = list(contents), list(records)

    def take(content: Content, record: Record | None, offset: int) -> None:
        files.remove(content)
        made.known.append((content, offset))
        if record is not None:
            left.remove(record)

    for record in list(left):
        same = next((content for content in files if content.file.key == (record.dev, record.ino)), None)
        if same is not None and record.begins(same) and record.reaches(same, record.offset):
            take(same, record, record.offset)
    for record in list(left):
        for content in [content for content in files if record.begins(content)]:
            if record.reaches(content, record.offset):
                take(content, record, record.offset)
                break
            length = _length(content, record.offset)
            if length < record.offset:
                # All of it was read before, and a piece of what was behind it, which has its own file now.
                rest = record.offset - length
                take(content, record, length)
                for other in files if rest >= TAIL else ():
                    place = _blank(other.head) + rest
                    if record.reaches(other, place):
                        take(other, None, place)
                        break
                break
    copies = [content for content, _offset in made.known]
    for content in files:
        if any(_is_copy(content, other) for other in copies):
            continue
        copies.append(content)
        made.new.append(content)
    made.gaps = [
        f"{record.path} was emptied or removed, and what was written to it after the last run is in no file that was found"
        for record in left
        if record.live and record.offset
    ]
    return made


def _blank(head: bytes) -> int:
    """The length of a first line of nothing but spaces, which a cut in the middle of a line leaves of its other part."""
    end = head.find(b"\n") + 1
    return end if end and not head[:end].strip() else 0


def _length(content: Content, enough: int) -> int:
    """How long a file's contents are; whatever is longer than ``enough`` may be answered as that."""
    if content.length is not None:
        return content.length
    with content.stream() as stream:
        return skip(stream, enough)


def _is_copy(content: Content, other: Content) -> bool:
    """Whether a file holds nothing but the beginning of another of the same log: a rotation is copying it, or was killed then.

    A log that is being written to is no copy. And a few lines tell little: two logs of which each got the same line, or the same first
    one in the same second, are two. So it takes more of them, but for what a rotation is just copying from."""
    size = min(len(content.head), len(other.head))
    mine, others = content.file.base, other.file.base
    if os.path.basename(mine) != os.path.basename(others) or content.file.path == mine:
        return False
    if size < _TELLING and (mine != others or other.file.path != others):
        return False
    if not size or content.head[:size] != other.head[:size] or other.length is None:
        return False
    length = _length(content, other.length + 1)
    return length <= other.length and content.tail_print(length) == other.tail_print(length)


class StateFile:
    """What scans remember, in one file for several of them. Use it in a ``with`` block: nobody else may use it meanwhile."""

    def __init__(self, path: str, run: Run) -> None:
        if not path.startswith("/"):
            raise InvalidInput(f"state {path!r} is not absolute; give for example /var/lib/runbook/log_scan.json")
        self._path, self._run = path, run
        self._scans: dict[str, t.Any] = {}
        self._lock = -1

    def __enter__(self) -> StateFile:
        if not self._run.check_mode:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            self._lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._lock)
                raise Refused(f"state {self._path} is in use by another run; run again when that has ended, or give each its own") from None
        self._load()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._lock >= 0:
            os.close(self._lock)

    def of(self, scan: str) -> dict[str, t.Any]:
        """``{at, files, cursor}`` of a scan, empty when there was none."""
        return t.cast("dict[str, t.Any]", self._scans.get(scan, {}))

    def put(self, scan: str, remembered: dict[str, t.Any]) -> None:
        self._scans[scan] = remembered

    def save(self) -> None:
        if not self._run.check_mode:
            write_json(self._path, {"version": VERSION, "scans": self._scans})

    def _load(self) -> None:
        try:
            with open(self._path, "rb") as stream:
                document = json.load(stream)
            if document["version"] != VERSION:
                raise ValueError(f"it is of version {document['version']}")
            for scan in document["scans"].values():
                records_of(scan)
            self._scans = document["scans"]
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            broken = f"{self._path}.broken"
            if not self._run.check_mode:
                os.replace(self._path, broken)
            reason = " ".join(str(error).split())
            self._run.warn(
                f"state {self._path} can't be used ({reason}); it is set aside as {broken}, and logs are read as at the first time"
            )


def records_of(remembered: t.Mapping[str, t.Any]) -> list[Record]:
    """The records of what ``StateFile.of`` answers."""
    return [Record(**record) for record in remembered.get("files", ())]
