# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private servers in a folder of their own, each with a replica, so that a test may stop what it likes. Run as root."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import typing as t

_PG = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))


class Server:
    """A server that was started, and the ``login_*`` options for it."""

    def __init__(self, words: t.Sequence[str], log: pathlib.Path, options: dict[str, t.Any], user: str = "") -> None:
        self.words, self.log, self.options, self.user = list(words), log, options, user
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True, **as_user(self.user)
            )

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def wait(self, ready: t.Callable[[], object]) -> None:
        """Until it answers; its log when it never does."""
        try:
            until(ready)
        except AssertionError:
            raise AssertionError(self.log.read_text(errors="replace")[-3000:]) from None


class Pair(t.NamedTuple):
    primary: Server
    replica: Server


def as_user(user: str) -> dict[str, t.Any]:
    return {"user": user, "group": user, "extra_groups": []} if user else {}


def until(ready: t.Callable[[], object], seconds: float = 60) -> t.Any:
    """What ``ready`` returns as soon as that is true."""
    end, said = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        try:
            found = ready()
        except Exception as error:
            said, found = str(error), None
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not ready after {seconds} s: {said}")


def run(*words: str, user: str = "", text: str | None = None) -> str:
    done = subprocess.run(words, input=text, capture_output=True, cwd="/", text=True, check=False, **as_user(user))
    assert done.returncode == 0, f"{words}: {done.stderr or done.stdout}"
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def stopped(*servers: Server) -> t.Iterator[None]:
    try:
        yield
    finally:
        for server in servers:
            server.stop(signal.SIGKILL)


def mariadb(server: Server, sql: str, database: str = "") -> str:
    words = ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "-uroot", f"--socket={server.options['login_unix_socket']}"]
    return run(*words, *([database] if database else []), text=sql).strip()


def mariadb_server(folder: pathlib.Path, name: str, number: int, *more: str) -> Server:
    data, end = folder / name, folder / f"{name}.sock"
    port = free_port()
    words = ["mariadbd", "--no-defaults", "--user=mysql", f"--datadir={data}", f"--socket={end}", f"--port={port}", f"--server-id={number}"]
    words += [f"--pid-file={folder / name}.pid", "--bind-address=127.0.0.1", "--log-bin=bin", "--innodb-buffer-pool-size=16M"]
    words += ["--innodb-log-file-size=8M", "--performance-schema=OFF", "--skip-slave-start", "--max-connections=20", "--key-buffer-size=1M"]
    words += ["--innodb-flush-log-at-trx-commit=2", "--slave-net-timeout=5", *more]
    server = Server(words, folder / f"{name}.log", {"login_unix_socket": str(end), "login_user": "root"})
    server.options["port"] = port
    server.wait(lambda: mariadb(server, "SELECT 1"))
    return server


def _install_mariadb(folder: pathlib.Path) -> pathlib.Path:
    os.chmod(folder, 0o777)
    first = folder / "one"
    run(
        "mariadb-install-db",
        "--no-defaults",
        "--user=mysql",
        f"--datadir={first}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    )
    return first


@contextlib.contextmanager
def mariadb_alone(folder: pathlib.Path, *more: str) -> t.Iterator[Server]:
    _install_mariadb(folder)
    server = mariadb_server(folder, "one", 1, *more)
    del server.options["port"]
    with stopped(server):
        yield server


@contextlib.contextmanager
def mariadb_pair(folder: pathlib.Path) -> t.Iterator[Pair]:
    run("cp", "-a", str(_install_mariadb(folder)), str(folder / "two"))
    primary = mariadb_server(folder, "one", 1)
    with stopped(primary):
        mariadb(primary, "CREATE USER copier@'%' IDENTIFIED BY 'x'; GRANT REPLICATION SLAVE ON *.* TO copier@'%'; RESET MASTER")
        replica = mariadb_server(folder, "two", 2)
        with stopped(replica):
            mariadb(
                replica,
                f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.options.pop('port')}, MASTER_USER='copier',"
                "MASTER_PASSWORD='x', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos; START SLAVE",
            )
            del replica.options["port"]
            yield Pair(primary, replica)


def psql(server: Server, sql: str, database: str = "postgres") -> str:
    options = server.options
    words = [
        "psql",
        "-XqAt",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        options["login_unix_socket"],
        "-p",
        str(options["login_port"]),
        "-U",
        "postgres",
    ]
    return run(*words, "-d", database, text=sql).strip()


