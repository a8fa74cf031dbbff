# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The five engines as the fault tests see them: a live database of some size, read past the collection's own code."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import sqlite3
import subprocess
import time
import typing as t

ROWS = 20_000


def sh(*words: str, stdin: str | None = None, check: bool = True, user: str = "") -> str:
    """What a command prints; as another user when one is named."""
    prefix = ["runuser", "-u", user, "--"] if user else []
    done = subprocess.run([*prefix, *words], input=stdin, capture_output=True, text=True, check=False, cwd="/", timeout=120)
    if check and done.returncode != 0:
        raise subprocess.SubprocessError(f"{words[0]} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


@dataclasses.dataclass(frozen=True)
class Subject:
    """An engine with its service, and what a module needs to log in. Content of version ``n`` differs from any other's in every row."""

    engine: str
    service: str = ""
    options: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    user: str = ""

    @property
    def name(self) -> str:
        return "rb_test_faults"

    def make(self, version: int) -> None:
        """Make the live database anew, with this content."""
        raise NotImplementedError

    def content(self) -> str:
        """What is live, as a hash; ``absent`` when there is no such database."""
        raise NotImplementedError

    def rows(self) -> str:
        """The same of the rows alone, where a switch moves them apart from views, routines and triggers."""
        return self.content()

    def names(self) -> list[str]:
        """Databases that are there because of ours: the live one, side databases, predecessors."""
        raise NotImplementedError

    def clear(self) -> None:
        """Remove all of them."""
        raise NotImplementedError

    def kill_server(self) -> None:
        sh("systemctl", "kill", "--signal=KILL", self.service, check=False)

    def wait(self) -> None:
        """Until the server answers again after a crash."""
        deadline = time.monotonic() + 60
        while True:
            if self.service:
                sh("systemctl", "reset-failed", self.service, check=False)
                sh("systemctl", "start", self.service, check=False)
            try:
                self.names()
                return
            except subprocess.SubprocessError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


class MariaDB(Subject):
    def _sql(self, text: str, database: str = "") -> str:
        return sh("mariadb", "--default-character-set=utf8mb4", "-N", "-B", *([database] if database else []), stdin=text)

    def make(self, version: int) -> None:
        self.clear()
        self._sql(f"""
            CREATE DATABASE {self.name} CHARACTER SET utf8mb4;
            USE {self.name};
            CREATE TABLE parent (id INT PRIMARY KEY, note TEXT);
            CREATE TABLE child (id INT PRIMARY KEY, parent INT, data VARBINARY(64), FOREIGN KEY (parent) REFERENCES parent (id));
            CREATE TABLE log (what VARCHAR(64));
            INSERT INTO parent SELECT seq, CONCAT('{version} سلام 🙂 ', SHA1(seq)) FROM seq_1_to_{ROWS};
            INSERT INTO child SELECT seq, seq, UNHEX(SHA1(seq + {version})) FROM seq_1_to_{ROWS};
            CREATE TRIGGER noted AFTER DELETE ON child FOR EACH ROW INSERT INTO log VALUES (OLD.id);
            CREATE VIEW both_of AS SELECT p.id, c.data FROM parent p JOIN child c ON c.parent = p.id;
            CREATE PROCEDURE version() SELECT {version};
        """)

    def content(self) -> str:
        if self.name not in self.names():
            return "absent"
        try:
            rows = self._sql(
                "SELECT id, note FROM parent ORDER BY id; SELECT id, HEX(data) FROM both_of ORDER BY id; CALL version()", self.name
            )
        except subprocess.SubprocessError as error:
            return f"not all of it: {error}"
        triggers = self._sql("SHOW TRIGGERS", self.name).split("\t")[:1]
        return hashlib.sha256(f"{rows}{triggers}".encode()).hexdigest()

    def rows(self) -> str:
        rows = self._sql("SELECT id, note FROM parent ORDER BY id; SELECT id, HEX(data) FROM child ORDER BY id", self.name)
        return hashlib.sha256(rows.encode()).hexdigest()

    def names(self) -> list[str]:
        return [name for name in self._sql("SHOW DATABASES").split() if "rb_test_faults" in name]

    def clear(self) -> None:
        for name in self.names():
            self._sql(f"DROP DATABASE `{name}`")


class PostgreSQL(Subject):
    def _sql(self, text: str, database: str = "postgres") -> str:
        return sh("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", database, stdin=text, user="postgres")

    def make(self, version: int) -> None:
        self.clear()
        self._sql(f"CREATE DATABASE {self.name}")
        self._sql(
            f"""
            CREATE EXTENSION pg_trgm;
            CREATE TABLE parent (id int PRIMARY KEY, note text);
            CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, data bytea);
            CREATE SEQUENCE counter START {version * 1000 + 1};
            INSERT INTO parent SELECT n, '{version} سلام 🙂 ' || md5(n::text) FROM generate_series(1, {ROWS}) n;
            INSERT INTO child SELECT n, n, decode(md5((n + {version})::text), 'hex') FROM generate_series(1, {ROWS}) n;
            CREATE INDEX ON parent USING gin (note gin_trgm_ops);
            CREATE VIEW both_of AS SELECT p.id, c.data FROM parent p JOIN child c ON c.parent = p.id;
            CREATE FUNCTION version_of() RETURNS int LANGUAGE sql AS 'SELECT {version}';
            SELECT lo_from_bytea(4711, '{version}');
            """,
            self.name,
        )

    def content(self) -> str:
        if self.name not in self.names():
            return "absent"
        text = """SELECT * FROM parent ORDER BY id; SELECT * FROM both_of ORDER BY id; SELECT version_of(), lo_get(4711);
            SELECT last_value FROM counter;"""
        return hashlib.sha256(self._sql(text, self.name).encode()).hexdigest()

    def names(self) -> list[str]:
        return [name for name in self._sql("SELECT datname FROM pg_database").split() if "rb_test_faults" in name]

    def clear(self) -> None:
        for name in self.names():
            self._sql(f'DROP DATABASE "{name}" WITH (FORCE)')


class SQLite(Subject):
    folder = pathlib.Path("/srv/rb_test_faults")

    @property
    def name(self) -> str:
        return str(self.folder / "live.db")

    def make(self, version: int) -> None:
        self.clear()
        self.folder.mkdir()
        with sqlite3.connect(self.name) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY, note TEXT, data BLOB)")
            rows = ((n, f"{version} سلام 🙂 {n}", hashlib.sha256(b"%d %d" % (n, version)).digest()) for n in range(ROWS))
            connection.executemany("INSERT INTO parent VALUES (?, ?, ?)", rows)
            connection.execute("CREATE VIEW some AS SELECT id FROM parent")
        connection.close()

    def content(self) -> str:
        if not os.path.exists(self.name):
            return "absent"
        digest = hashlib.sha256()
        connection = sqlite3.connect(self.name)
        try:
            for row in connection.execute("SELECT parent.* FROM parent JOIN some USING (id) ORDER BY id"):
                digest.update(repr(row).encode())
        finally:
            connection.close()
        return digest.hexdigest()

    def names(self) -> list[str]:
        return [str(path) for path in self.folder.iterdir() if not path.name.endswith(("-wal", "-shm"))] if self.folder.exists() else []

    def clear(self) -> None:
        sh("rm", "-rf", str(self.folder))

    def kill_server(self) -> None:
        """There is none."""


