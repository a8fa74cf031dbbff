# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts are what the other tests take them for: no shell, a chroot, extensions or none, a flag that closes the site."""

from __future__ import annotations

import contextlib
import http.client
import subprocess

import paramiko
import pytest
from remote.hosting import TENANT
from remote.plain_server import PASSWORD, USER


@contextlib.contextmanager
def client(port, user, **login):
    transport = paramiko.Transport(("127.0.0.1", port))
    try:
        transport.connect(username=user, **login)
        yield transport
    finally:
        transport.close()


def get(port, path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def test_the_tenant_has_no_shell(hosting):
    words = [
        "ssh",
        "-p",
        str(hosting.port),
        "-i",
        hosting.key,
        "-o",
        f"UserKnownHostsFile={hosting.known_hosts}",
        f"{TENANT}@127.0.0.1",
        "id",
    ]
    done = subprocess.run(words, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20)
    assert done.returncode != 0
    assert "uid" not in done.stdout


def test_password_and_key_open_the_same_chroot(hosting, place):
    place.path("inside").write_text("x")
    key = paramiko.Ed25519Key.from_private_key_file(str(hosting.key))
    for login in ({"password": hosting.password}, {"pkey": key}):
        with client(hosting.port, TENANT, **login) as transport:
            sftp = paramiko.SFTPClient.from_transport(transport)
            assert "inside" in sftp.listdir(place.remote_base)
            with pytest.raises(FileNotFoundError):
                sftp.stat("/etc/passwd")


def test_the_flag_closes_the_site(place):
    release = place.path("releases", "one")
    release.mkdir(parents=True)
    (release / "index.php").write_text("<?php echo 6 * 7;")
    place.path("current").symlink_to("releases/one")
    assert get(place.web_port) == (200, "42")
    place.path("maintenance.flag").touch()
    status, body = get(place.web_port)
    assert status == 503
    assert "Down for maintenance" in body


def test_the_plain_server_is_plain(plain, plain_place):
    with client(plain.port, USER, password=PASSWORD) as transport:
        sftp = paramiko.SFTPClient.from_transport(transport)
        base = plain_place.remote_base[len(plain.root) :]
        for name in ("one", "two"):
            with sftp.open(f"{base}/{name}", "w") as stream:
                stream.write(name)
        with pytest.raises(OSError, match=r"[Ff]ail"):
            sftp.rename(f"{base}/one", f"{base}/two")
        with pytest.raises(OSError, match="unsupported"):
            sftp.posix_rename(f"{base}/one", f"{base}/two")
        sftp.symlink("one", f"{base}/link")
        assert sftp.readlink(f"{base}/link") == "one"
        plain.well(links=False)
        with pytest.raises(OSError, match="unsupported"):
            sftp.symlink("one", f"{base}/other")
        plain.well(writes=3)
        with pytest.raises(OSError, match=r"[Ff]ail"), sftp.open(f"{base}/three", "w") as stream:
            stream.write("three")
        plain.well(posix_rename=True)
        sftp.posix_rename(f"{base}/one", f"{base}/two")
    assert plain_place.path("two").read_text() == "one"


def test_the_plain_server_lies_when_told(plain, plain_place):
    base = plain_place.remote_base[len(plain.root) :]
    plain.well(
        swallow=lambda name: name.endswith("lost"), corrupt=lambda name: name.endswith("bad"), deny=lambda name: name.endswith("denied")
    )
    with client(plain.port, USER, password=PASSWORD) as transport:
        sftp = paramiko.SFTPClient.from_transport(transport)
        for name in ("lost", "bad"):
            with sftp.open(f"{base}/{name}", "w") as stream:
                stream.write("data")
        with pytest.raises(PermissionError):
            sftp.open(f"{base}/denied", "w")
        plain.well(drop_after=2)
        with pytest.raises((OSError, EOFError, paramiko.SSHException)):
            [sftp.listdir(base) for _each in range(3)]
    assert plain_place.path("lost").read_text() == ""
    assert plain_place.path("bad").read_text() == "atad"
