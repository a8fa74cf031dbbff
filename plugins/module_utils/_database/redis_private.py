# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis server of our own that holds a dump for a moment: proves that it loads, counts, digests, and hands out keys.

It listens on a unix socket in a private folder only, writes nothing, and runs as a replica of nobody: a replica keeps keys
whose time is over, so what is counted is what the dump holds, however old the dump is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import typing as t

from .._common.errors import Refused, RunbookError
from .._common.process import Command, Process, ProgramFailed, find_program, run
from .model import Inventory, Login, TableFacts
from .redis_client import RedisConnection, RedisError, keyspace

# Room for the numbered databases of any server; an empty one costs next to nothing.
_DATABASES = 1024
_SCAN = 500


@contextlib.contextmanager
def private_server(rdb: str, memory: int = 0) -> t.Iterator[RedisConnection]:
    """A connection to a server that has loaded the file ``rdb``. ``memory``: bytes the data needs, 0 when unknown.

    The file is never changed. ``RunbookError`` with the server's reason when the file can't be loaded.
    """
    program = find_program(("redis-server", "valkey-server"), "redis-server")
    version = re.search(rb"v=(\d+)\.(\d+)", run(Command((program, "--version")), timeout=20))
    numbers = (int(version[1]), int(version[2])) if version else (0, 0)
    free = _free_memory()
    needed = max(memory, os.path.getsize(rdb))
    if free and needed > free * 0.9:
        raise Refused(
            f"a Redis dump of {needed >> 20:,} MB can't be verified here, only {free >> 20:,} MB of memory are free; "
            "free some, or turn counts and checksums off"
        )
    with tempfile.TemporaryDirectory(prefix="runbook-redis-") as folder, tempfile.TemporaryFile() as config:
        path = os.path.join(folder, "socket")
        config.write(_config(rdb, folder, path, numbers).encode("utf-8", "surrogateescape"))
        config.seek(0)
        process = Process(Command((program, "-")), stdin=config)
        try:
            with _wait(process, path, os.path.join(folder, "log")) as connection:
                yield connection
        finally:
            process.kill()


def inventory(connection: RedisConnection, checksums: bool) -> Inventory:
    """Of a private server, whose databases are emptied by it.

    DEBUG DIGEST is of all databases, and depends on their numbers. It is asked again after the highest one was emptied, and so
    on: a database's checksum is of itself and the lower ones, so what differs is in the first that differs.
    """
    facts = {}
    objects: dict[str, dict[str, str]] = {}
    with contextlib.suppress(RedisError):  # there are functions since 7.0
        libraries = connection.command("FUNCTION", "LIST", "WITHCODE")
        for library in libraries if isinstance(libraries, list) else []:
            named = dict(zip(library[::2], library[1::2])) if isinstance(library, list) else {}
            code = named.get(b"library_code")
            name = named.get(b"library_name")
            if isinstance(code, bytes) and isinstance(name, bytes):
                objects.setdefault("function", {})[name.decode("utf-8", "replace")] = hashlib.sha256(code).hexdigest()[:16]
    present = keyspace(connection)
    for number in sorted(present, reverse=True):
        facts[f"db{number}"] = TableFacts(present[number], connection.text("DEBUG", "DIGEST") if checksums else "")
        if checksums:
            connection.command("SELECT", number)
            connection.command("FLUSHDB")
    version = ".".join(re.findall(r"redis_version:(\d+)\.(\d+)", connection.text("INFO", "server"))[0])
    return Inventory(f"redis-{version}-digest-1" if checksums else "", dict(sorted(facts.items())), objects)


