# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases on a host that offers SFTP and nothing else: OpenSSH with a chroot, and a plain server that has none of its extensions."""

from __future__ import annotations

import os
import pathlib
import stat
import tempfile
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused, RunbookError
from remote.hosting import Place
from remote.own_sshd import OwnSshd, own_user
from remote.rounds import rounds
from remote.tenant import Tenant, tree_of

PASSWORD = "s3cret"


@pytest.fixture(params=["openssh", "plain", "no_links"])
def anywhere(request, hosting):
    """On each kind of server."""
    if request.param == "openssh":
        return request.getfixturevalue("tenant")
    found = request.getfixturevalue("plain_tenant")
    if request.param == "no_links":
        request.getfixturevalue("plain").well(links=False)
    return found


def test_the_life_of_a_site(anywhere):
    """First and second deploy, rollback, a bad one taken away, prune: what is served is right each time."""
    first = anywhere.deploy("r1")
    assert first["changed"]
    assert first["sent_files"] == len(tree_of(anywhere.source("r1")))
    assert anywhere.served() == "r1"
    again = anywhere.deploy("r1")
    assert not again["changed"]
    anywhere.deploy("r2")
    assert anywhere.served() == "r2"
    back = anywhere.swap("previous")
    assert (back["before"], back["after"], back["rolled_back"]) == ("r2", "r1", True)
    assert anywhere.served() == "r1"
    anywhere.deploy("r3")
    assert anywhere.swap("r1", mark_bad=True, reason="broken")["after"] == "r1"
    assert anywhere.served() == "r1"
    assert anywhere.states() == {"r1": "live", "r2": "retired", "r3": "bad"}
    seen = anywhere.info(verify=True)
    assert (seen["current"], seen["previous"], seen["problem"]) == ("r1", None, "")
    assert [(item["id"], item["state"]) for item in seen["releases"]] == [("r1", "live"), ("r2", "retired"), ("r3", "bad")]
    assert all(item["verified"] for item in seen["releases"])
    with pytest.raises(Refused, match="marked bad"):
        anywhere.swap("r3")
    for number in (4, 5, 6):
        anywhere.deploy(f"r{number}")
    pruned = anywhere.prune(keep=2, keep_bad=0)
    assert set(pruned["removed"]) == {"r1", "r2", "r3", "r4"}
    assert anywhere.served() == "r6"
    assert anywhere.leftovers() == []
    folders = set(os.listdir(anywhere.place.path("releases")))
    assert folders == ({"r5", "r6"} if anywhere.place.path("current").is_symlink() else {"r5"})
    assert [event["event"] for event in anywhere.history()].count("swapped") == 6


def test_check_mode_changes_nothing(anywhere):
    anywhere.deploy("r1")
    before = tree_of(anywhere.place.base)
    plan = anywhere.stage("r2", check=True)
    assert plan["changed"]
    assert anywhere.swap("r2", check=True, assume_staged=True)["changed"]
    assert not anywhere.swap("r1", check=True)["changed"]
    assert tree_of(anywhere.place.base) == before


def test_unchanged_files_are_linked_and_not_sent(tenant):
    tenant.deploy("r1")
    second = tenant.deploy("r2")
    same = set(tree_of(tenant.source("r1")).items()) & set(tree_of(tenant.source("r2")).items())
    assert second["linked_files"] == len(same)
    one, two = (tenant.place.path("releases", release, "files", "001.txt") for release in ("r1", "r2"))
    assert one.stat().st_ino == two.stat().st_ino
    assert tenant.served() == "r2"


@pytest.fixture
def strict(sources):
    """An account whose server takes every permission of others away from what it makes."""
    with tempfile.TemporaryDirectory(prefix="runbook-strict-", dir="/srv") as folder:
        home = pathlib.Path(folder)
        home.chmod(0o755)
        base = home / "home" / "www"
        with own_user(base.parent, PASSWORD) as user, OwnSshd(home / "sshd", "Subsystem sftp internal-sftp -u 0077") as server:
            known = home / "known_hosts"
            known.write_text(server.known_host("ed25519"))
            remote = {"host": server.host, "port": server.port, "user": user, "password": PASSWORD, "known_hosts": str(known)}
            yield Tenant(Place(base, str(base), 0), "sftp", str(base), {**remote, "fix_perms": True}, sources)


def modes(tenant, release):
    """The modes of a release's folders, itself one of them, and of its files."""
    root = tenant.place.path("releases", release)
    found = [path for path in (root, *root.rglob("*")) if not path.is_symlink()]
    return tuple({stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir() is folders} for folders in (True, False))


def test_permissions_are_those_of_the_release(strict):
    """Whatever the server's umask, and whatever another release has: files that are linked share their mode."""
    strict.deploy("r1")
    assert modes(strict, "r1") == ({0o755}, {0o644})
    strict.deploy("r2", file_mode="0640", dir_mode="0751")
    assert modes(strict, "r2") == ({0o751, 0o755}, {0o640})
    assert modes(strict, "r1") == ({0o755}, {0o644})
    # Somebody took a permission away on the host: that file is sent anew, and what he did is left.
    changed = next(path for path in strict.place.path("releases", "r2").rglob("*") if path.is_file())
    changed.chmod(0o400)
    strict.stage("r3", file_mode="0640", dir_mode="0751")
    assert modes(strict, "r3") == ({0o751, 0o755}, {0o640})
    assert stat.S_IMODE(changed.stat().st_mode) == 0o400
    for folder in (strict.place.base, strict.place.path("releases")):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    strict.remote["fix_perms"] = False
    strict.stage("r4", file_mode="0604")
    assert modes(strict, "r4")[0] == {0o700}, "without being asked for, the server's umask holds"


