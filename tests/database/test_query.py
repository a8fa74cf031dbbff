# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``db_query`` against real servers: every status is caused for real, nothing can be written, a stopped replica is noticed."""

from __future__ import annotations

import contextlib
import datetime
import pathlib
import signal
import sqlite3
import subprocess
import threading
import time
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database.check_options import CHECK, QUERY
from ansible_collections.runbook.ops.plugins.module_utils._database.query import db_query
from ansible_collections.runbook.ops.plugins.module_utils._smoke.options import SMOKE_TEST
from ansible_collections.runbook.ops.plugins.module_utils._smoke.smoke_test import smoke_test
from database import servers
from database.servers import Pair, Server

DATABASE = "rb_test_q"
SQL = ("mariadb", "postgresql", "sqlite")
ENGINES = (*SQL, "mongodb", "redis")
PAIRS = {
    "mariadb": servers.mariadb_pair,
    "postgresql": servers.postgresql_pair,
    "mongodb": servers.mongodb_pair,
    "redis": servers.redis_pair,
}
# Ten jobs, the oldest 100 minutes old; three have failed.
JOBS = [(number, number * 10, "failed" if number > 7 else "it's \\ waiting") for number in range(1, 11)]


class Subject:
    """A server with ten jobs in it."""

    def __init__(self, engine: str, pair: Pair | None, database: str) -> None:
        self.engine, self.pair, self.database = engine, pair, database

    def ask(self, *checks: dict[str, t.Any], server: Server | None = None, **more: t.Any) -> dict[str, t.Any]:
        """The module's result, whether it failed or not (``failed``)."""
        options = {name: option.get("default") for name, option in QUERY.options.items()}
        server = server or (self.pair.primary if self.pair else None)
        options.update({"engine": self.engine, "database": self.database, **(server.options if server else {}), **more})
        options["checks"] = [{**{name: option.get("default") for name, option in CHECK.items()}, **check} for check in checks]
        for check in options["checks"]:
            check["where"] = [{"operator": "eq", "value": None, **condition} for condition in check["where"] or ()]
        try:
            return {"failed": False, **db_query(options, Run(check_mode=True))}
        except RunbookError as error:
            assert "\n" not in error.message
            return {"failed": True, "msg": error.message, **error.result}

    def one(self, server: Server | None = None, **check: t.Any) -> dict[str, t.Any]:
        """The only item for one check."""
        return t.cast("dict[str, t.Any]", self.ask(check, server=server)["checks"][0])

    def count(self) -> int:
        """Jobs that are there, asked without the module."""
        if self.engine == "mariadb":
            return int(servers.mariadb(self.pair.primary, "SELECT COUNT(*) FROM jobs", DATABASE))
        if self.engine == "postgresql":
            return int(servers.psql(self.pair.primary, "SELECT count(*) FROM jobs", DATABASE))
        if self.engine == "mongodb":
            return int(servers.mongo(self.pair.primary)[DATABASE].jobs.count_documents({}))
        if self.engine == "redis":
            return int(servers.redis(self.pair.primary, "LLEN", "jobs"))
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            return int(connection.execute("SELECT count(*) FROM jobs").fetchone()[0])

    def counting(self, **check: t.Any) -> dict[str, t.Any]:
        """A free query for the number of jobs."""
        query: t.Any = "SELECT COUNT(*) AS n FROM jobs"
        if self.engine == "mongodb":
            query = {"count": "jobs"}
        return {"query": "LLEN jobs" if self.engine == "redis" else query, **check}


