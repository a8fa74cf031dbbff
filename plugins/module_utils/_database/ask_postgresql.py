# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PostgreSQL answers."""

from __future__ import annotations

from .ask_sql import SqlAsker, oldest
from .checks import Check, Reading
from .dialect_postgresql import PostgreSQLDialect
from .model import Login
from .postgresql_client import Client, literal


class PostgreSQLAsker(SqlAsker):
    def __init__(self, login: Login) -> None:
        client = Client(login)
        super().__init__(PostgreSQLDialect(client))
        self._maintenance = client.maintenance

    def greet(self, timeout: float, database: str) -> None:
        # A database that is missing concerns its own checks only.
        super().greet(timeout, self._maintenance)

    def connections(self, check: Check) -> Reading:
        row = self.one(
            check,
            "SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend') AS used,"
            " current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most",
        )
        used, most = float(row["used"] or 0), float(row["most"] or 1)
        return Reading(used * 100 / most if check.measure == "percent" else used, f"{used:.0f} of {most:.0f}")

    def slow_queries(self, check: Check) -> Reading:
        if check.measure == "rate":
            return Reading(None, "PostgreSQL keeps no count of slow queries; use measure running", "crashed")
        row = self.one(
            check,
            "SELECT count(*) AS n, COALESCE(round(max(extract(epoch FROM clock_timestamp() - query_start))), 0) AS longest"  # noqa: S608
            " FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()"
            f" AND clock_timestamp() - query_start > interval '{check.longer_than:g} seconds'",
        )
        return Reading(row["n"], f"running longer than {check.longer_than:g} s, the longest {row['longest']} s" if row["n"] != "0" else "")

    def replication_lag(self, check: Check) -> Reading:
        """Of a standby how old what it replays is, of a primary how far its slowest standby is behind."""
        row = self.one(
            check,
            "SELECT pg_is_in_recovery() AS standby, (SELECT count(*) FROM pg_catalog.pg_stat_wal_receiver WHERE status = 'streaming')"
            " AS receiving, pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AS level,"
            " CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END AS paused,"
            " extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) AS age",
        )
        if row["standby"] != "t":
            return self._of_primary(check)
        age = row["age"]
        if row["receiving"] == "0":
            return Reading(age, "the standby receives nothing; is its primary reachable?", "failed")
        if row["paused"] == "t":
            return Reading(age, "replaying is paused; call pg_wal_replay_resume()", "failed")
        # On a quiet primary the last transaction is old though nothing is missing.
        return Reading(0 if row["level"] == "t" else age)

    def _of_primary(self, check: Check) -> Reading:
        rows = self.ask(
            check,
            "SELECT application_name AS name, state, COALESCE(extract(epoch FROM replay_lag), 0) AS lag FROM pg_catalog.pg_stat_replication"
            " WHERE state IS DISTINCT FROM 'backup'",
        )
        streaming = [row for row in rows if row["state"] == "streaming"]
        lag = max((float(row["lag"] or 0) for row in streaming), default=None)
        if len(streaming) < check.replicas:
            return Reading(lag, f"{len(streaming)} of {check.replicas} standbys stream", "failed", {"replicas": len(streaming)})
        return Reading(lag or 0, f"{len(streaming)} standbys stream", details={"replicas": len(streaming)})

    def _ages(self, check: Check, manual: str, automatic: str, word: str) -> Reading:
        rows = self.ask(
            check,
            f"SELECT schemaname || '.' || relname AS name, n_live_tup + n_dead_tup AS rows,"  # noqa: S608
            f" extract(epoch FROM clock_timestamp() - greatest({manual}, {automatic})) AS age FROM pg_catalog.pg_stat_user_tables",
        )
        return oldest(check, rows, word)

    def analyze_age(self, check: Check) -> Reading:
        return self._ages(check, "last_analyze", "last_autoanalyze", "analysed")

    def vacuum_age(self, check: Check) -> Reading:
        return self._ages(check, "last_vacuum", "last_autovacuum", "vacuumed")

    def table_size(self, check: Check) -> Reading:
        if not check.table:
            return Reading(self.one(check, "SELECT pg_catalog.pg_database_size(current_database()) AS size")["size"])
        table = self.dialect.table(check.database, check.table, check.timeout)
        return Reading(self.one(check, f"SELECT pg_catalog.pg_total_relation_size({literal(table.sql)}) AS size")["size"])
