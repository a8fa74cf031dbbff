# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite needs no server: everything is tested here with the real library, real locks and real second processes."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._database import sqlite as sqlite_module
from ansible_collections.runbook.ops.plugins.module_utils._database import sqlite_client as client
from ansible_collections.runbook.ops.plugins.module_utils._database import sqlite_file, work
from ansible_collections.runbook.ops.plugins.module_utils._database.engine import Part
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Login, Selection, Server
from ansible_collections.runbook.ops.plugins.module_utils._database.sqlite import SQLite

ALL = Selection()


@pytest.fixture
def engine(tmp_path):
    (tmp_path / "work").mkdir()
    return SQLite(Login(), str(tmp_path / "work"))


@pytest.fixture(params=["delete", "wal"])
def live(tmp_path, request):
    """A database with everything that is awkward, its folder's and its own name included."""
    folder = tmp_path / "data 100% ?#é"
    folder.mkdir()
    path = folder / "قاعدة 😀.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA journal_mode = {request.param}")
        db.execute("PRAGMA user_version = 7")
        db.execute("PRAGMA application_id = 1234")
        db.executescript(
            """
            CREATE TABLE "odd ""name"" 'x'" (a, b);
            CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE);
            CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent(id), doubled AS (id * 2));
            CREATE TABLE keyed (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
            CREATE TABLE log (what);
            CREATE INDEX child_parent ON child (parent) WHERE parent IS NOT NULL;
            CREATE VIEW names AS SELECT name FROM parent;
            CREATE TRIGGER added AFTER INSERT ON parent BEGIN INSERT INTO log VALUES (new.name); END;
            CREATE VIRTUAL TABLE words USING fts5(text);
            """
        )
        values = [
            1,
            "1",
            1.0,
            b"1",
            None,
            "",
            b"",
            -0.0,
            1e308,
            0.1,
            2**63 - 1,
            -(2**63),
            "مرحبا 😀",
            "nul\0inside",
            b"\x00\xff",
            "x" * 300_000,
        ]
        db.executemany("""INSERT INTO "odd ""name"" 'x'" VALUES (?, ?)""", [(value, index) for index, value in enumerate(values)])
        db.execute("""INSERT INTO "odd ""name"" 'x'" VALUES (CAST(X'ff80' AS TEXT), 'not utf-8')""")
        db.executemany("INSERT INTO parent (name) VALUES (?)", [(f"name {number}",) for number in range(500)])
        db.execute("DELETE FROM parent WHERE id > 400")
        db.executemany("INSERT INTO child (parent) VALUES (?)", [(number % 400 + 1,) for number in range(3000)])
        db.execute("INSERT INTO keyed VALUES ('é', X'00')")
        db.execute("INSERT INTO words VALUES ('searching for words')")
        db.commit()
    path.chmod(0o640)
    return str(path)


def read_part(dump):
    with dump.parts[0].open() as reader:
        data = b"".join(iter(lambda: reader.read(65536), b""))
    dump.check_end("data", data[-4096:])
    return data


def part_of(data):
    return [Part("data", lambda: contextlib.closing(io.BytesIO(data)))]


def take(engine, name, tables=ALL):
    with engine.dump(name, tables, 1) as dump:
        return read_part(dump), dump.settings, dump.inventory(counts=True, checksums=True)


def restore_beside(engine, live, data, settings, token="abcd1234"):
    side = engine.side_name(live, token)
    engine.create(side, settings)
    engine.load(side, part_of(data), settings, 1)
    return side


def scalar(path, sql):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchone()[0]


def change(path, value):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO log VALUES (?)", (value,))
        db.commit()


def beside(live):
    return sorted(os.listdir(os.path.dirname(live)))