class Redis(Subject):
    """The whole instance, under the only name that it has."""

    work = pathlib.Path("/var/lib/runbook/redis")

    @property
    def name(self) -> str:
        return "all"

    def _ask(self, *words: str, stdin: str | None = None) -> str:
        text = sh("redis-cli", *words, stdin=stdin)
        if text.startswith(("LOADING", "Could not connect", "Error")):
            raise subprocess.SubprocessError(text)
        return text

    def make(self, version: int) -> None:
        # Nobody else is going to ask for a dump in these five seconds.
        self._ask("CONFIG", "SET", "repl-diskless-sync-delay", "0")
        self._ask("FLUSHALL")
        commands = "".join(f"SET key:{n} {version}-{hashlib.sha1(b'%d' % n).hexdigest()}\r\n" for n in range(ROWS))
        self._ask("--pipe", stdin=f"{commands}SELECT 3\r\nHSET h a {version} b 2\r\nZADD z 1 x 2 y\r\nXADD s 1-1 k {version}\r\n")
        # A server that is killed has what it had saved, with or without us.
        self._ask("SAVE")

    def content(self) -> str:
        rows = "".join(self._ask("GET", f"key:{n}") for n in (0, 1, ROWS // 2, ROWS - 1))
        return hashlib.sha256(f"{rows}{self._ask('DBSIZE')}{self._ask('-n', '3', 'HGETALL', 'h')}".encode()).hexdigest()

    def names(self) -> list[str]:
        self._ask("PING")
        return [self.name, *(str(path) for path in self.work.glob("*.rdb"))]

    def clear(self) -> None:
        self._ask("FLUSHALL")
        for path in self.work.glob("*.rdb"):
            path.unlink()


class MongoDB(Subject):
    def _database(self) -> t.Any:
        import pymongo

        client: t.Any = pymongo.MongoClient("127.0.0.1", directConnection=True, serverSelectionTimeoutMS=3000)
        return client[self.name]

    def wait(self) -> None:
        import pymongo.errors

        super().wait()
        admin = self._database().client.admin
        with contextlib.suppress(pymongo.errors.OperationFailure):  # it was made already
            admin.command("replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": "127.0.0.1:27017"}]})
        deadline = time.monotonic() + 30
        while not admin.command("hello")["isWritablePrimary"] and time.monotonic() < deadline:
            time.sleep(0.1)

    def make(self, version: int) -> None:
        self.clear()
        database = self._database()
        database.parent.insert_many(
            {"_id": n, "note": f"{version} سلام 🙂 {n}", "data": hashlib.sha256(b"%d" % n).digest()} for n in range(ROWS)
        )
        database.parent.create_index("note", unique=True)
        database.child.insert_one({"version": version})

    def content(self) -> str:
        database = self._database()
        if "parent" not in database.list_collection_names():
            return "absent"
        digest = hashlib.sha256()
        for row in database.parent.find(sort=[("_id", 1)]):
            digest.update(repr(row).encode())
        digest.update(repr([row["version"] for row in database.child.find()]).encode())
        digest.update(repr(sorted(database.parent.index_information())).encode())
        return digest.hexdigest()

    def names(self) -> list[str]:
        import pymongo.errors

        try:
            database = self._database()
            found = [name for name in database.client.list_database_names() if "rb_test_faults" in name]
            return found + [
                name for name in database.list_collection_names() if name not in ("parent", "child") and not name.startswith("system.")
            ]
        except (pymongo.errors.OperationFailure, pymongo.errors.NotMasterError):
            return []  # not a replica set yet
        except pymongo.errors.PyMongoError as error:
            raise subprocess.SubprocessError(str(error)) from None

    def clear(self) -> None:
        client = self._database().client
        for name in client.list_database_names():
            if "rb_test_faults" in name:
                client.drop_database(name)


SUBJECTS: dict[str, Subject] = {
    "mariadb": MariaDB("mariadb", "mariadb.service", {"login_unix_socket": "/run/mysqld/mysqld.sock"}),
    "postgresql": PostgreSQL("postgresql", "postgresql@15-main.service", user="postgres"),
    "sqlite": SQLite("sqlite"),
    "redis": Redis("redis", "redis-server.service", {"login_host": "127.0.0.1"}),
    "mongodb": MongoDB("mongodb", "mongod.service", {"login_host": "127.0.0.1"}),
}
