# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``log_rotate``, and what they mean."""

from __future__ import annotations

import dataclasses
import grp
import os
import pwd
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput
from .._common.times import parse_duration
from .rotate_bytes import check_program
from .rotate_keep import Limits
from .rotate_method import METHODS, Allowed
from .rotate_names import EXTENSIONS
from .rotate_rename import Create
from .rotate_reopen import Reopen

_MB = 1e6

ROTATE = ArgumentSpec(
    {
        "paths": {"type": "list", "elements": "path", "required": True},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "allow_missing": {"type": "bool", "default": False},
        "max_size": {"type": "float"},
        "every": {"type": "str"},
        "keep": {"type": "int"},
        "max_days": {"type": "float"},
        "max_total_size": {"type": "float"},
        "compress": {"type": "str", "choices": list(EXTENSIONS), "default": "gzip"},
        "dest": {"type": "path"},
        "suffix": {"type": "str", "choices": ["date", "number"], "default": "date"},
        "create": {"type": "bool", "default": True},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "mode": {"type": "raw"},
        "reopen": {
            "type": "dict",
            "options": {
                "pid_file": {"type": "path"},
                "unit": {"type": "str"},
                "command": {"type": "raw"},
                "signal": {"type": "str", "default": "HUP"},
            },
        },
        "wait": {"type": "float", "default": 5.0},
        "method": {"type": "str", "choices": list(METHODS), "default": "auto"},
        "allow_pause": {"type": "bool", "default": False},
        "allow_loss": {"type": "bool", "default": False},
        "user": {"type": "str"},
    }
)


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for. ``max_size`` is in bytes, ``every`` in seconds; without both whatever is not empty is due."""

    max_size: float | None
    every: float | None
    limits: Limits
    compress: str
    suffix: str
    create: Create
    allowed: Allowed
    wait: float
    reopen: Reopen | None

    @classmethod
    def of(cls, options: t.Mapping[str, t.Any]) -> Request:
        """The options, checked; ``InvalidInput`` names the one that is wrong."""
        for name in ("max_size", "keep", "max_days", "max_total_size", "wait"):
            if options[name] is not None and not 0 <= options[name] < float("inf"):
                raise InvalidInput(f"{name} {options[name]} is not a number from 0 on")
        if not options["paths"]:
            raise InvalidInput("paths names no log; give at least one")
        method, reopen = options["method"], Reopen.of(options["reopen"])
        if method == "copytruncate" and not options["allow_loss"]:
            raise InvalidInput("method copytruncate loses the lines that are written meanwhile; use auto, or say allow_loss: true")
        if reopen and method not in ("auto", "rename"):
            raise InvalidInput(f"method {method} needs no reopen; leave one of them out")
        check_program(options["compress"])
        return cls(
            max_size=None if options["max_size"] is None else options["max_size"] * _MB,
            every=None if options["every"] is None else parse_duration(options["every"], "every"),
            limits=Limits(
                options["keep"],
                options["max_days"],
                None if options["max_total_size"] is None else options["max_total_size"] * _MB,
            ),
            compress=options["compress"],
            suffix=options["suffix"],
            create=Create(
                options["create"],
                _id("owner", options["owner"], lambda name: pwd.getpwnam(name).pw_uid),
                _id("group", options["group"], lambda name: grp.getgrnam(name).gr_gid),
                _mode(options["mode"]),
            ),
            allowed=Allowed(method, reopen is not None, options["allow_pause"], options["allow_loss"]),
            wait=options["wait"],
            reopen=reopen,
        )


def _id(option: str, name: str | None, look_up: t.Callable[[str], int]) -> int | None:
    if name is None:
        return None
    try:
        return look_up(name)
    except KeyError:
        if name.isdigit():
            return int(name)
        raise InvalidInput(f"{option} {name!r} does not exist on this host; create it, or name another") from None


def _mode(given: t.Any) -> int | None:
    try:
        mode = None if given is None else given if isinstance(given, int) else int(str(given), 8)
    except ValueError:
        raise InvalidInput(f"mode {given!r} is no mode; write it as '0640'") from None
    if mode is not None and (mode & ~0o666 or mode & 0o002):
        raise InvalidInput(f"mode {mode:04o} does not suit a log; use '0600', '0640', '0644' or '0660'")
    return mode


def dest_of(options: t.Mapping[str, t.Any]) -> str:
    """The folder for rotated files, which may be relative to a log's; empty when they stay beside the log."""
    dest = options["dest"] or ""
    if ".." in dest.split("/"):
        raise InvalidInput(f"dest {dest!r} climbs with '..'; give the folder itself")
    return os.path.normpath(dest) if dest else ""
