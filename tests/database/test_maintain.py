# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``db_maintain`` against real servers: only old rows go, in batches, under a cap; a stopped run is continued by the next."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database.check_options import DELETION, MAINTAIN
from ansible_collections.runbook.ops.plugins.module_utils._database.maintain import db_maintain

from database import servers
from database.servers import Server

DATABASE = "rb_test_m"
ENGINES = ("mariadb", "postgresql", "sqlite", "mongodb")
OLD, YOUNG = 2500, 500
# Every sixth row is young, and ``keep`` is 0 for every second one.
EVEN_AND_OLD = (OLD + YOUNG) // 2 - YOUNG
ODD = 'it\'s "odd" \\ ü'


class Subject:
    """A server with a table ``logs`` of OLD rows that are 40 days old and YOUNG ones of today; ids run from old to young and back."""

    def __init__(self, engine: str, server: Server | None, database: str) -> None:
        self.engine, self.server, self.database = engine, server, database

    def options(self, *deletions: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
        options = {name: option.get("default") for name, option in MAINTAIN.options.items()}
        options.update({"engine": self.engine, "name": self.database, **(self.server.options if self.server else {}), **more})
        options["delete_older_than"] = [
            {
                **{name: option.get("default") for name, option in DELETION.items()},
                "table": "logs",
                "column": "made",
                "older_than": "30d",
                **deletion,
            }
            for deletion in deletions
        ]
        for deletion in options["delete_older_than"]:
            deletion["where"] = [{"operator": "eq", "value": None, **condition} for condition in deletion["where"] or ()]
        return options

    def maintain(self, *deletions: dict[str, t.Any], check: bool = False, diff: bool = True, **more: t.Any) -> dict[str, t.Any]:
        return db_maintain(self.options(*deletions, **more), Run(check_mode=check, diff=diff))

    def sql(self, text: str) -> str:
        """The one value that a statement answers, asked without the module."""
        if self.engine == "mariadb":
            return servers.mariadb(self.server, text, self.database)
        if self.engine == "postgresql":
            return servers.psql(self.server, text, self.database)
        with contextlib.closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            row = connection.execute(text).fetchone()
            return str(row[0]) if row else ""

    def count(self, table: str = "logs") -> int:
        if self.engine == "mongodb":
            return int(servers.mongo(self.server)[self.database][table].count_documents({}))
        return int(self.sql(f"SELECT count(*) FROM {table}"))

    def fill(self) -> None:
        """The rows anew."""
        if self.engine == "mongodb":
            database = servers.mongo(self.server)[self.database]
            database.logs.drop()
            now = datetime.datetime.now(datetime.timezone.utc)
            database.logs.insert_many([_document(number, now) for number in range(1, OLD + YOUNG + 1)])
            database.logs.insert_one({"_id": 0, "made": "2001-01-01 00:00:00", "keep": 0})
            return
        number, ago = "n", f"CASE WHEN n % {(OLD + YOUNG) // YOUNG} = 0 THEN 0 ELSE 40 END"
        if self.engine == "mariadb":
            self.sql(
                "DROP TABLE IF EXISTS logs; CREATE TABLE logs (id INT PRIMARY KEY, made DATETIME, stamp TIMESTAMP NULL,"
                " epoch BIGINT, ms BIGINT, keep INT, odd VARCHAR(40))"
            )
            made, stamp, epoch = (
                f"UTC_TIMESTAMP() - INTERVAL {ago} DAY",
                f"NOW() - INTERVAL {ago} DAY",
                f"UNIX_TIMESTAMP() - 86400 * {ago}",
            )
            source = f"(SELECT seq AS n FROM seq_1_to_{OLD + YOUNG}) q"
        elif self.engine == "postgresql":
            self.sql(
                "DROP TABLE IF EXISTS logs; CREATE TABLE logs (id int PRIMARY KEY, made timestamp, stamp timestamptz,"
                " epoch bigint, ms bigint, keep int, odd text)"
            )
            made, stamp = (f"(now() AT TIME ZONE 'UTC') - {ago} * interval '1 day'", f"now() - {ago} * interval '1 day'")
            epoch, source = f"extract(epoch FROM now())::bigint - 86400 * {ago}", f"generate_series(1, {OLD + YOUNG}) n"
        else:
            self.sql("DROP TABLE IF EXISTS logs")
            self.sql("CREATE TABLE logs (id INTEGER PRIMARY KEY, made TEXT, stamp TEXT, epoch, ms, keep INT, odd TEXT)")
            made = f"strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-' || ({ago}) || ' days')"
            stamp, epoch = made, f"CAST(strftime('%s', 'now') AS INTEGER) - 86400 * ({ago})"
            source = f"(WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {OLD + YOUNG}) SELECT n FROM r)"
        odd = ODD.replace("'", "''").replace("\\", "\\\\") if self.engine == "mariadb" else ODD.replace("'", "''")
        self.sql(f"INSERT INTO logs SELECT {number}, {made}, {stamp}, {epoch}, ({epoch}) * 1000, n % 2, '{odd}' FROM {source}")
        # A row without a time is never old.
        self.sql("INSERT INTO logs (id, keep) VALUES (0, 0)")


def _document(number: int, now: datetime.datetime) -> dict[str, t.Any]:
    made = now - datetime.timedelta(days=0 if number % ((OLD + YOUNG) // YOUNG) == 0 else 40)
    epoch = int(made.timestamp())
    return {"_id": number, "made": made, "stamp": made, "epoch": epoch, "ms": epoch * 1000, "keep": number % 2, "odd": ODD}


@pytest.fixture(scope="module", params=ENGINES)
def running(request: pytest.FixtureRequest) -> t.Iterator[Subject]:
    engine = request.param
    folder = pathlib.Path(f"/tmp/rb_test_maintain_{engine}_{os.getpid()}")
    folder.mkdir()
    try:
        if engine == "sqlite":
            yield Subject(engine, None, str(folder / "app.db"))
            return
        one = {"mariadb": servers.mariadb_alone, "postgresql": servers.postgresql_alone, "mongodb": servers.mongodb_alone}[engine]
        with one(folder) as server:
            if engine == "mariadb":
                servers.mariadb(server, f"CREATE DATABASE {DATABASE}")
            elif engine == "postgresql":
                servers.psql(server, f"CREATE DATABASE {DATABASE}")
            yield Subject(engine, server, DATABASE)
    finally:
        servers.run("rm", "-rf", str(folder))


@pytest.fixture
def subject(running: Subject) -> Subject:
    running.fill()
    return running


def test_old_rows_go_in_batches(subject: Subject) -> None:
    predicted = subject.maintain({"batch": 400}, check=True)
    assert predicted["changed"] is True
    assert (predicted["deleted"][0]["matched"], predicted["deleted"][0]["deleted"], subject.count()) == (OLD, 0, OLD + YOUNG + 1)
    done = subject.maintain({"batch": 400})
    assert (done["changed"], done["deleted"][0]["deleted"], done["deleted"][0]["batches"]) == (True, OLD, 7)
    assert subject.count() == YOUNG + 1
    assert predicted["diff"]["after"].startswith("logs: 0 rows")
    for check in (True, False):
        again = subject.maintain({"batch": 400}, check=check)
        assert (again["changed"], again["deleted"][0]["matched"]) == (False, 0)


@pytest.mark.parametrize(("column", "unit"), [("stamp", "time"), ("epoch", "seconds"), ("ms", "milliseconds")])
def test_every_way_to_keep_time(subject: Subject, column: str, unit: str) -> None:
    assert subject.maintain({"column": column, "unit": unit, "older_than": "41d"})["changed"] is False
    assert subject.maintain({"column": column, "unit": unit, "older_than": "39d"})["deleted"][0]["deleted"] == OLD


def test_conditions(subject: Subject) -> None:
    where = [{"column": "keep", "value": 0}, {"column": "odd", "value": ODD}]
    assert subject.maintain({"where": where})["deleted"][0]["deleted"] == EVEN_AND_OLD
    assert subject.maintain({"where": [{"column": "odd", "value": "' OR 1=1 -- "}]})["changed"] is False
    assert subject.count() == OLD + YOUNG + 1 - EVEN_AND_OLD


def test_a_cap_is_refused_before_anything_is_deleted(subject: Subject) -> None:
    for check in (True, False):
        with pytest.raises(Refused, match=r"2,500 rows of logs .* more than max_rows \(2,499\)") as refused:
            # The first alone would be allowed.
            subject.maintain({"where": [{"column": "keep", "value": 0}]}, {"max_rows": OLD - 1}, check=check)
        assert refused.value.result["deleted"][0]["deleted"] == 0
    assert subject.count() == OLD + YOUNG + 1


def test_bad_input(subject: Subject) -> None:
    bad = [{"table": "none"}, {"older_than": "soon"}, {"batch": 0}, {"max_rows": 0}, {"pause": 99}]
    if subject.engine != "mongodb":
        bad += [{"column": "none"}, {"where": [{"column": "id = 1 OR 1", "value": 1}]}]
        if subject.engine != "sqlite":
            bad += [{"column": "epoch"}, {"column": "odd"}]
    bad += [{"column": "epoch", "unit": "milliseconds"}]
    for deletion in bad:
        with pytest.raises(InvalidInput):
            subject.maintain(deletion)
    assert subject.count() == OLD + YOUNG + 1
    with pytest.raises(InvalidInput, match="nothing to do"):
        subject.maintain()
    with pytest.raises(InvalidInput, match="needs tables"):
        subject.maintain(actions=["optimize" if subject.engine in ("mongodb", "mariadb") else "analyze"])
    with pytest.raises(InvalidInput, match="no table fits"):
        subject.maintain(actions=["optimize" if subject.engine in ("mongodb", "mariadb") else "analyze"], tables=["none_*"])


def test_a_killed_run_is_continued(subject: Subject) -> None:
    """Whole batches are gone, the rest is there, and the next run takes it."""
    script = (
        "import json, sys\n"
        "from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run\n"
        "from ansible_collections.runbook.ops.plugins.module_utils._database.maintain import db_maintain\n"
        "db_maintain(json.loads(sys.argv[1]), Run())\n"
    )
    options = json.dumps(subject.options({"batch": 100, "pause": 0.2}))
    process = subprocess.Popen([sys.executable, "-c", script, options], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    servers.until(lambda: subject.count() <= OLD + YOUNG + 1 - 300)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.3)
    left = subject.count() - YOUNG - 1
    assert 0 < left < OLD
    assert left % 100 == 0
    done = subject.maintain({"batch": 1000})
    assert (done["deleted"][0]["deleted"], subject.count()) == (left, YOUNG + 1)


def test_others_are_not_kept_waiting(subject: Subject) -> None:
    """While a run pauses between batches, others write; a row that somebody else holds ends the run, not the other way round."""
    if subject.engine in ("mongodb", "sqlite"):
        return
    words = {
        "mariadb": ["mariadb", "--no-defaults", "-uroot", f"--socket={subject.server.options['login_unix_socket']}", DATABASE],
        "postgresql": [
            "psql",
            "-qh",
            str(subject.server.options["login_unix_socket"]),
            "-p",
            str(subject.server.options.get("login_port")),
            "-U",
            "postgres",
            DATABASE,
        ],
    }[subject.engine]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd="/", text=True) as other:
        other.stdin.write("BEGIN;\nUPDATE logs SET keep = 7 WHERE id = 2000;\n")
        other.stdin.flush()
        time.sleep(1)
        with pytest.raises(RunbookError, match="run again to continue") as stuck:
            subject.maintain({"batch": 500}, lock_timeout=1)
        other.stdin.write("ROLLBACK;\n")
        other.stdin.close()
    deleted = stuck.value.result["deleted"][0]["deleted"]
    assert 0 < deleted < 2000
    assert stuck.value.result["changed"] is True
    assert subject.maintain({})["deleted"][0]["deleted"] == OLD - deleted


def test_a_key_of_several_columns(subject: Subject) -> None:
    if subject.engine == "mongodb":
        return
    kind = {"mariadb": "VARBINARY(20)", "postgresql": "bytea", "sqlite": "BLOB"}[subject.engine]
    value = {"mariadb": "UNHEX('00275cff')", "postgresql": "'\\x00275cff'", "sqlite": "x'00275cff'"}[subject.engine]
    subject.sql("DROP TABLE IF EXISTS pairs")
    end = "" if subject.engine != "sqlite" else " WITHOUT ROWID"
    made = "TEXT" if subject.engine == "sqlite" else "TIMESTAMP"
    subject.sql(f"CREATE TABLE pairs (a {kind} NOT NULL, b VARCHAR(60) NOT NULL, made {made}, PRIMARY KEY (b, a)){end}")
    name = {"mariadb": "CONCAT(odd, id)"}.get(subject.engine, "odd || id")
    subject.sql(f"INSERT INTO pairs SELECT {value}, {name}, stamp FROM logs WHERE id > 0")
    assert subject.maintain({"table": "pairs", "batch": 300})["deleted"][0]["deleted"] == OLD
    assert subject.count("pairs") == YOUNG


def test_a_table_without_a_key(subject: Subject) -> None:
    if subject.engine in ("mongodb", "sqlite"):
        return
    subject.sql("DROP TABLE IF EXISTS loose")
    subject.sql("CREATE TABLE loose (made TIMESTAMP)")
    with pytest.raises(InvalidInput, match="has no primary key"):
        subject.maintain({"table": "loose"})


ACTIONS = {
    "mariadb": ["analyze", "optimize", "integrity"],
    "postgresql": ["vacuum", "analyze"],
    "sqlite": ["integrity", "analyze", "vacuum", "optimize"],
    "mongodb": ["optimize", "integrity"],
}


def test_actions(subject: Subject) -> None:
    name = "public.logs" if subject.engine == "postgresql" else "logs"
    asked: dict[str, t.Any] = {"actions": ACTIONS[subject.engine], "tables": [name]}
    predicted = subject.maintain(check=True, **asked)
    assert predicted["changed"] is True
    assert {item["status"] for item in predicted["actions"] if not item["name"].startswith("integrity")} == {"skipped"}
    done = subject.maintain(**asked)
    assert done["changed"] is True
    assert [item["status"] for item in done["actions"]] == ["ok"] * len(ACTIONS[subject.engine]), done["actions"]
    if "integrity" in ACTIONS[subject.engine]:
        assert subject.maintain(actions=["integrity"], tables=["*"])["changed"] is False


def test_what_was_done_lately_is_left(subject: Subject) -> None:
    if subject.engine not in ("mariadb", "postgresql"):
        return
    asked: dict[str, t.Any] = {"actions": ["analyze"], "tables": ["*logs"]}
    assert subject.maintain(**asked)["changed"] is True
    for check in (True, False):
        again = servers.until(
            lambda check=check: not (found := subject.maintain(check=check, fresh_for="1h", **asked))["changed"] and found
        )
        assert "was done" in again["actions"][0]["message"]
    time.sleep(2)
    assert subject.maintain(fresh_for="1s", **asked)["changed"] is True


def test_damage_is_found(running: Subject) -> None:
    """Bytes of a table are overwritten on the disk."""
    if running.engine != "sqlite":
        return
    running.fill()
    with open(running.database, "r+b") as stream:
        for page in range(3, 30):
            stream.seek(page * 4096)
            stream.write(b"\xff" * 50)
    with pytest.raises(RunbookError, match="damaged") as found:
        running.maintain(actions=["integrity"])
    assert found.value.result["changed"] is False
    os.remove(running.database)


def test_redis_needs_none() -> None:
    with pytest.raises(InvalidInput, match="expire by themselves"):
        Subject("redis", None, "0").maintain(actions=["optimize"])
