# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis against real servers, each started by the test for itself: other people's data on this host is not touched."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import tempfile
import threading
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._database import redis as redis_module
from ansible_collections.runbook.ops.plugins.module_utils._database import redis_swap
from ansible_collections.runbook.ops.plugins.module_utils._database.engine import Part
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Login, Selection, Server
from ansible_collections.runbook.ops.plugins.module_utils._database.redis import Redis
from ansible_collections.runbook.ops.plugins.module_utils._database.redis_client import RedisConnection, RedisError, keyspace, rows

ALL = Selection()
PASSWORD = "p'a\"s s#%\\كلمة"
BINARY = bytes(range(256))


class RealServer:
    """One with a password, on a port and a socket, with files of its own."""

    def __init__(self, folder, port, *lines):
        self.folder, self.port = folder, port
        self.lines = lines
        self.process = None
        self.login = Login(host="127.0.0.1", port=port, password=PASSWORD)
        self.start()

    def start(self):
        escaped = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
        config = f'port {self.port}\nbind 127.0.0.1\ndir "{self.folder}"\nrequirepass "{escaped}"\nunixsocket {self.folder}/sock\n'
        config += "repl-diskless-sync-delay 0\nlogfile log\n" + "\n".join(self.lines) + "\n"
        self.process = subprocess.Popen(["redis-server", "-"], stdin=subprocess.PIPE)
        self.process.stdin.write(config.encode())
        self.process.stdin.close()
        for _try in range(200):
            with contextlib.suppress(RunbookError), self.connect():
                return
            time.sleep(0.05)
        raise AssertionError("the server did not start; see its log")

    def stop(self):
        self.process.kill()
        self.process.wait()

    def connect(self):
        return RedisConnection(self.login)


@pytest.fixture(scope="module")
def shared():
    with tempfile.TemporaryDirectory(prefix="rb_test_") as folder:
        server = RealServer(folder, 7391)
        yield server
        server.stop()


@pytest.fixture
def server(shared):
    with shared.connect() as connection:
        connection.command("CONFIG", "SET", "save", "")
        connection.command("CONFIG", "SET", "maxmemory", 0)
        connection.command("FLUSHALL")
        connection.command("FUNCTION", "FLUSH")
    return shared


@pytest.fixture
def engine(server, tmp_path):
    return Redis(server.login, str(tmp_path / 'work "folder"'))


def fill(server):
    with server.connect() as c:
        c.command("SET", BINARY, BINARY * 10)
        c.command("SET", "مفتاح 😀", "قيمة 😀")
        c.command("SET", "empty", "")
        c.command("SET", "number", 12345)
        c.command("SET", "big", os.urandom(3_000_000))
        c.command("SET", "session", "short lived", "PX", 3_600_000)
        c.command("RPUSH", "list", *range(2000), BINARY)
        c.command("SADD", "set", *range(600), "word")
        c.command("SADD", "ints", 1, 2, 3)
        c.command("ZADD", "zset", "1.5", "a", "-inf", "b", "0.1", BINARY)
        c.command("HSET", "hash", BINARY, BINARY, "f", "")
        for number in range(50):
            c.command("XADD", "stream", "*", "n", number, "b", BINARY)
        c.command("XGROUP", "CREATE", "stream", "workers", 0)
        c.command("XREADGROUP", "GROUP", "workers", "one", "COUNT", 5, "STREAMS", "stream", ">")
        c.command("PFADD", "visitors", *range(1000))
        c.command("GEOADD", "places", "13.36", "38.11", "Palermo")
        c.command("SETBIT", "bits", 100_000, 1)
        c.command("FUNCTION", "LOAD", "#!lua name=rbtest\nredis.register_function('f', function() return 1 end)")
        c.command("SELECT", 3)
        for number in range(1500):
            c.command("SET", f"k{number}", number)
        c.command("SELECT", 9)
        c.command("SET", "only", "one")


def read_part(dump):
    with dump.parts[0].open() as reader:
        data = b"".join(iter(lambda: reader.read(65536), b""))
    dump.check_end("data", data[-4096:])
    return data


