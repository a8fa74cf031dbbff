# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log-ins over TLS to real MariaDB and PostgreSQL servers whose certificate is for ``localhost`` and for nothing else."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database import options, use_cases
from database import servers

PASSWORD = "p'a\\s:s \"w#;ö"
NAME = "rb_tls_data"


class Authority:
    """Signs certificates with openssl; all files belong to ``owner``, keys are private."""

    def __init__(self, folder: pathlib.Path, owner: str) -> None:
        self.folder, self.owner = folder, owner
        folder.mkdir()
        shutil.chown(folder, owner)
        os.chmod(folder, 0o755)
        self.own = self._request("ca", "-x509", "-subj", "/CN=Authority of the tests")

    def _request(self, name: str, *words: str) -> str:
        path = self.folder / f"{name}.pem"
        key = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(self.folder / f"{name}.key"), "-days", "2"]
        subprocess.run(["openssl", "req", *key, *words, "-out", str(path)], check=True, capture_output=True)
        return str(path)

    def sign(self, name: str, subject: str, names: str, owner: str = "") -> tuple[str, str]:
        """The paths of a certificate and its key."""
        request = self._request(f"{name}-request", "-subj", subject)
        path, key, extra = (self.folder / f"{name}{end}" for end in (".pem", "-request.key", ".ext"))
        extra.write_text(f"subjectAltName={names}\n")
        words = ["openssl", "x509", "-req", "-in", request, "-CA", self.own, "-CAkey", str(self.folder / "ca.key"), "-CAcreateserial"]
        subprocess.run([*words, "-days", "2", "-extfile", str(extra), "-out", str(path)], check=True, capture_output=True)
        shutil.chown(key, owner or self.owner)
        os.chmod(key, 0o600)
        return str(path), str(key)


class Place(t.NamedTuple):
    engine: str
    login: dict[str, t.Any]
    authority: Authority
    # Its subject is CN=rb_cert, which is also an account that may log in with it alone.
    certificate: tuple[str, str]
    sql: t.Callable[[str], str]

    def run(self, what: str, **given: t.Any) -> dict[str, t.Any]:
        spec = {"db_backup": options.BACKUP, "db_restore": options.RESTORE}[what]
        chosen = {name: about.get("default") for name, about in spec.options.items()}
        chosen.update({"engine": self.engine, "name": NAME, **self.login, **given})
        return t.cast("dict[str, t.Any]", getattr(use_cases, what)(chosen, Run()))


@contextlib.contextmanager
def _mariadb(folder: pathlib.Path) -> t.Iterator[Place]:
    authority = Authority(folder / "tls", "mysql")
    certificate, key = authority.sign("server", "/CN=localhost", "DNS:localhost")
    port = str(servers.free_port())
    words = [f"--ssl-cert={certificate}", f"--ssl-key={key}", f"--ssl-ca={authority.own}", f"--port={port}"]
    with servers.mariadb_alone(folder, *words) as server:
        password = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        accounts = (
            f"SET NAMES utf8mb4; CREATE USER rb_tls@'%' IDENTIFIED BY '{password}' REQUIRE SSL; GRANT ALL ON *.* TO rb_tls@'%';"
            "CREATE USER rb_cert@'%' IDENTIFIED BY 'x' REQUIRE SUBJECT '/CN=rb_cert'; GRANT ALL ON *.* TO rb_cert@'%';"
        )
        servers.mariadb(server, accounts)
        login = {"login_port": int(port), "login_user": "rb_tls", "login_password": PASSWORD}
        yield Place(
            "mariadb", login, authority, authority.sign("user", "/CN=rb_cert", "DNS:rb_cert", "root"), lambda q: _ask_maria(server, q)
        )


def _ask_maria(server: servers.Server, sql: str) -> str:
    return servers.mariadb(server, sql)