def test_round_trip(engine, live):
    data, settings, inventory = take(engine, live)
    assert settings["mode"] == "0640"
    assert inventory.tables["parent"].rows == 400
    assert inventory.objects["trigger"].keys() == {"added"}
    side = restore_beside(engine, live, data, settings)
    assert inventory.differences(engine.inventory(side, counts=True, checksums=True)) == []
    assert inventory.differences(engine.inventory(live, counts=True, checksums=True)) == []
    assert os.stat(side).st_mode & 0o777 == 0o640
    assert scalar(side, "SELECT count(*) FROM words WHERE words MATCH 'searching'") == 1
    assert os.listdir(engine.work_folder) == []
    engine.drop(side)
    assert beside(live) == [os.path.basename(live)]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("""UPDATE "odd ""name"" 'x'" SET a = '1' WHERE b = 0""", "other contents"),
        ("""UPDATE "odd ""name"" 'x'" SET a = 0.0 WHERE b = 7""", "other contents"),
        ("""UPDATE "odd ""name"" 'x'" SET a = X'' WHERE b = 5""", "other contents"),
        ("""UPDATE "odd ""name"" 'x'" SET a = CAST(X'ff81' AS TEXT) WHERE b = 'not utf-8'""", "other contents"),
        ("DELETE FROM log WHERE rowid = 1", "rows instead of"),
        ("DROP INDEX child_parent", "index child_parent is missing"),
        ("PRAGMA user_version = 8", "pragma user_version is defined differently"),
        ("UPDATE sqlite_sequence SET seq = 400 WHERE name = 'parent'", "sequence parent"),
        ("DROP TRIGGER added", "trigger added is missing"),
    ],
)
def test_every_difference_is_found(engine, live, sql, told):
    before = engine.inventory(live, counts=True, checksums=True)
    with contextlib.closing(sqlite3.connect(live)) as db:
        db.execute(sql)
        db.commit()
    found = before.differences(engine.inventory(live, counts=True, checksums=True))
    assert len(found) == 1 and told in found[0]


def test_the_order_of_rows_does_not_matter(engine, tmp_path):
    for name, order in (("a.db", (1, 2, 3)), ("b.db", (3, 1, 2))):
        with contextlib.closing(sqlite3.connect(tmp_path / name)) as db:
            db.execute("CREATE TABLE t (x)")
            db.executemany("INSERT INTO t VALUES (?)", [(number,) for number in order])
            db.commit()
    first, second = (engine.inventory(str(tmp_path / name), counts=True, checksums=True) for name in ("a.db", "b.db"))
    assert first.tables == second.tables and first.tables["t"].checksum


def test_an_empty_database_and_an_empty_file(engine, tmp_path):
    for name in ("empty.db", "file.db"):
        path = str(tmp_path / name)
        with contextlib.closing(sqlite3.connect(path)) as db:
            if name == "empty.db":
                db.execute("PRAGMA user_version = 1")
            db.commit()
        open(path, "ab").close()
        data, settings, inventory = take(engine, path)
        side = restore_beside(engine, path, data, settings)
        assert inventory.differences(engine.inventory(side, counts=True, checksums=True)) == []


def test_tables_can_be_left_out(engine, live):
    data, settings, inventory = take(engine, live, Selection(exclude=("log", "words*")))
    assert set(inventory.tables) == {"odd \"name\" 'x'", "parent", "child", "keyed"}
    side = restore_beside(engine, live, data, settings)
    assert inventory.differences(engine.inventory(side, counts=True, checksums=True)) == []
    with pytest.raises(InvalidInput, match="no table fits 'nosuch'"):
        take(engine, live, Selection(include=("nosuch",)))


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("pages", [7, 2000])
def test_a_dump_is_one_moment_while_writers_write(engine, tmp_path, monkeypatch, mode, pages):
    """Every transaction moves an amount between two rows far apart; their sum never changes and all totals agree."""
    monkeypatch.setattr(sqlite_file, "_PAGES_A_STEP", pages)
    path = str(tmp_path / "bank.db")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA journal_mode = {mode}")
        db.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER, pad TEXT)")
        db.executemany("INSERT INTO a (n, pad) VALUES (100, ?)", [("x" * 500,) for _row in range(4000)])
        db.execute("CREATE TABLE moved (n INTEGER)")
        db.commit()
    script = textwrap.dedent(
        """
        import random, sqlite3, sys, time
        db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
        while True:
            low, high, amount = random.randint(1, 100), random.randint(3900, 4000), random.randint(1, 9)
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE a SET n = n - ? WHERE id = ?", (amount, low))
            db.execute("UPDATE a SET n = n + ? WHERE id = ?", (amount, high))
            db.execute("INSERT INTO moved VALUES (?)", (amount,))
            db.execute("COMMIT")
            time.sleep(0.002)
        """
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, path]) for _writer in range(2)]
    try:
        time.sleep(0.3)
        for number in range(3):
            data, settings, inventory = take(engine, path)
            side = restore_beside(engine, path, data, settings, f"abcd123{number}")
            assert inventory.differences(engine.inventory(side, counts=True, checksums=True)) == []
            assert scalar(side, "SELECT sum(n) FROM a") == 400_000
            assert scalar(side, "SELECT (SELECT sum(n) - 100 * 101 FROM a WHERE id >= 3900) = (SELECT sum(n) FROM moved)") == 1
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert scalar(path, "SELECT count(*) FROM moved") > inventory.tables["moved"].rows