def fill(engine: str, pair: Pair | None, database: str) -> None:
    quoted = [(number, minutes, state.replace("'", "''")) for number, minutes, state in JOBS]
    if engine == "mariadb":
        rows = ",".join(
            f"({n}, UTC_TIMESTAMP() - INTERVAL {m} MINUTE, NOW() - INTERVAL {m} MINUTE, UNIX_TIMESTAMP() - {m * 60}, '{s}')"
            for n, m, s in quoted
        )
        servers.mariadb(
            pair.primary,
            f"CREATE DATABASE {DATABASE}; USE {DATABASE}; CREATE TABLE jobs (id INT PRIMARY KEY, made DATETIME, stamp TIMESTAMP,"
            f" epoch BIGINT, state VARCHAR(40)); CREATE VIEW seen AS SELECT * FROM jobs;"
            f" SET sql_mode='NO_BACKSLASH_ESCAPES'; INSERT INTO jobs VALUES {rows}",
        )
    elif engine == "postgresql":
        rows = ",".join(
            f"({n}, now() AT TIME ZONE 'UTC' - interval '{m} min', now() - interval '{m} min', extract(epoch FROM now()) - {m * 60}, '{s}')"
            for n, m, s in quoted
        )
        servers.psql(pair.primary, f"CREATE DATABASE {DATABASE}")
        servers.psql(
            pair.primary,
            "CREATE TABLE jobs (id int PRIMARY KEY, made timestamp, stamp timestamptz, epoch bigint, state text); CREATE SEQUENCE numbers;"
            f"INSERT INTO jobs VALUES {rows}; CREATE VIEW seen AS SELECT * FROM jobs",
            DATABASE,
        )
    elif engine == "sqlite":
        rows = ",".join(
            f"({n}, datetime('now', '-{m} minutes'), datetime('now', '-{m} minutes'), CAST(strftime('%s', 'now') AS INT) - {m * 60}, '{s}')"
            for n, m, s in quoted
        )
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.executescript(
                f"CREATE TABLE jobs (id INTEGER PRIMARY KEY, made TEXT, stamp TEXT, epoch, state TEXT); INSERT INTO jobs VALUES {rows};"
                "CREATE VIEW seen AS SELECT * FROM jobs"
            )
    elif engine == "mongodb":
        now = datetime.datetime.now(datetime.timezone.utc)
        times = [(n, now - datetime.timedelta(minutes=m), s) for n, m, s in JOBS]
        servers.mongo(pair.primary)[DATABASE].jobs.insert_many(
            [{"_id": n, "made": then, "stamp": then, "epoch": then.timestamp(), "state": s, "at": {"n": n}} for n, then, s in times]
        )
    else:
        servers.redis(pair.primary, "RPUSH", "jobs", *(str(number) for number, _minutes, _state in JOBS))
        servers.redis(pair.primary, "SET", "text", "abc")


@pytest.fixture(scope="module", params=ENGINES)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Subject]:
    engine = request.param
    folder = pathlib.Path(f"/tmp/rb_test_{engine}_{tmp_path_factory.mktemp('x').parent.name}")
    servers.run("rm", "-rf", str(folder))
    folder.mkdir()
    try:
        if engine == "sqlite":
            fill(engine, None, str(folder / "app.db"))
            yield Subject(engine, None, str(folder / "app.db"))
        else:
            with PAIRS[engine](folder) as pair:
                fill(engine, pair, DATABASE)
                yield Subject(engine, pair, "" if engine == "redis" else DATABASE)
    finally:
        servers.run("rm", "-rf", str(folder))


def test_a_value_is_judged(subject: Subject) -> None:
    result = subject.ask(
        subject.counting(name="fine", warn=10, crit=20),
        subject.counting(name="many", warn=9, crit=20),
        subject.counting(name="too many", warn=5, crit=9),
        subject.counting(name="few", direction="below", warn=11, crit=5),
        subject.counting(name="too few", direction="below", crit=11, unit="jobs"),
        subject.counting(name="known"),
    )
    assert [item["status"] for item in result["checks"]] == ["ok", "warning", "failed", "warning", "failed", "ok"]
    assert [item["value"] for item in result["checks"]] == [10] * 6
    assert (result["status"], result["failed"], result["changed"]) == ("failed", True, False)
    assert result["checks"][4]["message"] == "10 jobs, below crit 11"
    assert subject.ask(subject.counting(crit=1), fail=False)["failed"] is False


SQL_NO_NUMBERS: list[tuple[t.Any, str]] = [
    ("SELECT NULL AS n", "is NULL"),
    ("SELECT 'abc' AS n", "'abc' is not a number"),
    ("SELECT id FROM jobs WHERE id > 99", "no row"),
    ("SELECT id FROM jobs", "more than one row"),
    ("SELECT id, state FROM jobs WHERE id = 1", "2 columns"),
    ("SELECT nonsense FROM jobs", "nonsense"),
]
NO_NUMBERS: dict[str, list[tuple[t.Any, str]]] = {
    "mariadb": SQL_NO_NUMBERS,
    "postgresql": SQL_NO_NUMBERS,
    "sqlite": SQL_NO_NUMBERS,
    "mongodb": [
        ({"find": "jobs", "filter": {"_id": 1}, "projection": {"_id": 0, "none": 1}}, "0 columns"),
        ({"find": "jobs", "filter": {"_id": 1}, "projection": {"_id": 0, "state": 1}}, "is not a number"),
        ({"aggregate": "jobs", "pipeline": [{"$limit": 1}, {"$project": {"_id": 0, "n": None}}]}, "is NULL"),
        ({"find": "jobs", "filter": {"_id": 99}}, "no row"),
        ({"find": "jobs"}, "more than one row"),
        ({"find": "jobs", "filter": {"$nonsense": 1}}, "nonsense"),
    ],
    "redis": [("GET none", "is NULL"), ("GET text", "'abc' is not a number"), ("LRANGE jobs 0 -1", "more than one row"), ("NONSENSE", "")],
}


