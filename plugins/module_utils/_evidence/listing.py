# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder's content as text, one line each, in the order of the names, so that two of them can be compared."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import typing as t

from .._common import clock
from .._common.errors import Refused
from . import names, places

# A listing is to be read; more than this says less.
_MOST = 20000


def listing(name: str, parent: int, path: str, depth: int) -> str:
    """The folder ``name`` inside the folder ``parent``, ``depth`` levels of it; links are shown and not followed."""
    try:
        fd = places.open_folder(name, parent)
    except NotADirectoryError:
        raise Refused(
            f"{path} is a {places.kind_of(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)} and has no listing"
        ) from None
    try:
        lines = []
        for line in _lines(fd, "", depth):
            lines.append(line)
            if len(lines) == _MOST:
                lines.append(f"… more than {_MOST} names, the rest is not listed")
                break
    finally:
        os.close(fd)
    return "\n".join([names.found(path), *lines]) + "\n"


def _lines(fd: int, prefix: str, depth: int) -> t.Iterator[str]:
    for entry in sorted(os.listdir(fd)):
        try:
            info = os.stat(entry, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            continue
        kind, shown, size = places.kind_of(info.st_mode), names.found(prefix + entry), ""
        if kind == "file":
            size = str(info.st_size)
        elif kind == "folder":
            shown += "/"
        elif kind == "symbolic link":
            shown += f" -> {names.found(os.readlink(entry, dir_fd=fd))}"
        owner = f"{_user(info.st_uid)}:{_group(info.st_gid)}"
        yield f"{stat.filemode(info.st_mode)} {owner:<17} {size:>12} {clock.stamp(info.st_mtime)} {shown}"
        if kind == "folder" and depth > 1:
            try:
                deeper = places.open_folder(entry, fd)
            except OSError as error:
                yield f"{'':<10} {'':<17} {'':>12} {'':<20} {shown}: {error.strerror}"
                continue
            try:
                yield from _lines(deeper, f"{prefix}{entry}/", depth - 1)
            finally:
                os.close(deeper)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
