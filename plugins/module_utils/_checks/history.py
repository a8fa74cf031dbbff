# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What checks found, over time: a folder with one file a day, one line a run and host.

``<folder>/2026-01-02.jsonl`` holds lines ``{"at": "2026-01-02T03:04:05Z", "run": …, "host": …, "status": …, "checks": [item…]}``
with items as in ``Outcome.to_dict``. Files are only appended to; what can't be read is moved to ``2026-01-02.jsonl.broken``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import re
import typing as t

from .._common import clock
from .._common.errors import InvalidInput, RunbookError
from .._common.files import fsync_folder
from .._common.outcome import SEVERITY

_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})\.jsonl")
# A host of 10,000 checks still fits; a file without line breaks does not fill the memory.
_LONGEST = 16 * 1024 * 1024

Said = t.Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Record:
    """What one run found on one host. ``at`` is UTC as ``clock.stamp`` writes it; ``checks`` are result items."""

    at: str
    run: str
    host: str
    status: str
    checks: t.Sequence[t.Mapping[str, t.Any]]

    @property
    def moment(self) -> float:
        """``at`` in seconds since 1970."""
        return clock.seconds(self.at)

    def to_line(self) -> bytes:
        """The record as a line of the file, with its line break."""
        try:
            text = json.dumps(dataclasses.asdict(self), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"the results of {self.host} can't be stored as JSON: {error}") from None
        return f"{text}\n".encode("utf-8", "replace")


def parse(line: bytes) -> Record:
    """The record of a line; ``InvalidInput`` saying what is wrong with it."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidInput("it is no JSON") from None
    if not isinstance(found, dict):
        raise InvalidInput("it is no JSON object")
    for name in ("at", "run", "host", "status"):
        if not isinstance(found.get(name), str):
            raise InvalidInput(f"{name} is missing or no text")
    if not clock.seconds(found["at"]):
        raise InvalidInput(f"at {found['at'][:40]!r} is no moment")
    if not found["host"]:
        raise InvalidInput("host is empty")
    checks = found.get("checks")
    if not isinstance(checks, list) or not all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in checks):
        raise InvalidInput("checks is no list of result items")
    if any(status not in SEVERITY for status in (found["status"], *(item.get("status") for item in checks))):
        raise InvalidInput(f"a status is none of {', '.join(SEVERITY)}")
    return Record(found["at"], found["run"], found["host"], found["status"], checks)


def append(folder: str, records: t.Iterable[Record]) -> list[str]:
    """Add records to their days' files, each file in one write that is on disk at return; the files' paths.

    The folder is made. A write that fails (disk full) leaves the file as it was.
    """
    days: dict[str, list[bytes]] = {}
    for record in records:
        line = record.to_line()
        try:
            parse(line)  # what could not be read again is refused here
        except InvalidInput as error:
            raise InvalidInput(f"the results of {record.host!r} can't be stored: {error.message}") from None
        days.setdefault(record.at[:10], []).append(line)
    if not days:
        return []
    os.makedirs(folder, mode=0o750, exist_ok=True)
    paths = []
    with _locked(folder):
        for day in sorted(days):
            path = os.path.join(folder, f"{day}.jsonl")
            _add(path, b"".join(days[day]))
            paths.append(path)
        fsync_folder(folder)
    return paths


def read(folder: str, since: float | None = None, until: float | None = None, said: Said = lambda message: None) -> t.Iterator[Record]:
    """Records with ``since <= moment < until`` (seconds since 1970), day by day in the order they were written; one at a time in memory.

    Nothing is changed. What can't be read is passed over and told to ``said``; a folder that does not exist is empty.
    """
    for day in days_of(folder):
        first = clock.seconds(f"{day}T00:00:00Z")
        if (since is not None and first + 86400 <= since) or (until is not None and first >= until):
            continue
        path = os.path.join(folder, f"{day}.jsonl")
        try:
            with _opened(path, os.O_RDONLY) as stream:
                for number, line, whole in _lines(stream):
                    try:
                        record = parse(line)
                    except InvalidInput as error:
                        if whole:  # else it is being written at this moment, or `mend` will tell
                            said(f"line {number} of {path} is passed over: {error.message}")
                        continue
                    if (since is None or record.moment >= since) and (until is None or record.moment < until):
                        yield record
        except OSError as error:
            said(f"{path} is passed over: {error.strerror}")


def days_of(folder: str) -> list[str]:
    """The days that have a file, oldest first, as ``2026-01-02``."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(match[1] for match in map(_DAY.fullmatch, names) if match and clock.seconds(f"{match[1]}T00:00:00Z"))