def part_of(data):
    return [Part("data", lambda: contextlib.closing(io.BytesIO(data)))]


def take(engine):
    with engine.dump("all", ALL, 1) as dump:
        return read_part(dump), dump.settings, dump.inventory(counts=True, checksums=True)


def seen(engine):
    return engine.inventory("all", counts=True, checksums=True)


def restore_beside(engine, data, settings, token="side0000"):
    side = engine.side_name("all", token)
    engine.create(side, settings)
    engine.load(side, part_of(data), settings, 1)
    return side


def nothing(step, facts):
    pass


def test_round_trip_through_a_swap(engine, server):
    fill(server)
    data, settings, wanted = take(engine)
    assert {name: facts.rows for name, facts in wanted.tables.items()} == {"db0": 15, "db3": 1500, "db9": 1}
    assert wanted.objects == {"function": {"rbtest": wanted.objects["function"]["rbtest"]}}
    assert [table.name for table in engine.tables("all")] == ["db0", "db3", "db9"]
    with server.connect() as c:
        c.command("SET", "later", "1")
        c.command("DEL", "hash")
        c.command("SELECT", 5)
        c.command("SET", "only now", "1")
        c.command("FUNCTION", "FLUSH")
    old = seen(engine)
    side = restore_beside(engine, data, settings)
    assert wanted.differences(engine.inventory(side, counts=True, checksums=True)) == []
    previous = engine.side_name("all", "prev0000")
    steps = []
    engine.switch("all", side, previous, lambda step, facts: steps.append(step))
    assert steps == ["keep", "copy", "swap", "forget"]
    assert wanted.differences(seen(engine)) == []
    assert old.differences(engine.inventory(previous, counts=True, checksums=True)) == []
    with server.connect() as c:
        assert c.command("GET", BINARY) == BINARY * 10
        assert 3_000_000 < c.command("PTTL", "session") < 3_600_000
        assert c.command("XPENDING", "stream", "workers")[0] == 5
        assert c.command("FCALL", "f", 0) == 1
    # And back again: what was replaced is a side like any other.
    engine.switch("all", previous, engine.side_name("all", "back0000"), nothing)
    assert old.differences(seen(engine)) == []
    for name in (side, previous, engine.side_name("all", "back0000")):
        engine.drop(name)
    assert os.listdir(engine.work_folder) == []


def test_in_place(engine, server):
    fill(server)
    data, settings, wanted = take(engine)
    with pytest.raises(RunbookError, match="is not empty"):
        engine.create("all", settings)
    engine.drop("all")
    engine.create("all", settings)
    engine.load("all", part_of(data), settings, 1)
    assert wanted.differences(seen(engine)) == []


def test_an_empty_instance(engine, server):
    data, settings, wanted = take(engine)
    assert wanted.tables == {}
    fill(server)
    side = restore_beside(engine, data, settings)
    engine.switch("all", side, engine.side_name("all", "prev0000"), nothing)
    assert wanted.differences(seen(engine)) == []


def test_keys_that_expire_between_dump_and_restore_are_verified_all_the_same(engine, server):
    with server.connect() as c:
        for number in range(100):
            c.command("SET", f"s{number}", "x", "PX", 700)
        c.command("SET", "stays", "x")
    data, settings, wanted = take(engine)
    assert wanted.tables["db0"].rows == 101
    time.sleep(1)
    side = restore_beside(engine, data, settings)
    assert wanted.differences(engine.inventory(side, counts=True, checksums=True)) == []
    engine.switch("all", side, engine.side_name("all", "prev0000"), nothing)
    assert seen(engine).tables["db0"].rows == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("SET", "number", "12346"), "other contents"),
        (("PERSIST", "session"), "other contents"),
        (("XACK", "stream", "workers", "0-1"), ""),
        (("LSET", "list", 0, "x"), "other contents"),
        (("DEL", "set"), "rows instead of"),
        (("FUNCTION", "FLUSH"), "function rbtest is missing"),
    ],
)
def test_differences_are_found(engine, server, words, told):
    fill(server)
    before = seen(engine)
    with server.connect() as c:
        c.command(*words)
    found = before.differences(seen(engine))
    assert any(told in line for line in found) if told else found == []


