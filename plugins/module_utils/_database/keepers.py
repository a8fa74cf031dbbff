# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who looks after a database: one keeper per engine."""

from __future__ import annotations

import typing as t

from .._common.errors import InvalidInput
from .options import login_of
from .upkeep import Keeper


def keeper_of(options: t.Mapping[str, t.Any]) -> Keeper:
    """The keeper of the engine that a module's options name. Only that engine's code is loaded."""
    kind, login, name, wait = options["engine"], login_of(options), options["name"], options["lock_timeout"]
    if kind == "redis":
        raise InvalidInput("Redis needs no such maintenance: keys expire by themselves (EXPIRE), and memory is given back by the server")
    if kind == "sqlite":
        from .keeper_sql import SQLiteKeeper
        from .sqlite_client import check_path

        check_path(name)
        return SQLiteKeeper(name, wait)
    if kind == "postgresql":
        from .dialect_postgresql import PostgreSQLDialect
        from .keeper_sql import PostgreSQLKeeper
        from .postgresql_client import Client

        return PostgreSQLKeeper(PostgreSQLDialect(Client(login)), name, wait)
    if kind == "mongodb":
        from .keeper_mongodb import MongoDBKeeper

        return MongoDBKeeper(login, name)
    from . import mariadb_client
    from .dialect_mariadb import MariaDBDialect
    from .keeper_sql import MariaDBKeeper

    mariadb_client.check_name(name)
    return MariaDBKeeper(MariaDBDialect(mariadb_client.Client(login)), name, wait)