def mend(folder: str, *, dry: bool = False) -> list[str]:
    """Set aside what can't be read as a record, so that the rest is whole again; one message for each file that was not.

    ``<day>.jsonl.broken`` keeps the lines as they were. ``dry`` only says what would be done.
    """
    messages = []
    with contextlib.nullcontext() if dry or not os.path.isdir(folder) else _locked(folder):
        for day in days_of(folder):
            path = os.path.join(folder, f"{day}.jsonl")
            try:
                broken, kept = _count(path)
                if not broken:
                    continue
                if not dry:
                    _set_aside(path)
                messages.append(
                    f"{broken} of {broken + kept} lines of {path} can't be read; {'they would be' if dry else 'they are'} in {path}.broken"
                )
            except OSError as error:
                aside = f"{path}.broken"
                if not dry:
                    aside = _free(aside)
                    os.rename(path, aside)
                messages.append(f"{path} can't be read ({error.strerror}); it {'would be' if dry else 'is'} set aside as {aside}")
    return messages


def prune(folder: str, before: float, *, dry: bool = False) -> list[str]:
    """Remove the files of days that ended before ``before`` (seconds since 1970); their paths. What was set aside stays."""
    if not os.path.isdir(folder):
        return []
    with contextlib.nullcontext() if dry else _locked(folder):
        old = [os.path.join(folder, f"{day}.jsonl") for day in days_of(folder) if clock.seconds(f"{day}T00:00:00Z") + 86400 <= before]
        for path in () if dry else old:
            os.unlink(path)
    return old


@contextlib.contextmanager
def _locked(folder: str) -> t.Iterator[None]:
    """Alone among those who write. A file of its own, because `mend` replaces the files that hold the records."""
    fd = os.open(os.path.join(folder, ".lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def _opened(path: str, flags: int) -> t.Iterator[t.BinaryIO]:
    # O_NONBLOCK: a FIFO of that name must not be waited for.
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o640)
    with os.fdopen(fd, "rb" if flags == os.O_RDONLY else "r+b", buffering=1 << 16 if flags == os.O_RDONLY else 0) as stream:
        yield stream


def _add(path: str, data: bytes) -> None:
    with _opened(path, os.O_RDWR | os.O_CREAT | os.O_APPEND) as stream:
        fd = stream.fileno()
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            data = b"\n" + data  # somebody was killed in a line: it must not spoil ours
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
        except OSError as error:
            os.ftruncate(fd, size)
            raise RunbookError(
                f"{path} could not be written ({error.strerror}); free some space and run again, the history is as it was"
            ) from error


def _lines(stream: t.BinaryIO) -> t.Iterator[tuple[int, bytes, bool]]:
    """Each line with its number and whether it is whole; of one that is too long, pieces that are no records."""
    number, line = 0, stream.readline(_LONGEST)
    while line:
        whole = line.endswith(b"\n")
        number += 1
        yield number, line, whole or len(line) == _LONGEST
        line = stream.readline(_LONGEST)


def _count(path: str) -> tuple[int, int]:
    """How many lines are broken, and how many are records."""
    broken = kept = 0
    with _opened(path, os.O_RDONLY) as stream:
        for _number, line, _whole in _lines(stream):
            good = _is_record(line)
            kept, broken = kept + good, broken + (not good)
    return broken, kept


def _set_aside(path: str) -> None:
    """The broken lines first to the end of the other file, then this file without them."""
    partial, kept = f"{path}.partial", 0
    with _opened(path, os.O_RDONLY) as stream, _writing(f"{path}.broken", os.O_APPEND) as away, _writing(partial, os.O_TRUNC) as good:
        line = b"\n"
        for _number, line, _whole in _lines(stream):
            if _is_record(line):
                kept += 1
                good.write(line if line.endswith(b"\n") else line + b"\n")
            else:
                away.write(line)
        if not line.endswith(b"\n") and not _is_record(line):
            away.write(b"\n")
        for written in (away, good):
            written.flush()
            os.fsync(written.fileno())
    if kept:
        os.rename(partial, path)
    else:
        os.unlink(partial)
        os.unlink(path)


def _writing(path: str, flags: int) -> t.BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o640), "wb")


def _is_record(line: bytes) -> bool:
    try:
        parse(line)
    except InvalidInput:
        return False
    return True


def _free(path: str) -> str:
    """The path, with a number behind it while that is taken."""
    number, found = 1, path
    while os.path.lexists(found):
        number += 1
        found = f"{path}.{number}"
    return found
