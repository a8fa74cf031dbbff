# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotated files that nobody writes to any more: compressed, moved, read back, and only then removed under their old name."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import typing as t

from .._common.errors import Refused, RunbookError
from .._common.files import fsync_folder
from .rotate_bytes import Content, chunks, count, create, decoded, encode, measure
from .rotate_names import EXTENSIONS, Log, Rotated, archive_partial
from .rotate_trust import open_log, opened
from .rotate_writers import being_written, holders

# Who had found the log's old name when it was renamed may open it a moment later.
SETTLES = 0.05
_BATCH = 32


@dataclasses.dataclass
class Settled:
    """A rotated file: ``before`` what was in it, ``after`` what was read back from where it is now, ``stored`` its bytes on disk."""

    source: str
    path: str
    before: Content
    after: Content
    stored: int
    made: bool

    def to_dict(self) -> dict[str, t.Any]:
        return {
            "source": self.source,
            "path": self.path,
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "stored_bytes": self.stored,
        }


@dataclasses.dataclass
class Result:
    settled: list[Settled] = dataclasses.field(default_factory=list)
    deferred: dict[str, str] = dataclasses.field(default_factory=dict)
    errors: list[str] = dataclasses.field(default_factory=list)


def goal(log: Log, raw: Rotated, compress: str) -> str:
    """Where a rotated file has to end."""
    return os.path.join(log.dest, raw.stem + (raw.extension or EXTENSIONS[compress]))


def who_writes(path: str) -> str:
    """Who has a file open for writing, in words; empty when nobody has."""
    try:
        with opened(path, single=False) as fd:
            if not being_written(fd):
                return ""
            found, _unseen = holders(fd)
            return ", ".join(str(one) for one in found) or "a process that can't be seen from here"
    except FileNotFoundError:
        return ""


def wait_for(paths: t.Iterable[str], seconds: float) -> None:
    """Until nobody writes to these files, or the time has passed."""
    left, deadline, pause = list(paths), time.monotonic() + seconds, 0.002
    while left:
        with contextlib.suppress(FileNotFoundError), opened(left[-1], single=False) as fd:
            if being_written(fd):
                if time.monotonic() > deadline:
                    return
                time.sleep(pause)
                pause = min(0.1, pause * 2)
                continue
        left.pop()


def settle(raws: t.Sequence[tuple[Log, Rotated]], compress: str, ready: float, new: t.Container[str]) -> Result:
    """Bring files to their ``goal``. ``ready``: the earliest moment (monotonic) to remove the first; those in ``new`` that have
    arrived are counted."""
    result = Result()
    for start in range(0, len(raws), _BATCH):
        with contextlib.ExitStack() as stack:
            open_ones = []
            for log, raw in raws[start : start + _BATCH]:
                try:
                    one = _prepare(stack, log, raw, compress, raw.path in new, result)
                except FileNotFoundError:
                    continue
                except (RunbookError, OSError) as error:
                    result.errors.append(f"{raw.path}: {error.message if isinstance(error, RunbookError) else error.strerror}")
                else:
                    open_ones += [one] if one else []
            if open_ones:
                time.sleep(max(0.0, ready - time.monotonic()))
                _commit(open_ones, result)
    return result


@dataclasses.dataclass
class _Open:
    source: int
    target: int
    partial: str
    settled: Settled


def _prepare(stack: contextlib.ExitStack, log: Log, raw: Rotated, compress: str, new: bool, result: Result) -> _Open | None:
    """Write what becomes the archive beside its name and read it back."""
    # It is only read, and loses this name: who linked to it keeps what is in it.
    source = open_log(raw.path, single=False)
    stack.callback(os.close, source)
    if being_written(source):
        found, _unseen = holders(source)
        result.deferred[raw.path] = ", ".join(str(one) for one in found) or "a process that can't be seen from here"
        return None
    path = goal(log, raw, compress)
    if path == raw.path:
        if new:
            content = count(chunks(source))
            result.settled.append(Settled(path, path, content, content, content.size, False))
        return None
    extension = EXTENSIONS[compress] if not raw.extension else ""
    if os.path.lexists(path):
        _same_beginning(path, raw, extension, source)
    status = os.fstat(source)
    partial = archive_partial(path)
    target = create(partial, status)
    stack.callback(os.close, target)
    try:
        encode(extension, source, target)
        before = measure(chunks(source))
        after = measure(decoded(extension, target, partial))
        if before != after:
            raise RunbookError("it did not read back as it was; is the disk all right? It is kept as it is")
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    except BaseException:
        os.unlink(partial)
        raise
    return _Open(source, target, partial, Settled(raw.path, path, before, after, os.fstat(target).st_size, True))


def _same_beginning(path: str, raw: Rotated, extension: str, source: int) -> None:
    """A killed run may have left both; the archive is replaced then. ``Refused`` when it is another file."""
    with opened(path, single=False) as fd:
        archive = measure(decoded(extension, fd, path))
    if measure(chunks(source, 0, archive.size)) != archive:
        raise Refused(f"{path} is there and holds something else; move one of them away")


def _commit(open_ones: t.Sequence[_Open], result: Result) -> None:
    """The archives get their names, then what they were made of is removed."""
    done = []
    for one in open_ones:
        os.fsync(one.target)
        if os.fstat(one.source).st_size != one.settled.before.size or being_written(one.source):
            os.unlink(one.partial)
            result.deferred[one.settled.source] = "somebody who came while it was compressed"
        else:
            os.rename(one.partial, one.settled.path)
            done.append(one.settled)
    for folder in {os.path.dirname(settled.path) for settled in done}:
        fsync_folder(folder)
    for settled in done:
        os.unlink(settled.source)
    result.settled += done