def test_a_dump_is_one_moment_while_writers_write(engine, server):
    """MULTI moves an amount between two keys: their sum is 0 in every moment."""
    with server.connect() as c:
        c.command("MSET", "a", 0, "b", 0)
        for number in range(20000):
            c.send("SET", f"pad{number}", "x" * 100)
        for _number in range(20000):
            c.answer()
    stop = threading.Event()

    def write():
        with server.connect() as c:
            while not stop.is_set():
                for words in (("MULTI",), ("INCRBY", "a", 3), ("DECRBY", "b", 3), ("EXEC",)):
                    c.command(*words)

    writers = [threading.Thread(target=write) for _number in range(2)]
    for writer in writers:
        writer.start()
    try:
        for number in range(3):
            data, settings, wanted = take(engine)
            side = restore_beside(engine, data, settings, f"side000{number}")
            assert wanted.differences(engine.inventory(side, counts=True, checksums=True)) == []
            with redis_module.private.private_server(engine._file(side)) as c:
                assert int(c.text("GET", "a")) > 0
                assert int(c.text("GET", "a")) + int(c.text("GET", "b")) == 0
    finally:
        stop.set()
        for writer in writers:
            writer.join()


def test_cut_and_changed_backups_are_not_loaded(engine, server):
    fill(server)
    data, settings, _wanted = take(engine)
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    cases = [(data[:-1], "cut"), (data[:middle], "cut|can't be loaded"), (b"", "cut"), (flipped, "can't be loaded")]
    cases += [(data[:-8] + bytes(8), "no checksum"), (b"garbage" * 100 + data[-9:], "can't be loaded")]
    before = seen(engine)
    for broken, told in cases:
        side = engine.side_name("all", "side0000")
        engine.create(side, settings)
        with pytest.raises(RunbookError, match=told) as caught:
            engine.load(side, part_of(broken), settings, 1)
        assert "\n" not in str(caught.value)
        engine.drop(side)
    assert before.differences(seen(engine)) == []


class Killed(BaseException):
    pass


def test_a_switch_killed_anywhere_is_settled(engine, server, monkeypatch):
    """Stopped before the n-th command to the live server, for each n that is not one of the many keys'."""
    with server.connect() as c:
        for db, value in ((0, "old"), (2, "old")):
            c.command("SELECT", db)
            c.command("MSET", "a", value, "b", value)
    kept = Redis(server.login, engine.work_folder)
    old_data, old_settings, old = take(kept)
    with server.connect() as c:
        c.command("FLUSHALL")
        c.command("SELECT", 4)
        c.command("MSET", "a", "new", "c", "new")
    data, settings, wanted = take(kept)
    outcomes = []
    stop, killed = 0, True
    while killed:
        engine.drop("all")
        engine.load("all", part_of(old_data), old_settings, 1)
        side, previous = restore_beside(engine, data, settings), engine.side_name("all", "prev0000")
        noted, count = [], 0
        send = RedisConnection.send

        def counted(self, *words, limit=stop, send=send):
            nonlocal count
            if "7391" in self.where:
                if count == limit:
                    raise Killed
                count += 1
            return send(self, *words)

        killed = False
        with monkeypatch.context() as patched:
            patched.setattr(RedisConnection, "send", counted)
            try:
                engine.switch("all", side, previous, lambda step, facts, noted=noted: noted.append((step, dict(facts))))
            except Killed:
                killed = True
        step, facts = noted[-1] if noted else ("", {})
        result = engine.settle("all", side, previous, step, facts)
        assert engine.settle("all", side, previous, step, facts) == result
        assert (wanted if result == "new" else old).differences(seen(engine)) == [], (stop, step)
        if result == "new":
            assert old.differences(engine.inventory(previous, counts=True, checksums=True)) == []
        else:
            assert not engine.exists(previous)
        outcomes.append(result)
        engine.drop(side)
        engine.drop(previous)
        stop += 1
    assert outcomes == sorted(outcomes, reverse=True) and set(outcomes) == {"old", "new"} and len(outcomes) > 30