def test_what_is_no_number_is_never_ok(subject: Subject) -> None:
    queries = NO_NUMBERS[subject.engine]
    result = subject.ask(
        *({"name": str(place), "query": query, "crit": 1000} for place, (query, _said) in enumerate(queries)), subject.counting(name="last")
    )
    assert result["status"] == "crashed"
    for item, (query, said) in zip(result["checks"], queries):
        assert (item["status"], item["value"]) == ("crashed", None), query
        assert said in item["message"], (query, item["message"])
    assert result["checks"][-1]["status"] == "ok"


WRITING: dict[str, list[t.Any]] = {
    "mariadb": [
        "DELETE FROM jobs",
        "SELECT 1; DELETE FROM jobs",
        "SET SESSION TRANSACTION READ WRITE; DELETE FROM jobs",
        "SELECT 1 INTO OUTFILE '/tmp/rb_test_q_outfile'",
        "SELECT 1 UNION SELECT 2 INTO/**/DUMPFILE '/tmp/rb_test_q_outfile'",
        "/*!50000 DELETE FROM jobs */",
        "(SELECT 1); DROP TABLE jobs",
        "EXPLAIN DELETE FROM jobs; DELETE FROM jobs",
        "SHOW TABLES; TRUNCATE jobs",
        "KILL 1",
        "CALL nonsense()",
        "TRUNCATE jobs",
    ],
    "postgresql": [
        "DELETE FROM jobs",
        "SELECT 1; DELETE FROM jobs",
        "COMMIT; DELETE FROM jobs",
        "WITH gone AS (DELETE FROM jobs RETURNING 1) SELECT count(*) FROM gone",
        "SELECT 1) AS q; COMMIT; DELETE FROM jobs; SELECT * FROM (SELECT 1",
        "\\! rm -rf /nonexistent",
        "SELECT nextval('numbers')",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "COPY jobs TO '/tmp/rb_test_q_outfile'",
        "$q$; DELETE FROM jobs; $q$",
    ],
    "sqlite": [
        "DELETE FROM jobs",
        "SELECT 1; DELETE FROM jobs",
        "SELECT 1); DELETE FROM jobs; --",
        "PRAGMA user_version = 7",
        "PRAGMA query_only = 0",
        "ATTACH '/tmp/rb_test_q_outfile' AS x",
        "VACUUM INTO '/tmp/rb_test_q_outfile'",
        "DROP TABLE jobs",
        "BEGIN IMMEDIATE",
    ],
    "mongodb": [
        {"delete": "jobs", "deletes": [{"q": {}, "limit": 0}]},
        {"drop": "jobs"},
        {"find": "jobs", "drop": "jobs"},
        {"aggregate": "jobs", "pipeline": [{"$out": "jobs"}]},
        {"aggregate": "jobs", "pipeline": [{"$merge": {"into": "jobs"}}]},
        {"aggregate": "jobs", "pipeline": [{"$facet": {"a": [{"$merge": "jobs"}]}}]},
        {"findAndModify": "jobs", "remove": True, "query": {}},
        "db.jobs.drop()",
    ],
    "redis": [
        "DEL jobs",
        "FLUSHALL",
        'EVAL \'redis.call("DEL", "jobs")\' 0',
        "LPOP jobs",
        "CONFIG SET maxmemory 1mb",
        "SORT jobs STORE jobs",
        ["DEL", "jobs"],
        "SHUTDOWN",
    ],
}


def test_nothing_can_be_written(subject: Subject) -> None:
    queries = WRITING[subject.engine]
    result = subject.ask(*({"name": str(place), "query": query} for place, query in enumerate(queries)))
    for item, query in zip(result["checks"], queries):
        assert item["status"] == "crashed", (query, item)
    assert subject.count() == 10
    assert not pathlib.Path("/tmp/rb_test_q_outfile").exists()


