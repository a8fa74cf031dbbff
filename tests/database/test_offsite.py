# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""offsite_copy to a folder and to a real SFTP server, which is started for it."""

# pylint: disable=wildcard-import,unused-wildcard-import
from __future__ import annotations

import getpass
import pathlib
import socket
import subprocess
import time

import pytest
from faults.offsite_cases import *  # noqa: F403 - the tests themselves
from faults.offsite_cases import Place, copies  # noqa: F401


@pytest.fixture(scope="module")
def sftp_server(tmp_path_factory):
    """An sshd of our own: its port, the client's key, and known hosts."""
    root = tmp_path_factory.mktemp("sshd")
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(root / name)], check=True)
    (root / "authorized").write_text((root / "client.pub").read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (root / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {root}/host\nAuthorizedKeysFile {root}/authorized\nStrictModes no\n"
        f"PidFile none\nUsePAM no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
    )
    (root / "known").write_text(f"[127.0.0.1]:{port} {' '.join((root / 'host.pub').read_text().split()[:2])}\n")
    pathlib.Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(root / "sshd_config")], stderr=subprocess.DEVNULL)
    try:
        for _try in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port, root
    finally:
        server.terminate()
        server.wait()


def _in_folder(where, config, folder):
    def write(name, data):
        (folder / name).write_bytes(data)

    return Place(where, config, lambda name: (folder / name).read_bytes(), write, lambda name: (folder / name).unlink())


@pytest.fixture(params=["folder", "sftp"])
def remote(request, tmp_path):
    folder = tmp_path / "there"
    if request.param == "folder":
        return _in_folder(str(folder), {}, folder)
    port, root = request.getfixturevalue("sftp_server")
    section = {"type": "sftp", "host": "127.0.0.1", "port": port, "user": getpass.getuser(), "key_file": str(root / "client")}
    section.update({"known_hosts_file": str(root / "known"), "shell_type": "none"})
    return _in_folder(f"backup:{folder}", {"backup": section}, folder)


def test_a_server_with_another_key(copies, remote, sftp_server):  # noqa: F811
    """What somebody in between would show."""
    if not remote.config:
        return
    port, root = sftp_server
    (root / "others").write_text(
        (root / "known").read_text().replace((root / "host.pub").read_text().split()[1], (root / "client.pub").read_text().split()[1])
    )
    copies.backups.make()
    with pytest.raises(RunbookError, match="key"):  # noqa: F405
        copies.go(config={"backup": {**remote.config["backup"], "known_hosts_file": str(root / "others")}})
    copies.go(config={"backup": {**remote.config["backup"], "known_hosts_file": ""}})
    assert "nobody compares the key" in copies.warned[-1]


def test_a_server_that_is_gone(copies, remote):  # noqa: F811
    copies.backups.make()
    config = {"backup": {**remote.config.get("backup", {"type": "sftp", "host": "127.0.0.1"}), "port": 1}}
    with pytest.raises(RunbookError, match="refused|connect") as error:  # noqa: F405
        copies.go(remote="backup:/x", config=config)
    assert "\n" not in error.value.message
