# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system that the inventory shared_hosting describes, small.

A site in PHP (folder shop_site), its database, a worker, who is told, and a machine with a shell beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import secrets
import shutil
import socket
import ssl
import subprocess
import threading
import time
import typing as t

from .own_sshd import OwnSshd, own_user

SITE = pathlib.Path(__file__).resolve().parent / "shop_site"
NAME = "www.example.com"
TOOLS_USER = "www-data"
_SCHEMA = """
DROP DATABASE IF EXISTS example;
CREATE DATABASE example CHARACTER SET utf8mb4;
CREATE OR REPLACE USER operations@'127.0.0.1' IDENTIFIED BY '{password}';
CREATE OR REPLACE USER operations@localhost IDENTIFIED BY '{password}';
GRANT ALL ON example.* TO operations@'127.0.0.1';
GRANT ALL ON example.* TO operations@localhost;
USE example;
CREATE TABLE jobs (id INT AUTO_INCREMENT PRIMARY KEY, kind VARCHAR(20), status VARCHAR(20) DEFAULT 'queued', worker VARCHAR(40),
  lease_until DATETIME);
CREATE TABLE job_attempts (id INT AUTO_INCREMENT PRIMARY KEY, job INT, worker VARCHAR(40));
CREATE TABLE dlq (id INT AUTO_INCREMENT PRIMARY KEY, job INT);
CREATE TABLE workers (id VARCHAR(40) PRIMARY KEY, last_seen DATETIME, circuit_open BOOL DEFAULT 0);
INSERT INTO workers VALUES ('probe', UTC_TIMESTAMP(), 1);
CREATE TABLE places (place_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(99), phone VARCHAR(20), address VARCHAR(99),
  lat DOUBLE, lng DOUBLE, website VARCHAR(99), types_json JSON, source VARCHAR(20), source_url VARCHAR(99),
  collected_at DATETIME, last_seen_at DATETIME, batch_id INT);
"""


def sql(text: str, database: str = "example") -> list[list[str]]:
    """Rows of what the database answers its administrator."""
    words = ["mariadb", "--batch", "--skip-column-names", "--default-character-set=utf8mb4", *([database] if database else [])]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


@contextlib.contextmanager
def database(password: str) -> t.Iterator[None]:
    sql(_SCHEMA.format(password=password), "")
    try:
        yield
    finally:
        sql("DROP DATABASE example; DROP USER operations@'127.0.0.1', operations@localhost", "")