ENDLESS: dict[str, t.Any] = {
    "mariadb": "SELECT BENCHMARK(10000000000, MD5(1)) AS n",
    "postgresql": "SELECT count(*) FROM generate_series(1, 10000000000)",
    "sqlite": "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
    "mongodb": {"count": "jobs", "query": {"$where": "sleep(3000) || true"}},
}


def test_a_query_that_takes_too_long(subject: Subject) -> None:
    if subject.engine == "redis":
        # A server that is busy for a while is all that can take long there.
        subject.pair.primary.process.send_signal(signal.SIGSTOP)
        try:
            item = subject.one(**subject.counting(timeout=1))
        finally:
            subject.pair.primary.process.send_signal(signal.SIGCONT)
    else:
        item = subject.one(query=ENDLESS[subject.engine], timeout=1)
    assert item["status"] == "crashed", item
    assert item["duration_ms"] < 8000
    assert subject.one(**subject.counting())["value"] == 10


def test_rows_are_counted_up_to_a_cap(subject: Subject) -> None:
    query = {"mongodb": {"find": "jobs"}, "redis": "LRANGE jobs 0 -1"}.get(subject.engine, "SELECT * FROM jobs")
    assert subject.one(query=query, measure="rows", crit=9)["message"] == "10 rows, above crit 9"
    assert "max_rows (9)" in subject.one(query=query, measure="rows", max_rows=9)["message"]


def test_a_queue(subject: Subject) -> None:
    queue = {"kind": "queue_depth", "table": "jobs"}
    assert subject.one(**queue, warn=9)["status"] == "warning"
    assert subject.one(kind="dead_letters", table="jobs")["status"] == "failed"
    if subject.engine == "redis":
        assert subject.one(kind="dead_letters", table="none")["status"] == "ok"
        assert "holds a string" in subject.one(kind="queue_depth", table="text")["message"]
        return
    where = [{"column": "state", "value": "it's \\ waiting"}]
    assert subject.one(**queue, where=where)["value"] == 7
    assert subject.one(**queue, where=[{"column": "state", "operator": "not_in", "value": ["failed", "x'y"]}])["value"] == 7
    assert subject.one(**queue, where=[{"column": "state", "operator": "null"}])["value"] == 0
    for column, unit in (("made", "time"), ("stamp", "time"), ("epoch", "seconds")):
        item = subject.one(**queue, where=where, age_column=column, age_unit=unit, warn="1h", crit="2h")
        assert (item["status"], 4200 <= item["value"] < 4260) == ("warning", True), item
    empty = subject.one(**queue, where=[{"column": "state", "value": "none"}], age_column="made", crit=1)
    assert (empty["status"], empty["value"]) == ("ok", 0)
    assert subject.one(**queue, age_column="state")["status"] == "crashed"
    assert subject.one(kind="queue_depth", table="none")["status"] == "crashed"
    if subject.engine != "mongodb":
        assert "no column 'state OR 1'" in subject.one(**queue, where=[{"column": "state OR 1", "value": 1}])["message"]


def test_ping_and_size(subject: Subject) -> None:
    assert subject.one(kind="ping", crit=60000)["status"] == "ok"
    assert subject.one(kind="ping", warn=0)["status"] == "warning"
    if subject.engine == "redis":
        assert "maxmemory is not set" in subject.one(kind="memory")["message"]
        assert subject.one(kind="memory", measure="size", crit="1G")["status"] == "ok"
        servers.redis(subject.pair.primary, "CONFIG", "SET", "maxmemory", "4mb")
        item = subject.one(kind="memory", warn=1)
        servers.redis(subject.pair.primary, "CONFIG", "SET", "maxmemory", "0")
        assert (item["status"], item["unit"]) == ("warning", "%")
        return
    assert subject.one(kind="table_size", crit="1G")["value"] > 1000
    assert subject.one(kind="table_size", crit="1K")["status"] == "failed"
    if subject.engine != "sqlite":  # not every library can tell it there
        assert subject.one(kind="table_size", table="jobs")["value"] >= 4096
    assert subject.one(kind="table_size", table="none")["status"] == "crashed"