def test_server_killed_after_the_switch_comes_back_with_the_new_data(tmp_path):
    for lines in (('save "3600 1"',), ('save ""', "appendonly yes")):
        folder = tmp_path / str(len(lines))
        folder.mkdir()
        own = RealServer(str(folder), 7392, *lines)
        try:
            engine = Redis(own.login, str(folder / "work"))
            with own.connect() as c:
                c.command("SET", "a", "backed up")
            data, settings, wanted = take(engine)
            with own.connect() as c:
                c.command("SET", "a", "later")
                time.sleep(0.5)
                c.command("BGREWRITEAOF" if len(lines) == 2 else "SAVE")
            time.sleep(0.5)
            side = restore_beside(engine, data, settings)
            engine.switch("all", side, engine.side_name("all", "prev0000"), nothing)
            own.process.send_signal(signal.SIGKILL)
            own.process.wait()
            own.start()
            with own.connect() as c:
                assert c.text("GET", "a") == "backed up"
                assert set(keyspace(c)) <= {0, 1}  # the marker may be there still: it was forgotten after the save
        finally:
            own.stop()


def test_server_killed_during_a_dump(tmp_path):
    own = RealServer(str(tmp_path), 7393, "rdb-key-save-delay 2000")
    try:
        engine = Redis(own.login, str(tmp_path / "work"))
        with own.connect() as c:
            for number in range(3000):
                c.command("SET", f"k{number}", "x" * 1000)
        timer = threading.Timer(1.5, own.process.kill)
        timer.start()
        with pytest.raises(RunbookError, match="closed the connection|broke"), engine.dump("all", ALL, 1):
            raise AssertionError("the dump was complete before the kill")
        timer.join()
        assert os.listdir(engine.work_folder) == []
    finally:
        own.stop()


def test_both_ways_of_sending(engine, server):
    fill(server)
    with server.connect() as c:
        c.command("CONFIG", "SET", "repl-diskless-sync", "no")
    try:
        with_length = take(engine)
    finally:
        with server.connect() as c:
            c.command("CONFIG", "SET", "repl-diskless-sync", "yes")
    assert with_length[2].differences(take(engine)[2]) == []


def test_refusals(engine, server, tmp_path):
    fill(server)
    data, settings, _wanted = take(engine)
    side, previous = restore_beside(engine, data, settings), engine.side_name("all", "prev0000")
    before = seen(engine)
    with server.connect() as c:
        c.command("CONFIG", "SET", "maxmemory", int(1.2 * settings["memory"]))
    with pytest.raises(Refused, match="raise maxmemory"):
        engine.switch("all", side, previous, nothing)
    with server.connect() as c:
        c.command("CONFIG", "SET", "maxmemory", 0)
        for number in range(16):
            c.command("SELECT", number)
            c.command("SET", "taken", 1)
    with pytest.raises(Refused, match="raise 'databases'"):
        engine.switch("all", side, previous, nothing)
    with server.connect() as c:
        for number in range(16):
            c.command("SELECT", number)
            c.command("DEL", "taken")
    assert before.differences(seen(engine)) == []
    with pytest.raises(InvalidInput, match="backed up whole"), engine.dump("all", Selection(include=("db0",)), 1):
        pass
    with pytest.raises(RunbookError, match="there is no Redis file"):
        engine.inventory("nosuch", counts=True, checksums=True)
    for name in ("", "../x", "a/b", "a b", ".hidden", "x\n"):
        with pytest.raises(InvalidInput):
            engine.check_name(name)
    assert "newer" in engine.refuses(Server("redis", "99.0"))
    assert engine.refuses(Server("redis", "6.2.1")) == ""
    assert "mariadb" in engine.refuses(Server("mariadb", "10.11"))


