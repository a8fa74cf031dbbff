# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a SQLite database answers."""

from __future__ import annotations

import os

from .._common.errors import RunbookError
from .ask_sql import SqlAsker
from .checks import Check, Reading
from .dialect_sqlite import SQLiteDialect
from .sqlite_client import COMPANIONS, check_path, real


class SQLiteAsker(SqlAsker):
    """The database is the path of its file."""

    def __init__(self) -> None:
        super().__init__(SQLiteDialect())

    def greet(self, timeout: float, database: str) -> None:
        """Nobody to greet: every check opens its own file."""

    def read(self, check: Check) -> Reading:
        check_path(check.database)
        return super().read(check)

    def ping(self, check: Check) -> Reading:
        return Reading(self.one(check, "SELECT count(*) AS one FROM sqlite_master")["one"])

    def table_size(self, check: Check) -> Reading:
        """Of one table where the library was built with dbstat, else of the file with its log."""
        if not check.table:
            files = [real(check.database) + suffix for suffix in ("", *COMPANIONS)]
            if not os.path.isfile(files[0]):
                raise RunbookError(f"there is no SQLite database {check.database} on this host")
            return Reading(sum(os.path.getsize(path) for path in files if os.path.exists(path)))
        table = self.dialect.table(check.database, check.table, check.timeout)
        try:
            row = self.one(check, f"SELECT sum(pgsize) AS size FROM dbstat WHERE name = {self.dialect.literal(table.name)}")  # noqa: S608
        except RunbookError as error:
            if "dbstat" in error.message:
                raise RunbookError("this host's SQLite can't tell the size of one table; leave table out for the whole file") from None
            raise
        return Reading(row["size"])
