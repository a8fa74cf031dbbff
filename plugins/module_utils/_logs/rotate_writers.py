# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who writes to a file now: asked of the kernel, which knows, and of /proc, which has names.

A read lease is granted only while nobody has the file open for writing, in any container. /proc names the processes that may be seen.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import os
import signal
import socket
import stat
import time
import typing as t

from .._common.errors import Refused

_F_SETSIG = 10  # not in fcntl before Python 3.13
# How long a process may need to stop. It stops when it returns from what it asked the kernel for.
_STOPS_WITHIN = 5.0


@dataclasses.dataclass(frozen=True)
class Holder:
    """A process that writes to the file. ``appends``: each write goes to the end, wherever that is. ``start`` is in clock ticks."""

    pid: int
    start: int
    name: str
    appends: bool

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})"


def being_written(fd: int) -> bool:
    """Whether any process has the file of ``fd``, which is open for reading, open for writing."""
    answer = _lease(fd)
    if answer is None and os.geteuid() == 0:
        # Root in a container may lack the right to lease what belongs to others.
        os.seteuid(os.fstat(fd).st_uid)
        try:
            answer = _lease(fd)
        finally:
            os.seteuid(0)
    if answer is not None:
        return answer
    found, unseen = holders(fd)
    return bool(found or unseen)


def _lease(fd: int) -> bool | None:
    """True: somebody writes; False: nobody does; None: the file system or this account's rights do not tell."""
    try:
        # Who opens the file while the lease is there makes the kernel send a signal: one that is ignored unless somebody asks for it.
        fcntl.fcntl(fd, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno in (errno.EAGAIN, errno.EBUSY) else None
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def holders(fd: int) -> tuple[list[Holder], list[int]]:
    """Who has the file of ``fd`` open for writing, this process left out, and the processes that could not be looked into."""
    wanted = os.fstat(fd)
    found, unseen = [], []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            holder = _holds(int(entry), wanted)
        except PermissionError:
            unseen.append(int(entry))
        except OSError:
            continue  # it has ended meanwhile
        else:
            found += [holder] if holder else []
    return found, unseen


def _holds(pid: int, wanted: os.stat_result) -> Holder | None:
    appends: bool | None = None
    for number in os.listdir(f"/proc/{pid}/fd"):
        flags = _flags(pid, number, wanted)
        if flags is not None and flags & os.O_ACCMODE != os.O_RDONLY and not flags & os.O_APPEND:
            # Nothing keeps it from closing one file and opening another between two questions; so it is asked again.
            time.sleep(0.002)
            flags = _flags(pid, number, wanted)
        if flags is not None and flags & os.O_ACCMODE != os.O_RDONLY:
            appends = bool(flags & os.O_APPEND) and appends is not False
    if appends is None:
        return None
    name, start = _identity(pid)
    return Holder(pid, start, name, appends)


def _flags(pid: int, number: str, wanted: os.stat_result) -> int | None:
    """How a descriptor is open, if it is the wanted file's."""
    name = f"/proc/{pid}/fd/{number}"
    try:
        if not os.readlink(name).startswith("/") or not os.path.samestat(os.stat(name), wanted):
            return None  # a socket, a pipe, another file
        with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as stream:
            flags = next(int(line.split()[1], 8) for line in stream if line.startswith("flags:"))
        return flags if os.path.samestat(os.stat(name), wanted) else None
    except FileNotFoundError:
        return None


def _identity(pid: int) -> tuple[str, int]:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        head, _bracket, rest = stream.read().rpartition(")")
    return head.partition("(")[2], int(rest.split()[19])


def suspects(fd: int, found: t.Sequence[Holder], unseen: t.Sequence[int]) -> tuple[list[Holder], list[Holder]]:
    """Of processes that can't be looked into, the children of those that write, who share their files; and others that may write."""
    wanted, known = os.fstat(fd), {one.pid: one.appends for one in found}
    kin, strangers = [], []
    for pid in unseen:
        with contextlib.suppress(OSError, KeyError, ValueError):
            name, start = _identity(pid)
            parent = _status(pid)["PPid"][0]
            while parent > 1 and parent not in known:
                parent = _status(parent)["PPid"][0]
            if parent in known:
                kin.append(Holder(pid, start, name, known[parent]))
            elif _may_write(_status(pid), wanted):
                strangers.append(Holder(pid, start, name, True))
    return kin, strangers


def _status(pid: int) -> dict[str, list[int]]:
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as stream:
        lines = dict(line.partition(":")[::2] for line in stream)
    return {key: [int(word) for word in lines[key].split()] for key in ("PPid", "Uid", "Gid", "Groups")}


def _may_write(status: t.Mapping[str, t.Sequence[int]], file: os.stat_result) -> bool:
    if 0 in status["Uid"] or file.st_mode & stat.S_IWOTH:
        return True
    if file.st_mode & stat.S_IWGRP and file.st_gid in (*status["Gid"], *status["Groups"]):
        return True
    return bool(file.st_mode & stat.S_IWUSR) and file.st_uid in status["Uid"]


def same(pid: int, start: int) -> bool:
    """Whether the process is still the one that started then."""
    try:
        return _identity(pid)[1] == start
    except (OSError, ValueError, IndexError):
        return False


def resume(stopped: t.Iterable[tuple[int, int]]) -> None:
    """Let processes, given by number and start, go on."""
    for pid, start in stopped:
        if same(pid, start):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def pause(who: t.Sequence[Holder]) -> t.Iterator[None]:
    """Stop processes for the time of the block; they go on after it, also when this process is killed in it."""
    named = [(one.pid, one.start) for one in who]
    with _guard(named):
        for one in who:
            try:
                if same(one.pid, one.start):
                    os.kill(one.pid, signal.SIGSTOP)
            except ProcessLookupError:
                continue
            except PermissionError:
                raise Refused(f"{one} may not be paused by this account; run the task as root") from None
        deadline = time.monotonic() + _STOPS_WITHIN
        for one in who:
            while same(one.pid, one.start) and not _stopped(one.pid):
                if time.monotonic() > deadline:
                    raise Refused(f"{one} did not pause within {_STOPS_WITHIN:g} s; use reopen, or another method")
                time.sleep(0.0005)
        yield


@contextlib.contextmanager
def _guard(named: t.Sequence[tuple[int, int]]) -> t.Iterator[None]:
    """A process of its own that lets the stopped ones go on when this one ends, however it ends."""
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.setsid()
            # Neither the log nor a lock is its business.
            for number in os.listdir("/proc/self/fd"):
                if int(number) > 2 and int(number) != there.fileno():
                    with contextlib.suppress(OSError):
                        os.close(int(number))
            there.send(b".")
            there.recv(1)
            resume(named)
        os._exit(0)
    there.close()
    try:
        # Nobody is stopped before it is there to help, and it has let go of the log, whose writers are looked for.
        here.recv(1)
        yield
    finally:
        here.close()
        os.waitpid(child, 0)


def _stopped(pid: int) -> bool:
    """Whether all threads of a process have stopped, or it is gone."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat", encoding="utf-8", errors="replace") as stream:
                if stream.read().rpartition(")")[2].split()[0] not in ("T", "t", "Z", "X"):
                    return False
    except (FileNotFoundError, ProcessLookupError):
        pass
    return True
