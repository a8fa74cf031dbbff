# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage a drill's own copy of a database, for real."""

from __future__ import annotations

import os
import typing as t

from .._common.errors import InvalidInput, Refused
from .._database.engine import Engine
from .._database.model import Login
from .scratch import PREFIX

_PAGE = 4096


def corrupt(engine: Engine, login: Login, name: str) -> str:
    """Damage the database and say how. Never anything but a drill's scratch database."""
    if not os.path.basename(name).startswith(PREFIX):
        raise Refused(f"{name} was not made by a drill, so no drill damages it")
    if engine.kind == "sqlite":
        return _overwrite(name)
    tables = sorted(engine.tables(name), key=lambda table: table.bytes)
    if not tables:
        raise InvalidInput("the backup has no tables, so there is nothing to damage; drill with one that has data")
    table = tables[-1].name
    if engine.kind == "postgresql":
        from .._database import postgresql_client

        quoted = ".".join(postgresql_client.identifier(part) for part in table.split(".", 1))
        postgresql_client.Client(login).trusted(name, f"DROP TABLE {quoted} CASCADE")
    elif engine.kind in ("mariadb", "mysql"):
        from .._database import mariadb_client

        client = mariadb_client.Client(login)
        with mariadb_client.Session(client, name) as session:
            session.run("SET foreign_key_checks = 0")
            session.run(f"DROP TABLE {mariadb_client.identifier(table)}")
    else:
        raise InvalidInput(f"the scenario database_corruption does not know how to damage {engine.kind}; use backup_restore")
    return f"the table {table} was dropped"


def _overwrite(path: str) -> str:
    """Random bytes over all pages but the first, which says that it is a database."""
    size = os.path.getsize(path)
    with open(path, "r+b") as stream:
        start = _PAGE if size > _PAGE else 100
        stream.seek(start)
        left = size - start
        while left > 0:
            left -= stream.write(os.urandom(min(left, 1 << 20)))
        stream.flush()
        os.fsync(stream.fileno())
    return f"{size - start:,} of {size:,} bytes were overwritten"


Corrupt = t.Callable[[Engine, Login, str], str]
