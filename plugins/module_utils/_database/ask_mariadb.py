# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What MariaDB and MySQL answer."""

from __future__ import annotations

from .._common.errors import RunbookError
from .ask_sql import SqlAsker, oldest
from .checks import Check, Reading
from .dialect import Row
from .dialect_mariadb import MariaDBDialect, hexed
from .mariadb_client import Client
from .model import Login

_SYSTEM = "('mysql', 'information_schema', 'performance_schema', 'sys')"


class MariaDBAsker(SqlAsker):
    def __init__(self, login: Login) -> None:
        super().__init__(MariaDBDialect(Client(login)))

    def greet(self, timeout: float, database: str) -> None:
        # A database that is missing concerns its own checks only.
        super().greet(timeout, "")

    def _number(self, check: Check, what: str, name: str) -> float:
        row = self.one(check, f"SHOW GLOBAL {what} WHERE Variable_name = {hexed(name)}")
        return float(row["Value"] or 0)

    def connections(self, check: Check) -> Reading:
        used, most = self._number(check, "STATUS", "Threads_connected"), self._number(check, "VARIABLES", "max_connections")
        return Reading(used * 100 / most if check.measure == "percent" else used, f"{used:.0f} of {most:.0f}")

    def slow_queries(self, check: Check) -> Reading:
        if check.measure == "rate":
            slow, uptime = self._number(check, "STATUS", "Slow_queries"), self._number(check, "STATUS", "Uptime")
            return Reading(slow * 3600 / max(1.0, uptime), f"{slow:.0f} since the server's start {uptime:.0f} s ago")
        row = self.one(
            check,
            "SELECT COUNT(*) AS n, COALESCE(MAX(TIME), 0) AS longest FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID()"  # noqa: S608
            f" AND COMMAND IN ('Query', 'Execute') AND TIME > {check.longer_than:g}",
        )
        return Reading(row["n"], f"running longer than {check.longer_than:g} s, the longest {row['longest']} s" if row["n"] != "0" else "")

    def replication_lag(self, check: Check) -> Reading:
        rows = self._replica_status(check)
        if not rows:
            return Reading(None, "this server is no replica; ask its replicas", "failed")
        troubles, lags = [], []
        for row in rows:
            name = row.get("Connection_name") or row.get("Channel_Name") or ""
            trouble = _trouble(row)
            if trouble:
                troubles.append(f"{name}: {trouble}" if name else trouble)
            elif (lag := _either(row, "Seconds_Behind_Master", "Seconds_Behind_Source")) is not None:
                lags.append(float(lag))
            else:
                troubles.append(f"{name or 'the server'} does not know how far it is behind")
        note = "; ".join(troubles)
        return Reading(max(lags) if lags else None, note, "failed" if troubles else "ok", {"sources": len(rows)})

    def _replica_status(self, check: Check) -> list[Row]:
        """Of all connections; the statement's name differs between products and versions."""
        version = self.one(check, "SELECT VERSION() AS version")["version"] or ""
        if "MariaDB" in version:
            return self.ask(check, "SHOW ALL SLAVES STATUS")
        numbers = tuple(int(part) for part in version.split("-")[0].split(".")[:3] if part.isdigit())
        return self.ask(check, "SHOW REPLICA STATUS" if numbers >= (8, 0, 22) else "SHOW SLAVE STATUS")

    def analyze_age(self, check: Check) -> Reading:
        only = "= DATABASE()" if check.database else f"NOT IN {_SYSTEM}"
        name = "table_name" if check.database else "CONCAT(database_name, '.', table_name)"
        rows = self.ask(
            check,
            f"SELECT {name} AS name, n_rows AS `rows`, TIMESTAMPDIFF(SECOND, last_update, NOW()) AS age"  # noqa: S608
            f" FROM mysql.innodb_table_stats WHERE database_name {only}",
        )
        if not rows:
            raise RunbookError("there are no persistent statistics (mysql.innodb_table_stats); check the database's name")
        return oldest(check, rows, "analysed")

    def table_size(self, check: Check) -> Reading:
        only = f" AND TABLE_NAME = {hexed(self.dialect.table(check.database, check.table, check.timeout).name)}" if check.table else ""
        row = self.one(
            check,
            f"SELECT SUM(DATA_LENGTH + INDEX_LENGTH) AS size FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE(){only}",  # noqa: S608
        )
        return Reading(row["size"])


def _either(row: Row, *names: str) -> str | None:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _trouble(row: Row) -> str:
    """What keeps one replication connection from working; empty when nothing does."""
    said = []
    for thread, old, new in (("IO", "Slave_IO_Running", "Replica_IO_Running"), ("SQL", "Slave_SQL_Running", "Replica_SQL_Running")):
        state = _either(row, old, new)
        if state != "Yes":
            error = row.get(f"Last_{thread}_Error") or ""
            said.append(f"the {thread} thread is {'connecting' if state == 'Connecting' else 'stopped'}{f' ({error})' if error else ''}")
    return ", ".join(said)
