# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rotated logs are called, and which belong to which log.

``access.log`` is rotated to ``access.log-20260102-030405`` (UTC) or ``access.log.1``, with ``.gz`` or ``.zst`` once it is compressed.
Hidden names beside them (``.access.log.runbook-…``) belong to a rotation that is under way.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import os
import re
import stat
import time
import typing as t

EXTENSIONS = {"none": "", "gzip": ".gz", "zstd": ".zst"}
_DATE = "%Y%m%d-%H%M%S"
_ROTATED = re.compile(r"(?P<name>.+)(?:-(?P<date>\d{8}-\d{6})|\.(?P<number>[1-9]\d{0,5}))(?P<extension>\.gz|\.zst)?", re.DOTALL)
_OWN = ".runbook-"


@dataclasses.dataclass(frozen=True)
class Log:
    """A log: ``folder`` without links in it, ``dest`` where its rotated files belong (absolute)."""

    folder: str
    name: str
    dest: str

    @functools.cached_property
    def path(self) -> str:
        return os.path.join(self.folder, self.name)

    @property
    def journal(self) -> str:
        """Where a cut that is being made is written down."""
        return os.path.join(self.folder, f".{self.name}{_OWN}cut")

    @property
    def partial(self) -> str:
        """The copy that becomes a rotated file when the cut is made."""
        return os.path.join(self.dest, f".{self.name}{_OWN}copy")


@dataclasses.dataclass(frozen=True)
class Rotated:
    """A rotated file of the log ``name``; its ``number`` is 0 when it carries a date. ``moment`` in seconds, ``size`` in bytes."""

    folder: str
    name: str
    file: str
    label: str
    number: int
    extension: str
    moment: float
    size: int

    @property
    def path(self) -> str:
        return os.path.join(self.folder, self.file)

    @property
    def stem(self) -> str:
        """Its name without what compression adds."""
        return self.file[: len(self.file) - len(self.extension)]


def lock_name(folder: str) -> str:
    return os.path.join(folder, f"{_OWN}rotate.lock")


def archive_partial(path: str) -> str:
    """Where an archive is written before it has its name."""
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}{_OWN}archive")


def is_own(name: str) -> bool:
    return name.startswith(".") and _OWN in name


def is_stray(name: str) -> bool:
    """Whether a name belongs to a file that a killed run had not finished to write."""
    return is_own(name) and name.endswith(("-archive", ".partial"))


def log_of(name: str) -> str | None:
    """The log that a rotated file's name belongs to; ``None`` for any other name."""
    match = _ROTATED.fullmatch(name)
    return match["name"] if match and (match["number"] or _moment(match["date"]) is not None) else None


def _moment(date: str) -> float | None:
    # Not strptime(3), which imports more when it is called: a process that has given up root may not be able to read that.
    parts = (date[:4], date[4:6], date[6:8], date[9:11], date[11:13], date[13:15])
    try:
        return datetime.datetime(*map(int, parts), tzinfo=datetime.timezone.utc).timestamp()  # type: ignore[misc,arg-type]
    except ValueError:
        return None


def families(folder: str) -> dict[str, list[Rotated]]:
    """The rotated files in a folder by their log's name; what is no regular file is not one. Nothing for a folder that is not there."""
    found: dict[str, list[Rotated]] = {}
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return found
    for entry in entries:
        match = _ROTATED.fullmatch(entry.name)
        if match is None or is_own(entry.name):
            continue
        dated = None if match["number"] else _moment(match["date"])
        if not match["number"] and dated is None:
            continue
        with contextlib.suppress(FileNotFoundError):
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                found.setdefault(match["name"], []).append(
                    Rotated(
                        folder,
                        match["name"],
                        entry.name,
                        match["number"] or match["date"],
                        int(match["number"] or 0),
                        match["extension"] or "",
                        status.st_mtime if dated is None else dated,
                        status.st_size,
                    )
                )
    return found


def all_families(logs: t.Iterable[Log]) -> dict[str, dict[str, list[Rotated]]]:
    """``families`` of each folder that logs have to do with."""
    return {place: families(place) for place in {place for log in logs for place in (log.folder, log.dest)}}


def family(log: Log, folders: t.Mapping[str, t.Mapping[str, t.Sequence[Rotated]]]) -> list[Rotated]:
    """The rotated files of a log, the newest first; ``folders`` are ``families`` of its folder and its ``dest``."""
    found = list(folders.get(log.folder, {}).get(log.name, ()))
    if log.dest != log.folder:
        found += folders.get(log.dest, {}).get(log.name, ())
    # A higher number is older; between numbers and dates only times tell.
    return sorted(found, key=lambda one: (-one.moment, one.number, one.file)) if found else found


def next_path(log: Log, folder: str, suffix: str, moment: float) -> str:
    """A free name in ``folder`` for what is rotated at ``moment``; with numbers, the others move up by one."""
    if suffix == "number":
        _make_room(log)
        return os.path.join(folder, f"{log.name}.1")
    while True:
        name = f"{log.name}-{time.strftime(_DATE, time.gmtime(moment))}"
        if not _present(log, name):
            return os.path.join(folder, name)
        moment += 1


def _present(log: Log, name: str) -> list[tuple[str, str]]:
    """Folder and extension of each file of that name, compressed or not."""
    places = [(folder, extension) for folder in dict.fromkeys((log.folder, log.dest)) for extension in EXTENSIONS.values()]
    return [(folder, extension) for folder, extension in places if os.path.lexists(os.path.join(folder, name + extension))]


def _make_room(log: Log) -> None:
    """Free number 1, from the last that has to move: a run that is killed meanwhile leaves a gap, which the next one uses."""
    free = 1
    while _present(log, f"{log.name}.{free}"):
        free += 1
    for number in range(free - 1, 0, -1):
        for folder, extension in _present(log, f"{log.name}.{number}"):
            os.rename(os.path.join(folder, f"{log.name}.{number}{extension}"), os.path.join(folder, f"{log.name}.{number + 1}{extension}"))
