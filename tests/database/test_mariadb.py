# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB's engine on a real server: run as root on a host with one, by its local socket."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import threading
import time
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.process import ProgramMissing
from ansible_collections.runbook.ops.plugins.module_utils._database import mariadb_dump, mariadb_switch
from ansible_collections.runbook.ops.plugins.module_utils._database.engine import Part
from ansible_collections.runbook.ops.plugins.module_utils._database.mariadb import MariaDB
from ansible_collections.runbook.ops.plugins.module_utils._database.mariadb_client import Session, SqlError, identifier
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Inventory, Login, Selection, Server

LIVE, SIDE, OLD = "rb_test_live", "rb_test_side", "rb_test_old"
ODD = "rb_test 50% 'ü' \"x\" -a"
ALL = Selection()

RICH = r"""
CREATE SEQUENCE numbers START WITH 100 INCREMENT BY 5 CACHE 10;
DO NEXTVAL(numbers);
CREATE TABLE parent (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL, UNIQUE (name)) AUTO_INCREMENT=41;
CREATE TABLE child (id INT AUTO_INCREMENT PRIMARY KEY, parent_id INT, other_id INT, KEY (other_id),
  CONSTRAINT to_parent FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE,
  CONSTRAINT to_self FOREIGN KEY (other_id) REFERENCES child (id));
CREATE TABLE a_first (id INT PRIMARY KEY, child_id INT, CONSTRAINT forward FOREIGN KEY (child_id) REFERENCES child (id));
CREATE TABLE words (id INT PRIMARY KEY DEFAULT NEXTVAL(numbers), w TEXT CHARACTER SET utf8mb4, n VARCHAR(10), f DOUBLE, d DECIMAL(20,5),
  j JSON,
  ts TIMESTAMP(6) NULL DEFAULT '2020-01-01 00:00:00', g INT AS (LENGTH(w)) VIRTUAL, s INT AS (id * 2) STORED);
INSERT INTO words (w, n, f, d, j, ts) VALUES
  ('emoji 😀 مرحبا it''s "q" \\ \n \t \0 end', NULL, 0.1, 12345.67890, '{"a": [1, "é"]}',
  NOW(6)), ('NULL', 'NULL', -1e300, NULL, NULL, NULL),
  ('', '', 0, 0, '[]', '2038-01-01 00:00:00'), ('`rb_test_live`.`words`', 'x', 1, 1, '1', NOW());
CREATE TABLE bytes (id INT PRIMARY KEY, b LONGBLOB, v VARBINARY(300), fix BINARY(4), bits BIT(9)) ROW_FORMAT=COMPRESSED;
CREATE TABLE parts (id INT, d DATE, PRIMARY KEY (id, d)) PARTITION BY RANGE (YEAR(d))
  (PARTITION p0 VALUES LESS THAN (2020), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1, '2019-05-05'), (2, '2024-05-05');
CREATE TABLE old_style (id INT PRIMARY KEY, t VARCHAR(20)) ENGINE=MyISAM;
INSERT INTO old_style VALUES (1, 'a'), (2, 'b');
CREATE TABLE empty_one (id INT PRIMARY KEY);
CREATE TABLE `odd name's 100% "x" ``y`` ü` (`a b` INT PRIMARY KEY, `it's` INT);
INSERT INTO `odd name's 100% "x" ``y`` ü` VALUES (1, 2);
CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(80));
INSERT INTO parent (name) VALUES ('one'), ('two'), ('three');
INSERT INTO child (parent_id, other_id) VALUES (41, NULL), (42, 1), (43, 2);
INSERT INTO a_first VALUES (1, 1);
DELIMITER //
CREATE FUNCTION plus_one(a INT) RETURNS INT DETERMINISTIC
BEGIN
  -- a comment; with a semicolon
  RETURN a + 1; /* another 'one */
END //
CREATE PROCEDURE fill(IN n INT)
BEGIN
  DECLARE i INT DEFAULT 0;
  WHILE i < n DO INSERT INTO parent (name) VALUES (CONCAT('p', i)); SET i = i + 1; END WHILE;
END //
CREATE TRIGGER rb_test_live.after_parent AFTER INSERT ON rb_test_live.parent FOR EACH ROW
BEGIN
  INSERT INTO log (what) VALUES (CONCAT('new ', NEW.name, ' — ü'));
END //
CREATE TRIGGER before_child BEFORE UPDATE ON child FOR EACH ROW SET NEW.parent_id = IFNULL(NEW.parent_id, 41) //
CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND COMMENT 'ENABLE; it''s' DO INSERT INTO log (what) VALUES ('tick') //
CREATE EVENT off ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM log //
DELIMITER ;
CREATE VIEW z_base AS SELECT p.id, p.name, plus_one(p.id) AS next, rb_test_live.plus_one(1) AS two FROM rb_test_live.parent p;
CREATE VIEW a_top AS SELECT *, 'of `rb_test_live`.`parent`' AS note FROM rb_test_live.z_base WHERE next > 0;
CREATE VIEW mixed AS SELECT u.User, p.id FROM mysql.db u, rb_test_live.parent p;
"""


