# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite's files: copying one that is in use, keeping everybody out of one, and what has to be alike when one replaces another."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import grp
import os
import pwd
import shutil
import sqlite3
import time
import typing as t

from .._common.errors import Refused, RunbookError
from . import sqlite_client as client

_PAGES_A_STEP = 2000
# After so many copies that a writer made worthless, the writers have to wait for one.
_RESTARTS = 3
# Every connection needs a shared lock on these bytes to read: https://www.sqlite.org/fileformat2.html#the_lock_byte_page
_LOCK_BYTES = (0x40000000, 512)


def copy(name: str, copy: str) -> None:
    """The database as it is at one moment, in a new file, while others go on writing.

    With a write-ahead log a read transaction holds that moment. Without one a write by somebody else makes the library begin
    again; when that has happened too often, a read transaction keeps writers out until the copy is done.
    """
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.closing(client.connect(name)) as source, contextlib.closing(client.connect(copy)) as target:
        source.execute("PRAGMA query_only = 1")
        target.execute("PRAGMA synchronous = OFF")
        calm = source.execute("PRAGMA journal_mode").fetchone()[0] != "wal"
        if not calm:
            _hold(source)
        try:
            source.backup(target, pages=_PAGES_A_STEP, progress=_Watch(name, calm), sleep=0.05)
        except _TooManyWriters:
            _hold(source)
            source.backup(target, pages=_PAGES_A_STEP, progress=_Watch(name, False), sleep=0.05)
    check_length(copy)


def _hold(source: sqlite3.Connection) -> None:
    source.execute("BEGIN")
    source.execute("SELECT count(*) FROM sqlite_master").fetchone()


class _TooManyWriters(Exception):
    pass


class _Watch:
    """Called after each step of a copy: ends one that is never let in, or that begins again and again."""

    def __init__(self, name: str, restarts: bool) -> None:
        self._name = name
        self._restarts = _RESTARTS if restarts else None
        self._remaining = -1
        self._moved = time.monotonic()

    def __call__(self, _status: int, remaining: int, _total: int) -> None:
        if remaining != self._remaining:
            if self._restarts is not None and remaining > self._remaining >= 0:
                self._restarts -= 1
                if self._restarts < 0:
                    raise _TooManyWriters
            self._remaining = remaining
            self._moved = time.monotonic()
        elif time.monotonic() - self._moved > client.BUSY_TIMEOUT:
            raise RunbookError(f"the SQLite database {self._name} has been locked by another program for {client.BUSY_TIMEOUT:g} s")


def leave_out(copy: str, kept: set[str]) -> None:
    with contextlib.closing(client.connect(copy)) as connection:
        for table in client.user_tables(connection):
            if table not in kept:
                connection.execute(f"DROP TABLE {client.quoted(table)}")
        connection.execute("VACUUM")
    # The last connection that closes folds its log in.
    check_length(copy)


def check_length(path: str) -> None:
    """The header says how many pages of which size there are; ``RunbookError`` when the file has another length."""
    with open(path, "rb") as stream:
        header = stream.read(100)
    if not header and os.path.getsize(path) == 0:
        return  # a database without a single table
    if len(header) < 100 or header[:16] != b"SQLite format 3\0":
        raise RunbookError(f"{path} is not a SQLite database, or it is encrypted")
    size = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    if pages * (65536 if size == 1 else size) != os.path.getsize(path):
        raise RunbookError(f"{path} has {os.path.getsize(path):,} bytes, but its header counts {pages:,} pages: it is cut or damaged")


def give(path: str, settings: t.Mapping[str, t.Any]) -> None:
    """The owner and mode that the dumped file had, as far as this host knows the owner and this user may give files away."""
    with contextlib.suppress(KeyError, PermissionError):
        os.chown(path, pwd.getpwnam(settings["owner"]).pw_uid, grp.getgrnam(settings["group"]).gr_gid)
        os.chmod(path, int(settings["mode"], 8) & 0o777)


def alike(path: str, side: str) -> None:
    """The owner, mode and attributes (ACL, SELinux context) of the file that is replaced."""
    status = os.stat(path)
    if (status.st_uid, status.st_gid) != (os.stat(side).st_uid, os.stat(side).st_gid):
        os.chown(side, status.st_uid, status.st_gid)
    shutil.copymode(path, side)
    for attribute in os.listxattr(path):
        with contextlib.suppress(OSError):
            os.setxattr(side, attribute, os.getxattr(path, attribute))


def fold_in(path: str) -> None:
    """Have the library write a write-ahead log or a hot journal back into the file, and remove them."""
    with contextlib.closing(client.connect(path)) as connection:
        connection.execute("PRAGMA busy_timeout = 3000")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise Refused(f"another program is working on the SQLite database {path}; stop it and run again")


@contextlib.contextmanager
def nobody_else(live: str) -> t.Iterator[None]:
    """Keeps every other connection out of a file whose log is folded in; ``Refused`` when somebody has it open."""
    path = client.real(live)
    # Closing any descriptor of this file gives the locks up, so nothing inside may open it.
    with open(path, "r+b", buffering=0) as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCK_BYTES[1], _LOCK_BYTES[0])
        except OSError:
            raise Refused(f"another program is working on the SQLite database {live}; stop it and run again") from None
        pids = _open_elsewhere(stream.fileno())
        if pids:
            # It would go on writing to the file that is put aside.
            raise Refused(f"process {', '.join(pids[:5])} has the SQLite database {live} open; stop it and run again")
        for companion in client.COMPANIONS:
            beside = path + companion
            if companion != "-shm" and os.path.exists(beside) and _hot(beside):
                raise Refused(f"{beside} still holds work that is not in the database; stop what writes to it and run again")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
        yield


def _hot(path: str) -> bool:
    """A journal whose header is empty or zeroed (journal modes truncate and persist) holds nothing."""
    with open(path, "rb") as stream:
        return any(stream.read(8))


def _open_elsewhere(fd: int) -> list[str]:
    wanted = os.fstat(fd)
    found = []
    for folder in glob.iglob("/proc/[0-9]*/fd"):
        pid = folder.split("/")[2]
        if pid == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):
            for entry in os.scandir(folder):
                with contextlib.suppress(OSError):
                    status = os.stat(entry.path)
                    if (status.st_dev, status.st_ino) == (wanted.st_dev, wanted.st_ino):
                        found.append(pid)
                        break
    return found
