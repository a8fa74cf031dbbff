# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs that are cut while somebody writes to them: the beginning is copied, then taken away in one step.

    copy the beginning -> flush it -> write down what will be done -> mark the log's beginning -> write down that it is marked -> cut

The mark overwrites bytes that are safe in the copy, and goes with the cut. So a run that finds the journal of a killed one knows: the mark
is still there, then nothing was cut, and the bytes are put back; or it is gone, then the cut was made, and the copy is the rotated file.
Lines stay whole: the copy ends with a line, and what follows begins with one.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import json
import os
import secrets
import typing as t

from .._common.errors import Refused, RunbookError
from .._common.files import fsync_folder, write_json
from .rotate_bytes import CHUNK, Content, Counter, chunks, create, write_all
from .rotate_names import Log, next_path
from .rotate_writers import Holder, holders, pause, resume, suspects

_COLLAPSE_RANGE = 8
_MARK = 32
# How far back a block's end is looked for that is a line's end too, in blocks.
_LOOK_BACK = 4096
# What of an unfinished line is moved at most when a log is emptied; a longer one is parted.
_LONGEST = 1 << 16

Cut = t.Literal["collapse", "truncate"]


@dataclasses.dataclass
class Plan:
    """``size`` bytes are copied; ``edits`` (offset, bytes) are made to the log before it loses its first ``at`` bytes (collapse)
    or all from ``at`` on (truncate). ``mark`` is the first edit's number."""

    cut: Cut
    at: int
    size: int
    edits: list[tuple[int, bytes]]

    @property
    def mark(self) -> tuple[int, bytes]:
        return self.edits[0]


class Unsuitable(Refused):
    """The log can't be cut in this way now; another may do."""


class NobodyWrites(Unsuitable):
    """There is nobody to pause now."""


class TooSmall(Unsuitable):
    """There is too little in it to be cut in this way."""


def collapse_range(fd: int, offset: int, length: int) -> None:
    """Take a range of whole blocks out of a file (``fallocate(2)``); ``OSError``."""
    libc = ctypes.CDLL(None, use_errno=True)
    call = getattr(libc, "fallocate64", None) or libc.fallocate
    call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    if call(fd, _COLLAPSE_RANGE, offset, length) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def can_collapse(path: str) -> bool:
    """Whether the file system can do that. It is asked for a range of odd bytes, which those that can refuse in another way."""
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        collapse_range(fd, 1, 1)
    except OSError as error:
        return error.errno == errno.EINVAL
    except AttributeError:  # a C library without that call
        return False
    finally:
        os.close(fd)
    return False