@contextlib.contextmanager
def _postgresql(folder: pathlib.Path) -> t.Iterator[Place]:
    authority = Authority(folder / "tls", "postgres")
    certificate, key = authority.sign("server", "/CN=localhost", "DNS:localhost")
    settings = {
        "listen_addresses": "localhost",
        "ssl": "on",
        "ssl_cert_file": certificate,
        "ssl_key_file": key,
        "ssl_ca_file": authority.own,
    }
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with servers.postgresql_alone(folder, *words) as server:
        (folder / "one" / "pg_hba.conf").write_text(
            "local all postgres trust\nhostssl all rb_cert all cert\nhostssl all rb_tls all scram-sha-256\n"
        )
        password = PASSWORD.replace("'", "''")
        servers.psql(server, f"CREATE ROLE rb_tls SUPERUSER LOGIN PASSWORD '{password}'; CREATE ROLE rb_cert SUPERUSER LOGIN")
        servers.psql(server, "SELECT pg_reload_conf()")
        login = {"login_port": server.options["login_port"], "login_user": "rb_tls", "login_password": PASSWORD}
        person = authority.sign("user", "/CN=rb_cert", "DNS:rb_cert", "root")
        yield Place("postgresql", login, authority, person, lambda sql: servers.psql(server, sql, "postgres"))


@pytest.fixture(params=["mariadb", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> t.Iterator[Place]:
    # Servers must be able to enter all of it.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(folder, 0o755)
    folder = tmp_path / "server"
    folder.mkdir()
    with {"mariadb": _mariadb, "postgresql": _postgresql}[request.param](folder) as place:
        place.sql(f"CREATE DATABASE {NAME}")
        yield place


def _fill(place: Place) -> None:
    table = "CREATE TABLE one (id INT PRIMARY KEY, note VARCHAR(40)); INSERT INTO one VALUES (1, 'a'), (2, 'b')"
    place.sql(f"USE {NAME}; {table}" if place.engine == "mariadb" else f"\\connect {NAME}\n{table}")


def test_backup_and_restore_with_a_verified_certificate(place: Place, tmp_path: pathlib.Path) -> None:
    _fill(place)
    full = {"login_host": "localhost", "ssl_mode": "verify-full", "ca_cert": place.authority.own, "dest": str(tmp_path / "backups")}
    for jobs in (1, 2):
        made = place.run("db_backup", jobs=jobs, **full)
        assert made["backup"]["rows"] == 2
        done = place.run("db_restore", state_dir=str(tmp_path / "state"), jobs=jobs, safety_backup=False, keep_previous="0", **full)
        assert done["rows"] == 2
    assert PASSWORD not in made["sidecar"] + pathlib.Path(made["sidecar"]).read_text()


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-ca", "verify-full"])
def test_what_is_asked_for_is_encrypted(place: Place, tmp_path: pathlib.Path, mode: str) -> None:
    """The accounts may not log in without TLS, so who is let in is encrypted."""
    given = {"ca_cert": place.authority.own} if mode.startswith("verify") else {}
    assert place.run("db_backup", login_host="localhost", ssl_mode=mode, dest=str(tmp_path / "backups"), **given)["changed"]


def test_an_account_that_is_known_by_its_certificate(place: Place, tmp_path: pathlib.Path) -> None:
    certificate, key = place.certificate
    secret = "x" if place.engine == "mariadb" else None
    given = {"login_user": "rb_cert", "login_password": secret, "login_host": "localhost", "dest": str(tmp_path / "backups")}
    trusted = {"ssl_mode": "verify-full", "ca_cert": place.authority.own}
    assert place.run("db_backup", client_cert=certificate, client_key=key, **trusted, **given)["changed"]
    with pytest.raises(RunbookError, match="refused the log-in") as caught:
        place.run("db_backup", **trusted, **given)
    assert "\n" not in caught.value.message


def test_what_does_not_fit_is_refused(place: Place, tmp_path: pathlib.Path) -> None:
    other = Authority(tmp_path / "other", "root")
    own = place.authority.own
    for host, mode, authority in (
        ("localhost", "disable", own),
        ("localhost", "verify-ca", other.own),
        ("localhost", "verify-full", other.own),
        ("127.0.0.1", "verify-full", own),
    ):
        dest = tmp_path / "backups"
        with pytest.raises(RunbookError) as caught:
            place.run("db_backup", login_host=host, ssl_mode=mode, ca_cert=authority, dest=str(dest))
        message = caught.value.message
        assert "\n" not in message and PASSWORD not in message
        wanted = "refused the log-in" if mode == "disable" else "certificate|SSL|TLS"
        assert any(word in message for word in wanted.split("|")), message
        assert not dest.exists()
