# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which account may work in a folder without being led astray by those who may write there.

Whoever may write a folder on the way to a log can put a link in the log's place. So this work is done as root only where none but
root may write; where one other account may, it is done as that account; where several may, it is refused.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
import typing as t

from .._common.errors import InvalidInput, Refused


class Trust:
    """Decides for folders; remembers what it has looked at. ``user`` is the account that somebody chose to act as, if any."""

    def __init__(self, user: str = "") -> None:
        self._chosen = _uid(user) if user else None
        self._writers: dict[tuple[str, bool], frozenset[int]] = {}
        self._members: dict[int, frozenset[int]] = {}
        self._accounts: dict[str, int] = {}

    def account(self, folder: str) -> int:
        """The user id to act as in ``folder``; ``Refused`` when there is none that is safe."""
        if folder not in self._accounts:
            self._accounts[folder] = self._decide(folder)
        return self._accounts[folder]

    def _decide(self, folder: str) -> int:
        own = os.geteuid()
        if self._chosen is not None:
            if own not in (0, self._chosen):
                raise Refused(f"only root can act as user {_name(self._chosen)}; use become, or leave user out")
            return self._chosen
        last = (os.path.abspath(folder), os.path.realpath(folder))
        others = {uid: where for where in self._way(folder) for uid in sorted(self._who(where, where in last))}
        others.pop(0, None)
        if own:
            others.pop(own, None)
        if not others:
            return own
        if -1 not in others and len(others) == 1 and own == 0:
            return next(iter(others))
        where = others.get(-1) or next(iter(others.values()))
        who = "everybody" if -1 in others else ", ".join(_name(uid) for uid in sorted(others))
        raise Refused(
            f"{where} may be written by {who}, who could lead this into other files; take that right away, or name the user to act as"
        )

    def _way(self, folder: str) -> list[str]:
        """Every folder that has a say in where ``folder`` is: those in its name and, where links are in it, those they lead through."""
        found = []
        for path in (os.path.abspath(folder), os.path.realpath(folder)):
            while True:
                found.append(path)
                if path == os.path.dirname(path):
                    break
                path = os.path.dirname(path)
        # A link counts as what it leads to, and its own folder is on the list.
        links = [os.path.realpath(path) for path in found if os.path.islink(path)]
        return list(dict.fromkeys(path for path in [*found, *links] if not os.path.islink(path)))

    def _who(self, folder: str, last: bool) -> frozenset[int]:
        """Who may change names in a folder, or, in the last one, make some; -1 stands for everybody."""
        if (folder, last) not in self._writers:
            status = os.lstat(folder)
            who = {status.st_uid}
            # In a sticky folder only the owner of a name may change it, and that name is looked at as well.
            if last or not status.st_mode & stat.S_ISVTX:
                if status.st_mode & stat.S_IWOTH:
                    who.add(-1)
                if status.st_mode & stat.S_IWGRP:
                    who |= self._group(status.st_gid)
            self._writers[folder, last] = frozenset(who)
        return self._writers[folder, last]

    def _group(self, gid: int) -> frozenset[int]:
        """The members of a group; -1 when it is not known."""
        if gid not in self._members:
            try:
                named = grp.getgrgid(gid).gr_mem
            except KeyError:
                self._members[gid] = frozenset([-1])
                return self._members[gid]
            found = {entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == gid}
            for name in named:
                with contextlib.suppress(KeyError):
                    found.add(pwd.getpwnam(name).pw_uid)
            self._members[gid] = frozenset(found)
        return self._members[gid]


def open_log(path: str, *, single: bool = True) -> int:
    """A descriptor to read a log from; ``Refused`` for what is no regular file, or has more names (unless it need not be ``single``)."""
    status = os.lstat(path)
    _regular(path, status, single)
    # Not before: to open a device can do something to it.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _regular(path, os.fstat(fd), single)
    except Refused:
        os.close(fd)
        raise
    return fd


def _regular(path: str, status: os.stat_result, single: bool) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise Refused(f"{path} is a symbolic link; name the log that it leads to")
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{path} is no regular file; take it out of paths, or exclude it")
    if single and status.st_nlink > 1:
        raise Refused(
            f"{path} has {status.st_nlink} hard links, so cutting it would cut another file; remove the other names, or exclude it"
        )


@contextlib.contextmanager
def opened(path: str, *, single: bool = True) -> t.Iterator[int]:
    """``open_log`` for the time of a block."""
    fd = open_log(path, single=single)
    try:
        yield fd
    finally:
        os.close(fd)


def _uid(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise InvalidInput(f"user {name!r} does not exist on this host; create it, or name another") from None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