def copy_keys(source: RedisConnection, target: RedisConnection, places: t.Mapping[int, int]) -> dict[int, int]:
    """Restore each of the source's databases into the target's database that ``places`` names; keys sent, by target.

    One key at a time is held in memory. Keys whose time is over stay behind, as they would when a server starts.
    """
    sent = {}
    for number, place in places.items():
        source.command("SELECT", number)
        target.command("SELECT", place)
        sent[place] = 0
        cursor: bytes | None = None
        while cursor != b"0":
            page = source.command("SCAN", cursor or b"0", "COUNT", _SCAN)
            if not isinstance(page, list) or not isinstance(page[0], bytes) or not isinstance(page[1], list):
                raise RunbookError("the private Redis server does not list its keys")
            cursor = page[0]
            # A key may be listed twice; nothing changes meanwhile, so the second restore replaces the first by itself.
            sent[place] += _copy_page(source, target, [key for key in page[1] if isinstance(key, bytes)])
    return sent


def _copy_page(source: RedisConnection, target: RedisConnection, keys: list[bytes]) -> int:
    now = source.command("TIME")
    milliseconds = int(t.cast(bytes, now[0])) * 1000 + int(t.cast(bytes, now[1])) // 1000 if isinstance(now, list) else 0
    for key in keys:
        source.send("PTTL", key)
        source.send("DUMP", key)
    sent = 0
    for key in keys:
        left, payload = source.answer(), source.answer()
        if not isinstance(payload, bytes) or not isinstance(left, int):
            if isinstance(payload, RedisError):
                raise RunbookError(f"a key could not be read from the dump: {payload.message}")
            continue
        expires = (str(milliseconds + left), payload, "REPLACE", "ABSTTL") if left >= 0 else ("0", payload, "REPLACE")
        target.send("RESTORE", key, *expires)
        sent += 1
    for _number in range(sent):
        answer = target.answer()
        if isinstance(answer, RedisError):
            raise RunbookError(f"Redis on {target.where} did not take a key: {answer.message}")
    return sent


def _config(rdb: str, folder: str, path: str, version: tuple[int, int]) -> str:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    lines = [
        "port 0",
        f"unixsocket {quoted(path)}",
        "unixsocketperm 700",
        f"logfile {quoted(os.path.join(folder, 'log'))}",
        f"dir {quoted(os.path.dirname(os.path.abspath(rdb)))}",
        f"dbfilename {quoted(os.path.basename(rdb))}",
        'save ""',
        "appendonly no",
        "daemonize no",
        f"databases {_DATABASES}",
        # Nobody listens there, and nobody without root's rights could.
        "replicaof 127.0.0.1 1",
        "replica-read-only no",
        "replica-serve-stale-data yes",
    ]
    if version >= (7, 0):
        lines.append("enable-debug-command local")
    return "\n".join(lines) + "\n"


def _wait(process: Process, path: str, log: str) -> RedisConnection:
    """A connection as soon as everything is loaded; the server's own reason when it gave up."""
    while True:
        with contextlib.suppress(RunbookError):  # not listening yet, or still loading
            return RedisConnection(Login(unix_socket=path), timeout=600)
        try:
            process.finish(timeout=0.02)
        except ProgramFailed:
            raise RunbookError(f"the Redis dump can't be loaded: {_reason(log)}") from None
        except RunbookError:
            continue  # it runs
        raise RunbookError(f"the Redis dump can't be loaded: {_reason(log)}")


def _reason(log: str) -> str:
    try:
        with open(log, encoding="utf-8", errors="replace") as stream:
            lines = [line.strip() for line in stream.read()[-8000:].splitlines()]
    except OSError:
        return "the private server did not start"
    telling = [line for line in lines if re.search(r"rdb|error|can't|wrong|module|memory|checksum|short read", line, re.I) and "#" in line]
    return re.sub(r"^\S+ \d+ \w+ \d+ [\d:.]+ [#*] ", "", telling[0]) if telling else (lines[-1] if lines else "it said nothing")


def _free_memory() -> int:
    """Bytes that programs can still get; 0 when the system does not tell."""
    with contextlib.suppress(OSError, ValueError), open("/proc/meminfo", encoding="ascii") as stream:
        for line in stream:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0
