# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that the tests of sites without a shell share. They run as root on a host of their own (tests/runner)."""

from __future__ import annotations

import pathlib
import random
import shutil
import tempfile

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._sftp import mutex
from remote.cpanel_double import Double
from remote.hosting import Hosting
from remote.plain_server import PASSWORD, USER, PlainServer
from remote.rounds import SEED
from remote.tenant import Tenant


@pytest.fixture(scope="session")
def hosting():
    """OpenSSH with a chroot, Apache, PHP."""
    state = pathlib.Path(tempfile.gettempdir(), "runbook-hosting")
    shutil.rmtree(state, ignore_errors=True)
    host = Hosting(state)
    try:
        yield host.start()
    finally:
        host.stop()


@pytest.fixture(scope="session")
def shared_site(hosting):
    return hosting.site()


@pytest.fixture
def place(hosting, shared_site):
    """An empty site on that host, whose web server runs already."""
    shared_site.empty()
    return shared_site


@pytest.fixture(scope="session")
def plain_folder():
    folder = pathlib.Path("/srv/runbook-plain")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def plain_site(hosting, plain_folder):
    return hosting.site(owner=None, parent=plain_folder)


@pytest.fixture
def plain_place(plain_site):
    """An empty site that Apache serves and the plain server changes."""
    plain_site.empty()
    return plain_site


@pytest.fixture
def plain(plain_folder):
    """A server that knows no extension; ``plain.well(…)`` gives it trouble."""
    with PlainServer(plain_folder) as server:
        yield server


CPANEL_HOME = pathlib.Path("/srv/runbook-cpanel")
CPANEL_TOKEN = "S3CRETTOKEN0123456789"


@pytest.fixture(scope="session")
def cpanel_site(hosting):
    """A site in the home folder of a cPanel account, which Apache serves."""
    shutil.rmtree(CPANEL_HOME, ignore_errors=True)
    CPANEL_HOME.mkdir(mode=0o755)
    CPANEL_HOME.chmod(0o755)
    yield hosting.site(owner=None, parent=CPANEL_HOME)
    shutil.rmtree(CPANEL_HOME, ignore_errors=True)


@pytest.fixture
def cpanel_place(cpanel_site):
    """The same, empty."""
    cpanel_site.empty()
    return cpanel_site


@pytest.fixture
def start_panel(cpanel_place):
    """Starts that account's server, of a version; ``remote`` is what a module's option needs to reach it."""
    started = []

    def start(version: int) -> Double:
        double = Double(CPANEL_HOME, token=CPANEL_TOKEN, version=version)
        port = double.start()
        double.remote = {"host": "http://127.0.0.1", "port": port, "user": "site", "token": CPANEL_TOKEN, "timeout": 10.0}
        started.append(double)
        return double

    yield start
    for double in started:
        double.stop()


@pytest.fixture
def chance(request):
    """Random moments that a seed brings again."""
    print(f"RUNBOOK_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """Sources are made once; releases of one name are the same in every test."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture
def tenant(hosting, place, sources):
    """Deploys to the OpenSSH host."""
    return Tenant(place, "sftp", place.remote_base, hosting.options(), sources)


@pytest.fixture
def plain_tenant(plain, plain_place, sources, tmp_path):
    """Deploys to the plain server."""
    remote = {"host": "127.0.0.1", "port": plain.port, "user": USER, "password": PASSWORD, "timeout": 10.0}
    remote["known_hosts"] = plain.known_hosts(tmp_path / "known_hosts")
    return Tenant(plain_place, "sftp", plain_place.remote_base[len(plain.root) :], remote, sources)


@pytest.fixture
def quick_mutex(monkeypatch):
    """Holders that died are given up almost at once, so that tests don't wait."""
    monkeypatch.setattr(mutex, "BEAT", 0.06)
    monkeypatch.setattr(mutex, "DEAD", 0.3)
