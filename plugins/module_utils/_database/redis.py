# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis and Valkey: a backup is the RDB that the server sends to a replica; the name of the running instance is ``all``.

Any other name is an RDB file in ``work_folder``: what is being restored, and what was replaced. A switch does not touch the
server's files and does not restart it: keys are restored into empty numbered databases of the running server, then one
transaction of SWAPDB exchanges them. That needs no access to the server's host, works over TLS and with the append-only file and
replicas, keeps answering all the time, and is atomic; replication from a private server would empty the live one before it loads.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.files import fsync_folder, write_atomic
from . import redis_private as private
from . import redis_swap as swap
from .engine import Dump, Part
from .model import Inventory, Login, Selection, Server, Table
from .redis_client import RedisConnection, RedisError, info, keyspace
from .work import private_folder

LIVE = "all"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_CHUNK = 1 << 20
_WORK_PREFIX = "runbook-redis-"


class Redis:
    """``work_folder`` keeps the RDB of a dump while it is read, and the files of restored and replaced data."""

    kind: t.ClassVar[str] = "redis"
    suffix: t.ClassVar[str] = "rdb"

    def __init__(self, login: Login, work_folder: str = "/var/lib/runbook/redis") -> None:
        self.login = login
        self.work_folder = work_folder

    def server(self) -> Server:
        with RedisConnection(self.login) as connection:
            facts = info(connection, "server")
        valkey = facts.get("valkey_version", "")
        return Server("valkey" if valkey else "redis", valkey or facts.get("redis_version", "0"))

    def check_name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"{name!r} is no name for Redis; {LIVE!r} is the running instance, others have letters, digits, '_', '.', '-'"
            )

    def exists(self, name: str) -> bool:
        if name == LIVE:
            self.server()
            return True
        return os.path.exists(self._file(name))

    def tables(self, name: str) -> list[Table]:
        """One for each numbered database with keys; the server only knows the size of all, shared out by numbers of keys."""
        with self._reader(name) as connection:
            keys = keyspace(connection)
            memory = int(info(connection, "memory").get("used_memory_dataset", "0"))
        return [Table(f"db{number}", memory * count // sum(keys.values())) for number, count in keys.items()]

    @contextlib.contextmanager
    def dump(self, name: str, tables: Selection, jobs: int) -> t.Iterator[Dump]:
        if tables.partial:
            raise InvalidInput("a Redis instance is backed up whole; leave the choice of tables out")
        self._prepare()
        if name != LIVE:
            yield _RdbDump(self._present(name), 0)
            return
        with private_folder(self.work_folder, _WORK_PREFIX) as folder:
            path = os.path.join(folder, "dump.rdb")
            with RedisConnection(self.login) as connection:
                memory = swap.memory(connection)
                self._fetch(connection, path)
            yield _RdbDump(path, memory)

    def inventory(self, name: str, *, counts: bool, checksums: bool) -> Inventory:
        with self.dump(name, Selection(), 1) as dump:
            return dump.inventory(counts=counts, checksums=checksums)

    def refuses(self, made_by: Server) -> str:
        here = self.server()
        if made_by.product not in ("redis", "valkey"):
            return f"it is a backup of {made_by.product}, not of Redis"
        # Valkey began as Redis 7.2; afterwards neither reads the other's files.
        if made_by.product != here.product and (made_by.product == "valkey" or made_by.numbers[:2] > (7, 2)):
            return f"{here.product} {here.version} can't read what {made_by.product} {made_by.version} wrote"
        if made_by.product == here.product and made_by.numbers[:2] > here.numbers[:2]:
            return f"it was made by {made_by.product} {made_by.version}, which is newer than this server's {here.version}"
        return ""

    def data_folder(self, name: str) -> str:
        # What the server holds is in its memory.
        return ""

    def side_name(self, live: str, token: str) -> str:
        return f"rb_{token}_{live}"

    def create(self, name: str, settings: t.Mapping[str, t.Any]) -> None:
        if name == LIVE:
            with RedisConnection(self.login) as connection:
                if keyspace(connection):
                    raise RunbookError(f"the Redis instance on {self.login.where} is not empty")
            return
        self._prepare()
        try:
            os.close(os.open(self._file(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        except FileExistsError:
            raise RunbookError(f"there is a Redis file {self._file(name)} already") from None

    def load(self, name: str, parts: t.Sequence[Part], settings: t.Mapping[str, t.Any], jobs: int) -> None:
        """A file has to load in a private server. Into the running instance its keys are restored one by one."""
        if len(parts) != 1:
            raise RunbookError(f"a Redis backup has one part, this one has {len(parts)}")
        memory = int(settings.get("memory", 0))
        if name != LIVE:
            _receive(parts[0], self._present(name))
            with private.private_server(self._file(name), memory):
                return
        self._prepare()
        with private_folder(self.work_folder, _WORK_PREFIX) as folder:
            path = os.path.join(folder, "dump.rdb")
            _receive(parts[0], path)
            with private.private_server(path, memory) as source, RedisConnection(self.login) as target:
                swap.check_takes_keys(target, self.login.where)
                private.copy_keys(source, target, {number: number for number in keyspace(source)})
                if (functions := swap.functions(source)) is not None:
                    target.command("FUNCTION", "RESTORE", functions, "FLUSH")

    def drop(self, name: str) -> None:
        if name == LIVE:
            with RedisConnection(self.login) as connection:
                connection.command("FLUSHALL")
                with contextlib.suppress(RedisError):
                    connection.command("FUNCTION", "FLUSH")
            return
        for path in (self._file(name), self._won(name)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def switch(self, live: str, side: str, previous: str, note: t.Callable[[str, t.Mapping[str, t.Any]], None]) -> None:
        if live != LIVE:
            raise InvalidInput(f"only the running instance, {LIVE!r}, can be switched; {live!r} is a file")
        path = self._present(side)
        with RedisConnection(self.login) as target:
            swap.check_takes_keys(target, self.login.where)
            note("keep", {})
            self._fetch(target, self._file(previous))
        with RedisConnection(self.login) as target, private.private_server(path) as source:
            present = keyspace(target)
            pairs = swap.pairs(target, source, present)
            facts = {"pairs": pairs, "side": side}
            note("copy", facts)
            places = {number: place for number, place in pairs if number in keyspace(source)}
            try:
                sent = private.copy_keys(source, target, places)
                swap.check_arrived(target, sent)
            except BaseException:
                with contextlib.suppress(RunbookError):
                    swap.empty(target, pairs)
                raise
            note("swap", facts)
            swap.exchange(target, pairs, side, swap.functions(source))
        with RedisConnection(self.login) as target:
            swap.finish(target, facts, lambda: note("forget", facts))

    def settle(self, live: str, side: str, previous: str, step: str, facts: t.Mapping[str, t.Any]) -> t.Literal["new", "old"]:
        pairs = [(int(pair[0]), int(pair[1])) for pair in facts.get("pairs", [])]
        if not pairs:
            self.drop(previous)
            return "old"
        with RedisConnection(self.login) as target:
            target.command("SELECT", pairs[0][1])
            if target.text("GET", swap.MARKER) == side:
                swap.finish(target, facts, lambda: write_atomic(self._won(previous), b""))
                return "new"
            if step == "forget" or os.path.exists(self._won(previous)):
                # Kept when the new data was on the server's disk and only the marker was left to remove.
                return "new"
            # The spare databases were empty when they were chosen: what is in them is of the side.
            swap.empty(target, pairs)
        self.drop(previous)
        return "old"

    @contextlib.contextmanager
    def _reader(self, name: str) -> t.Iterator[RedisConnection]:
        if name == LIVE:
            with RedisConnection(self.login) as connection:
                yield connection
        else:
            with private.private_server(self._present(name)) as connection:
                yield connection

    def _fetch(self, connection: RedisConnection, path: str) -> None:
        """The server's data set into a new file that appears when it is complete."""
        partial = path + ".partial"
        try:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as stream:
                connection.receive_rdb(stream)
                stream.flush()
                os.fsync(stream.fileno())
            with open(partial, "rb") as stream:
                stream.seek(max(0, os.path.getsize(partial) - 4096))
                _check_trailer(stream.read())
            os.rename(partial, path)
            fsync_folder(os.path.dirname(path))
        except OSError as error:
            raise RunbookError(f"the Redis data could not be kept in {path}: {error.strerror}") from None
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial)

    def _prepare(self) -> None:
        try:
            os.makedirs(self.work_folder, mode=0o700, exist_ok=True)
        except OSError as error:
            raise RunbookError(f"the folder {self.work_folder} can't be used: {error.strerror}") from None

    def _file(self, name: str) -> str:
        self.check_name(name)
        return os.path.join(self.work_folder, f"{name}.rdb")

    def _won(self, previous: str) -> str:
        """A file that is there when ``settle`` has found the new data in place, so that it says so again."""
        return f"{self._file(previous)}.replaced"

    def _present(self, name: str) -> str:
        path = self._file(name)
        if not os.path.isfile(path):
            raise RunbookError(f"there is no Redis file {path}; the running instance is called {LIVE!r}")
        return path


class _RdbDump:
    def __init__(self, path: str, memory: int) -> None:
        self._path = path
        self.settings: dict[str, t.Any] = {"bytes": os.path.getsize(path), "memory": memory}
        self.parts = [Part("data", self._open)]

    @contextlib.contextmanager
    def _open(self) -> t.Iterator[t.BinaryIO]:
        with open(self._path, "rb", buffering=0) as stream:
            yield t.cast(t.BinaryIO, stream)
            if stream.read(1):
                raise RunbookError("the Redis dump was not read to its end")

    def inventory(self, *, counts: bool, checksums: bool) -> Inventory:
        """Of the very bytes of the dump, loaded into a private server, which checks their CRC."""
        if not counts and not checksums:
            return Inventory()
        with private.private_server(self._path, self.settings["memory"]) as connection:
            return private.inventory(connection, checksums)

    def query(self, text: str) -> str:
        """One command on database 0 of the dump, for example ``GET schema:version``."""
        with private.private_server(self._path, self.settings["memory"]) as connection:
            return connection.text(*text.split())

    def check_end(self, part: str, tail: bytes) -> None:
        _check_trailer(tail)


def _check_trailer(tail: bytes) -> None:
    """An RDB ends with 0xFF and the CRC64 of all before it, which a private server checks when it loads the file."""
    if len(tail) < 9 or tail[-9] != 0xFF:
        raise RunbookError("the Redis dump has no end mark; it is cut")
    if tail[-8:] == bytes(8):
        raise RunbookError("the Redis dump has no checksum; set 'rdbchecksum yes' in the server's configuration and restart it")


def _receive(part: Part, path: str) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb", buffering=0) as stream:
            with part.open() as reader:
                tail = b""
                while data := reader.read(_CHUNK):
                    stream.write(data)
                    tail = (tail + data)[-16:]
            os.fsync(stream.fileno())
    except OSError as error:
        raise RunbookError(f"the Redis file {path} could not be written: {error.strerror}") from None
    _check_trailer(tail)
    fsync_folder(os.path.dirname(path))