def test_log_ins(server, tmp_path):
    for login, told in (
        (Login(port=7391, password="wrong"), "refuses the log-in"),
        (Login(port=7391), "refuses the log-in|is not ready"),
        (Login(port=1), "no Redis server answers"),
        (Login(unix_socket="/nonexistent"), "no Redis server answers"),
        (Login(port=7391, ssl_mode="require"), "no Redis server answers"),
    ):
        with pytest.raises(RunbookError, match=told) as caught:
            Redis(login, str(tmp_path)).server()
        assert "\n" not in str(caught.value) and "wrong'" not in str(caught.value)
    with server.connect() as c:
        c.command("ACL", "SETUSER", "rb_test", "on", ">" + PASSWORD, "~*", "+@all")
    by_name = Redis(Login(port=7391, user="rb_test", password=PASSWORD), str(tmp_path))
    assert by_name.server().product == "redis"
    assert Redis(Login(unix_socket=f"{server.folder}/sock", password=PASSWORD), str(tmp_path)).server().version.startswith("7")
    with server.connect() as c:
        c.command("ACL", "SETUSER", "rb_test", "-sync", "-psync")
    with pytest.raises(RunbookError, match="does not send its data"), by_name.dump("all", ALL, 1):
        pass


def test_tls(tmp_path):
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate]
    subprocess.run(words, check=True, capture_output=True)
    lines = ("tls-port 7395", f'tls-cert-file "{certificate}"', f'tls-key-file "{key}"', f'tls-ca-cert-file "{certificate}"')
    own = RealServer(str(tmp_path), 7394, *lines, "tls-auth-clients no")
    try:
        for host, mode, works in (
            ("localhost", "verify-full", True),
            ("127.0.0.1", "verify-full", False),
            ("127.0.0.1", "verify-ca", True),
        ):
            login = Login(host=host, port=7395, password=PASSWORD, ssl_mode=mode, ca_cert=certificate)
            if works:
                take(Redis(login, str(tmp_path / "work")))
            else:
                with pytest.raises(RunbookError, match="no Redis server answers"):
                    Redis(login, str(tmp_path / "work")).server()
    finally:
        own.stop()


def test_questions_only_read(server):
    fill(server)
    assert rows(server.login, "", "LLEN list", 5) == [{"value": "2001"}]
    assert rows(server.login, "3", "DBSIZE", 5) == [{"value": "1500"}]
    assert {"name": "role", "value": "master"} in rows(server.login, "", "INFO replication", 5)
    assert rows(server.login, "", "GET 'no such'", 5) == [{"value": None}]
    for bad in ("SET a b", "FLUSHALL", "EVAL 'return 1' 0", "CONFIG SET save ''", "NOSUCH", "", "GET 'x"):
        with pytest.raises(InvalidInput):
            rows(server.login, "", bad, 5)
    with pytest.raises(RunbookError, match="WRONGTYPE"):
        rows(server.login, "", "GET list", 5)
    with pytest.raises(RedisError):
        rows(server.login, "99", "DBSIZE", 5)


def test_the_schema_revision_is_read_from_the_dump(engine, server):
    fill(server)
    with engine.dump("all", ALL, 1) as dump:
        with server.connect() as c:
            c.command("SET", "number", "1")
        assert dump.query("GET number") == "12345"


def test_evicted_keys_are_no_success(engine, server, monkeypatch):
    """The guard before the copy is not the only one: keys that did not arrive end the switch."""
    fill(server)
    data, settings, _wanted = take(engine)
    side = restore_beside(engine, data, settings)
    before = seen(engine)
    copy_keys = redis_module.private.copy_keys
    monkeypatch.setattr(redis_module.private, "copy_keys", lambda *args: {place: count - 1 for place, count in copy_keys(*args).items()})
    with pytest.raises(RunbookError, match="somebody writes"):
        engine.switch("all", side, engine.side_name("all", "prev0000"), nothing)
    assert before.differences(seen(engine)) == []
    assert redis_swap.MARKER
