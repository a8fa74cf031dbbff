# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the database modules, and the engine that they name."""

from __future__ import annotations

import os
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput
from .engine import Engine
from .model import Login, Selection

ENGINES = ("mariadb", "mysql", "postgresql", "mongodb", "sqlite", "redis")

LOGIN = ArgumentSpec(
    {
        "engine": {"type": "str", "required": True, "choices": list(ENGINES)},
        "login_host": {"type": "str"},
        "login_port": {"type": "int"},
        "login_user": {"type": "str"},
        "login_password": {"type": "str", "no_log": True},
        "login_unix_socket": {"type": "path"},
        "login_db": {"type": "str"},
        "config_file": {"type": "path"},
        "ca_cert": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path"},
        "ssl_mode": {"type": "str", "choices": ["disable", "prefer", "require", "verify-ca", "verify-full"], "default": "prefer"},
    },
    required_together=[("client_cert", "client_key")],
)

WRITERS = ArgumentSpec(
    {
        "writer_services": {"type": "list", "elements": "str", "default": []},
        "writer_stop_commands": {"type": "list", "elements": "raw", "default": []},
        "writer_start_commands": {"type": "list", "elements": "raw", "default": []},
        "writer_timeout": {"type": "float", "default": 60},
    }
)

BACKUP = LOGIN.merge(
    ArgumentSpec(
        {
            "name": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "tables": {"type": "list", "elements": "str", "default": [], "aliases": ["collections"]},
            "exclude_tables": {"type": "list", "elements": "str", "default": [], "aliases": ["exclude_collections"]},
            "compression": {"type": "str", "choices": ["zstd", "gzip", "none"], "default": "zstd"},
            "compression_level": {"type": "int", "default": 0},
            "compression_threads": {"type": "int", "default": 1},
            "encryption_recipients": {"type": "list", "elements": "str", "default": []},
            "jobs": {"type": "int", "default": 1},
            "counts": {"type": "bool", "default": True},
            "checksums": {"type": "bool", "default": True},
            "schema_revision_query": {"type": "str"},
            "check_space": {"type": "bool", "default": True},
            "fresh_for": {"type": "str", "default": "0"},
            "mode": {"type": "raw"},
        }
    )
)

RESTORE = LOGIN.merge(WRITERS).merge(
    ArgumentSpec(
        {
            "src": {"type": "str", "default": "latest"},
            "as_of": {"type": "str"},
            "dest": {"type": "path"},
            "name": {"type": "str"},
            "target": {"type": "str"},
            "mode": {"type": "str", "choices": ["swap", "scratch", "in_place"], "default": "swap"},
            "force": {"type": "bool", "default": False},
            "jobs": {"type": "int", "default": 1},
            "encryption_identity": {"type": "str", "no_log": True},
            "encryption_identity_file": {"type": "path"},
            "safety_backup": {"type": "bool", "default": True},
            "safety_dest": {"type": "path"},
            "keep_previous": {"type": "str", "default": "7d"},
            "state_dir": {"type": "path"},
            "check_space": {"type": "bool", "default": True},
        },
        required_one_of=[("name", "target")],
        mutually_exclusive=[("encryption_identity", "encryption_identity_file")],
    )
)


def login_of(options: t.Mapping[str, t.Any]) -> Login:
    """The log-in that a module's options describe."""
    return Login(
        host=options["login_host"] or "",
        port=options["login_port"] or 0,
        user=options["login_user"] or "",
        password=options["login_password"] or "",
        unix_socket=options["login_unix_socket"] or "",
        database=options["login_db"] or "",
        config_file=options["config_file"] or "",
        ca_cert=options["ca_cert"] or "",
        client_cert=options["client_cert"] or "",
        client_key=options["client_key"] or "",
        ssl_mode=options["ssl_mode"],
    )


def engine_of(options: t.Mapping[str, t.Any]) -> Engine:
    """The engine that a module's options name. Only that engine's code is loaded: the others may lack their libraries."""
    kind, login = options["engine"], login_of(options)
    if kind in ("mariadb", "mysql"):
        from .mariadb import MariaDB

        return MariaDB(login)
    if kind == "postgresql":
        from .postgresql import PostgreSQL

        return PostgreSQL(login)
    if kind == "mongodb":
        from .mongodb import MongoDB

        return MongoDB(login)
    if kind == "sqlite":
        from .sqlite import SQLite

        # A dump is a copy first: where backups go there is room.
        dest = options.get("dest") or ""
        return SQLite(login, dest) if os.path.isdir(dest) else SQLite(login)
    from .redis import Redis

    return Redis(login)


def selection_of(options: t.Mapping[str, t.Any]) -> Selection:
    return Selection(tuple(options["tables"]), tuple(options["exclude_tables"]))


def jobs_of(options: t.Mapping[str, t.Any]) -> int:
    """How many parts at a time, 1 to 32."""
    if not 1 <= options["jobs"] <= 32:
        raise InvalidInput(f"jobs {options['jobs']} is not between 1 and 32")
    return int(options["jobs"])


def mode_of(options: t.Mapping[str, t.Any], default: int = 0o640, what: str = "a backup") -> int:
    """The files' mode: as text or number of octal digits, never for everybody to write."""
    given = options["mode"]
    try:
        mode = default if given is None else given if isinstance(given, int) else int(str(given), 8)
    except ValueError:
        raise InvalidInput(f"mode {given!r} is no mode; write it as '0640'") from None
    if mode & ~0o666 or mode & 0o002 or not mode & 0o400:
        raise InvalidInput(f"mode {mode:04o} does not suit {what}; use '0600', '0640' or '0660'")
    return mode


def identity_of(options: t.Mapping[str, t.Any]) -> str:
    """The age identity, from the option or its file; empty when none is given."""
    path = options["encryption_identity_file"]
    if not path:
        return options["encryption_identity"] or ""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read(1 << 20)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"encryption_identity_file {path} can't be read: {error}") from None


def state_dir_of(options: t.Mapping[str, t.Any]) -> str:
    """Where journals are: the same for every run of this user on this host."""
    if options["state_dir"]:
        return str(options["state_dir"])
    return "/var/lib/runbook" if os.geteuid() == 0 else os.path.expanduser("~/.local/state/runbook")