def test_a_cut_or_changed_backup_is_not_loaded(engine, live):
    data, settings, inventory = take(engine, live)
    counted = data[:28] + b"\0\0\0\1" + data[32:]
    for broken, told in ((data[:-4096], "instead of"), (b"", "instead of"), (counted, "header counts 1 pages")):
        side = engine.side_name(live, "abcd1234")
        engine.create(side, settings)
        with pytest.raises(RunbookError, match=told):
            engine.load(side, part_of(broken), settings, 1)
        engine.drop(side)
    at = data.index(b"not utf-8")
    flipped = data[:at] + b"nou utf-8" + data[at + 9 :]
    side = engine.side_name(live, "abcd1234")
    engine.create(side, settings)
    with contextlib.suppress(RunbookError):
        engine.load(side, part_of(flipped), settings, 1)
    assert inventory.differences(engine.inventory(side, counts=True, checksums=True))


def test_the_end_of_a_stream_is_checked(engine, live):
    with engine.dump(live, ALL, 1) as dump:
        with pytest.raises(RunbookError, match="it is cut"):
            dump.check_end("data", b"\0" * 4000 + b"something else")
        with pytest.raises(RunbookError, match="not read to its end"), dump.parts[0].open() as reader:
            reader.read(10)


def test_a_failing_stream_ends_the_load(engine, live):
    @contextlib.contextmanager
    def failing():
        yield io.BytesIO(b"SQLite format 3\0")
        raise RunbookError("the hash of part data is another one")

    side = engine.side_name(live, "abcd1234")
    engine.create(side, {})
    with pytest.raises(RunbookError, match="the hash of part data"):
        engine.load(side, [Part("data", failing)], {}, 1)


class Killed(BaseException):
    pass


def switch_until(engine, live, side, previous, monkeypatch, stop):
    """Runs a switch up to its ``stop``-th durable act, as a kill would; the last note, or None when it ended before."""
    noted, acts = [], []

    def act(name, do):
        def wrapped(*args, **kwargs):
            if len(acts) == stop:
                raise Killed
            acts.append(name)
            return do(*args, **kwargs)

        return wrapped

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", act("link", os.link))
        patched.setattr(os, "rename", act("rename", os.rename))
        patched.setattr(sqlite_module, "fsync_folder", act("fsync", sqlite_module.fsync_folder))
        try:
            engine.switch(live, side, previous, act("note", lambda step, facts: noted.append((step, dict(facts)))))
        except Killed:
            return True, noted
    return False, noted


def test_a_switch_killed_anywhere_is_settled(engine, live, monkeypatch):
    data, settings, wanted = take(engine, live)
    original = live + ".kept"
    shutil.copy2(live, original)
    stop, seen, killed = 0, set(), True
    while killed:
        for path in (live, engine.side_name(live, "side0000"), engine.side_name(live, "prev0000")):
            engine.drop(path)
        shutil.copy2(original, live)
        change(live, "newer than the backup")
        old = engine.inventory(live, counts=True, checksums=True)
        side, previous = restore_beside(engine, live, data, settings, "side0000"), engine.side_name(live, "prev0000")
        killed, noted = switch_until(engine, live, side, previous, monkeypatch, stop)
        if killed:
            step, facts = noted[-1] if noted else ("", {})
            result = engine.settle(live, side, previous, step, facts)
            assert engine.settle(live, side, previous, step, facts) == result
        else:
            result = "new"
        now = engine.inventory(live, counts=True, checksums=True)
        assert (wanted if result == "new" else old).differences(now) == []
        if result == "new":
            assert old.differences(engine.inventory(previous, counts=True, checksums=True)) == []
            assert os.stat(live).st_mode & 0o777 == 0o640
        else:
            assert not os.path.exists(previous)
        engine.drop(side if result == "old" else previous)
        assert (wanted if result == "new" else old).differences(engine.inventory(live, counts=True, checksums=True)) == []
        seen.add(result)
        stop += 1
    assert seen == {"old", "new"} and stop > 5


