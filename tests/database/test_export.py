# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``db_export`` on real servers: what is in the file is what is in the table, of one moment, in constant memory."""

from __future__ import annotations

import contextlib
import csv
import datetime
import gzip
import hashlib
import io
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import threading
import time
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database import export
from ansible_collections.runbook.ops.plugins.module_utils._database.export_request import EXPORT
from database import servers
from database.servers import Server

DATABASE = "rb_test_x"
ENGINES = ("mariadb", "postgresql", "sqlite", "mongodb")
ALONE = {"mariadb": servers.mariadb_alone, "postgresql": servers.postgresql_alone, "mongodb": servers.mongodb_pair}
ODD = 'quo"te, comma; \\back\\slash\nline\ttab\r\n العربية \U0001f600'
# id, batch, name, document, bytes
ROWS: list[tuple[int, str, t.Any, t.Any, bytes]] = [
    (1, "b1", ODD, '{"a": [1, 2.50], "b": "x y"}', b"\x00\xff\\"),
    (2, "b1", None, None, b""),
    (3, "b1", "", "[]", b"a"),
    (4, "b1", "NULL", '{"n": null}', b"a"),
    (5, "b1", '=HYPERLINK("http://example.com")', "[]", b"a"),
    (6, "b1", "-12.5", "[]", b"a"),
    (7, "b1", "@cmd", "[]", b"a"),
    (8, "b1", "\\N", "[]", b"a"),
    (9, "b2'; DROP TABLE places; --", "other", "[]", b"a"),
]
COLUMNS: list[t.Any] = ["id", {"name": "batch", "header": "batch_id"}, "name", {"name": "types", "json": True}, "raw"]
MANY = 1_000_000


class Subject:
    def __init__(self, engine: str, server: Server | None, database: str, folder: pathlib.Path) -> None:
        self.engine, self.server, self.database, self.folder = engine, server, database, folder

    def options(self, **more: t.Any) -> dict[str, t.Any]:
        options = {name: option.get("default") for name, option in EXPORT.options.items()}
        options.update({"engine": self.engine, "database": self.database, **(self.server.options if self.server else {})})
        options.update({"table": "places", "columns": COLUMNS, "order_by": ["id"], "dest": str(self.folder / "out.csv"), **more})
        options["where"] = [{"operator": "eq", "value": None, **condition} for condition in options["where"]]
        return options

    def export(self, run: Run | None = None, **more: t.Any) -> dict[str, t.Any]:
        try:
            return {"failed": False, **export.db_export(self.options(**more), run or Run())}
        except RunbookError as error:
            assert "\n" not in error.message
            return {"failed": True, "msg": error.message}

    def read(self, name: str = "out.csv") -> list[list[str]]:
        data = (self.folder / name).read_bytes()
        return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))

    def sql(self, statement: str) -> str:
        if self.engine == "mariadb":
            return servers.mariadb(self.server, statement, self.database)
        if self.engine == "postgresql":
            return servers.psql(self.server, statement, self.database)
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            connection.executescript(statement)
        return ""


def fill(subject: Subject) -> None:
    """The same rows for all, written without the collection's code."""
    if subject.engine == "mongodb":
        places = servers.mongo(subject.server)[DATABASE].places
        documents = [
            {"_id": n, "id": n, "batch": batch, "name": name, "types": document and json.loads(document), "raw": raw}
            for n, batch, name, document, raw in ROWS
        ]
        del documents[1]["name"]  # missing is the same as null
        places.insert_many(documents)
        return
    kinds = {
        "mariadb": "id INT PRIMARY KEY, batch VARCHAR(40), name TEXT CHARACTER SET utf8mb4, types JSON, raw BLOB",
        "postgresql": "id int PRIMARY KEY, batch text, name text, types jsonb, raw bytea",
        "sqlite": "id INTEGER PRIMARY KEY, batch TEXT, name TEXT, types TEXT, raw BLOB",
    }[subject.engine]
    before = ""
    if subject.engine == "mariadb":
        servers.mariadb(subject.server, f"CREATE DATABASE {DATABASE}")
        before = "SET NAMES utf8mb4; SET sql_mode='NO_BACKSLASH_ESCAPES'; "
    elif subject.engine == "postgresql":
        servers.psql(subject.server, f"CREATE DATABASE {DATABASE}")
    texts = []
    for n, batch, name, document, raw in ROWS:
        values = ["NULL" if value is None else "'" + value.replace("'", "''") + "'" for value in (batch, name, document)]
        if subject.engine == "mariadb":
            values[1] = "NULL" if name is None else f"CONVERT(X'{name.encode().hex()}' USING utf8mb4)"
        raw_text = f"'\\x{raw.hex()}'" if subject.engine == "postgresql" else f"X'{raw.hex()}'"
        texts.append(f"({n}, {', '.join(values)}, {raw_text})")
    subject.sql(f"{before}CREATE TABLE places ({kinds}); INSERT INTO places VALUES {', '.join(texts)};")