def test_connections(subject: Subject) -> None:
    if subject.engine == "sqlite":
        return
    before = subject.one(kind="connections", measure="count")["value"]
    with contextlib.ExitStack() as stack:
        for _number in range(5):
            stack.enter_context(connected(subject))
        after = servers.until(lambda: (item := subject.one(kind="connections", measure="count", crit=4))["value"] >= before + 5 and item)
        assert after["status"] == "failed"
        percent = subject.one(kind="connections", warn=0, crit=100)
        assert (percent["status"], 0 < percent["value"] < 100) == ("warning", True)


@contextlib.contextmanager
def connected(subject: Subject, query: str = "") -> t.Iterator[None]:
    """A client that is logged in, and waits or asks a query."""
    options = subject.pair.primary.options
    words = {
        "mariadb": ["mariadb", "--no-defaults", "-uroot", f"--socket={options.get('login_unix_socket')}"],
        "postgresql": ["psql", "-h", str(options.get("login_unix_socket")), "-p", str(options.get("login_port")), "-U", "postgres"],
        "redis": ["redis-cli", "-p", str(options.get("login_port")), "BLPOP", "nothing", "60"],
    }
    if subject.engine == "mongodb":
        with servers.mongo(subject.pair.primary) as client:
            client.admin.command("ping")
            yield
        return
    process = subprocess.Popen(words[subject.engine], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    try:
        process.stdin.write(f"{query}\n".encode())
        process.stdin.flush()
        yield
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


def test_slow_queries(subject: Subject) -> None:
    slow = {"kind": "slow_queries", "longer_than": "1s", "crit": 0}
    if subject.engine == "sqlite":
        return
    if subject.engine == "redis":
        servers.redis(subject.pair.primary, "CONFIG", "SET", "slowlog-log-slower-than", "0")
        servers.redis(subject.pair.primary, "PING")
        servers.redis(subject.pair.primary, "CONFIG", "SET", "slowlog-log-slower-than", "1000000")
        assert subject.one(kind="slow_queries", measure="rate", crit=0)["status"] == "failed"
        servers.redis(subject.pair.primary, "SLOWLOG", "RESET")
        assert subject.one(kind="slow_queries", measure="rate", crit=0)["status"] == "ok"
        return
    servers.until(lambda: subject.one(**slow)["status"] == "ok")
    if subject.engine == "mongodb":
        run = threading.Thread(
            target=lambda: list(servers.mongo(subject.pair.primary)[DATABASE].jobs.find({"$where": "sleep(500) || true"}))
        )
        run.start()
        item = servers.until(lambda: (found := subject.one(**slow))["status"] == "failed" and found, 10)
        run.join()
    else:
        with connected(subject, "SELECT SLEEP(20);" if subject.engine == "mariadb" else "SELECT pg_sleep(20);"):
            item = servers.until(lambda: (found := subject.one(**slow))["status"] == "failed" and found, 15)
    assert item["value"] == 1
    if subject.engine == "mariadb":
        assert subject.one(kind="slow_queries", measure="rate", crit=1e9)["status"] == "ok"
    else:
        assert subject.one(kind="slow_queries", measure="rate")["status"] == "crashed"


def test_a_log_in_that_may_not_see_others(subject: Subject) -> None:
    """To it the server looks as if nobody else were there, which must not be taken for ok."""
    if subject.engine not in ("mariadb", "postgresql"):
        return
    primary, replica = subject.pair
    options = {"login_user": "rb_test_limited", "login_password": "x", "database": None}
    checks = [{"kind": "slow_queries"}, {"kind": "replication_lag"}]
    if subject.engine == "mariadb":
        servers.mariadb(primary, f"CREATE USER rb_test_limited IDENTIFIED BY 'x'; GRANT SELECT ON {DATABASE}.* TO rb_test_limited")
        more = "GRANT PROCESS, REPLICA MONITOR ON *.* TO rb_test_limited"
        servers.until(lambda: servers.mariadb(replica, "SELECT COUNT(*) FROM mysql.user WHERE user = 'rb_test_limited'") == "1")
    else:
        servers.psql(primary, "CREATE ROLE rb_test_limited LOGIN")
        more = "GRANT pg_monitor TO rb_test_limited"
        servers.until(lambda: servers.psql(replica, "SELECT count(*) FROM pg_roles WHERE rolname = 'rb_test_limited'") == "1")

    def statuses() -> list[str]:
        with connected(subject):
            time.sleep(0.5)
            found = [subject.ask(*checks, **{**server.options, **options}) for server in (primary, replica)]
        return [item["status"] for result in found for item in result["checks"]]

    assert statuses()[0] == "crashed"
    assert statuses()[3] == "crashed"
    if subject.engine == "mariadb":
        servers.mariadb(primary, more)
    else:
        servers.psql(primary, more)
    servers.until(lambda: statuses()[3] == "ok", 20)
    assert statuses()[0] == "ok"


def test_statistics(subject: Subject) -> None:
    if subject.engine not in ("mariadb", "postgresql"):
        return
    old = {"kind": "analyze_age", "tables": ["*jobs"], "min_rows": 1}
    if subject.engine == "postgresql":
        assert "never analysed: public.jobs" in subject.one(**old)["message"]
        assert "never vacuumed: public.jobs" in subject.one(**{**old, "kind": "vacuum_age"})["message"]
        servers.psql(subject.pair.primary, "VACUUM ANALYZE jobs", DATABASE)
        assert servers.until(lambda: subject.one(**{**old, "kind": "vacuum_age"})["status"] == "ok")
    else:
        servers.mariadb(subject.pair.primary, "ANALYZE TABLE jobs", DATABASE)
    assert servers.until(lambda: subject.one(**old)["status"] == "ok")
    assert servers.until(lambda: subject.one(**old, crit="1s")["status"] == "failed")
    assert subject.one(**{**old, "min_rows": 1000})["status"] == "skipped"
    assert subject.one(**{**old, "tables": ["nothing_*"]})["status"] == "crashed"


LOOKS: dict[str, t.Any] = {
    "mongodb": {
        "find": "jobs",
        "filter": {"$expr": {"$eq": [{"$toString": "$_id"}, "{job_id}"]}},
        "projection": {"_id": 0, "state": 1},
    },
    "redis": "LINDEX jobs {job_id}",
}


def filled(options: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What was given, and defaults: as the module does it, on a host without Ansible."""
    return {
        name: filled(option["options"], given[name]) if given.get(name) and "options" in option else given.get(name, option.get("default"))
        for name, option in options.items()
    }


@pytest.mark.parametrize(("job", "state"), [("8", "failed"), ("1", "it's \\ waiting"), ("99", None), ("8-0", None)])
def test_a_smoke_test_finds_the_status_of_its_job(subject: Subject, job: str, state: str | None) -> None:
    """By an id that is a text to it and a number to the server."""
    if subject.engine == "redis" and state:
        state = str(int(job) + 1)
    login = subject.pair.primary.options if subject.pair else {}
    look = LOOKS.get(subject.engine, "SELECT state FROM jobs WHERE id = {job_id}")
    options = {
        "enqueue": {"command": ["echo", f"job {job}"]},
        "job_id": {"regex": r"job (\S+)"},
        "poll": {"database": {"engine": subject.engine, "database": subject.database, "query": look, **login}},
        "done": [state or "nothing"],
        "failed": [],
        "timeout": 0.1,
        "fail": False,
    }
    result = smoke_test(filled(SMOKE_TEST.options, options), Run())
    if subject.engine == "mariadb" and job == "8-0":
        # MariaDB takes a text for the number that it begins with.
        assert result["job_status"] == "failed"
        return
    assert (result["status"], result["job_status"]) == (("ok", state) if state else ("crashed", None)), result["msg"]


def test_replication(subject: Subject) -> None:
    """Healthy, stopped in each way the engine knows, and healthy again."""
    if subject.engine == "sqlite":
        return
    primary, replica = subject.pair
    lag = {"kind": "replication_lag"}

    def status(server: Server = replica, **more: t.Any) -> t.Any:
        return subject.one(server, **lag, **more)

    def becomes(wanted: str, said: str = "", server: Server = replica) -> None:
        servers.until(lambda: (item := status(server))["status"] == wanted and said in item["message"], 30)

    becomes("ok")
    if subject.engine == "mariadb":
        assert "is no replica" in status(primary)["message"]
        for thread in ("SQL", "IO"):
            servers.mariadb(replica, f"STOP SLAVE {thread}_THREAD")
            item = status()
            assert (item["status"], f"the {thread} thread is stopped" in item["message"]) == ("failed", True), item
            servers.mariadb(replica, "START SLAVE")
            becomes("ok")
        # A statement that can't be applied stops the thread by itself.
        servers.mariadb(replica, "SET sql_log_bin=0; DELETE FROM jobs WHERE id = 1", DATABASE)
        servers.mariadb(primary, "SET binlog_format=ROW; UPDATE jobs SET state = 'x' WHERE id = 1", DATABASE)
        becomes("failed", "Could not execute Update_rows")
        return
    if subject.engine == "postgresql":
        becomes("ok", "1 standbys stream", primary)
        assert status(primary, replicas=2)["status"] == "failed"
        servers.psql(replica, "SELECT pg_wal_replay_pause()")
        assert "pg_wal_replay_resume" in status()["message"]
        servers.psql(primary, "CREATE TABLE more (id int)", DATABASE)
        servers.psql(replica, "SELECT pg_wal_replay_resume()")
        becomes("ok")
        replica.stop(signal.SIGINT)
        becomes("failed", "0 of 1 standbys", primary)
        replica.start()
        replica.wait(lambda: servers.psql(replica, "SELECT 1"))
        becomes("ok", server=primary)
        return
    if subject.engine == "redis":
        becomes("ok", server=primary)
        replica.process.send_signal(signal.SIGSTOP)
        servers.redis(primary, "CONFIG", "SET", "repl-timeout", "2")
        becomes("failed", "0 of 1 replicas", primary)
        replica.process.send_signal(signal.SIGCONT)
        becomes("ok", server=primary)
        servers.redis(replica, "REPLICAOF", "127.0.0.1", str(servers.free_port()))
        becomes("failed", "is down")
        servers.redis(replica, "REPLICAOF", "127.0.0.1", str(primary.options["login_port"]))
        becomes("ok")
        return
    becomes("ok", server=primary)
    assert status(primary, replicas=2)["status"] == "failed"
    replica.stop(signal.SIGKILL)
    becomes("failed", "not reachable", primary)
    replica.start()
    becomes("ok", server=primary)


def test_log_in_refused(subject: Subject) -> None:
    if subject.engine == "sqlite":
        return
    secret = "no'such\\password"
    result = subject.ask({"kind": "ping"}, subject.counting(name="b"), login_user="rb_test_nobody", login_password=secret)
    assert [item["status"] for item in result["checks"]] == ["crashed", "crashed"]
    assert secret not in str(result)
    assert result["checks"][0]["message"] == result["checks"][1]["message"]


def test_no_such_database(subject: Subject) -> None:
    missing = "/nonexistent/app.db" if subject.engine == "sqlite" else "99" if subject.engine == "redis" else "rb_test_none"
    result = subject.ask(subject.counting(name="a", database=missing, crit=-1), subject.counting(name="b"))
    # To MongoDB a database that nobody wrote to is an empty one.
    assert [item["status"] for item in result["checks"]] == ["failed" if subject.engine == "mongodb" else "crashed", "ok"]


def test_the_server_goes_in_the_middle(subject: Subject) -> None:
    """What was asked before stands, the rest crashes with the reason. The last test: the server stays dead."""
    if subject.engine == "sqlite":
        result = subject.ask(subject.counting(database="/nonexistent/app.db"), {"kind": "ping", "database": "/nonexistent/app.db"})
        assert [item["status"] for item in result["checks"]] == ["crashed", "crashed"]
        return
    server = subject.pair.primary
    long = {
        "mariadb": "SELECT SLEEP(5)",
        "postgresql": "SELECT pg_sleep(5)",
        "mongodb": {"count": "jobs", "query": {"$where": "sleep(500) || true"}},
    }
    middle = {"query": long[subject.engine], "timeout": 20} if subject.engine != "redis" else {"query": "LLEN jobs"}
    timer = threading.Timer(1.5, lambda: server.stop(signal.SIGKILL))
    timer.start()
    if subject.engine == "redis":
        timer.join()
    result = subject.ask({"kind": "ping", "crit": 60000}, {"name": "middle", **middle}, subject.counting(name="last"), timeout=5)
    timer.join()
    statuses = [item["status"] for item in result["checks"]]
    assert statuses == ["crashed" if subject.engine == "redis" else "ok", "crashed", "crashed"], result
    assert result["status"] == "crashed"
    result = subject.ask({"kind": "ping"}, {"kind": "connections"}, timeout=3)
    assert [item["status"] for item in result["checks"]] == ["crashed", "crashed"]
    assert result["checks"][0]["message"] == result["checks"][1]["message"] != ""