def _postgres(folder: pathlib.Path, name: str, *more: str) -> Server:
    port = free_port()
    words = [str(_PG[-1] / "postgres"), "-D", str(folder / name), "-p", str(port), "-k", str(folder), "-c", "listen_addresses="]
    words += ["-c", "shared_buffers=16MB", "-c", "max_connections=20", "-c", "fsync=off", "-c", "autovacuum=off", *more]
    options = {"login_unix_socket": str(folder), "login_port": port, "login_user": "postgres"}
    server = Server(words, folder / f"{name}.log", options, "postgres")
    server.wait(lambda: psql(server, "SELECT 1"))
    return server


@contextlib.contextmanager
def postgresql_alone(folder: pathlib.Path, *more: str) -> t.Iterator[Server]:
    shutil.chown(folder, "postgres")
    run(str(_PG[-1] / "initdb"), "-D", str(folder / "one"), "-A", "trust", "-E", "UTF8", "--no-sync", user="postgres")
    server = _postgres(folder, "one", *more)
    with stopped(server):
        yield server


@contextlib.contextmanager
def postgresql_pair(folder: pathlib.Path) -> t.Iterator[Pair]:
    with postgresql_alone(folder) as primary:
        port = str(primary.options["login_port"])
        words = ["-h", str(folder), "-p", port, "-D", str(folder / "two"), "-R", "-c", "fast", "--no-sync", "-X", "stream"]
        run(str(_PG[-1] / "pg_basebackup"), *words, user="postgres")
        replica = _postgres(folder, "two")
        with stopped(replica):
            yield Pair(primary, replica)


def redis(server: Server, *words: str) -> str:
    return run("redis-cli", "-p", str(server.options["login_port"]), *words).strip()


def _redis(folder: pathlib.Path, name: str, *more: str) -> Server:
    port = free_port()
    (folder / name).mkdir()
    words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder / name), "--save", "", *more]
    server = Server(words, folder / f"{name}.log", {"login_host": "127.0.0.1", "login_port": port})
    server.wait(lambda: redis(server, "PING") == "PONG")
    return server


@contextlib.contextmanager
def redis_pair(folder: pathlib.Path) -> t.Iterator[Pair]:
    primary = _redis(folder, "one", "--repl-diskless-sync-delay", "0")
    with stopped(primary):
        replica = _redis(folder, "two", "--replicaof", "127.0.0.1", str(primary.options["login_port"]))
        with stopped(replica):
            yield Pair(primary, replica)


def mongo(server: Server) -> t.Any:
    import pymongo

    return pymongo.MongoClient("127.0.0.1", server.options["login_port"], directConnection=True, serverSelectionTimeoutMS=10000)


def _mongod(folder: pathlib.Path, name: str, *more: str) -> Server:
    port = free_port()
    (folder / name).mkdir()
    words = ["mongod", "--dbpath", str(folder / name), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket", *more]
    words += ["--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false"]
    server = Server(words, folder / f"{name}.log", {"login_host": "127.0.0.1", "login_port": port})
    server.wait(lambda: mongo(server).admin.command("ping"))
    return server


@contextlib.contextmanager
def mongodb_alone(folder: pathlib.Path) -> t.Iterator[Server]:
    server = _mongod(folder, "one")
    with stopped(server):
        yield server


@contextlib.contextmanager
def mongodb_pair(folder: pathlib.Path) -> t.Iterator[Pair]:
    """Only the primary votes, so that it stays primary when the other is stopped."""
    primary = _mongod(folder, "one", "--replSet", "rs")
    with stopped(primary):
        replica = _mongod(folder, "two", "--replSet", "rs")
        with stopped(replica):
            hosts = [f"127.0.0.1:{server.options['login_port']}" for server in (primary, replica)]
            members = [{"_id": 0, "host": hosts[0]}, {"_id": 1, "host": hosts[1], "votes": 0, "priority": 0}]
            mongo(primary).admin.command({"replSetInitiate": {"_id": "rs", "members": members, "settings": {"heartbeatTimeoutSecs": 1}}})
            until(lambda: mongo(primary).admin.command("hello")["isWritablePrimary"])
            until(lambda: mongo(replica).admin.command("hello")["secondary"])
            yield Pair(primary, replica)