@pytest.fixture(scope="module", params=ENGINES)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Subject]:
    engine = request.param
    folder = pathlib.Path(f"/tmp/rb_test_{engine}_{tmp_path_factory.mktemp('x').parent.name}")
    servers.run("rm", "-rf", str(folder))
    (folder / "out").mkdir(parents=True)
    try:
        with contextlib.ExitStack() as stack:
            server = None
            if engine != "sqlite":
                found: t.Any = stack.enter_context(ALONE[engine](folder))
                server = getattr(found, "primary", found)
            subject = Subject(engine, server, str(folder / "app.db") if engine == "sqlite" else DATABASE, folder / "out")
            fill(subject)
            yield subject
    finally:
        servers.run("rm", "-rf", str(folder))


def expected(rows: t.Sequence[tuple[int, str, t.Any, t.Any, bytes]], null: str = "", escape: bool = True) -> list[list[str]]:
    found = [["id", "batch_id", "name", "types", "raw"]]
    for n, batch, name, document, raw in rows:
        text = null if name is None else f"'{name}" if escape and name[:1] in ("=", "@") else name
        types = null if document is None else json.dumps(json.loads(document), separators=(",", ":"))
        found.append([str(n), batch, text, types.replace("2.5]", "2.50]") if "[1," in types else types, raw.hex()])
    return found


