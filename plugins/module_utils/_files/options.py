# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules about files share."""

from __future__ import annotations

import socket
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput
from .._database.prune import RETENTION
from .restic import Location

REPOSITORY = ArgumentSpec(
    {
        "repository": {"type": "str", "required": True},
        "password": {"type": "str", "no_log": True},
        "password_file": {"type": "path", "no_log": False},
        "repository_env": {"type": "dict", "default": {}, "no_log": True},
        "sftp_command": {"type": "str"},
        "tags": {"type": "list", "elements": "str", "default": []},
        "host": {"type": "str"},
    },
    mutually_exclusive=[("password", "password_file")],
    required_one_of=[("password", "password_file")],
)
FILES_BACKUP = REPOSITORY.merge(RETENTION).merge(
    ArgumentSpec(
        {
            "path": {"type": "path", "required": True},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "one_file_system": {"type": "bool", "default": False},
            "init": {"type": "bool", "default": False},
            "allow_unreadable": {"type": "bool", "default": False},
            "check": {"type": "bool", "default": True},
            "check_data": {"type": "str", "default": "5%"},
            "fresh_for": {"type": "str", "default": "0"},
        }
    )
)
FILES_RESTORE = REPOSITORY.merge(
    ArgumentSpec(
        {
            "src": {"type": "str", "default": "latest"},
            "as_of": {"type": "str"},
            "path": {"type": "path", "required": True},
            "target": {"type": "path"},
            "mode": {"type": "str", "choices": ["swap", "scratch"], "default": "swap"},
            "force": {"type": "bool", "default": False},
            "allow_unverified": {"type": "bool", "default": False},
            "keep_previous": {"type": "int", "default": 1},
        }
    )
)


def location(options: t.Mapping[str, t.Any]) -> Location:
    """Where the repository is, with the password from the option or its file."""
    password = options["password"] or ""
    if options["password_file"]:
        try:
            with open(options["password_file"], encoding="utf-8") as stream:
                password = stream.read().rstrip("\r\n")
        except (OSError, ValueError) as error:
            raise InvalidInput(f"password_file {options['password_file']} can't be read: {error}") from None
    return Location(options["repository"], password, options["repository_env"], options["sftp_command"] or "")


def host(options: t.Mapping[str, t.Any]) -> str:
    """Whose snapshots are meant."""
    return str(options["host"] or socket.gethostname())
