# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files belong to a log: what the paths name, and what rotations have made of it, compressed or not."""

from __future__ import annotations

import dataclasses
import glob
import os
import re
import stat
import typing as t

from .._common.errors import InvalidInput, RunbookError

COMPRESSED = (".gz", ".zst", ".xz", ".bz2")
# What rotations put behind a log's name, or between it and its ending: a number, a date, seconds since 1970.
_DATE = r"\d{4}-?\d\d-?\d\d(?:[-_T.]?\d{2}[-:.]?\d{2}[-:.]?(?:\d{2})?(?:\.\d+)?Z?)?|\d{10}"
_BEHIND = re.compile(rf"(?:[.-](?:{_DATE})|\.\d{{1,5}})$")
_INSIDE = re.compile(rf"[-._](?:{_DATE})(?=\.[A-Za-z]\w*$)")


@dataclasses.dataclass(frozen=True)
class LogFile:
    """One file of a log, as it was when it was found. ``base`` is the name that all parts of the log share."""

    path: str
    base: str
    dev: int
    ino: int
    size: int
    mtime: float

    @property
    def compression(self) -> str:
        ending = os.path.splitext(self.path)[1]
        return ending if ending in COMPRESSED else ""

    @property
    def key(self) -> tuple[int, int]:
        return self.dev, self.ino


def base_of(path: str) -> str:
    """The name of a log without what rotations add: ``/var/log/x.log`` for ``/var/log/x.log-20260101.gz``."""
    folder, name = os.path.split(path)
    stem, ending = os.path.splitext(name)
    if ending in COMPRESSED:
        name = stem
    for _suffix in range(2):  # a date and a number, for the second rotation of a day
        name = _BEHIND.sub("", name) or name
    return os.path.join(folder, _INSIDE.sub("", name))


def check_paths(paths: t.Sequence[str]) -> None:
    """``InvalidInput`` unless all are absolute."""
    for path in paths:
        if not path.startswith("/") or "\0" in path or "\n" in path:
            raise InvalidInput(f"path {path!r} is not absolute; give for example /var/log/nginx/*.log")


def find_files(paths: t.Sequence[str], rotated: bool, followed: t.Iterable[str] = ()) -> tuple[list[LogFile], list[str]]:
    """All files of the logs, each once, uncompressed and newest first, and the paths that match nothing.

    ``rotated``: also what became of them by rotations in the same folder. ``followed`` are paths of files that were read before.
    """
    names: dict[str, None] = {}
    missing = []
    bases = {base_of(path) for path in followed}
    for pattern in paths:
        found = [path for path in sorted(glob.glob(pattern, recursive=True)) if path == pattern or not os.path.isdir(path)]
        # Between the renaming and the moment when the writer makes a new one, only the old one is there.
        relatives = _relatives({base_of(path) for path in found} or {base_of(pattern)}) if rotated else []
        if not found and not relatives:
            _check_folder(pattern)
            missing.append(pattern)
        names.update(dict.fromkeys([*found, *relatives]))
    if rotated:
        names.update(dict.fromkeys(_relatives(bases)))
    files: dict[tuple[int, int], LogFile] = {}
    for path in names:
        stem, ending = os.path.splitext(path)
        if ending in COMPRESSED and stem in names and os.path.exists(stem):  # a compressor is at it, and removes the other when it is done
            continue
        try:
            status = os.stat(path)
        except FileNotFoundError:  # gone since, by a rotation; under its new name it is found again by its inode
            continue
        file = LogFile(path, base_of(path), status.st_dev, status.st_ino, status.st_size, status.st_mtime)
        if path in paths or stat.S_ISREG(status.st_mode):
            files.setdefault(file.key, file)
    return sorted(files.values(), key=lambda file: (bool(file.compression), -file.mtime, file.path)), missing


def _check_folder(pattern: str) -> None:
    """A folder that can't be read must not pass for one without logs."""
    folder = os.path.dirname(pattern)
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    try:
        os.listdir(folder)
    except PermissionError:
        raise RunbookError(f"{folder} can't be read, so {pattern} can't be looked for; run the task as a user that may (become)") from None
    except OSError:
        pass  # it is not there, and neither is the log


def _relatives(bases: t.Iterable[str]) -> list[str]:
    found = []
    for base in sorted(bases):
        folder, start = os.path.split(base)
        stem = os.path.splitext(start)[0]
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        found += [path for name in sorted(names) if name.startswith(stem) and base_of(path := os.path.join(folder, name)) == base]
    return found