def test_a_log_that_is_not_folded_in_goes_with_the_old(engine, tmp_path):
    """A program that was killed leaves its work in the log: it belongs to `previous`, and never to the new file."""
    path = str(tmp_path / "app.db")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = wal")
        db.execute("CREATE TABLE t (x)")
        db.commit()
    data, settings, wanted = take(engine, path)
    script = "d.execute('INSERT INTO t VALUES (1)'); d.commit(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", f"import sqlite3, os, sys; d = sqlite3.connect(sys.argv[1]); {script}", path], check=False)
    assert os.path.getsize(path + "-wal") > 0
    side, previous = restore_beside(engine, path, data, settings), engine.side_name(path, "prev0000")
    engine.switch(path, side, previous, lambda step, facts: None)
    assert scalar(previous, "SELECT count(*) FROM t") == 1
    assert wanted.differences(engine.inventory(path, counts=True, checksums=True)) == []


def test_others_who_have_it_open_are_refused(engine, live):
    data, settings, _inventory = take(engine, live)
    side, previous = restore_beside(engine, live, data, settings), engine.side_name(live, "prev0000")
    script = "import sqlite3, sys, time; d = sqlite3.connect(sys.argv[1], isolation_level=None); d.execute(sys.argv[2])"
    script += "; print(flush=True); time.sleep(60)"
    steps = []
    for task in ("SELECT count(*) FROM log", "BEGIN IMMEDIATE"):
        other = subprocess.Popen([sys.executable, "-c", script, live, task], stdout=subprocess.PIPE)
        try:
            other.stdout.readline()
            with pytest.raises(RunbookError, match="open; stop it|working on|is locked"):
                engine.switch(live, side, previous, lambda step, facts: steps.append(step))
            assert steps == [] and not os.path.exists(previous)
        finally:
            other.kill()
            other.communicate()
    engine.switch(live, side, previous, lambda step, facts: None)


def test_nobody_gets_in_between(engine, live, monkeypatch):
    """While the file is replaced no other connection can even read; afterwards everybody reads the new one."""
    data, settings, _inventory = take(engine, live)
    change(live, "later")
    rows = scalar(live, "SELECT count(*) FROM log")
    side, previous = restore_beside(engine, live, data, settings), engine.side_name(live, "prev0000")
    script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('SELECT count(*) FROM log').fetchone()"
    tries = []

    def note(step, facts):
        tries.append(subprocess.run([sys.executable, "-c", script, live], capture_output=True, text=True, check=False).stderr)

    engine.switch(live, side, previous, note)
    assert len(tries) == 2 and all("locked" in text for text in tries)
    assert scalar(live, "SELECT count(*) FROM log") == rows - 1


def test_a_link_stays_a_link(engine, live, tmp_path):
    link = str(tmp_path / "link.db")
    os.symlink(live, link)
    data, settings, wanted = take(engine, link)
    change(live, "later")
    side = restore_beside(engine, link, data, settings)
    assert os.path.dirname(side) == os.path.dirname(live)
    engine.switch(link, side, engine.side_name(link, "prev0000"), lambda step, facts: None)
    assert os.path.islink(link)
    assert wanted.differences(engine.inventory(live, counts=True, checksums=True)) == []


def test_a_database_that_was_not_there(engine, live):
    data, settings, wanted = take(engine, live)
    other = live + ".other"
    side = restore_beside(engine, other, data, settings)
    engine.switch(other, side, engine.side_name(other, "prev0000"), lambda step, facts: None)
    assert wanted.differences(engine.inventory(other, counts=True, checksums=True)) == []


def test_a_locked_database_is_not_waited_for_forever(engine, live, monkeypatch):
    monkeypatch.setattr(client, "BUSY_TIMEOUT", 0.3)
    with contextlib.closing(sqlite3.connect(live, isolation_level=None)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("INSERT INTO log VALUES (1)")
        with pytest.raises(RunbookError, match="locked"):
            take(engine, live)
    assert os.listdir(engine.work_folder) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("relative.db", "absolute"),
        ("/a/../b.db", "climbs"),
        ("/a/b/", "folder"),
        ("/a\nb", "line break"),
        ("", "absolute"),
        (":memory:", "absolute"),
    ],
)
def test_names_that_can_not_be(engine, name, told):
    with pytest.raises(InvalidInput, match=told):
        engine.check_name(name)


