# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration file of any kind: opened once, judged by its open file, read by the reader of its format."""

from __future__ import annotations

import dataclasses
import grp
import os
import pwd
import stat
import typing as t

from .._common.errors import RunbookError
from .env_dotenv import read_docker, read_dotenv
from .env_ini import read_ini
from .env_php import read_php
from .env_shell import read_shell
from .env_systemd import read_systemd
from .env_values import Settings

READERS: dict[str, t.Callable[[str], Settings]] = {
    "dotenv": read_dotenv,
    "shell": read_shell,
    "docker": read_docker,
    "systemd": read_systemd,
    "ini": read_ini,
    "php": read_php,
}
FORMATS = ("auto", *READERS)
_BY_ENDING = {".php": "php", ".inc": "php", ".ini": "ini", ".cnf": "ini", ".conf": "ini", ".cfg": "ini", ".sh": "shell"}
_LARGEST = 1 << 20


@dataclasses.dataclass(frozen=True)
class ConfigFile:
    """A file's names and values, and who may read it. ``mode`` are its permission bits."""

    settings: Settings
    mode: int
    owner: str
    group: str


def open_config(path: str, kind: str) -> ConfigFile:
    """Read ``path`` as ``kind``, one of ``FORMATS``; ``RunbookError`` naming the path, never its content, when that is not possible."""
    mode, owner, group, text = _read(path)
    try:
        settings = READERS[_BY_ENDING.get(os.path.splitext(path)[1].lower(), "dotenv") if kind == "auto" else kind](text)
    except RunbookError as error:
        raise RunbookError(f"{path}: {error.message}") from None
    except RecursionError:
        raise RunbookError(f"{path}: it is nested too deeply to be read") from None
    return ConfigFile(settings, mode, owner, group)


def _read(path: str) -> tuple[int, str, str, str]:
    try:
        # A site's file is often a link to one that outlives releases.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as stream:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                raise RunbookError(f"{path} is no file; give the configuration file's path")
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise RunbookError(f"{path} can't be read: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise RunbookError(f"{path} is larger than {_LARGEST >> 20} MiB; it is no configuration file")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        raise RunbookError(f"{path} has NUL bytes or is UTF-16; save it as UTF-8")
    text = data.decode("utf-8-sig", "surrogateescape").replace("\r\n", "\n")
    return stat.S_IMODE(about.st_mode), _name(pwd.getpwuid, about.st_uid), _name(grp.getgrgid, about.st_gid), text


def _name(find: t.Callable[[int], t.Any], number: int) -> str:
    try:
        return str(find(number)[0])
    except KeyError:
        return str(number)
