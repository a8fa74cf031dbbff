# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MongoDB against real servers, each started by the test for itself: a replica set of one member, and a standalone one."""

from __future__ import annotations

import contextlib
import datetime
import io
import os
import subprocess
import tempfile
import threading
import time

import bson
import pymongo
import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._database import mongodb_client, mongodb_collections
from ansible_collections.runbook.ops.plugins.module_utils._database.engine import Part
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Login, Selection, Server
from ansible_collections.runbook.ops.plugins.module_utils._database.mongodb import MongoDB

ALL = Selection()
LIVE = "rb_test_shop"
PORT, LONELY = 27391, 27392


@contextlib.contextmanager
def mongod(port, *words):
    with tempfile.TemporaryDirectory(prefix="rb_test_") as folder:
        command = ["mongod", "--dbpath", folder, "--port", str(port), "--bind_ip", "127.0.0.1", "--wiredTigerCacheSizeGB", "0.5", *words]
        with open(os.path.join(folder, "log"), "wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            with pymongo.MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=30000) as mongo:
                mongo.admin.command("ping")
                if "--replSet" in words:
                    mongo.admin.command("replSetInitiate", {"_id": "rb_test", "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]})
                    while not mongo.admin.command("hello")["isWritablePrimary"]:
                        time.sleep(0.1)
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def replica_set():
    with mongod(PORT, "--replSet", "rb_test"):
        yield


@pytest.fixture
def mongo(replica_set):
    with pymongo.MongoClient("127.0.0.1", PORT, directConnection=True) as connection:
        for name in connection.list_database_names():
            if name.startswith("rb_test_"):
                connection.drop_database(name)
        yield connection


@pytest.fixture
def engine(mongo):
    return MongoDB(Login(port=PORT))


def fill(mongo):
    db = mongo[LIVE]
    awkward = [
        {"_id": 1, "v": 1},
        {"_id": "1", "v": bson.Int64(1)},
        {"_id": 1.5, "v": bson.Decimal128("0.10")},
        {"_id": b"\x00\xff", "v": bson.Binary(bytes(range(256)), 5)},
        {"_id": bson.ObjectId(), "v": datetime.datetime(1960, 1, 1), "t": bson.Timestamp(1, 2)},
        {"_id": {"a": 1, "b": 2}, "مفتاح 😀": "قيمة 😀", "": None},
        {"_id": "big", "v": "x" * 15_000_000},
        {
            "_id": "nested",
            "v": [[{"a": [{"b": [1, None, True, float("nan"), -0.0]}]}]],
            "re": bson.Regex("^a", "i"),
            "code": bson.Code("1"),
        },
        {"_id": bson.MinKey(), "v": bson.MaxKey()},
    ]
    db["odd/name %مجموعة"].insert_many(awkward)
    db["مجموعة" * 15].insert_one({"_id": 1})
    orders = db.create_collection("orders", validator={"n": {"$exists": True}}, collation={"locale": "de"})
    orders.insert_many({"n": number, "who": f"user {number % 7}", "pad": "y" * 100} for number in range(5000))
    orders.create_index("n", unique=True, name="n by itself")
    orders.create_index([("who", 1), ("n", -1)], partialFilterExpression={"n": {"$gt": 100}}, collation={"locale": "simple"})
    db.texts.insert_one({"t": "searching words", "at": [13.4, 52.5]})
    db.texts.create_index([("t", "text")], weights={"t": 3})
    db.texts.create_index([("at", "2dsphere")])
    db.sessions.insert_many({"seen": datetime.datetime.now(datetime.timezone.utc), "n": number} for number in range(10))
    db.sessions.create_index("seen", expireAfterSeconds=3600)
    db.create_collection("ring", capped=True, size=100_000)
    db.ring.insert_many({"n": number} for number in range(100))
    db.create_collection("empty")
    db.command({"create": "recent", "viewOn": "orders", "pipeline": [{"$match": {"n": {"$gt": 4990}}}]})


def read_parts(dump):
    read = {}
    for part in dump.parts:
        with part.open() as reader:
            read[part.name] = b"".join(iter(lambda: reader.read(65537), b""))
        dump.check_end(part.name, read[part.name][-4096:])
    return read


def parts_of(read):
    return [Part(name, lambda data=data: contextlib.closing(io.BytesIO(data))) for name, data in read.items()]


def take(engine, name=LIVE, tables=ALL):
    with engine.dump(name, tables, 1) as dump:
        found = []
        thread = threading.Thread(target=lambda: found.append(dump.inventory(counts=True, checksums=True)))
        thread.start()
        read = read_parts(dump)
        thread.join(60)
        return read, dump.settings, found[0]


def seen(engine, name=LIVE):
    return engine.inventory(name, counts=True, checksums=True)


def restore_beside(engine, read, settings, token="side0000"):
    side = engine.side_name(LIVE, token)
    engine.create(side, settings)
    engine.load(side, parts_of(read), settings, 1)
    return side


def nothing(step, facts):
    pass


def test_round_trip_through_a_switch(engine, mongo):
    fill(mongo)
    read, settings, wanted = take(engine)
    assert settings == {"consistent": False, "outside_snapshot": ["ring"]}
    assert wanted.tables["orders"].rows == 5000
    assert set(wanted.objects) == {"collection", "view", "index"}
    mongo[LIVE].orders.delete_one({"n": 17})
    mongo[LIVE].later.insert_one({})
    mongo[LIVE].command({"create": "other", "viewOn": "later", "pipeline": []})
    old = seen(engine)
    side = restore_beside(engine, read, settings)
    assert wanted.differences(seen(engine, side)) == []
    assert old.differences(seen(engine)) == []
    previous = engine.side_name(LIVE, "prev0000")
    started = time.monotonic()
    engine.switch(LIVE, side, previous, nothing)
    print(f"switch took {time.monotonic() - started:.3f} s")
    assert wanted.differences(seen(engine)) == []
    assert old.differences(seen(engine, previous)) == []
    assert not engine.exists(side)
    assert mongo[LIVE].recent.count_documents({}) == 9
    assert mongo[LIVE].sessions.index_information()["seen_1"]["expireAfterSeconds"] == 3600
    assert mongo[LIVE].texts.count_documents({"$text": {"$search": "searching"}}) == 1
    with pytest.raises(pymongo.errors.WriteError):
        mongo[LIVE].orders.insert_one({"no": 1})
    engine.switch(LIVE, previous, engine.side_name(LIVE, "back0000"), nothing)
    assert old.differences(seen(engine)) == []
    engine.drop(engine.side_name(LIVE, "back0000"))
    assert not [name for name in mongo[LIVE].list_collection_names() if name.startswith("rb_")]


def test_under_another_name(engine, mongo):
    fill(mongo)
    read, settings, wanted = take(engine)
    engine.create("rb_test_other", settings)
    engine.load("rb_test_other", parts_of(read), settings, 1)
    assert wanted.differences(seen(engine, "rb_test_other")) == []
    with pytest.raises(RunbookError, match="there already"):
        engine.create("rb_test_other", settings)
    engine.drop("rb_test_other")
    assert not engine.exists("rb_test_other")


def test_collections_can_be_left_out(engine, mongo):
    fill(mongo)
    read, settings, wanted = take(engine, tables=Selection(exclude=("ring", "odd*")))
    assert settings["consistent"] is True
    assert "ring" not in wanted.tables and "ring.bson" not in read and "orders.bson" in read
    with pytest.raises(InvalidInput, match="no table fits"):
        take(engine, tables=Selection(include=("nosuch",)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda db: db["odd/name %مجموعة"].update_one({"_id": 1}, {"$set": {"v": bson.Int64(1)}}), "other contents"),
        (lambda db: db.orders.delete_one({"n": 3}), "rows instead of"),
        (lambda db: db.orders.drop_index("n by itself"), "index orders.n by itself is missing"),
        (lambda db: db.drop_collection("recent"), "view recent is missing"),
        (lambda db: db.command({"collMod": "orders", "validator": {}}), "collection orders is defined differently"),
        (lambda db: db.empty.insert_one({}), "rows instead of"),
    ],
)
def test_differences_are_found(engine, mongo, change, told):
    fill(mongo)
    before = seen(engine)
    change(mongo[LIVE])
    assert any(told in line for line in before.differences(seen(engine)))


def test_a_dump_is_one_moment_while_writers_write(engine, mongo):
    """A transaction moves an amount from one collection to another: the sum of both is 0 in every moment."""
    db = mongo[LIVE]
    for name in ("aaa", "zzz"):
        db[name].insert_many([{"_id": number, "n": 0, "pad": "x" * 500} for number in range(3000)])
    stop = threading.Event()

    def write():
        with pymongo.MongoClient("127.0.0.1", PORT, directConnection=True) as own, own.start_session() as session:
            number = 0
            while not stop.is_set():
                number = (number + 7) % 3000
                with session.start_transaction():
                    own[LIVE].aaa.update_one({"_id": number}, {"$inc": {"n": 5}}, session=session)
                    own[LIVE].zzz.update_one({"_id": number}, {"$inc": {"n": -5}}, session=session)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        time.sleep(0.3)
        for _round in range(3):
            with engine.dump(LIVE, ALL, 1) as dump:
                time.sleep(0.3)
                read = read_parts(dump)
            sums = [sum(row["n"] for row in bson.decode_all(read[f"{name}.bson"])) for name in ("aaa", "zzz")]
            assert sums[0] > 0 and sum(sums) == 0
    finally:
        stop.set()
        writer.join()


def test_cut_and_changed_backups_are_found(engine, mongo):
    fill(mongo)
    read, settings, wanted = take(engine)
    orders = read["orders.bson"]
    middle = orders.index(b"user 3") + 5
    first = int.from_bytes(orders[:4], "little")
    cases = [
        (orders[:-1], "cut"),
        (orders[: len(orders) // 2 + 7], "cut"),
        (b"\1\2\3\4" + orders[4:], "impossible size"),
        (orders[first:], ""),
        (orders[:middle] + bytes([orders[middle] ^ 1]) + orders[middle + 1 :], ""),
    ]
    for broken, told in cases:
        side = engine.side_name(LIVE, "side0000")
        if told:
            with pytest.raises(RunbookError, match=told):
                engine.load(side, parts_of({**read, "orders.bson": broken}), settings, 1)
        else:
            engine.load(side, parts_of({**read, "orders.bson": broken}), settings, 1)
            assert any("table orders" in line for line in wanted.differences(seen(engine, side)))
        engine.drop(side)
    without = {name: data for name, data in read.items() if name != "orders.metadata.json"}
    with pytest.raises(RunbookError, match="no metadata"):
        engine.load(engine.side_name(LIVE, "side0000"), parts_of(without), settings, 1)
    engine.drop(engine.side_name(LIVE, "side0000"))
    assert wanted.differences(seen(engine)) == []


class Killed(BaseException):
    pass


def test_a_switch_killed_anywhere_is_settled(engine, mongo, monkeypatch):
    """Stopped before the n-th command that changes anything, for every n; and again while that is settled."""
    db = mongo[LIVE]
    db.both.insert_one({"_id": "new"})
    db.both.create_index("x", expireAfterSeconds=500)
    db.only_new.insert_one({"_id": "new"})
    db.command({"create": "seen", "viewOn": "both", "pipeline": []})
    read, settings, wanted = take(engine)
    mongo.drop_database(LIVE)
    command, drop = pymongo.database.Database.command, pymongo.database.Database.drop_collection
    outcomes, stop, killed = [], 0, True
    while killed:
        mongo.drop_database(LIVE)
        db.both.insert_one({"_id": "old"})
        db.only_old.insert_one({"_id": "old"})
        db.command({"create": "seen", "viewOn": "only_old", "pipeline": []})
        old = seen(engine)
        side, previous = restore_beside(engine, read, settings), engine.side_name(LIVE, "prev0000")
        noted, left = [], [stop]

        def step_or_die(left=left):  # pylint: disable=dangerous-default-value
            if left[0] == 0:
                raise Killed
            left[0] -= 1

        def counted(self, what, *args, die=step_or_die, **kwargs):
            if isinstance(what, dict) and next(iter(what)) in ("renameCollection", "create", "collMod"):
                die()
            return command(self, what, *args, **kwargs)

        def counted_drop(self, *args, die=step_or_die, **kwargs):
            die()
            return drop(self, *args, **kwargs)

        killed = False
        with monkeypatch.context() as patched:
            patched.setattr(pymongo.database.Database, "command", counted)
            patched.setattr(pymongo.database.Database, "drop_collection", counted_drop)
            try:
                engine.switch(LIVE, side, previous, lambda step, facts, noted=noted: noted.append((step, dict(facts))))
            except Killed:
                killed = True
            step, facts = noted[-1]
            for allowed in (1, 2):
                left[0] = allowed
                with contextlib.suppress(Killed):
                    engine.settle(LIVE, side, previous, step, facts)
        result = engine.settle(LIVE, side, previous, step, facts)
        assert (wanted if result == "new" else old).differences(seen(engine)) == [], (stop, step)
        if result == "new":
            assert old.differences(seen(engine, previous)) == []
            assert db.both.index_information()["x_1"]["expireAfterSeconds"] == 500
        outcomes.append(result)
        stop += 1
    assert outcomes == sorted(outcomes, reverse=True) and set(outcomes) == {"old", "new"} and len(outcomes) > 8


def test_a_standalone_server_is_not_called_consistent():
    with mongod(LONELY) as process:
        engine = MongoDB(Login(port=LONELY))
        with pymongo.MongoClient("127.0.0.1", LONELY) as mongo:
            mongo[LIVE].a.insert_many({"n": number, "pad": "x" * 1000} for number in range(20000))
        read, settings, wanted = take(engine)
        assert settings["consistent"] is False
        assert wanted.differences(seen(engine)) == []
        with pytest.raises(RunbookError) as caught, engine.dump(LIVE, ALL, 1) as dump, dump.parts[0].open() as reader:
            reader.read(10)
            process.kill()
            process.wait()
            while reader.read(65536):
                pass
        assert "\n" not in str(caught.value)


def test_a_part_that_was_not_read_ends_the_inventory(engine, mongo):
    mongo[LIVE].a.insert_many({"n": number, "pad": "x" * 1000} for number in range(20000))
    failures = []
    with engine.dump(LIVE, ALL, 1) as dump:

        def count():
            try:
                dump.inventory(counts=True, checksums=True)
            except RunbookError as error:
                failures.append(str(error))

        thread = threading.Thread(target=count)
        thread.start()
        with pytest.raises(RunbookError, match="not read to its end"), dump.parts[0].open() as reader:
            reader.read(10)
    thread.join(10)
    assert failures == ["the MongoDB dump ended before all its collections were read"]


def test_log_ins(engine, mongo, monkeypatch):
    for login, told in (
        (Login(port=1), "no MongoDB server answers"),
        (Login(port=PORT, user="x", password='it\'s "wrong" @:/%'), "refuses the log-in"),
        (Login(unix_socket="/nonexistent/mongodb.sock"), "no MongoDB server answers"),
    ):
        with pytest.raises(RunbookError, match=told) as caught:
            MongoDB(login).server()
        assert "\n" not in str(caught.value) and "wrong" not in str(caught.value)
    password = "p'a\"s s#%\\@:/é"
    mongo.rb_test_auth.command("createUser", "rb_test", pwd=password, roles=[])
    try:
        assert MongoDB(Login(port=PORT, user="rb_test", password=password, database="rb_test_auth")).server().product == "mongodb"
        assert MongoDB(Login(unix_socket=f"/tmp/mongodb-{PORT}.sock")).server().version
    finally:
        mongo.rb_test_auth.command("dropUser", "rb_test")
    monkeypatch.setattr(mongodb_client, "HAVE_PYMONGO", False)
    with pytest.raises(RunbookError, match="install the package python3-pymongo"):
        engine.server()


def test_a_server_that_is_out_of_room_for_a_moment_is_asked_again():
    with mongod(LONELY, "--setParameter", "enableTestCommands=1"), pymongo.MongoClient("127.0.0.1", LONELY) as mongo:
        documents = [mongodb_client.raw(bson.encode({"_id": number})) for number in range(100)]
        refusal = {"failCommands": ["insert"], "errorCode": 388}
        mongo.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 2}, "data": refusal})
        mongodb_client.insert(mongo[LIVE].a, documents)
        assert mongo[LIVE].a.count_documents({}) == 100
        mongo.admin.command({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": refusal})
        with pytest.raises(pymongo.errors.OperationFailure):
            mongodb_client.insert(mongo[LIVE].b, documents, patience=0.3)


class Filling:
    """A collection whose server takes two documents and is out of room for the rest, twice."""

    def __init__(self):
        self.taken, self.offers = [], []

    def insert_many(self, documents, bypass_document_validation):
        self.offers.append(list(documents))
        room = documents[: 2 if len(self.offers) < 3 else len(documents)]
        self.taken += room
        if len(room) < len(documents):
            refused = {"index": len(room), "code": 388, "errmsg": "will not fit in the storage engine cache"}
            raise pymongo.errors.BulkWriteError({"writeErrors": [refused], "nInserted": len(room)})


def test_what_a_full_server_took_is_not_offered_again():
    target = Filling()
    mongodb_client.insert(target, [1, 2, 3, 4, 5, 6])
    assert target.taken == [1, 2, 3, 4, 5, 6]
    assert target.offers == [[1, 2, 3, 4, 5, 6], [3, 4, 5, 6], [5, 6]]


def test_names_and_questions(engine, mongo):
    fill(mongo)
    for name in ("", "a b", "a.b", "a/b", "a$", 'a"', "admin", "local", "x" * 64, "a\n"):
        with pytest.raises(InvalidInput):
            engine.check_name(name)
    engine.check_name(engine.side_name(LIVE, "abcd1234"))
    with pytest.raises(RunbookError, match="there is no MongoDB database"):
        take(engine, "rb_test_nosuch")
    assert "newer" in engine.refuses(Server("mongodb", "99.0"))
    assert engine.refuses(Server("mongodb", "5.0.1")) == ""
    login = Login(port=PORT)
    assert mongodb_client.rows(login, LIVE, '{"count": "orders", "query": {"n": {"$lt": 10}}}', 5) == [{"n": "10"}]
    assert len(mongodb_client.rows(login, LIVE, '{"find": "orders", "limit": 3}', 5)) == 3
    for bad in ('{"drop": "orders"}', '{"aggregate": "orders", "pipeline": [{"$out": "x"}], "cursor": {}}', "nonsense", "[]"):
        with pytest.raises(InvalidInput):
            mongodb_client.rows(login, LIVE, bad, 5)
    with engine.dump(LIVE, ALL, 1) as dump:
        assert dump.query('{"find": "orders", "sort": {"n": -1}, "limit": 1, "projection": {"n": 1}}') == "4999"
        for bad in ('{"drop": "orders"}', "nonsense", '{"find": "orders", "filter": {"_id": {"$oid": "x"}}}'):
            with pytest.raises(InvalidInput):
                dump.query(bad)
    assert mongodb_collections.prefix_of("a/rb_abcd1234") == "rb_abcd1234."
