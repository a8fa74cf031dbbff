# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and folders opened so that nobody can put another one in their place: step by step, through no foreign symbolic link."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from .._common.errors import InvalidInput, Refused

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO is looked at, not waited for.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_LINKS = 40


def absolute(path: str, option: str) -> str:
    """A path that can be gone to, normalised; ``InvalidInput`` for others."""
    if not path.startswith("/"):
        raise InvalidInput(f"{option} {path!r} is not absolute")
    if ".." in path.split("/") or "\0" in path or "\n" in path:
        raise InvalidInput(f"{option} {path!r} climbs with '..' or has a control character; give the path itself")
    return "/" + os.path.normpath(path).lstrip("/")


@contextlib.contextmanager
def folder_of(path: str) -> t.Iterator[int]:
    """A descriptor of the folder that holds an absolute path. Symbolic links on the way are followed when root or this user made them."""
    fd = _walk([part for part in os.path.dirname(path).split("/") if part])
    try:
        yield fd
    finally:
        os.close(fd)


def _walk(parts: list[str]) -> int:
    fd, followed, done = os.open("/", _FOLDER), 0, ""
    try:
        while parts:
            part = parts.pop(0)
            info = os.stat(part, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISLNK(info.st_mode):
                followed += 1
                if info.st_uid not in (0, os.geteuid()) or followed > _LINKS:
                    raise Refused(f"{done}/{part} is a symbolic link of another user's; give the path that it should lead to")
                target = os.readlink(part, dir_fd=fd)
                if target.startswith("/"):
                    os.close(fd)
                    fd, done = os.open("/", _FOLDER), ""
                parts = [piece for piece in target.split("/") if piece not in ("", ".")] + parts
                continue
            fd, old = os.open(part, _FOLDER & ~os.O_NOFOLLOW if part == ".." else _FOLDER, dir_fd=fd), fd
            os.close(old)
            done = f"{done}/{part}"
    except OSError as error:
        os.close(fd)
        error.filename = f"{done}/{part}"
        raise
    except BaseException:
        os.close(fd)
        raise
    return fd


def open_folder(name: str, parent: int) -> int:
    """A descriptor of a folder inside one; ``OSError`` for a symbolic link or anything else."""
    return os.open(name, _FOLDER, dir_fd=parent)


def open_file(name: str, parent: int) -> tuple[int, str]:
    """A descriptor of a regular file inside a folder, or -1 and why it is not taken."""
    info = os.stat(name, dir_fd=parent, follow_symlinks=False)
    kind = kind_of(info.st_mode)
    if kind != "file":
        return -1, f"it is a {kind}"
    fd = os.open(name, _FILE, dir_fd=parent)
    now = os.fstat(fd)
    owner = os.fstat(parent).st_uid
    reason = ""
    if not stat.S_ISREG(now.st_mode):
        reason = f"it is a {kind_of(now.st_mode)}"
    elif now.st_nlink > 1 and now.st_uid != owner and owner not in (0, os.geteuid()):
        # In a folder of theirs others can give a name to a file that they may not read.
        reason = "it has another name elsewhere and another owner than its folder"
    if reason:
        os.close(fd)
        return -1, reason
    return fd, ""


def kind_of(mode: int) -> str:
    """What a mode is the mode of, in a word."""
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "symbolic link", stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")
