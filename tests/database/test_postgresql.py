# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL engine against a real server on this host. Run as root: roles and hostile sessions are made as the user ``postgres``."""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common import process as processes
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._database.engine import Part
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Inventory, Login, Selection, Server
from ansible_collections.runbook.ops.plugins.module_utils._database.postgresql import PostgreSQL, _application
from ansible_collections.runbook.ops.plugins.module_utils._database.postgresql_client import identifier, literal
from ansible_collections.runbook.ops.plugins.module_utils._database.postgresql_settings import describe

PASSWORD = 'p:a\\s\'s "#%s" مرور'
ADMIN, READER = "rb_test_admin", "rb_test_Reader of 'it'"
ALL = Selection()
ODD = "rb_test_Odd =\"name' $\\1"


def as_postgres(sql: str, database: str = "postgres") -> str:
    command = ["runuser", "-u", "postgres", "--", "psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
    done = subprocess.run(
        command, input=sql.encode(), env={**os.environ, "PGDATABASE": database}, cwd="/", capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def sweep() -> None:
    names = as_postgres("SELECT quote_ident(datname) FROM pg_database WHERE datname LIKE 'rb\\_test\\_%'").splitlines()
    for name in names:
        as_postgres(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true IS_TEMPLATE false; DROP DATABASE {name} WITH (FORCE)")
    for name in as_postgres("SELECT quote_ident(rolname) FROM pg_roles WHERE rolname LIKE 'rb\\_test\\_%'").splitlines():
        as_postgres(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture(scope="module", autouse=True)
def roles() -> t.Iterator[None]:
    sweep()
    as_postgres(
        f"CREATE ROLE {ADMIN} SUPERUSER LOGIN PASSWORD {literal(PASSWORD)}; CREATE ROLE {identifier(READER)} LOGIN PASSWORD 'x';"
        "CREATE ROLE rb_test_owner LOGIN PASSWORD 'x' CREATEDB"
    )
    yield
    sweep()


@pytest.fixture
def engine() -> PostgreSQL:
    return PostgreSQL(Login(host="127.0.0.1", user=ADMIN, password=PASSWORD))


@pytest.fixture
def empty() -> t.Iterator[str]:
    as_postgres("CREATE DATABASE rb_test_live TEMPLATE template0")
    yield "rb_test_live"
    drop_databases()


@pytest.fixture
def rich(empty: str) -> str:
    as_postgres(RICH, empty)
    return empty


@pytest.fixture
def counted(empty: str) -> str:
    as_postgres(
        "CREATE TABLE a (id serial PRIMARY KEY, v int NOT NULL, pad text DEFAULT repeat('x', 200));"
        "CREATE TABLE b (id serial PRIMARY KEY, v int NOT NULL, pad text DEFAULT repeat('y', 200));"
        "INSERT INTO a (v) SELECT 1000 FROM generate_series(1, 40000); INSERT INTO b (v) SELECT 1000 FROM generate_series(1, 40000)",
        empty,
    )
    return empty


def drop_databases() -> None:
    for name in as_postgres("SELECT quote_ident(datname) FROM pg_database WHERE datname LIKE 'rb\\_test\\_%'").splitlines():
        as_postgres(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true IS_TEMPLATE false; DROP DATABASE {name} WITH (FORCE)")


class Stored(t.NamedTuple):
    """A dump as a backup would keep it."""

    data: dict[str, bytes]
    settings: dict[str, t.Any]
    inventory: Inventory

    @property
    def parts(self) -> list[Part]:
        return [reading(name, data) for name, data in self.data.items()]


def reading(name: str, data: bytes) -> Part:
    return Part(name, lambda: contextlib.nullcontext(io.BytesIO(data)))


def read(part: Part) -> bytes:
    pieces = []
    with part.open() as reader:
        while piece := reader.read(1 << 20):
            pieces.append(piece)
    return b"".join(pieces)


def dumped(engine: PostgreSQL, name: str, jobs: int = 1, selection: Selection = ALL) -> Stored:
    with engine.dump(name, selection, jobs) as dump, concurrent.futures.ThreadPoolExecutor(jobs + 1) as pool:
        inventory = pool.submit(dump.inventory, counts=True, checksums=True)
        data = dict(zip([part.name for part in dump.parts], pool.map(read, dump.parts)))
        for part, text in data.items():
            dump.check_end(part, text[-4096:])
        return Stored(data, dump.settings, inventory.result())


def restored(engine: PostgreSQL, stored: Stored, name: str, jobs: int = 1) -> Inventory:
    engine.create(name, stored.settings)
    engine.load(name, stored.parts, stored.settings, jobs)
    return engine.inventory(name, counts=True, checksums=True)


RICH = f"""
CREATE EXTENSION pg_trgm; CREATE EXTENSION hstore; CREATE SCHEMA "Sales & Co"; CREATE EXTENSION citext SCHEMA "Sales & Co";
COMMENT ON SCHEMA "Sales & Co" IS 'with '' quote';
CREATE TYPE mood AS ENUM ('sad', 'ok', '😀'); ALTER TYPE mood ADD VALUE 'meh' BEFORE 'ok';
CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TYPE pair AS (a int, b text); CREATE TYPE span AS RANGE (subtype = float8);
CREATE SEQUENCE numbers START 7 INCREMENT 3 MAXVALUE 1000 CYCLE; SELECT nextval('numbers'), nextval('numbers');
CREATE SEQUENCE untouched;
CREATE TABLE customers (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name text NOT NULL, mail "Sales & Co".citext UNIQUE,
  feeling mood DEFAULT 'ok', status varchar(20) CHECK (status IN ('new', 'old')), tags hstore, age positive, place pair, reach span,
  "Upper Name" numeric(10, 2), doubled numeric GENERATED ALWAYS AS ("Upper Name" * 2) STORED, doc jsonb, ratio float8, gone int,
  seen timestamptz, lasting interval, words text[], raw json);
ALTER TABLE customers DROP COLUMN gone;
INSERT INTO customers (name, mail, feeling, status, tags, age, place, reach, "Upper Name", doc, ratio, seen, lasting, words, raw)
SELECT 'name ' || i || E' 😀 \\t\\\\N مرحبا', 'User' || i || '@Example.com',
  (ARRAY['sad', 'meh', 'ok', '😀'])[1 + i % 4]::mood, 'new', 'a=>1'::hstore, i,
  ROW(i, 'x,"y')::pair, '[1,2.5]'::span, i + 0.10, '{{"a": [1, null]}}'::jsonb, 1.0 / i,
  '2026-01-01 00:00:00+00'::timestamptz + i * '1 h'::interval, '1 mon 2 d'::interval,
  ARRAY['a', NULL, 'b"c'], '{{"b": 1}}'::json FROM generate_series(1, 500) i;
CREATE TABLE "Sales & Co"."Order ""of"" things" (id bigserial PRIMARY KEY, customer int NOT NULL REFERENCES customers ON DELETE CASCADE,
  total numeric DEFAULT 0, note text COLLATE "C");
INSERT INTO "Sales & Co"."Order ""of"" things" (customer, total) SELECT i, i * 1.50 FROM generate_series(1, 400) i;
CREATE INDEX trigrams ON customers USING gin (name gin_trgm_ops); CREATE INDEX partly ON customers (age) WHERE status = 'new' AND age > 10;
CLUSTER customers USING customers_pkey;
CREATE TABLE bytes (id int PRIMARY KEY, data bytea); ALTER TABLE bytes ALTER data SET STORAGE EXTERNAL;
INSERT INTO bytes SELECT i, decode(string_agg(lpad(to_hex((b * i) % 256), 2, '0'), ''), 'hex')
  FROM generate_series(1, 20) i, generate_series(0, 255) b
  GROUP BY i;
CREATE TABLE nothing (); CREATE TABLE void (x int);
CREATE TABLE parted (day date NOT NULL, v int) PARTITION BY RANGE (day);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE parted_rest PARTITION OF parted DEFAULT; CREATE INDEX ON parted (v);
INSERT INTO parted SELECT '2026-01-01'::date + i, i FROM generate_series(0, 60) i;
CREATE TABLE animals (name text); CREATE TABLE cats (lives int) INHERITS (animals); ALTER TABLE animals ADD COLUMN later int DEFAULT 3;
INSERT INTO animals VALUES ('dog'); INSERT INTO cats (name, lives) VALUES ('tom', 9);
CREATE VIEW recent AS SELECT c.id, c.name FROM customers c WHERE c.status IN ('new', 'x') ORDER BY id;
CREATE MATERIALIZED VIEW sums AS SELECT customer, sum(total) AS total FROM "Sales & Co"."Order ""of"" things" GROUP BY customer;
CREATE MATERIALIZED VIEW of_sums AS SELECT count(*) AS n FROM sums; CREATE UNIQUE INDEX ON sums (customer);
CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN NEW.note := coalesce(NEW.note, '') || '!'; RETURN NEW; END $f$;
CREATE FUNCTION sum_of(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b -- (x)';
CREATE PROCEDURE nothing_much() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total_of (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE TRIGGER touched BEFORE INSERT OR UPDATE ON "Sales & Co"."Order ""of"" things" FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE ruled (x int); CREATE RULE never AS ON DELETE TO ruled DO INSTEAD NOTHING;
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON customers FOR SELECT TO {identifier(READER)} USING (name = current_user);
GRANT SELECT, UPDATE ON customers TO {identifier(READER)} WITH GRANT OPTION; GRANT SELECT (v) ON parted TO {identifier(READER)};
GRANT USAGE ON SCHEMA "Sales & Co" TO {identifier(READER)}; REVOKE EXECUTE ON FUNCTION sum_of FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {identifier(READER)};
ALTER TABLE cats OWNER TO rb_test_owner; COMMENT ON TABLE cats IS 'nine'; COMMENT ON COLUMN cats.lives IS 'lives';
CREATE STATISTICS related ON id, age FROM customers; CREATE PUBLICATION news FOR TABLE customers;
CREATE FUNCTION told() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER telling ON ddl_command_start EXECUTE FUNCTION told();
CREATE COLLATION german (provider = icu, locale = 'de', deterministic = false); CREATE TABLE folded (w text COLLATE german);
INSERT INTO folded VALUES ('Straße'), ('STRASSE'); CREATE UNLOGGED TABLE quick AS SELECT 1 AS one;
CREATE FUNCTION same(a pair, b pair) RETURNS bool LANGUAGE sql AS 'SELECT a.a = b.a';
CREATE OPERATOR === (LEFTARG = pair, RIGHTARG = pair, FUNCTION = same);
SELECT lo_from_bytea(4711, 'hello'), lo_from_bytea(4712, decode(repeat('00ff10', 900000), 'hex')), lo_create(4713);
GRANT SELECT ON LARGE OBJECT 4711 TO {identifier(READER)}; COMMENT ON LARGE OBJECT 4711 IS 'a large one';
ALTER DATABASE rb_test_live SET search_path = "$user", public, "Sales & Co"; ALTER DATABASE rb_test_live SET work_mem = '5MB';
ALTER DATABASE rb_test_live SET default_transaction_read_only = on;
ALTER ROLE {identifier(READER)} IN DATABASE rb_test_live SET app.word = 'it''s';
ALTER DATABASE rb_test_live OWNER TO rb_test_owner; REVOKE CONNECT ON DATABASE rb_test_live FROM PUBLIC;
GRANT CONNECT ON DATABASE rb_test_live TO {identifier(READER)} WITH GRANT OPTION; COMMENT ON DATABASE rb_test_live IS 'a \\ comment';
ALTER DATABASE rb_test_live CONNECTION LIMIT 50;
"""


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_a_rich_database_survives_under_another_name(engine: PostgreSQL, rich: str, jobs: int) -> None:
    stored = dumped(engine, rich, jobs)
    found = restored(engine, stored, ODD, jobs)
    assert stored.inventory.differences(found) == []
    assert stored.inventory.tables["public.customers"].rows == 500
    assert stored.inventory.tables["large objects"].rows == 3
    assert as_postgres("SELECT lives, later FROM cats", ODD) == "9|3"
    assert as_postgres("SELECT count(*), (SELECT n FROM of_sums) FROM sums", ODD) == "400|400"
    assert as_postgres("SHOW search_path", ODD) == '"$user", public, "Sales & Co"'
    assert {"table", "view", "trigger", "routine", "policy", "extension", "type", "publication", "event trigger"} <= set(found.objects)
    # A restored database's backup is a backup of the same.
    again = dumped(engine, ODD, 3 - min(jobs, 2))
    assert stored.inventory.differences(again.inventory) == []
    assert as_postgres("BEGIN READ WRITE; SELECT nextval('numbers'); COMMIT", ODD) == "13"


def test_the_definitions_of_the_inventory_notice_what_changed(engine: PostgreSQL, rich: str) -> None:
    before = engine.inventory(rich, counts=True, checksums=True)
    as_postgres(
        'SET default_transaction_read_only = off; DROP TRIGGER touched ON "Sales & Co"."Order ""of"" things";'
        "ALTER TABLE void ALTER x SET DEFAULT 4;"
        f"REVOKE SELECT ON customers FROM {identifier(READER)} CASCADE; SELECT nextval('untouched'); COMMENT ON TABLE bytes IS 'new';"
        "UPDATE customers SET mail = upper(mail) WHERE id = 3; SELECT lo_put(4712, 2000000, 'x')",
        rich,
    )
    lines = before.differences(engine.inventory(rich, counts=True, checksums=True))
    assert set(lines) == {
        "table large objects has the right number of rows but other contents",
        "table public.customers has the right number of rows but other contents",
        "sequence public.untouched is defined differently",
        "table public.bytes is defined differently",
        "table public.customers is defined differently",
        "table public.void is defined differently",
        'trigger "Sales & Co"."Order ""of"" things".touched is missing',
    }


def test_an_empty_database(engine: PostgreSQL, empty: str) -> None:
    stored = dumped(engine, empty, 2)
    assert engine.tables(empty) == []
    assert stored.inventory.rows == 0
    assert stored.inventory.differences(restored(engine, stored, "rb_test_side")) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_writers_do_not_change_the_moment(engine: PostgreSQL, counted: str, jobs: int) -> None:
    stop = threading.Event()

    def write(seed: int) -> int:
        text, done = "", 0
        while not stop.is_set():
            # The sum over both tables stays the same, in every transaction.
            text = "".join(
                f"BEGIN; UPDATE a SET v = v - 5 WHERE id = {1 + (seed + i * 7) % 40000}; UPDATE b SET v = v + 5 WHERE id = {1 + i};"
                f"INSERT INTO a (v) VALUES (3); INSERT INTO b (v) VALUES (-3); COMMIT;"
                for i in range(done, done + 50)
            )
            as_postgres(text, counted)
            done += 50
        return done

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, seed) for seed in (1, 2)]
        time.sleep(0.3)
        stored = dumped(engine, counted, jobs)
        stop.set()
        assert all(writer.result() > 50 for writer in writers)
    found = restored(engine, stored, "rb_test_side", jobs)
    assert stored.inventory.differences(found) == []
    assert as_postgres("SELECT (SELECT sum(v) FROM a) + (SELECT sum(v) FROM b)", "rb_test_side") == str(80000 * 1000)
    assert as_postgres("INSERT INTO a (v) VALUES (1) RETURNING id > (SELECT max(id) FROM a)", "rb_test_side") == "t"


def test_a_truncate_during_the_dump_waits(engine: PostgreSQL, counted: str) -> None:
    with engine.dump(counted, ALL, 1) as dump:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(as_postgres, "SET lock_timeout = '300ms'; TRUNCATE a, b", counted)
            with pytest.raises(AssertionError, match="lock timeout"):
                waiting.result()
        assert dump.inventory(counts=True, checksums=False).rows == 80000
        read(dump.parts[0])


def test_tables_left_out_are_restored_empty(engine: PostgreSQL, rich: str) -> None:
    stored = dumped(engine, rich, 2, Selection(exclude=("public.part*", "public.bytes")))
    found = restored(engine, stored, "rb_test_side", 2)
    assert stored.inventory.differences(found) == []
    assert found.tables["public.bytes"].rows == found.tables["public.parted_1"].rows == 0
    assert found.tables["public.customers"].rows == 500
    assert dumped(engine, rich, 1, Selection(include=("public.customers",))).inventory.rows == 503
    with pytest.raises(InvalidInput, match="refers to public.customers, which is left out"):
        dumped(engine, rich, 1, Selection(exclude=("public.customers",)))
    with pytest.raises(InvalidInput, match="no table fits 'public.custumers'"):
        dumped(engine, rich, 1, Selection(include=("public.custumers",)))


def test_one_value_is_asked_inside_the_moment(engine: PostgreSQL, counted: str) -> None:
    with engine.dump(counted, ALL, 1) as dump:
        as_postgres("INSERT INTO a (v) VALUES (1)", counted)
        assert dump.query("SELECT count(*) FROM a;") == "40000"
        assert dump.query("SELECT NULL") == dump.query("SELECT 1 WHERE false") == ""
        with pytest.raises(RunbookError, match='relation "nowhere" does not exist'):
            dump.query("SELECT * FROM nowhere")
        # A failing query does not end the moment.
        assert dump.inventory(counts=True, checksums=False).tables["public.a"].rows == 40000
        read(dump.parts[0])


def test_rows_are_told_exactly_and_only_read(engine: PostgreSQL, counted: str) -> None:
    ask = engine.client.rows
    assert ask(counted, "SELECT 1 AS a, NULL AS b, '' AS c, E'x\\ny,\"z\\\\N' AS d, '' AS \"e\"\"\"", 5) == [
        {"a": "1", "b": None, "c": "", "d": 'x\ny,"z\\N', 'e"': ""}
    ]
    assert ask(counted, "SELECT '' AS a UNION ALL SELECT NULL", 5) == [{"a": ""}, {"a": None}]
    assert ask(counted, "SHOW server_encoding", 5) == [{"server_encoding": "UTF8"}]
    assert ask(counted, "SELECT 1 AS a WHERE false -- none", 5) == []
    for hostile in (
        "INSERT INTO a (v) VALUES (1)",
        "SELECT 1; COMMIT; DELETE FROM a",
        "COMMIT",
        "SELECT nextval('a_id_seq')",
        "WITH x AS (DELETE FROM a RETURNING 1) SELECT * FROM x",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SET TRANSACTION READ WRITE",
        "\\! touch /tmp/rb_test_hostile",
        "SELECT 1 \\g /tmp/rb_test_hostile",
    ):
        with pytest.raises(RunbookError):
            ask(counted, hostile, 5)
    assert as_postgres("SELECT count(*) FROM a", counted) == "40000"
    assert not os.path.exists("/tmp/rb_test_hostile")
    with pytest.raises(RunbookError, match="statement timeout"):
        ask(counted, "SELECT pg_sleep(20)", 0.3)


# Faults


def backend(database: str, program: str) -> str:
    return as_postgres(
        f"SELECT pid FROM pg_stat_activity WHERE datname = {literal(database)} AND query LIKE {literal(program + '%')} LIMIT 1"
    )


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("victim", ["server", "client"])
def test_a_kill_in_mid_dump_is_an_error(engine: PostgreSQL, counted: str, victim: str, jobs: int) -> None:
    with pytest.raises(RunbookError) as caught, engine.dump(counted, ALL, jobs) as dump, dump.parts[-1].open() as reader:
        assert reader.read(65536)
        pid = backend(counted, "COPY")
        if victim == "server":
            as_postgres(f"SELECT pg_terminate_backend({pid})")
        else:
            kill_children("pg_dump")
        while reader.read(1 << 20):
            pass
    assert "\n" not in caught.value.message
    assert ("the connection was lost" if victim == "server" else "pg_dump was killed by signal 9") in caught.value.message


def kill_children(program: str) -> None:
    """Only those that this process started."""
    own = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(os.getpid())], stdout=subprocess.PIPE, check=True).stdout.decode()
    for line in own.splitlines():
        pid, name = line.split(None, 1)
        if name == program:
            os.kill(int(pid), signal.SIGKILL)


def test_a_part_not_read_to_its_end_is_an_error(engine: PostgreSQL, counted: str) -> None:
    with pytest.raises(RunbookError, match="not read to its end"), engine.dump(counted, ALL, 1) as dump, dump.parts[0].open() as reader:
        reader.read(10)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_dump_cut_anywhere_is_not_loaded(engine: PostgreSQL, counted: str, jobs: int) -> None:
    stored = dumped(engine, counted, jobs)
    for name, data in stored.data.items():
        for keep in (len(data) // 2, data.rfind(b"\n", 0, len(data) - 1500), len(data) - 900):
            if keep <= 0 or (keep == len(data) - 900 and b"database dump complete" in data[:keep]):
                continue
            cut = stored._replace(data={**stored.data, name: data[:keep]})
            with pytest.raises(RunbookError):
                restored(engine, cut, "rb_test_side", jobs)
            engine.drop("rb_test_side")


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_in_the_middle_ends_the_load(engine: PostgreSQL, counted: str, jobs: int) -> None:
    stored = dumped(engine, counted, jobs)
    name = "data" if jobs == 1 else "data-1"
    broken = stored.data[name].replace(b"\n\\.\n", b"\n\\.\nSELECT * FROM nowhere;\n", 1)
    with pytest.raises(RunbookError, match='relation "nowhere" does not exist'):
        restored(engine, stored._replace(data={**stored.data, name: broken}), "rb_test_side", jobs)
    assert as_postgres("SELECT count(*) FROM pg_stat_activity WHERE datname = 'rb_test_side'") == "0"


def test_a_failing_reader_ends_the_load_with_its_own_error(engine: PostgreSQL, counted: str) -> None:
    stored = dumped(engine, counted)

    class Broken(io.BytesIO):
        readinto = None  # type: ignore[assignment]

        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 1 << 20:
                raise RunbookError("the file is damaged")
            return super().read(1 << 18)

    engine.create("rb_test_side", stored.settings)
    part = Part("data", lambda: contextlib.nullcontext(Broken(stored.data["data"])))
    with pytest.raises(RunbookError, match="the file is damaged"):
        engine.load("rb_test_side", [part], stored.settings, 1)


@pytest.mark.parametrize("victim", ["server", "client"])
def test_a_kill_in_mid_load_is_an_error(engine: PostgreSQL, counted: str, victim: str) -> None:
    stored = dumped(engine, counted)

    class Killing(io.BytesIO):
        readinto = None  # type: ignore[assignment]

        def read(self, size: int | None = -1, /) -> bytes:
            if 4 << 20 < self.tell() < (4 << 20) + (1 << 19):
                if victim == "server":
                    as_postgres("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'rb_test_side'")
                else:
                    kill_children("psql")
            return super().read(1 << 18)

    engine.create("rb_test_side", stored.settings)
    part = Part("data", lambda: contextlib.nullcontext(Killing(stored.data["data"])))
    with pytest.raises(RunbookError) as caught:
        engine.load("rb_test_side", [part], stored.settings, 1)
    assert ("terminating connection" if victim == "server" else "killed by signal 9") in caught.value.message
    assert as_postgres("SELECT count(*) FROM pg_database WHERE datname = 'rb_test_live'") == "1"


# Bad input


def test_a_wrong_password_is_one_line_without_it(empty: str) -> None:
    with pytest.raises(RunbookError) as caught:
        PostgreSQL(Login(host="127.0.0.1", user=ADMIN, password="wrong secret")).server()
    assert f'refused the log-in of {ADMIN}: password authentication failed for user "{ADMIN}"' in caught.value.message
    assert "secret" not in caught.value.message
    assert "\n" not in caught.value.message
    with pytest.raises(RunbookError, match="refused the log-in"):
        PostgreSQL(Login(host="127.0.0.1", user=ADMIN)).server()
    with pytest.raises(RunbookError, match="become_user"):
        PostgreSQL(Login()).server()
    with pytest.raises(RunbookError, match=r"on 127.0.0.1:1 does not answer.*Connection refused"):
        PostgreSQL(Login(host="127.0.0.1", port=1)).server()


def test_a_database_that_is_not_there(engine: PostgreSQL) -> None:
    assert not engine.exists("rb_test_none")
    engine.drop("rb_test_none")
    for ask in (
        lambda: engine.tables("rb_test_none"),
        lambda: dumped(engine, "rb_test_none"),
        lambda: engine.inventory("rb_test_none", counts=True, checksums=True),
    ):
        with pytest.raises(RunbookError, match="there is no database 'rb_test_none' on 127.0.0.1"):
            ask()


def test_a_missing_client_is_named_with_its_package(engine: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.shutil, "which", lambda name, path=None: None)
    with pytest.raises(RunbookError, match="psql is not installed on this host; install the package postgresql-client"):
        engine.server()


def test_what_a_server_lacks_is_named_before_anything_is_made(engine: PostgreSQL, empty: str) -> None:
    settings = {**dumped(engine, empty).settings, "extensions": {"postgis": "3"}, "roles": ["rb_test_nobody", "postgres"]}
    with pytest.raises(RunbookError, match="lacks what the backup needs: role rb_test_nobody, extension postgis"):
        engine.create("rb_test_side", settings)
    assert not engine.exists("rb_test_side")
    with pytest.raises(RunbookError, match="already exists"):
        engine.create(empty, {})


def test_a_database_that_is_being_restored_is_ours_alone(engine: PostgreSQL, empty: str) -> None:
    engine.create("rb_test_side", dumped(engine, empty).settings)
    stranger = PostgreSQL(Login(host="127.0.0.1", user="rb_test_owner", password="x"))
    with pytest.raises(RunbookError, match="permission denied for database"):
        stranger.tables("rb_test_side")


def test_a_backup_of_a_newer_server_is_refused(engine: PostgreSQL) -> None:
    here = engine.server()
    assert engine.refuses(here) == ""
    assert engine.refuses(Server("postgresql", "9.6.24")) == ""
    assert "is newer than this server's" in engine.refuses(Server("postgresql", f"{here.numbers[0] + 1}.0"))
    assert engine.refuses(Server("mariadb", "10.11.6"))


# Switching


@contextlib.contextmanager
def held(database: str) -> t.Iterator[subprocess.Popen[bytes]]:
    """A session of somebody else that will not go by itself."""
    command = ["runuser", "-u", "postgres", "--", "psql", "-Xq", database]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/") as held:
        assert held.stdin and held.stdout
        held.stdin.write(b"BEGIN; SELECT 1;\n")
        held.stdin.flush()
        held.stdout.readline()
        try:
            yield held
        finally:
            held.kill()


@pytest.fixture
def pair(empty: str) -> tuple[str, str, str]:
    as_postgres("CREATE TABLE which AS SELECT 'old' AS it", empty)
    as_postgres("CREATE DATABASE rb_test_side TEMPLATE template0")
    as_postgres("CREATE TABLE which AS SELECT 'new' AS it", "rb_test_side")
    return empty, "rb_test_side", "rb_test_previous"


def note(step: str, facts: t.Mapping[str, t.Any]) -> None:
    pass


def contents_of(*names: str) -> list[str]:
    present = as_postgres("SELECT datname FROM pg_database").splitlines()
    return [as_postgres("SELECT it FROM which", name) if name in present else "" for name in names]


def test_a_switch_takes_what_live_was_given(engine: PostgreSQL, pair: tuple[str, str, str]) -> None:
    live, side, previous = pair
    as_postgres(
        f"ALTER DATABASE {live} OWNER TO rb_test_owner; ALTER DATABASE {live} SET work_mem = '7MB';"
        f"REVOKE CONNECT ON DATABASE {live} FROM PUBLIC;"
        f"ALTER DATABASE {live} CONNECTION LIMIT 33; COMMENT ON DATABASE {live} IS 'the shop'; ALTER DATABASE {side} SET work_mem = '1MB';"
        f"ALTER ROLE rb_test_owner IN DATABASE {side} SET work_mem = '2MB'"
    )
    with engine.client.session("postgres") as session:
        before = describe(session, live)
    noted = []
    with held(live), held(side), held(live):
        engine.switch(live, side, previous, lambda step, facts: noted.append((step, dict(facts))))
    with engine.client.session("postgres") as session:
        after = describe(session, live)
    assert after == before
    assert contents_of(live, side, previous) == ["new", "", "old"]
    step, facts = noted[0]
    assert engine.settle(live, side, previous, step, facts) == "new"
    engine.drop(previous)
    assert contents_of(live, side, previous) == ["new", "", ""]


def test_a_switch_where_nothing_was_live(engine: PostgreSQL, pair: tuple[str, str, str]) -> None:
    live, side, previous = pair
    engine.drop(live)
    assert engine.settle(live, side, previous, "rename", {"live": 0, "side": 1}) == "old"
    engine.switch(live, side, previous, note)
    assert contents_of(live, side, previous) == ["new", "", ""]


def test_unwilling_visitors_do_not_keep_a_switch_waiting(engine: PostgreSQL, pair: tuple[str, str, str]) -> None:
    live, side, previous = pair
    stop = threading.Event()
    seen: list[tuple[float, str]] = []

    def visit() -> None:
        command = ["psql", "-XqAt", "-h", "127.0.0.1", "-U", "rb_test_owner", "-d", live, "-c", "SELECT 1"]
        while not stop.is_set():
            started = time.monotonic()
            done = subprocess.run(command, env={**os.environ, "PGPASSWORD": "x"}, capture_output=True, check=False)
            seen.append((started, "" if done.returncode == 0 else done.stderr.decode()))

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        visitors = [pool.submit(visit) for _visitor in range(3)]
        time.sleep(0.5)
        try:
            with held(live):
                started = time.monotonic()
                engine.switch(live, side, previous, note)
                took = time.monotonic() - started
            time.sleep(0.5)
        finally:
            stop.set()
        for visitor in visitors:
            visitor.result()
    assert took < 2
    assert contents_of(live, side, previous) == ["new", "", "old"]
    # Nothing fails before the switch began or once it was over.
    assert all(not said for at, said in seen if at > started + took), seen


def test_what_follows_a_database_keeps_it_from_being_switched(engine: PostgreSQL, pair: tuple[str, str, str]) -> None:
    live, side, previous = pair
    as_postgres("CREATE SUBSCRIPTION rb_test_sub CONNECTION 'dbname=nowhere' PUBLICATION x WITH (connect = false, slot_name = NONE)", live)
    try:
        with pytest.raises(Refused, match="has subscription rb_test_sub, which would stay with the replaced one"):
            engine.switch(live, side, previous, note)
    finally:
        as_postgres("DROP SUBSCRIPTION rb_test_sub", live)
    assert contents_of(live, side, previous) == ["old", "new", ""]


def test_a_switch_to_a_taken_name_changes_nothing(engine: PostgreSQL, pair: tuple[str, str, str]) -> None:
    live, side, previous = pair
    as_postgres(f"CREATE DATABASE {previous}")
    with pytest.raises(RunbookError, match="already exists"):
        engine.switch(live, side, previous, note)
    assert contents_of(live, side) == ["old", "new"]
    with pytest.raises(Refused, match="there is no database 'rb_test_gone'"):
        engine.switch(live, "rb_test_gone", previous, note)


STATEMENTS = ("note", "BEGIN", 'ALTER DATABASE "rb_test_live" RENAME', 'ALTER DATABASE "rb_test_side" RENAME', "COMMIT", "after")


@pytest.mark.parametrize("when", STATEMENTS)
@pytest.mark.parametrize("victim", ["us", "server"])
def test_a_kill_at_any_step_leaves_one_or_the_other(engine: PostgreSQL, pair: tuple[str, str, str], when: str, victim: str) -> None:
    """A process of its own switches, and it or its server process is killed before the step."""
    live, side, previous = pair
    facts = {
        name: int(as_postgres(f"SELECT oid FROM pg_database WHERE datname = {literal(which)}"))
        for name, which in (("live", live), ("side", side))
    }
    code = f"""
import os, signal, subprocess
from ansible_collections.runbook.ops.plugins.module_utils._database import postgresql, postgresql_client
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Login
own = postgresql_client.Session.rows
def strike(session=None):
    if {victim!r} == "us":
        os.kill(os.getpid(), signal.SIGKILL)
    subprocess.run(["runuser", "-u", "postgres", "--", "psql", "-Xqc",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'runbook switch%'"], cwd="/")
def rows(session, sql):
    if sql.startswith({when!r}):
        strike()
    return own(session, sql)
postgresql_client.Session.rows = rows
def note(step, facts):
    if {when!r} == "note":
        strike()
engine = postgresql.PostgreSQL(Login(host="127.0.0.1", user={ADMIN!r}, password={PASSWORD!r}))
engine.switch({live!r}, {side!r}, {previous!r}, note)
if {when!r} == "after":
    strike()
"""
    with held(live), held(side):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, stderr=subprocess.PIPE, check=False
        )
        assert done.returncode == (0 if (victim, when) == ("server", "after") else -9 if victim == "us" else 1), done.stderr.decode()
        state = engine.settle(live, side, previous, "rename", facts)
    assert state == ("new" if when == "after" else "old")
    assert contents_of(live, side, previous) == (["new", "", "old"] if state == "new" else ["old", "new", ""])
    # Whatever happened, people can work.
    with held(live):
        pass
    if state == "old":
        engine.switch(live, side, previous, note)
        assert contents_of(live, side, previous) == ["new", "", "old"]


def test_settling_does_not_guess(engine: PostgreSQL, pair: tuple[str, str, str]) -> None:
    live, side, previous = pair
    engine.drop(side)
    with pytest.raises(RunbookError, match="somebody else renamed or dropped it"):
        engine.settle(live, side, previous, "rename", {"live": 1, "side": 2})


def test_an_owner_who_is_no_superuser_backs_up_and_switches(empty: str) -> None:
    as_postgres(f"ALTER DATABASE {empty} OWNER TO rb_test_owner")
    owner = PostgreSQL(Login(host="127.0.0.1", user="rb_test_owner", password="x"))
    with owner.client.session(empty) as session:
        session.rows("CREATE EXTENSION pg_trgm SCHEMA public")
        session.rows("CREATE TABLE public.mine (id serial PRIMARY KEY, v text)")
        session.rows("INSERT INTO public.mine (v) SELECT 'x' FROM generate_series(1, 100)")
        session.rows("SELECT lo_from_bytea(0, 'mine')")
    stored = dumped(owner, empty, 2)
    assert stored.inventory.differences(restored(owner, stored, "rb_test_side", 2)) == []
    with owner.client.session(empty) as session:
        session.rows("BEGIN")
        owner.switch(empty, "rb_test_side", "rb_test_previous", note)
    assert as_postgres("SELECT count(*) FROM mine", empty) == "100"
    owner.drop("rb_test_previous")
    assert not owner.exists("rb_test_previous")


def test_settling_ends_a_switch_that_still_goes_on(engine: PostgreSQL, pair: tuple[str, str, str]) -> None:
    live, side, previous = pair
    with pytest.raises(RunbookError, match="terminating connection"), engine.client.session("postgres", _application(side)) as lost:
        lost.rows("BEGIN")
        lost.rows(f"ALTER DATABASE {live} RENAME TO {previous}")
        assert engine.settle(live, side, previous, "rename", {}) == "old"
        lost.rows("COMMIT")
    assert contents_of(live, side, previous) == ["old", "new", ""]
