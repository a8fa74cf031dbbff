# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers for the probes: HTTP, TLS with certificates made here, and a proxy."""

from __future__ import annotations

import importlib.util
import pathlib
import subprocess
import sys
import types
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._http.probe import probe_all

SERVER = pathlib.Path(__file__).resolve().parents[4] / "integration/targets/http_probe/files/probe_server.py"

CA_CONFIG = """
[ca]
default_ca = own
[own]
new_certs_dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
x509_extensions = leaf
[leaf]
basicConstraints = CA:false
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[any]
commonName = supplied
"""


def load_server() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("probe_server", SERVER)
    module = importlib.util.module_from_spec(spec)
    sys.modules["probe_server"] = module
    spec.loader.exec_module(module)
    return module


doubles = load_server()


class Authority:
    """A certification authority of the tests' own; ``issue`` makes a certificate and its key as PEM files."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.config = folder / "ca.cnf"
        self.config.write_text(CA_CONFIG.format(folder=folder))
        (folder / "index.txt").touch()
        (folder / "serial").write_text("1000\n")
        self.path = str(folder / "ca.pem")
        # Python 3.13 verifies strictly: an authority must say that it is one.
        usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        self._openssl("req", "-x509", *self._key("ca"), "-out", self.path, "-days", "30", "-subj", "/CN=Authority of the tests", *usage)

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.folder)

    def _key(self, name: str) -> list[str]:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(self.folder / f"{name}.key")]

    def issue(self, name: str, end: str, names: str = "DNS:www.example.com,DNS:localhost,IP:127.0.0.1") -> tuple[str, str]:
        """``end`` is YYYYMMDDHHMMSSZ."""
        request, path = str(self.folder / f"{name}.csr"), str(self.folder / f"{name}.pem")
        self._openssl("req", *self._key(name), "-out", request, "-subj", "/CN=www.example.com", "-addext", f"subjectAltName={names}")
        words = ["-startdate", "20200101000000Z", "-enddate", end, "-cert", self.path, "-keyfile", str(self.folder / "ca.key")]
        self._openssl("ca", "-batch", "-notext", "-config", str(self.config), *words, "-in", request, "-out", path)
        return path, str(self.folder / f"{name}.key")


def _in_days(days: float) -> str:
    import datetime

    # Half an hour more, so that whole days are what was asked for however long the tests take.
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days, minutes=30)
    return moment.strftime("%Y%m%d%H%M%SZ")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: t.Any) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def certificates(authority: Authority) -> dict[str, tuple[str, str]]:
    """good (400 days), soon (20 days), last (5 days), expired (-3 days), wrong (another name), client."""
    return {
        "good": authority.issue("good", _in_days(400)),
        "soon": authority.issue("soon", _in_days(20)),
        "last": authority.issue("last", _in_days(5)),
        "expired": authority.issue("expired", _in_days(-3)),
        "wrong": authority.issue("wrong", _in_days(400), "DNS:other.example.com"),
        "client": authority.issue("client", _in_days(400)),
    }


@pytest.fixture
def start() -> t.Iterator[t.Callable[..., t.Any]]:
    """Starts ``ProbeServer`` with the given arguments."""
    servers = []

    def begin(*args: t.Any, **kwargs: t.Any) -> t.Any:
        server = doubles.ProbeServer(*args, **kwargs).start()
        servers.append(server)
        return server

    yield begin
    for server in servers:
        server.stop()


@pytest.fixture
def server(start: t.Callable[..., t.Any]) -> t.Any:
    return start()


@pytest.fixture
def start_proxy() -> t.Iterator[t.Callable[..., t.Any]]:
    proxies = []

    def begin(*args: t.Any) -> t.Any:
        proxies.append(doubles.Proxy(*args))
        return proxies[-1]

    yield begin
    for proxy in proxies:
        proxy.stop()


class Probing:
    """Calls the use case against one server as the module would; a probe that fails does not raise."""

    def __init__(self, server: t.Any) -> None:
        self.base = f"http://127.0.0.1:{server.port}/"

    def __call__(self, url: str = "/", check_mode: bool = False, top: dict[str, t.Any] | None = None, **options: t.Any) -> dict[str, t.Any]:
        """The outcome of one probe; ``top`` are options of the module."""
        return self.all([{"url": url, **options}], check_mode=check_mode, **(top or {}))["probes"][0]

    def all(self, probes: list[dict[str, t.Any]], check_mode: bool = False, **top: t.Any) -> dict[str, t.Any]:
        return probe_all({"base_url": self.base, "fail": False, "timeout": 5.0, **top, "probes": probes}, Run(check_mode=check_mode))


@pytest.fixture
def probe(server: t.Any) -> Probing:
    return Probing(server)