def test_the_file_is_the_table(subject: Subject) -> None:
    where = [{"column": "batch", "value": "b1"}]
    predicted = subject.export(Run(check_mode=True), where=where)
    assert (predicted["changed"], predicted["rows"], os.listdir(subject.folder)) == (True, 8, []), predicted
    result = subject.export(where=where)
    assert (result["changed"], result["rows"], result["count"], result["escaped"]) == (True, 8, 8, 2), result
    data = (subject.folder / "out.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfid,batch_id,name,types,raw\n1,")
    assert (result["bytes"], result["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert (subject.folder / "out.csv").stat().st_mode & 0o777 == 0o600
    found = subject.read()
    # A document that was parsed has no 2.50 any more.
    assert [[cell.replace("2.5]", "2.50]") for cell in row] for row in found] == expected(ROWS[:8])
    again = subject.export(where=where)
    assert (again["changed"], again["sha256"], os.listdir(subject.folder)) == (False, result["sha256"], ["out.csv"])
    assert subject.export(where=where, mode="0640")["changed"] is True
    os.unlink(subject.folder / "out.csv")


def test_values_and_names_are_never_sql(subject: Subject) -> None:
    result = subject.export(where=[{"column": "batch", "value": ROWS[8][1]}], formulas="keep", header=False, bom=False, null="\\N")
    assert (result["rows"], subject.read()) == (1, expected(ROWS)[9:])
    for wrong in ({"columns": ["id", 'na"me']}, {"where": [{"column": "1=1; --", "value": 1}]}, {"table": 'pla`ces"; DROP TABLE places'}):
        answer = subject.export(**wrong)
        # In MongoDB every name is one that a field could have.
        assert answer["failed"] or (subject.engine == "mongodb" and "table" not in wrong), wrong
    assert subject.export(Run(check_mode=True))["rows"] == 9
    os.unlink(subject.folder / "out.csv")


def test_styles(subject: Subject) -> None:
    result = subject.export(dest=str(subject.folder / "a.csv.gz"), null="(none)", formulas="keep", line_end="crlf", delimiter="semicolon")
    data = gzip.decompress((subject.folder / "a.csv.gz").read_bytes())
    assert (len(data), hashlib.sha256(data).hexdigest()) == (result["plain_bytes"], result["plain_sha256"])
    found = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert [[cell.replace("2.5]", "2.50]") for cell in row] for row in found] == expected(ROWS, "(none)", escape=False)
    assert data.count(b"\r\n") == 10 + 1
    assert subject.export(dest=str(subject.folder / "a.csv.gz"), null="(none)", formulas="keep", line_end="crlf", delimiter="semicolon")[
        "changed"
    ] is (False)
    subject.export(dest=str(subject.folder / "a.csv.zst"))
    plain = subprocess.run(["zstd", "-dc", str(subject.folder / "a.csv.zst")], capture_output=True, check=True).stdout
    assert plain.startswith(b"\xef\xbb\xbfid,")
    for name in os.listdir(subject.folder):
        os.unlink(subject.folder / name)


QUERIES: dict[str, t.Any] = {"mongodb": {"aggregate": "places", "pipeline": [{"$match": {"batch": "b1"}}]}}
SQL_WRITING = [
    "DELETE FROM places",
    "SELECT 1 AS id) AS q; DROP TABLE places; --",
    "WITH x AS (SELECT 1 AS id) SELECT * FROM x; DELETE FROM places",
]
WRITING: dict[str, list[t.Any]] = {
    "mariadb": [*SQL_WRITING, "SELECT 1 AS id INTO OUTFILE '/tmp/rb_test_x'", "SET GLOBAL read_only=1"],
    "postgresql": [*SQL_WRITING, "WITH x AS (DELETE FROM places RETURNING id) SELECT id FROM x", "SELECT nextval('numbers') AS id"],
    "sqlite": [*SQL_WRITING, "SELECT 1 AS id; ATTACH '/tmp/rb_test_x' AS y", "PRAGMA user_version=3"],
    "mongodb": [
        {"aggregate": "places", "pipeline": [{"$out": "y"}]},
        {"aggregate": "places", "pipeline": {}},
        {"delete": "places"},
        {"count": "places"},
    ],
}


def test_a_query_only_reads(subject: Subject) -> None:
    query = QUERIES.get(subject.engine, "SELECT id, name FROM places WHERE batch = 'b1' -- those")
    result = subject.export(table=None, query=query, columns=["id", {"name": "name", "header": "called"}])
    assert (result["rows"], subject.read()[0]) == (8, ["id", "called"]), result
    if subject.engine == "postgresql":
        subject.sql("CREATE SEQUENCE numbers")
    for text in WRITING[subject.engine]:
        answer = subject.export(table=None, query=text, columns=["id"])
        assert answer["failed"], text
    assert subject.export(Run(check_mode=True))["rows"] == 9
    assert os.listdir(subject.folder) == ["out.csv"]
    os.unlink(subject.folder / "out.csv")


def test_what_goes_wrong_leaves_the_old_file(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    subject.export()
    before = (subject.folder / "out.csv").read_bytes()
    assert "more than max_rows (8)" in subject.export(max_rows=8)["msg"]
    assert "has no" in subject.export(table="nonsense")["msg"]
    # A server that loses a row on the way.
    real = export.open_snapshot

    @contextlib.contextmanager
    def losing(options: t.Any, wanted: t.Any) -> t.Iterator[t.Any]:
        with real(options, wanted) as snapshot:
            rows = snapshot.rows
            snapshot.rows = lambda: (row for row in rows() if row[0] != "4")  # type: ignore[method-assign]
            yield snapshot

    monkeypatch.setattr(export, "open_snapshot", losing)
    assert "gave 8 rows, though the server had counted 9" in subject.export(mode="0644")["msg"]
    monkeypatch.undo()
    if subject.engine in ("mariadb", "postgresql"):
        user = {"login_user": "nobody_here", "login_password": "geheim"}
        answer = subject.export(**user)
        assert answer["failed"] and "geheim" not in answer["msg"]
    assert ((subject.folder / "out.csv").read_bytes(), os.listdir(subject.folder)) == (before, ["out.csv"])
    os.unlink(subject.folder / "out.csv")


def test_one_moment(subject: Subject) -> None:
    """What is written while the export runs is not in it, and what is deleted is."""
    if subject.engine == "sqlite":
        subject.sql("PRAGMA journal_mode=WAL")
    stop, errors = threading.Event(), []

    def change() -> None:
        number = 100
        while not stop.is_set():
            number += 1
            try:
                if subject.engine == "mongodb":
                    places = servers.mongo(subject.server)[DATABASE].places
                    places.insert_one({"_id": number, "id": number, "batch": "new"})
                    places.delete_many({"id": {"$gt": 99, "$lt": number}})
                else:
                    subject.sql(
                        f"INSERT INTO places (id, batch) VALUES ({number}, 'new'); DELETE FROM places WHERE id > 99 AND id < {number};"
                    )
            except Exception as error:
                errors.append(error)
                return

    writer = threading.Thread(target=change)
    writer.start()
    try:
        results = [subject.export(dest=str(subject.folder / f"{turn}.csv")) for turn in range(8)]
    finally:
        stop.set()
        writer.join()
    assert not errors
    assert [result["failed"] for result in results] == [False] * 8, results
    for turn, result in enumerate(results):
        assert len(subject.read(f"{turn}.csv")) == result["rows"] + 1
    for name in os.listdir(subject.folder):
        os.unlink(subject.folder / name)
    if subject.engine == "mongodb":
        servers.mongo(subject.server)[DATABASE].places.delete_many({"id": {"$gt": 99}})
    else:
        subject.sql("DELETE FROM places WHERE id > 99;")


MEASURED = """
import json, resource, sys
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database.export import db_export
result = db_export(json.loads(sys.stdin.read()), Run())
# Its own account: ru_maxrss begins with that of the process that started this one.
own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({"rows": result["rows"], "bytes": result["bytes"], "seconds": result["seconds"], "mb": [own / 1024, children / 1024]}))
"""


def test_a_million_rows_in_constant_memory(subject: Subject) -> None:
    if subject.engine == "mongodb":
        places = servers.mongo(subject.server)[DATABASE].many
        for start in range(0, MANY, 50_000):
            places.insert_many([_document(n) for n in range(start, start + 50_000)])
    else:
        subject.sql(_MANY[subject.engine])
    columns = ["place_id", "name", "phone", "address", "lat", "lng", "website", {"name": "types_json", "json": True}, "source", "batch_id"]
    options = subject.options(table="many", columns=columns, order_by=[])
    done = subprocess.run([sys.executable, "-c", MEASURED], input=json.dumps(options), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    print(subject.engine, facts)
    assert facts["rows"] == MANY
    # This process, and the largest that it started.
    assert max(facts["mb"]) < 80
    with (subject.folder / "out.csv").open(encoding="utf-8-sig", newline="") as stream:
        seen = {int(row[0][1:]) for row in csv.reader(stream) if row[0] != "place_id"}
    assert seen == set(range(MANY))
    os.unlink(subject.folder / "out.csv")


def _document(n: int) -> dict[str, t.Any]:
    return {
        "place_id": f"p{n}",
        "name": 'مطعم, the "place"',
        "phone": f"+9665{n:08}",
        "address": "King Fahd Road\nRiyadh",
        "lat": -24.7,
        "lng": 46.6,
        "website": "https://www.example.com/a/very/long/path",
        "types_json": ["food", "cafe"],
        "source": "places",
        "batch_id": datetime.datetime(2026, 11, 21, tzinfo=datetime.timezone.utc),
    }


_VALUES = (
    "'مطعم, the \"place\"' AS name, '+966500000000' AS phone, 'King Fahd Road\nRiyadh' AS address, -24.7 AS lat, 46.6 AS lng,"
    " 'https://www.example.com/a/very/long/path' AS website, '[\"food\", \"cafe\"]' AS types_json, 'places' AS source, 7 AS batch_id"
)
_MANY = {
    "mariadb": f"SET NAMES utf8mb4; CREATE TABLE many AS SELECT CONCAT('p', seq) AS place_id, {_VALUES} FROM seq_0_to_{MANY - 1}",
    "postgresql": f"CREATE TABLE many AS SELECT 'p' || n AS place_id, {_VALUES} FROM generate_series(0, {MANY} - 1) AS n",
    "sqlite": (
        f"CREATE TABLE many AS WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {MANY} - 1)"
        f" SELECT 'p' || n AS place_id, {_VALUES} FROM s;"
    ),
}


def test_a_timeout_ends_it(subject: Subject) -> None:
    began = time.monotonic()
    answer = subject.export(table="many", columns=["place_id", "name"], order_by=["name", "address"], timeout=0.2)
    assert answer["failed"] and time.monotonic() - began < 15
    assert "timeout" in answer["msg"] or "time limit" in answer["msg"], answer
    assert os.listdir(subject.folder) == []


def test_bytes_that_are_no_text(subject: Subject) -> None:
    if subject.engine in ("postgresql", "mongodb"):
        return  # these servers take no such text
    subject.sql("CREATE TABLE bad (id INT, name BLOB); INSERT INTO bad VALUES (1, 'fine'), (2, X'c3');")
    cast = "CAST(name AS TEXT)" if subject.engine == "sqlite" else "name"
    answer = subject.export(table=None, query=f"SELECT id, {cast} AS name FROM bad", columns=["id", "name"])
    assert "row 2, column name: the value is no text in UTF-8" in answer["msg"]