def test_a_limit_of_bandwidth(tenant):
    tenant.deploy("r1")
    tenant.remote["bandwidth_limit"] = 2000
    src = tenant.source("two-megabytes", 2)
    began = time.monotonic()
    sent = tenant.stage("r2", src=src)["sent_bytes"]
    assert sent > 2e6
    assert time.monotonic() - began > sent / 2e6 * 0.8


def test_what_the_server_lacks_is_said(plain_tenant):
    plain_tenant.deploy("r1")
    notes = " ".join(plain_tenant.stage("r2")["notes"])
    assert "no hard links" in notes
    assert "replaces no name in one step" in notes
    made = plain_tenant.swap("r2")
    assert not made["atomic"]
    assert 0 < made["missing_ms"] < 5000


def test_fifty_swaps_under_requests(tenant):
    """OpenSSH's server replaces the link in one step: not one request meets anything but a complete release."""
    for release in ("r1", "r2"):
        tenant.stage(release)
    tenant.swap("r1")
    with tenant.poller() as poller:
        while poller.asked < 3:
            assert tenant.get()[0] == 200
        for number in range(50):
            made = tenant.swap(f"r{2 - number % 2}")
            assert made["atomic"]
    assert poller.wrong == []
    assert poller.asked > 100
    assert set(poller.seen) == {"r1", "r2"}


def test_a_file_that_was_changed_on_the_host_is_noticed(tenant):
    for release in ("r1", "r2"):
        tenant.stage(release)
    tenant.swap("r1")
    path = tenant.place.path("releases", "r2", "lib", "one.php")
    path.write_text(path.read_text().replace("r2", "rX"))
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime + 5))  # SFTP tells of whole seconds
    with pytest.raises(Refused, match="is not what was staged"):
        tenant.swap("r2")
    assert tenant.served() == "r1"


def test_maintenance_page(tenant, hosting):
    """The flag closes the site for visitors, and a deploy meanwhile goes its way."""
    tenant.deploy("r1")
    tenant.place.path("maintenance.flag").touch()
    assert tenant.get()[0] == 503
    tenant.deploy("r2")
    assert tenant.get()[0] == 503
    tenant.place.path("maintenance.flag").unlink()
    assert tenant.served() == "r2"


def test_two_at_once(tenant):
    """The lock keeps the second one out; whoever comes without one waits for the mutex."""
    tenant.deploy("r1")
    tenant.lock("one", purpose="a deploy")
    with pytest.raises(Refused, match="locked by one"):
        tenant.stage("r2", lock_owner="two")
    tenant.stage("r2", lock_owner="one")
    with pytest.raises(Refused, match="locked by one"):
        tenant.swap("r2", lock_owner="two")
    tenant.swap("r2", lock_owner="one")
    tenant.finish(lock_owner="one", release="r2", outcome="succeeded")
    assert tenant.served() == "r2"
    assert tenant.leftovers() == []


def test_a_dead_lock_holder(tenant):
    """Its lock is taken over by name, or runs out; what it had staged is there."""
    tenant.deploy("r1")
    tenant.lock("dead", ttl=600)
    tenant.stage("r2", lock_owner="dead")
    with pytest.raises(Refused, match="locked by dead"):
        tenant.swap("r2", lock_owner="next")
    assert "dead" in tenant.lock("next", take_over=True, ttl=1)["msg"]
    tenant.swap("r2", lock_owner="next")
    assert tenant.served() == "r2"
    time.sleep(1.1)
    assert "next" in tenant.lock("third")["msg"]
    tenant.swap("r1", lock_owner="third")
    assert tenant.served() == "r1"


@pytest.mark.parametrize("number", range(rounds(3)))
def test_passwords_and_connections(tenant, hosting, number, chance):
    """However it is reached, and over however many connections."""
    tenant.remote = hosting.options(password=hosting.password, connections=chance.randint(1, 4))
    tenant.deploy("r1")
    assert tenant.served() == "r1"


def test_wrong_credentials_leave_the_site_alone(tenant, hosting):
    tenant.deploy("r1")
    good = tenant.remote
    known = hosting.state / "other_known_hosts"
    known.write_text(f"[127.0.0.1]:{hosting.port} ssh-ed25519 {(hosting.state / 'key.pub').read_text().split()[1]}\n")
    for change, words in (
        ({"password": "wrong", "private_key": None}, "password"),
        ({"known_hosts": str(known)}, "SHA256:"),
        ({"port": 1}, "127.0.0.1"),
    ):
        tenant.remote = {**good, **change}
        with pytest.raises(RunbookError, match=words) as error:
            tenant.stage("r2")
        assert "\n" not in error.value.message
        assert "wrong" not in error.value.message.split()
    tenant.remote = good
    assert tenant.served() == "r1"


def test_a_base_that_cannot_be_written(tenant, hosting):
    tenant.path = "/nowhere-allowed/site"
    with pytest.raises((RunbookError, OSError)) as error:
        tenant.stage("r1")
    assert "nowhere-allowed" in str(error.value)