def certificate(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """One that signs itself, and its key."""
    pair = folder / "cert.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "90", "-subj", f"/CN={NAME}"]
    words += ["-addext", f"subjectAltName=DNS:{NAME}"]
    subprocess.run([*words, "-keyout", pair[1], "-out", pair[0]], check=True, capture_output=True)
    return pair


def write_source(folder: pathlib.Path, version: str, broken: bool = False) -> None:
    """A checkout of the site at this version, with what is in a checkout and no visitor's business."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SITE, folder)
    (folder / "VERSION").write_text(f"{version}\n")
    (folder / "lib" / "release.php").write_text(f"<?php return '{version}';\n")
    if broken:  # what is downloaded lacks its end, which no probe of the site asks for
        script = folder / "api" / "download_worker.php"
        script.write_text(script.read_text().replace("$size = filesize($file);", "$size = filesize($file) - 9;"))
    for name in (".git/HEAD", "worker/.env", "tests/test.php", "storage/logs/app.log", "config/.env.php"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("<?php return ['db_password' => 'of-a-workstation-9f3c'];\n")
    releases = folder / "storage" / "releases"
    releases.mkdir(parents=True)
    worker = f"worker {version}\n".encode() * 999
    (releases / "worker.exe").write_bytes(worker)
    told = json.dumps({"version": version, "sha256": hashlib.sha256(worker).hexdigest(), "size": len(worker)})
    for name in ("latest.json", "installer_meta.json"):
        (releases / name).write_text(told)


def env_php(secret: str, password: str) -> str:
    values = {"internal_secret": secret, "db_user": "operations", "db_password": password, "db_name": "example"}
    pairs = "".join(f"    '{name}' => '{value}',\n" for name, value in values.items())
    return f"<?php\nreturn [\n{pairs}    'internal_server_enabled' => true,\n];\n"


class Visitor:
    """Whoever asks the site over HTTPS."""

    def __init__(self, port: int, authority: pathlib.Path) -> None:
        self.port, self.context = port, ssl.create_default_context(cafile=str(authority))

    def ask(self, path: str = "/", method: str = "GET", body: bytes = b"", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPSConnection(NAME, self.port, timeout=20)
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sock = self.context.wrap_socket(plain, server_hostname=NAME)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()


class Watched(threading.Thread):
    """What visitors see meanwhile, each answer once: ``with Watched(visitor) as watched: …``, then ``watched.seen``."""

    def __init__(self, visitor: Visitor) -> None:
        super().__init__(daemon=True)
        self.visitor, self.seen, self._ended = visitor, list[tuple[int, str]](), threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.05):
            answer = self.visitor.ask()
            if answer not in self.seen:
                self.seen.append(answer)

    def __enter__(self) -> Watched:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self.join(30)


class Worker(threading.Thread):
    """Signs, asks for jobs, and does them."""

    def __init__(self, visitor: Visitor, secret: str) -> None:
        super().__init__(daemon=True)
        self.visitor, self.secret, self._ended = visitor, secret, threading.Event()

    def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
        now = str(int(time.time()))
        text = "|".join([method, path, hashlib.sha256(body).hexdigest(), now])
        sign = hmac.new(self.secret.encode(), text.encode(), "sha256").hexdigest()
        return self.visitor.ask(path, method, body, X_Worker_Id="office-1", X_Auth_TS=now, X_Auth_Sign=sign)

    def run(self) -> None:
        while not self._ended.wait(0.3):
            status, answer = self.call("GET", "/api/pull_job.php")
            if status == 200:
                self.call("POST", "/api/finish_job.php", json.dumps(json.loads(answer)).encode())

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self.join(30)


@contextlib.contextmanager
def office() -> t.Iterator[tuple[str, list[tuple[str, t.Any]]]]:
    """Where webhooks lead: an address to put their names behind, and what was told, by path."""
    told: list[tuple[str, t.Any]] = []

    class Told(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", told
        server.shutdown()


class Machine(t.NamedTuple):
    """The machine with a shell: how Ansible reaches it, and its checkout of the site's tools."""

    variables: dict[str, t.Any]
    tools: pathlib.Path


@contextlib.contextmanager
def machine(folder: pathlib.Path, settings: str) -> t.Iterator[Machine]:
    """This host, by an SSH server of its own and an account that may become others."""
    with contextlib.ExitStack() as stack:
        user = stack.enter_context(own_user(folder / "home", secrets.token_urlsafe(12)))
        rights = pathlib.Path("/etc/sudoers.d", user)
        stack.callback(rights.unlink)
        rights.touch(0o440)
        rights.write_text(f"{user} ALL=(ALL) NOPASSWD: ALL\n")
        sshd = OwnSshd(folder / "sshd", host_keys=("ed25519",))
        key = folder / "ops_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        sshd.authorize(key.with_suffix(".pub").read_text())
        known = folder / "ops_known_hosts"
        known.write_text(sshd.known_host("ed25519"))
        stack.enter_context(sshd)
        tools = folder / "tools"
        write_source(tools, "1.0")
        (tools / "config" / ".env.php").write_text(settings)
        geo = tools / "storage" / "data" / "geo" / "sa"
        for path in (geo, tools / "storage" / "exports", tools / "storage" / "logs" / "ops"):
            path.mkdir(parents=True, exist_ok=True)
        (geo / "cities.csv").write_text("".join(f"city {number},{20 + number / 10},{40 + number / 7}\n" for number in range(120)))
        for path in (tools, *tools.rglob("*")):
            shutil.chown(path, TOOLS_USER, TOOLS_USER)
        yield Machine(
            {
                "ansible_host": "127.0.0.1",
                "ansible_port": sshd.port,
                "ansible_user": user,
                "ansible_ssh_private_key_file": str(key),
                "ansible_ssh_common_args": f"-o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes",
                "site_tools": str(tools),
            },
            tools,
        )


def encrypt(path: pathlib.Path, values: t.Mapping[str, str], example: pathlib.Path, password: pathlib.Path) -> None:
    """A vault, made of the example as its first lines say."""
    lines = example.read_text().splitlines()
    unknown = set(values) - {line.partition(":")[0] for line in lines}
    assert not unknown, f"{example} lacks {unknown}"
    filled = [f"{name}: {json.dumps(values[name])}" if (name := line.partition(":")[0]) in values else line for line in lines]
    path.write_text("\n".join(filled) + "\n")
    words = ["python3", "-m", "ansible", "vault", "encrypt", "--vault-password-file", password, path]
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})
