# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is pasted into statements, and what free queries may be."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._database.ask_mariadb import _trouble
from ansible_collections.runbook.ops.plugins.module_utils._database.dialect import Column, TableColumns
from ansible_collections.runbook.ops.plugins.module_utils._database.dialect_mariadb import MariaDBDialect, check_reading
from ansible_collections.runbook.ops.plugins.module_utils._database.dialect_postgresql import PostgreSQLDialect, qualified
from ansible_collections.runbook.ops.plugins.module_utils._database.dialect_sqlite import SQLiteDialect
from ansible_collections.runbook.ops.plugins.module_utils._database.keeper_sql import among, any_of, beyond
from ansible_collections.runbook.ops.plugins.module_utils._database.mariadb_client import Client
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Login
from ansible_collections.runbook.ops.plugins.module_utils._database.postgresql_client import Client as PostgreSQLClient

MARIADB = MariaDBDialect(Client(Login()))
POSTGRESQL = PostgreSQLDialect(PostgreSQLClient(Login()))
SQLITE = SQLiteDialect()


@pytest.mark.parametrize(
    "statement", ["SELECT 1", " select 1;", "WITH a AS (SELECT 1) SELECT * FROM a", "(SELECT 1)", "SHOW STATUS", "EXPLAIN SELECT 1"]
)
def test_reading(statement):
    check_reading(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM t",
        "SET GLOBAL x = 1",
        "KILL 1",
        "/* x */ SELECT 1",
        "/*!50000 SET x = 1 */",
        "SELECTION",
        "FLUSH TABLES",
        "DO 1",
        "CALL p()",
        "HANDLER t OPEN",
        "SELECT 1 INTO OUTFILE '/x'",
        "SELECT 1 into/**/dumpfile '/x'",
        "SELECT 1 INTO /*!50000 outfile*/ '/x'",
    ],
)
def test_what_a_read_only_transaction_would_not_stop(statement):
    with pytest.raises(InvalidInput, match="only reading is allowed"):
        check_reading(statement)


@pytest.mark.parametrize(
    ("dialect", "literals"),
    [
        (MARIADB, [r"'it''s \\ \0'", "1", "0", "7", "2.5"]),
        (POSTGRESQL, ["'it''s \\ \0'", "true", "false", "7", "2.5"]),
        (SQLITE, ["'it''s \\ \0'", "1", "0", "7", "2.5"]),
    ],
)
def test_literals(dialect, literals):
    assert [dialect.literal(value) for value in ("it's \\ \0", True, False, 7, 2.5)] == literals


@pytest.mark.parametrize("dialect", [MARIADB, POSTGRESQL])
def test_a_unit_that_does_not_fit_the_column(dialect):
    moment, count = Column("m", "date"), Column("n", "bigint")
    dialect.age(moment, "time", "utc")
    dialect.age(count, "seconds", "utc")
    with pytest.raises(InvalidInput, match="counts seconds or milliseconds"):
        dialect.cutoff(count, "time", "utc", 60)
    with pytest.raises(InvalidInput, match="holds no seconds"):
        dialect.cutoff(moment, "seconds", "utc", 60)


def test_zones():
    stamp, moment = Column("m", "timestamp"), Column("m", "datetime")
    assert MARIADB.cutoff(moment, "time", "utc", 60).startswith("SELECT UTC_TIMESTAMP()")
    assert MARIADB.cutoff(moment, "time", "server", 60).startswith("SELECT NOW()")
    assert MARIADB.cutoff(stamp, "time", "utc", 60).startswith("SELECT NOW()")
    assert "'localtime'" in SQLITE.cutoff(moment, "time", "server", 60)


def test_a_number_that_a_server_answers_is_a_number():
    with pytest.raises(ValueError, match="invalid literal"):
        MARIADB.before(Column("n", "bigint"), "seconds", "1 OR 1=1")


def test_columns_must_be_there():
    table = TableColumns("t", "t", (Column("b", "int", 2), Column("a", "int", 1), Column("c", "int")))
    assert [column.name for column in table.key] == ["a", "b"]
    with pytest.raises(InvalidInput, match="has no column 'A'"):
        table.find("A")


def test_keys():
    assert beyond(["a"], ("1",)) == "a > 1"
    assert beyond(["a", "b"], ("1", "'x'")) == "a >= 1 AND (a > 1 OR (b > 'x'))"
    assert among(["a"], [("1",), ("2",)]) == "a IN (1, 2)"
    assert among(["a", "b"], [("1", "2"), ("3", "4")], "VALUES ") == "(a, b) IN (VALUES (1, 2), (3, 4))"
    assert any_of(["a", "b"], [("1", "2"), ("3", "4")]) == "((a = 1 AND b = 2) OR (a = 3 AND b = 4))"
    assert any_of(["a"], [("1",), ("2",)]) == "a IN (1, 2)"


def test_names_of_tables():
    assert qualified("t") == ("public", "t")
    assert qualified("s.t.u") == ("s", "t.u")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"Slave_IO_Running": "Yes", "Slave_SQL_Running": "Yes"}, ""),
        ({"Replica_IO_Running": "Yes", "Replica_SQL_Running": "Yes"}, ""),
        ({"Slave_IO_Running": "Connecting", "Slave_SQL_Running": "Yes", "Last_IO_Error": "e"}, "the IO thread is connecting (e)"),
        ({"Slave_IO_Running": "Yes", "Slave_SQL_Running": "No", "Last_SQL_Error": ""}, "the SQL thread is stopped"),
        ({}, "the IO thread is stopped, the SQL thread is stopped"),
    ],
)
def test_a_replicas_threads(row, said):
    assert _trouble(row) == said