def test_files_that_are_no_database(engine, tmp_path):
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(os.urandom(8192))
    for path, told in ((str(garbage), "or it is encrypted"), (str(tmp_path / "none.db"), "there is no"), (str(tmp_path), "not a file")):
        for do in (engine.tables, lambda name: take(engine, name), lambda name: engine.inventory(name, counts=True, checksums=True)):
            with pytest.raises(RunbookError, match=told) as caught:
                do(path)
            assert "\n" not in str(caught.value)
    assert not os.path.exists(tmp_path / "none.db")


def test_a_damaged_database_is_not_backed_up(engine, live):
    with contextlib.closing(sqlite3.connect(live)) as db:
        page = db.execute("PRAGMA page_size").fetchone()[0]
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'child_parent'").fetchone()[0]
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(live, "r+b") as stream:
        stream.seek((root - 1) * page)
        stream.write(b"\x99" * 64)
    with pytest.raises(RunbookError, match="damaged"):
        take(engine, live)


def test_creating_needs_a_free_name_and_a_folder(engine, live, tmp_path):
    with pytest.raises(RunbookError, match="is there already"):
        engine.create(live, {})
    with pytest.raises(RunbookError, match="is missing; create it"):
        engine.create(str(tmp_path / "none" / "x.db"), {})
    engine.drop(str(tmp_path / "none" / "x.db"))


def test_queries_only_read(live):
    assert client.rows(live, "SELECT count(*) AS n, NULL AS z, X'ff' AS b FROM parent", 5) == [{"n": "400", "z": None, "b": "ff"}]
    for bad in (
        "DELETE FROM log",
        "ATTACH '/tmp/rb_test_never.db' AS x",
        "PRAGMA user_version = 9",
        "DROP TABLE log",
        "SELECT 1; DELETE FROM log",
        "nonsense",
    ):
        with pytest.raises(RunbookError, match="failed") as caught:
            client.rows(live, bad, 5)
        assert "\n" not in str(caught.value)
    with pytest.raises(RunbookError, match="longer than 0.2 s"):
        client.rows(live, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c", 0.2)
    assert scalar(live, "SELECT count(*) FROM log") == 500


def test_the_schema_revision_is_read_from_the_copy(engine, live):
    with engine.dump(live, ALL, 1) as dump:
        change(live, "later")
        assert dump.query("SELECT count(*) FROM log") == "500"
        assert dump.query("SELECT 1 WHERE 0") == ""


def test_a_copy_left_by_a_killed_run_is_removed_and_one_in_use_is_not(engine, live):
    left = os.path.join(engine.work_folder, "runbook-sqlite-left")
    os.mkdir(left)
    with engine.dump(live, ALL, 1) as dump:
        in_use = [name for name in os.listdir(engine.work_folder) if name != "runbook-sqlite-left"]
        assert os.path.exists(left), "young ones may be about to be locked"
        later = time.time() + 3600
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(work.time, "time", lambda: later)
            with engine.dump(live, ALL, 1):
                pass
        assert os.listdir(engine.work_folder) == in_use
        read_part(dump)


def test_inventory_and_part_are_read_at_the_same_time(engine, live):
    with engine.dump(live, ALL, 1) as dump:
        found = []
        thread = threading.Thread(target=lambda: found.append(dump.inventory(counts=True, checksums=True)))
        thread.start()
        read_part(dump)
        thread.join()
    assert found[0].differences(engine.inventory(live, counts=True, checksums=True)) == []


def test_which_backups_fit(engine):
    assert engine.refuses(Server("sqlite", "3.99.0")) == ""
    assert "newer" in engine.refuses(Server("sqlite", "4.0"))
    assert "mariadb" in engine.refuses(Server("mariadb", "10.11"))


def test_a_switch_needs_its_side(engine, live):
    with pytest.raises(RunbookError, match="is missing"):
        engine.switch(live, live + ".no", live + ".prev", lambda step, facts: None)
