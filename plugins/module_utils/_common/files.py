# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are either wholly the old or wholly the new ones, and paths that may be trusted."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import posixpath
import secrets
import typing as t

from .errors import InvalidInput

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2

# Folders that belong to the system: a site's base lies below one of them, it never is one.
_SYSTEM = frozenset(
    [
        "/",
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/home",
        "/lib",
        "/lib64",
        "/media",
        "/mnt",
        "/opt",
        "/proc",
        "/root",
        "/run",
        "/sbin",
        "/srv",
        "/sys",
        "/tmp",  # noqa: S108 - refused, not used
        "/usr",
        "/usr/local",
        "/usr/share",
        "/var",
        "/var/lib",
        "/var/log",
        "/var/tmp",  # noqa: S108 - refused, not used
        "/var/www",
    ]
)


def site_base(path: str) -> str:
    """The normalised base folder of a site, or ``InvalidInput`` when that folder can't be one."""
    if not path or not path.startswith("/"):
        raise InvalidInput(f"path {path!r} is not absolute; give the site's base folder, for example /srv/www.example.com")
    if ".." in path.split("/"):
        raise InvalidInput(f"path {path!r} climbs with '..'; give the folder itself")
    base = posixpath.normpath(path)
    if base.startswith("//"):
        base = base[1:]
    if base in _SYSTEM:
        raise InvalidInput(f"path {base!r} belongs to the system; give a folder of the site's own below it")
    if "\n" in base or "\0" in base:
        raise InvalidInput("path contains a line break or NUL byte")
    return base


def fsync_folder(path: str) -> None:
    """Make the names in a folder survive a power failure."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def exchange(one: str, other: str, *, flush: bool = True) -> bool:
    """Swap two paths in one step (``renameat2(2)``, ``RENAME_EXCHANGE``); ``False`` where the kernel or file system can't.

    Without ``flush`` it is the caller who makes the names survive a power failure (``fsync_folder``), after several of these.
    """
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        for folder in sorted({os.path.dirname(one), os.path.dirname(other)} if flush else ()):
            fsync_folder(folder)
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM):  # EPERM: how old containers filter unknown calls
        return False
    raise OSError(number, os.strerror(number), one, None, other)


def write_atomic(path: str, data: bytes, mode: int = 0o600) -> None:
    """Replace ``path`` by ``data``: written beside it under a new name, flushed, renamed."""
    partial = f"{path}.{secrets.token_hex(6)}.partial"
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(fd, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(partial, path)
    except BaseException:
        try:
            os.unlink(partial)
        except FileNotFoundError:
            pass
        raise
    fsync_folder(os.path.dirname(path))


def write_json(path: str, value: t.Any, mode: int = 0o600) -> None:
    """``write_atomic`` of a JSON document."""
    write_atomic(path, (json.dumps(value, separators=(",", ":"), sort_keys=True) + "\n").encode(), mode)