def plan_collapse(fd: int) -> Plan:
    """Whole blocks up to the last line's end that is a block's end too; else a broken line's other part goes along, and leaves spaces."""
    block = os.fstatvfs(fd).f_bsize
    size = os.fstat(fd).st_size
    last = _last_break(fd, size)
    most = min((last + 1) // block, (size - 1) // block) * block
    if most <= 0:
        raise TooSmall(f"it holds less than the {block} bytes that can be collapsed at once")
    mark = (0, secrets.token_hex(_MARK // 2).encode())
    for at in range(most, max(most // 2, most - _LOOK_BACK * block, 0), -block):
        if os.pread(fd, 1, at - 1) == b"\n":
            return Plan("collapse", at, at, [mark])
    rest = 0
    for data in chunks(fd, most, last + 1):
        place = data.find(b"\n")
        rest += len(data) if place < 0 else place + 1
        if place >= 0:
            break
    return Plan("collapse", most, most + rest, [mark, (most, b" " * (rest - 1) + b"\n")])


def plan_truncate(fd: int, size: int) -> Plan:
    """All whole lines of the first ``size`` bytes; a line without its end is moved to the beginning."""
    last = _last_break(fd, size)
    tail = os.pread(fd, size - last - 1, last + 1) if size - last - 1 <= _LONGEST else b""
    whole = size - len(tail)
    if whole < len(tail) + _MARK:
        tail, whole = b"", size
    if whole < _MARK:
        raise TooSmall(f"it holds less than {_MARK} bytes")
    edits = [(len(tail), secrets.token_hex(_MARK // 2).encode())]
    return Plan("truncate", len(tail), whole, edits + ([(0, tail)] if tail else []))


def _last_break(fd: int, size: int) -> int:
    """Where the last line break before ``size`` is; -1 when there is none."""
    end = size
    while end > 0:
        start = max(0, end - CHUNK)
        place = os.pread(fd, end - start, start).rfind(b"\n")
        if place >= 0:
            return start + place
        end = start
    return -1


class Cutting:
    """One log's cut. ``run`` makes it and returns the rotated file's path and content."""

    def __init__(self, log: Log, suffix: str, moment: float) -> None:
        self._log, self._suffix, self._moment = log, suffix, moment
        self._paused: list[list[int]] = []

    def run(self, method: str) -> tuple[str, Content]:
        log = self._log
        live = os.open(log.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(live)
            self._live = [status.st_dev, status.st_ino]
            self._write("copying")
            copy = create(log.partial, status)
            try:
                counter = self._collapse(live, copy) if method == "collapse" else self._truncate(live, copy, method == "pause")
                os.utime(copy, (self._moment, self._moment))
            finally:
                os.close(copy)
            return _place(log, self._suffix, self._moment), counter.content()
        except BaseException:
            recover(log, self._suffix, self._moment)
            raise
        finally:
            os.close(live)

    def _collapse(self, live: int, copy: int) -> Counter:
        plan = plan_collapse(live)
        counter = Counter()
        _copy(live, copy, 0, plan.size, counter)
        self._cut(live, copy, plan)
        return counter

    def _truncate(self, live: int, copy: int, stop: bool) -> Counter:
        """Most of it is copied while the writers write; they wait for the end only."""
        counter = Counter()
        size = os.fstat(live).st_size
        _copy(live, copy, 0, max(0, size - CHUNK), counter)
        os.fsync(copy)
        with contextlib.ExitStack() as stack:
            if stop:
                self._stop(stack, live)
            size = os.fstat(live).st_size
            plan = plan_truncate(live, size)
            _copy(live, copy, counter.size, plan.size, counter)
            self._cut(live, copy, plan)
        return counter

    def _stop(self, stack: contextlib.ExitStack, live: int) -> None:
        """Pause all who have the log open, also those who come while others are paused."""
        known: set[int] = set()
        while True:
            found, unseen = holders(live)
            if not found:
                # Who opens it for each line is not caught between two of them, so it must not be truncated now.
                raise NobodyWrites("nobody is seen to write to it")
            kin, strangers = suspects(live, found, unseen)
            if strangers:
                raise Unsuitable(
                    f"{strangers[0]} may write to it too and can't be looked into; run the task as root, outside of a container"
                )
            found += kin
            appending(found)
            new = [one for one in found if one.pid not in known]
            if not new:
                return
            known |= {one.pid for one in new}
            self._paused += [[one.pid, one.start] for one in new]
            self._write("copying")
            stack.enter_context(pause(new))

    def _cut(self, live: int, copy: int, plan: Plan) -> None:
        os.fsync(copy)
        self._write("copied", plan)
        for offset, data in reversed(plan.edits):
            write_all(live, data, offset)
        os.fsync(live)
        self._write("marked", plan)
        if plan.cut == "truncate":
            os.ftruncate(live, plan.at)
        else:
            try:
                collapse_range(live, 0, plan.at)
            except OSError as error:
                raise Unsuitable(f"its file system does not collapse it ({error.strerror})") from None
        os.fsync(live)

    def _write(self, state: str, plan: Plan | None = None) -> None:
        entry: dict[str, t.Any] = {"state": state, "live": self._live, "paused": self._paused}
        if plan:
            entry["edits"] = [[offset, len(data)] for offset, data in plan.edits]
            entry["mark"] = [plan.mark[0], plan.mark[1].decode()]
        write_json(self._log.journal, entry)


def appending(found: t.Iterable[Holder]) -> None:
    """``Unsuitable`` when a writer would go on where the log's end was, and leave a hole before it."""
    for one in found:
        if not one.appends:
            raise Unsuitable(f"{one} does not write it in append mode and would leave a hole in it")


def _copy(live: int, copy: int, start: int, end: int, counter: Counter) -> None:
    for data in chunks(live, start, end):
        counter.add(data)
        write_all(copy, data)
    if counter.size != end:
        raise RunbookError("it became shorter while it was copied; does something else rotate it?")


def _place(log: Log, suffix: str, moment: float) -> str:
    """Give the copy its name, now that the log has lost what it holds."""
    path = next_path(log, log.dest, suffix, moment)
    os.rename(log.partial, path)
    fsync_folder(log.dest)
    os.unlink(log.journal)
    fsync_folder(log.folder)
    return path


def unfinished(log: Log) -> bool:
    return os.path.lexists(log.journal)


def recover(log: Log, suffix: str, moment: float) -> str:
    """Finish or undo the cut that a killed run left; one sentence about it, empty when there was none."""
    try:
        with open(log.journal, encoding="ascii") as stream:
            entry = json.load(stream)
        state, paused = entry["state"], [(int(pid), int(start)) for pid, start in entry["paused"]]
        mark = (int(entry["mark"][0]), entry["mark"][1].encode()) if state != "copying" else (0, b"")
        edits = [(int(offset), int(length)) for offset, length in entry.get("edits", [])]
        live = tuple(entry["live"])
    except FileNotFoundError:
        return ""
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise RunbookError(f"{log.journal} can't be read ({error!r}); look at the log and {log.partial}, then remove it") from None
    resume(paused)
    if state != "copying" and _was_cut(log, state, mark, live):
        if os.path.lexists(log.partial):
            path = _place(log, suffix, moment)
            return f"an interrupted run had cut it; the lines are in {path}"
        # Killed after the copy had its name.
        os.unlink(log.journal)
        return "an interrupted run had cut it"
    if state == "marked":
        # From here on the mark is no sign of the cut any more.
        write_json(log.journal, {**entry, "state": "copied"})
    if state != "copying":
        _undo(log, edits)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(log.partial)
    os.unlink(log.journal)
    fsync_folder(log.folder)
    return "an interrupted run had begun to cut it; that was undone"


def _was_cut(log: Log, state: str, mark: tuple[int, bytes], live: tuple[int, ...]) -> bool:
    try:
        fd = os.open(log.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # somebody has taken it away since: what was copied may be all that there is
    try:
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != live:
            return True
        return state == "marked" and os.pread(fd, len(mark[1]), mark[0]) != mark[1]
    finally:
        os.close(fd)


def _undo(log: Log, edits: t.Sequence[tuple[int, int]]) -> None:
    """Put the bytes back that were overwritten."""
    try:
        copy = os.open(log.partial, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # it was removed after they had been put back
    try:
        live = os.open(log.path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for offset, length in edits:
                write_all(live, os.pread(copy, length, offset), offset)
            os.fsync(live)
        finally:
            os.close(live)
    finally:
        os.close(copy)