def server_sql(text: str, database: str = "") -> str:
    """What the plain client says: an observer beside the code under test."""
    words = ["mariadb", "-N", "--raw", "--comments", "--default-character-set=utf8mb4", *([f"--database={database}"] if database else [])]
    return subprocess.run(words, input=text, capture_output=True, text=True, check=True).stdout.strip()


def clean() -> None:
    for name in server_sql("SHOW DATABASES LIKE 'rb\\_test%'").splitlines():
        server_sql(f"SET foreign_key_checks=0; DROP DATABASE {identifier(name)}")
    for account in server_sql("SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)) FROM mysql.user WHERE User LIKE 'rb\\_test%'").splitlines():
        server_sql(f"DROP USER {account}")


@pytest.fixture(autouse=True)
def nothing_left() -> t.Iterator[None]:
    clean()
    yield
    clean()
    assert not os.popen("pgrep -x mariadb-dump").read(), "a dump program was left running"


@pytest.fixture
def engine() -> MariaDB:
    return MariaDB(Login())


def rich(name: str = LIVE) -> None:
    server_sql(f"CREATE DATABASE {identifier(name)} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    server_sql(RICH.replace("rb_test_live.", f"{identifier(name)}."), name)
    everything = bytes(range(256)).hex()
    server_sql(f"INSERT INTO bytes VALUES (1, x'{everything}', x'{everything}', x'00ff0a0d', b'101010101'), (2, NULL, '', '', 0)", name)


class Kept:
    """A dump that was read whole."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        self.settings: dict[str, t.Any] = {}
        self.inventory = Inventory()

    def opened(self, **instead: bytes) -> list[Part]:
        def part(name: str, data: bytes) -> Part:
            return Part(name, lambda: contextlib.nullcontext(io.BytesIO(data)))

        return [part(name, instead.get(name, data)) for name, data in self.parts.items()]


def backup(engine: MariaDB, name: str = LIVE, jobs: int = 1, tables: Selection = ALL) -> Kept:
    kept = Kept()
    with engine.dump(name, tables, jobs) as dump:
        kept.settings = dump.settings

        def read(part: Part) -> None:
            with part.open() as reader:
                pieces = []
                while data := reader.read(1 << 20):
                    pieces.append(data)
            kept.parts[part.name] = b"".join(pieces)
            dump.check_end(part.name, kept.parts[part.name][-4096:])

        kept.parts = {part.name: b"" for part in dump.parts}
        readers = [threading.Thread(target=read, args=(part,)) for part in dump.parts]
        for reader in readers:
            reader.start()
        kept.inventory = dump.inventory(counts=True, checksums=True)
        for reader in readers:
            reader.join()
    return kept


def restore(engine: MariaDB, kept: Kept, name: str, jobs: int = 1) -> None:
    engine.create(name, kept.settings)
    engine.load(name, kept.opened(), kept.settings, jobs)


def same(engine: MariaDB, kept: Kept, name: str) -> None:
    assert kept.inventory.differences(engine.inventory(name, counts=True, checksums=True)) == []


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("goal", [SIDE, ODD])
def test_a_rich_database_comes_back_under_another_name(engine: MariaDB, jobs: int, goal: str) -> None:
    rich()
    before = server_sql("CHECKSUM TABLE words, bytes, parts, old_style, child", LIVE)
    kept = backup(engine, jobs=jobs)
    assert len(kept.inventory.tables) == 10 and kept.inventory.tables["words"].rows == 4
    assert {kind: len(named) for kind, named in kept.inventory.objects.items()} == {
        "sequence": 1, "table": 10, "routine": 2, "view": 3, "trigger": 2, "event": 2,
    }  # fmt: skip
    server_sql(f"DROP DATABASE {LIVE}")
    restore(engine, kept, goal, jobs)
    same(engine, kept, goal)
    assert server_sql("CHECKSUM TABLE words, bytes, parts, old_style, child", goal).replace(goal, LIVE) == before
    assert server_sql("SELECT HEX(b) FROM bytes WHERE id=1", goal) == bytes(range(256)).hex().upper()
    assert server_sql("SELECT COUNT(*), MAX(note) FROM a_top", goal) == "3\tof `rb_test_live`.`parent`"
    assert server_sql("SELECT w FROM words WHERE n='x'", goal) == "`rb_test_live`.`words`"
    server_sql("INSERT INTO parent (name) VALUES ('later'); INSERT INTO words (w) VALUES ('default from the sequence')", goal)
    assert server_sql("SELECT what FROM log ORDER BY id DESC LIMIT 1", goal) == "new later — ü"
    assert server_sql("SELECT GROUP_CONCAT(STATUS ORDER BY EVENT_NAME) FROM information_schema.EVENTS") == "DISABLED,SLAVESIDE_DISABLED"
    assert LIVE not in server_sql("SHOW CREATE TABLE words; SHOW CREATE VIEW z_base; SHOW CREATE VIEW mixed", goal).replace(goal, "")


def test_events_run_again_under_the_dumps_own_name(engine: MariaDB) -> None:
    rich()
    kept = backup(engine)
    engine.drop(LIVE)
    restore(engine, kept, LIVE)
    same(engine, kept, LIVE)
    assert server_sql("SELECT GROUP_CONCAT(STATUS ORDER BY EVENT_NAME) FROM information_schema.EVENTS") == "DISABLED,ENABLED"


def test_an_empty_database_and_odd_names(engine: MariaDB) -> None:
    server_sql(f"CREATE DATABASE {identifier(ODD)} CHARACTER SET latin1")
    kept = backup(engine, ODD, jobs=2)
    assert list(kept.parts) == ["data"]
    restore(engine, kept, SIDE)
    assert engine.tables(SIDE) == [] and engine.exists(ODD) and not engine.exists("rb_test_none")
    assert server_sql("SELECT @@character_set_database", SIDE) == "latin1"
    engine.drop(ODD)
    rich(ODD)
    odd = backup(engine, ODD, jobs=2)
    restore(engine, odd, OLD, 2)
    same(engine, odd, OLD)
    with pytest.raises(RunbookError, match="already a database"):
        engine.create(OLD, kept.settings)
    with pytest.raises(RunbookError, match="no database rb_test_none"):
        engine.tables("rb_test_none")
    for bad in ("", "mysql", "a\nb", "x" * 65, "end ", "😀"):
        with pytest.raises(InvalidInput):
            engine.check_name(bad)


def test_chosen_tables_come_with_their_triggers_only(engine: MariaDB) -> None:
    rich()
    kept = backup(engine, tables=Selection(include=("parent", "log")))
    restore(engine, kept, SIDE)
    same(engine, kept, SIDE)
    assert sorted(kept.inventory.tables) == ["log", "parent"] and sorted(kept.inventory.objects["trigger"]) == ["after_parent"]
    with pytest.raises(InvalidInput, match="no table fits"):
        backup(engine, tables=Selection(include=("tpyo",)))


@pytest.mark.parametrize("jobs", [1, 2])
def test_writers_do_not_tear_the_moment(engine: MariaDB, jobs: int) -> None:
    """Money moves between two tables all the time; in parts, counts and checksums its sum is the same."""
    server_sql(f"CREATE DATABASE {LIVE}")
    server_sql(
        "CREATE TABLE a (id INT PRIMARY KEY, v BIGINT, pad CHAR(200)); CREATE TABLE b LIKE a;"
        " CREATE TABLE m (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=MyISAM",
        LIVE,
    )
    for name in "ab":
        server_sql(f"INSERT INTO {name} SELECT seq, 1000, REPEAT('x', 200) FROM seq_1_to_20000", LIVE)
    script = "".join(
        f"BEGIN; UPDATE a SET v=v-7 WHERE id={n}; UPDATE b SET v=v+7 WHERE id={20001 - n};"
        f" INSERT INTO a VALUES ({30000 + n}, 5, ''); INSERT INTO b VALUES ({30000 + n}, -5, ''); COMMIT;\n"
        for n in range(1, 20000)
    )
    with open(os.path.join(os.environ.get("TMPDIR", "/tmp"), "rb_test_writes.sql"), "w+", encoding="utf-8") as stream:
        stream.write(script)
        stream.seek(0)
        os.unlink(stream.name)
        writer = subprocess.Popen(["mariadb", LIVE], stdin=stream)
        try:
            for _round in range(3):
                kept = backup(engine, jobs=jobs)
                assert writer.poll() is None, "the writer ended too early to prove anything"
                restore(engine, kept, SIDE, jobs)
                same(engine, kept, SIDE)
                assert server_sql("SELECT (SELECT SUM(v) FROM a) + (SELECT SUM(v) FROM b)", SIDE) == str(2 * 20000 * 1000)
                assert kept.inventory.tables["a"].rows == kept.inventory.tables["b"].rows
                engine.drop(SIDE)
        finally:
            writer.kill()
            writer.wait()
    assert kept.settings["consistent"] and "m" in kept.settings["notes"][0]


def big(name: str = LIVE, rows: int = 60000) -> None:
    server_sql(f"CREATE DATABASE {name}")
    server_sql(
        "CREATE TABLE wide (id INT PRIMARY KEY, t VARCHAR(1000)) ENGINE=InnoDB; CREATE TABLE tiny (id INT);"
        f"INSERT INTO wide SELECT seq, REPEAT(MD5(seq), 30) FROM seq_1_to_{rows}; ANALYZE TABLE wide",
        name,
    )


def test_a_large_table_is_shared_out(engine: MariaDB) -> None:
    big()
    kept = backup(engine, jobs=2)
    assert list(kept.parts) == ["structure", "data1", "data2", "objects"]
    assert 0.8 < len(kept.parts["data1"]) / len(kept.parts["data2"]) < 1.25
    restore(engine, kept, SIDE, 2)
    same(engine, kept, SIDE)


INDEXED = r"""
CREATE TABLE many (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(80) COMMENT 'KEY `x`,', b TEXT, c INT, d INT AS (c + 1) VIRTUAL,
  FULLTEXT KEY words (b), KEY odd (a(7) DESC, c) COMMENT 'a, b', UNIQUE KEY one (c), KEY `na``me, (x)` (b(20)), KEY computed (d),
  KEY unseen (c, a) IGNORED, CONSTRAINT positive CHECK (c > 0));
INSERT INTO many (a, b, c) SELECT MD5(seq), REPEAT(SHA1(seq), 3), seq FROM seq_1_to_30000;
CREATE TABLE counted (id INT AUTO_INCREMENT, a INT, KEY (a), KEY (id));
CREATE TABLE zero (id INT PRIMARY KEY, at DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00', KEY (at));
CREATE TABLE up (id INT PRIMARY KEY, a INT, KEY (a));
CREATE TABLE down (id INT PRIMARY KEY, a INT, b INT, KEY (b), CONSTRAINT to_up FOREIGN KEY (a) REFERENCES up (a));
"""


def indexed() -> dict[str, str]:
    """A database with indexes of all kinds; the definitions of its tables."""
    server_sql(f"CREATE DATABASE {LIVE}")
    server_sql(f"SET SESSION sql_mode=''; {INDEXED}", LIVE)
    return definitions(LIVE)


def definitions(database: str) -> dict[str, str]:
    return {name: server_sql(f"SHOW CREATE TABLE {name}", database) for name in ("many", "counted", "zero", "up", "down")}


@pytest.mark.parametrize("jobs", [1, 2])
def test_indexes_that_are_built_afterwards_are_what_they_were(engine: MariaDB, jobs: int) -> None:
    before = indexed()
    kept = backup(engine, jobs=jobs)
    added = [line for part in kept.parts.values() for line in part.decode().splitlines() if line.startswith("ALTER TABLE")]
    assert sorted(line.split("`")[1] for line in added) == ["many", "zero"]
    restore(engine, kept, SIDE, jobs)
    same(engine, kept, SIDE)
    assert definitions(SIDE) == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_indexes_are_built_where_there_is_no_temporary_room(engine: MariaDB, jobs: int) -> None:
    before = indexed()
    kept = backup(engine, jobs=jobs)
    folder, full = "/srv/small/rb_test_tmp", "/srv/small/rb_test_full"
    try:
        os.mkdir(folder)
        os.chmod(folder, 0o777)
        subprocess.run(["dd", "if=/dev/zero", f"of={full}", "bs=64k"], stderr=subprocess.DEVNULL, check=False)
        os.truncate(full, os.path.getsize(full) - (1 << 20))
        server_sql(f"SET GLOBAL innodb_tmpdir='{folder}'")
        failed = subprocess.run(["mariadb", LIVE, "-e", "ALTER TABLE many ADD KEY again (b(40), a)"], capture_output=True, check=False)
        assert b"ERROR 1878" in failed.stderr
        restore(engine, kept, SIDE, jobs)
    finally:
        server_sql("SET GLOBAL innodb_tmpdir=DEFAULT")
        os.remove(full)
        os.rmdir(folder)
    same(engine, kept, SIDE)
    assert definitions(SIDE) == before


def test_a_dump_program_that_is_killed_or_not_read_to_the_end_is_an_error(engine: MariaDB) -> None:
    big()
    with pytest.raises(RunbookError, match="signal 9"), engine.dump(LIVE, ALL, 1) as dump, dump.parts[0].open() as reader:
        reader.read(1000)
        subprocess.run(["pkill", "-9", "-x", "-P", str(os.getpid()), "mariadb-dump"], check=True)
        while reader.read(1 << 20):
            pass
    with pytest.raises(RunbookError, match="not read to its end"), engine.dump(LIVE, ALL, 1) as dump, dump.parts[0].open() as reader:
        reader.read(1000)


def test_a_server_that_is_killed_in_mid_dump_is_an_error(engine: MariaDB) -> None:
    big()
    with pytest.raises(RunbookError, match="went away|Lost connection"), engine.dump(LIVE, ALL, 1) as dump, dump.parts[0].open() as reader:
        reader.read(1000)
        subprocess.run(["systemctl", "kill", "-s", "KILL", "mariadb"], check=True)
        while reader.read(1 << 20):
            pass
    subprocess.run(["systemctl", "start", "mariadb"], check=True)
    for _try in range(100):
        with contextlib.suppress(subprocess.CalledProcessError):
            server_sql("SELECT 1")
            break
        time.sleep(0.2)
    assert server_sql("SELECT COUNT(*) FROM wide", LIVE) == "60000"


def test_a_part_that_is_cut_or_wrong_is_an_error(engine: MariaDB) -> None:
    rich()
    kept = backup(engine)
    lines = kept.parts["data"].splitlines(keepends=True)
    at = next(index for index, line in enumerate(lines) if line.startswith(b"DELIMITER"))
    engine.create(SIDE, kept.settings)
    with pytest.raises(RunbookError, match="does not end as a complete one"):
        engine.load(SIDE, kept.opened(data=b"".join(lines[:at])), kept.settings, 1)
    for cut in (b"", b"".join(lines[:at]), b"".join(lines[:-1]), kept.parts["data"][:-1]):
        with pytest.raises(RunbookError):
            mariadb_dump.check_end("data", cut[-4096:])


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_statement_that_fails_ends_the_load(engine: MariaDB, jobs: int) -> None:
    big()
    kept = backup(engine, jobs=jobs)
    name = "data" if jobs == 1 else "data2"
    middle = kept.parts[name].index(b"\nINSERT INTO", len(kept.parts[name]) // 2)
    broken = kept.parts[name][:middle] + b"\nINSERT INTO nowhere VALUES (1);\n" + kept.parts[name][middle:]
    engine.create(SIDE, kept.settings)
    with pytest.raises(SqlError, match="nowhere.*1146"):
        engine.load(SIDE, kept.opened(**{name: broken}), kept.settings, jobs)
    engine.drop(SIDE)
    assert not engine.exists(SIDE)


def test_a_client_that_is_killed_ends_the_load(engine: MariaDB) -> None:
    big()
    kept = backup(engine)
    engine.create(SIDE, kept.settings)
    killed = threading.Event()

    class Slow(io.BytesIO):
        readinto = None  # type: ignore[assignment]

        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 20 << 20 and not killed.is_set():
                killed.set()
                subprocess.run(["pkill", "-9", "-P", str(os.getpid()), "-f", "--", f"--database={SIDE}"], check=True)
            return super().read(size)

    part = Part("data", lambda: contextlib.nullcontext(Slow(kept.parts["data"])))
    with pytest.raises(RunbookError, match="signal 9"):
        engine.load(SIDE, [part], kept.settings, 1)
    assert killed.is_set()


PASSWORDS = ["simple", "sp ace # ' \" \\ % ; = ü", 'مرحبا 😀 \\n \\\\ "', "#hash", "'quoted'", '"quoted"', " lead and trail "]


@pytest.mark.parametrize("password", PASSWORDS)
def test_passwords_with_any_character(password: str) -> None:
    quoted = password.replace("\\", "\\\\").replace("'", "''")
    server_sql(f"CREATE USER 'rb_test u''#'@localhost IDENTIFIED BY '{quoted}'; CREATE DATABASE {LIVE}")
    good = MariaDB(Login(user="rb_test u'#", password=password))
    assert good.server().product == "mariadb"
    with pytest.raises(RunbookError, match="refused the log-in") as caught:
        MariaDB(Login(user="rb_test u'#", password=password + "x")).server()
    assert "\n" not in caught.value.message and password not in caught.value.message


def test_what_stands_in_the_way_is_said_in_one_line(engine: MariaDB, monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    rich()
    server_sql(
        "CREATE USER rb_test_user@localhost IDENTIFIED BY 'x';"
        " GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON rb_test_live.* TO rb_test_user@localhost"
    )
    with pytest.raises(RunbookError, match="LOCK TABLES"):
        backup(MariaDB(Login(user="rb_test_user", password="x")), tables=Selection(include=("parent",)))
    for login, reason in (
        (Login(host="127.0.0.1", port=9), "nobody answers at 127.0.0.1:9"),
        (Login(unix_socket="/nowhere/s.sock"), "nobody answers at /nowhere/s.sock"),
        (Login(password="a\nb"), "line break"),
        (Login(config_file="/nowhere/my.cnf"), "config_file /nowhere/my.cnf"),
        (Login(user="rb_test_user", password="x", ssl_mode="require"), "does not encrypt|SSL"),
    ):
        with pytest.raises(RunbookError, match=reason) as caught:
            MariaDB(login).server()
        assert "\n" not in caught.value.message
    own = tmp_path / "my.cnf"
    own.write_text("[client]\nuser=rb_test_user\npassword=x\n")
    assert MariaDB(Login(config_file=str(own))).client.rows("", "SELECT CURRENT_USER() AS u", 5) == [{"u": "rb_test_user@localhost"}]
    assert engine.refuses(Server("mariadb", "99.1.0")) and engine.refuses(Server("mysql", "8.0.30"))
    assert engine.refuses(Server("mariadb", "10.3.1")) == "" and engine.refuses(engine.server()) == ""
    module = "ansible_collections.runbook.ops.plugins.module_utils._common.process"
    monkeypatch.setattr(f"{module}._MORE_PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="mariadb-client"):
        MariaDB(Login()).server()


def test_rows_only_reads(engine: MariaDB) -> None:
    rich()
    assert engine.client.rows(LIVE, "SELECT w, n FROM words WHERE w='NULL' OR n IS NULL ORDER BY id DESC", 5) == [
        {"w": "NULL", "n": "NULL"},
        {"w": 'emoji 😀 مرحبا it\'s "q" \\ \n \t   end', "n": None},
    ]
    assert engine.client.rows(LIVE, "SELECT '<row>&lt;' AS `a<b`; ", 5) == [{"a<b": "<row>&lt;"}]
    for text in (
        "DELETE FROM log",
        "COMMIT; DELETE FROM old_style",
        "DROP TABLE log",
        "SELECT 1; DROP VIEW mixed",
        "DROP PROCEDURE fill",
        "SELECT 'open",
        "CALL fill(1)",
    ):
        with pytest.raises(SqlError):
            engine.client.rows(LIVE, text, 5)
    assert server_sql("SELECT COUNT(*) FROM old_style", LIVE) == "2"
    started = time.monotonic()
    with pytest.raises(SqlError, match="max_statement_time"):
        engine.client.rows(LIVE, "SELECT MAX(SHA1(a.seq + b.seq)) FROM seq_1_to_100000 a, seq_1_to_100000 b", 1)
    assert time.monotonic() - started < 3


def two_generations(engine: MariaDB) -> tuple[Inventory, Inventory]:
    """A live database, and a side with a younger one: other tables, other views. Their inventories."""
    rich()
    kept = backup(engine)
    old = engine.inventory(LIVE, counts=True, checksums=True)
    restore(engine, kept, SIDE)
    server_sql(
        "DROP TABLE empty_one; CREATE TABLE only_new (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id));"
        "INSERT INTO only_new VALUES (1, 42);"
        "DROP PROCEDURE fill; CREATE OR REPLACE VIEW a_top AS SELECT id FROM z_base; CREATE VIEW b_new AS SELECT * FROM only_new",
        SIDE,
    )
    return old, engine.inventory(SIDE, counts=True, checksums=True)


def is_new(engine: MariaDB, old: Inventory, new: Inventory) -> None:
    assert new.differences(engine.inventory(LIVE, counts=True, checksums=True)) == []
    assert old.differences(engine.inventory(OLD, counts=True, checksums=True)) == []
    assert not engine.exists(SIDE)
    keys = (
        "SELECT TABLE_NAME, REFERENCED_TABLE_SCHEMA FROM information_schema.KEY_COLUMN_USAGE"
        " WHERE TABLE_SCHEMA='{0}' AND REFERENCED_TABLE_SCHEMA <> '{0}'"
    )
    assert server_sql(keys.format(LIVE)) == "" and server_sql(keys.format(OLD)) == ""
    with pytest.raises(subprocess.CalledProcessError):
        server_sql("INSERT INTO only_new VALUES (9, 9999)", LIVE)
    server_sql(
        "INSERT INTO words (w) VALUES ('x'); SELECT * FROM a_top; SELECT * FROM mixed; UPDATE child SET parent_id=NULL WHERE id=3", LIVE
    )
    server_sql("INSERT INTO words (w) VALUES ('x')", OLD)
    states = "SELECT GROUP_CONCAT(STATUS ORDER BY EVENT_NAME) FROM information_schema.EVENTS WHERE EVENT_SCHEMA='{}'"
    assert server_sql(states.format(LIVE)) == "DISABLED,ENABLED"
    assert server_sql(states.format(OLD)) == "DISABLED,SLAVESIDE_DISABLED"
    engine.drop(OLD)
    server_sql("INSERT INTO words (w) VALUES ('y'); INSERT INTO only_new VALUES (2, 41)", LIVE)


def is_old(engine: MariaDB, old: Inventory, new: Inventory) -> None:
    assert old.differences(engine.inventory(LIVE, counts=True, checksums=True)) == []
    assert new.differences(engine.inventory(SIDE, counts=True, checksums=True)) == []
    assert not engine.exists(OLD)
    engine.drop(SIDE)
    server_sql("INSERT INTO words (w) VALUES ('y'); INSERT INTO parent (name) VALUES ('y')", LIVE)
    states = "SELECT GROUP_CONCAT(STATUS ORDER BY EVENT_NAME) FROM information_schema.EVENTS WHERE EVENT_SCHEMA='{}'"
    assert server_sql(states.format(LIVE)) == "DISABLED,ENABLED"


def test_a_switch_and_one_back(engine: MariaDB) -> None:
    old, new = two_generations(engine)
    server_sql("CREATE USER rb_test_user@localhost; GRANT EXECUTE ON FUNCTION rb_test_live.plus_one TO rb_test_user@localhost")
    steps: list[str] = []
    engine.switch(LIVE, SIDE, OLD, lambda step, facts: steps.append(step))
    assert steps == ["prepare", "triggers", "rename", "objects"]
    assert "plus_one" in server_sql("SHOW GRANTS FOR rb_test_user@localhost")
    engine.switch(LIVE, OLD, SIDE, lambda step, facts: None)
    assert old.differences(engine.inventory(LIVE, counts=True, checksums=True)) == []
    engine.switch(LIVE, SIDE, OLD, lambda step, facts: None)
    is_new(engine, old, new)


def test_a_switch_to_a_name_that_is_not_there_yet(engine: MariaDB) -> None:
    old, new = two_generations(engine)
    engine.drop(LIVE)
    engine.switch(LIVE, SIDE, OLD, lambda step, facts: None)
    assert new.differences(engine.inventory(LIVE, counts=True, checksums=True)) == []
    assert not engine.exists(OLD) and not engine.exists(SIDE)


def test_a_live_database_with_a_view_that_does_not_work_can_be_replaced(engine: MariaDB) -> None:
    _old, new = two_generations(engine)
    server_sql("CREATE TABLE gone (id INT); CREATE VIEW broken AS SELECT * FROM gone; DROP TABLE gone", LIVE)
    with pytest.raises(RunbookError, match="view broken.*repair or drop it"):
        backup(engine)
    engine.switch(LIVE, SIDE, OLD, lambda step, facts: None)
    assert new.differences(engine.inventory(LIVE, counts=True, checksums=True)) == []


def test_what_was_replaced_does_not_hold_on_to_what_replaced_it(engine: MariaDB) -> None:
    """A key whose parent was lost names its parent, and finds one of that name after the switch: the new one, which it must not guard."""
    server_sql(f"CREATE DATABASE {SIDE}; CREATE DATABASE {LIVE}")
    tables = "CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE c (id INT, p INT, FOREIGN KEY (p) REFERENCES p (id))"
    for name in (LIVE, SIDE):
        server_sql(f"{tables}; INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1)", name)
    server_sql("SET foreign_key_checks=0; DROP TABLE p", LIVE)
    engine.switch(LIVE, SIDE, OLD, lambda step, facts: None)
    server_sql("DELETE FROM c; DELETE FROM p", LIVE)
    assert server_sql("SELECT COUNT(*) FROM c", OLD).split() == ["1"]
    server_sql(f"DROP DATABASE {LIVE}")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [*range(0, 60, 3), *range(60, 200, 9)])
def test_a_switch_killed_at_any_statement_is_settled(engine: MariaDB, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """The run is cut before its n-th statement; the next one finishes or undoes."""
    old, new = two_generations(engine)
    journal: list[tuple[str, t.Mapping[str, t.Any]]] = []
    plain, count = Session.run, [0]

    def counted(self: Session, sql: str, timeout: float | None = None) -> t.Any:
        # Reading needs no crash point of its own.
        if not sql.startswith(("SELECT", "SHOW", "USE")):
            count[0] += 1
            if count[0] > after:
                raise Killed
        return plain(self, sql, timeout)

    monkeypatch.setattr(Session, "run", counted)
    with contextlib.suppress(Killed):
        engine.switch(LIVE, SIDE, OLD, lambda step, facts: journal.append((step, facts)))
    monkeypatch.setattr(Session, "run", plain)
    step, facts = journal[-1] if journal else ("", {})
    state = engine.settle(LIVE, SIDE, OLD, step, facts)
    assert engine.settle(LIVE, SIDE, OLD, step, facts) == state
    if step != "objects":
        assert state == "old"
    (is_new if state == "new" else is_old)(engine, old, new)


@pytest.mark.parametrize(("busy", "wait"), [(True, 0.3), (False, 0.002), (False, 0.01), (False, 0.02), (False, 0.04)])
def test_a_client_that_is_killed_in_the_rename_is_settled(
    engine: MariaDB, monkeypatch: pytest.MonkeyPatch, busy: bool, wait: float
) -> None:
    """The server goes on with a RENAME when its client is gone, or gives up waiting for a reader; settling waits for either."""
    old, new = two_generations(engine)
    reader = subprocess.Popen(["mariadb", LIVE], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert reader.stdin
    commands = reader.stdin
    monkeypatch.setattr(mariadb_switch, "BUSY_WAIT", 3)
    journal: list[tuple[str, t.Mapping[str, t.Any]]] = []

    def note(step: str, facts: t.Mapping[str, t.Any]) -> None:
        journal.append((step, facts))
        if step == "rename":
            commands.write(b"BEGIN; SELECT * FROM parent;\n" if busy else b"SELECT 1;\n")
            commands.flush()
            time.sleep(0.3)

            def kill() -> None:
                time.sleep(wait)
                subprocess.run(["pkill", "-9", "-P", str(os.getpid()), "-f", "--", "--xml --unbuffered"], check=False)

            threading.Thread(target=kill).start()

    with contextlib.suppress(RunbookError), Session(engine.client) as session:
        mariadb_switch.switch(session, LIVE, SIDE, OLD, note)
    # The module is gone, too; the reader leaves while the next run is settling.
    leaving = threading.Timer(1, reader.send_signal, (signal.SIGKILL,))
    leaving.start()
    state = engine.settle(LIVE, SIDE, OLD, *journal[-1])
    leaving.join()
    reader.wait()
    (is_new if state == "new" else is_old)(engine, old, new)


def test_two_switches_of_one_database_do_not_meet(engine: MariaDB, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = two_generations(engine)
    monkeypatch.setattr(mariadb_switch, "_OTHER_WAIT", 1)

    def note(step: str, facts: t.Mapping[str, t.Any]) -> None:
        if step == "rename":
            with pytest.raises(SqlError, match="another switch of rb_test_live still runs"):
                engine.switch(LIVE, SIDE, OLD, lambda step, facts: None)
            with pytest.raises(SqlError, match="another switch of rb_test_live still runs"):
                engine.settle(LIVE, SIDE, OLD, step, facts)

    engine.switch(LIVE, SIDE, OLD, note)
    is_new(engine, old, new)


def test_a_table_in_use_leaves_the_live_database_as_it_was(engine: MariaDB, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = two_generations(engine)
    reader = subprocess.Popen(["mariadb", LIVE], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert reader.stdin
    reader.stdin.write(b"BEGIN; SELECT * FROM parent;\n")
    reader.stdin.flush()
    time.sleep(0.5)
    monkeypatch.setattr(mariadb_switch, "BUSY_WAIT", 1)
    with pytest.raises(SqlError, match="was not switched and is as it was"):
        engine.switch(LIVE, SIDE, OLD, lambda step, facts: None)
    reader.kill()
    reader.wait()
    is_old(engine, old, new)


def test_a_rename_that_stopped_in_the_middle_is_undone(engine: MariaDB) -> None:
    """What servers before 10.6 leave when they lose their power."""
    old, new = two_generations(engine)
    journal: list[tuple[str, t.Mapping[str, t.Any]]] = []

    def note(step: str, facts: t.Mapping[str, t.Any]) -> None:
        journal.append((step, facts))
        if step == "rename":
            raise Killed

    with contextlib.suppress(Killed):
        engine.switch(LIVE, SIDE, OLD, note)
    server_sql(
        f"RENAME TABLE {LIVE}.parent TO {OLD}.parent, {LIVE}.child TO {OLD}.child,"
        f" {LIVE}.words TO {OLD}.words, {SIDE}.words TO {LIVE}.words"
    )
    assert engine.settle(LIVE, SIDE, OLD, *journal[-1]) == "old"
    is_old(engine, old, new)


def test_sixty_tables_are_away_for_moments(engine: MariaDB) -> None:
    for name in (LIVE, SIDE):
        server_sql(f"CREATE DATABASE {name}")
        server_sql(
            "CREATE TABLE t0 (id INT PRIMARY KEY, v INT);"
            + "".join(f"CREATE TABLE t{n} (id INT PRIMARY KEY, r INT, FOREIGN KEY (r) REFERENCES t{n - 1} (id));" for n in range(1, 60))
            + "CREATE VIEW v AS SELECT * FROM t0; CREATE TRIGGER g AFTER INSERT ON t0 FOR EACH ROW SET @x = 1;"
            + f"INSERT INTO t0 VALUES (1, {1 if name == LIVE else 2})",
            name,
        )
    away: list[float] = []
    stop = threading.Event()

    def look() -> None:
        with Session(engine.client) as session:
            last = time.monotonic()
            while not stop.is_set():
                try:
                    session.run(f"SELECT v FROM {LIVE}.v")
                except SqlError:
                    break
                away.append(time.monotonic() - last)
                last = time.monotonic()

    watcher = threading.Thread(target=look)
    watcher.start()
    time.sleep(0.3)
    times: dict[str, float] = {}
    engine.switch(LIVE, SIDE, OLD, lambda step, facts: times.setdefault(step, time.monotonic()))
    ended = time.monotonic()
    stop.set()
    watcher.join()
    print(f"longest wait of a reader {max(away) * 1000:.0f} ms; from the triggers on {(ended - times['triggers']) * 1000:.0f} ms")
    # Two flushes to the disk per table and direction: about 0.2 s where one takes 1 ms. Copying would take far longer.
    assert max(away) < 1 and ended - times["triggers"] < 2
    assert server_sql("SELECT v FROM v", LIVE) == "2"
