# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OpenSSH server of a test's own: its own port, host keys and settings, beside whatever sshd the machine runs. Needs root."""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import time
import typing as t

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PubkeyAuthentication yes
LoginGraceTime 20
MaxStartups 100
LogLevel VERBOSE
"""


class OwnSshd:
    """``lines`` of configuration win over the usual ones (``Match`` and what follows goes to the end, where it has to be). Unless one
    of them is a Subsystem, SFTP is the built-in server."""

    def __init__(self, folder: pathlib.Path, *lines: str, host_keys: t.Sequence[str] = ("ed25519", "rsa")) -> None:
        self.folder = folder
        self.lines = lines
        self.host_keys = tuple(host_keys)
        self.host = "127.0.0.1"
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        for kind in host_keys:
            self.new_host_key(kind)

    def new_host_key(self, kind: str) -> None:
        """Make a host key, or another one."""
        path = self.folder / f"host_{kind}"
        path.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)

    def known_host(self, kind: str, name: str | None = None) -> str:
        """The line of known_hosts for one of its keys."""
        public = (self.folder / f"host_{kind}.pub").read_text().split()
        return f"{name or f'[{self.host}]:{self.port}'} {public[0]} {public[1]}\n"

    def fingerprint(self, kind: str) -> str:
        shown = subprocess.run(["ssh-keygen", "-lf", self.folder / f"host_{kind}.pub"], check=True, capture_output=True, text=True)
        return shown.stdout.split()[1]

    def authorize(self, public_key: str) -> None:
        with open(self.folder / "authorized_keys", "a") as file:
            file.write(public_key.strip() + "\n")

    def start(self) -> OwnSshd:
        end = next((number for number, line in enumerate(self.lines) if line.startswith("Match")), len(self.lines))
        config = [*self.lines[:end], _CONFIG.format(port=self.port, folder=self.folder)]
        config += [f"HostKey {self.folder}/host_{kind}" for kind in self.host_keys]
        if not any(line.startswith("Subsystem") for line in self.lines):
            config.append("Subsystem sftp internal-sftp")
        config += self.lines[end:]
        (self.folder / "sshd_config").write_text("\n".join(config) + "\n")
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", self.folder / "sshd_config"], stdin=subprocess.DEVNULL, stderr=log)
        end = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1) as probe:
                probe.recv(8)
                return self
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"sshd did not start: {self.log()}")
            time.sleep(0.02)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> OwnSshd:
        return self.start()

    def __exit__(self, *given: object) -> None:
        self.stop()


@contextlib.contextmanager
def own_user(home: pathlib.Path, password: str) -> t.Iterator[str]:
    """A user of the system's, with that password, for as long as it is needed."""
    name = f"rb{secrets.token_hex(4)}"
    home.mkdir(parents=True, exist_ok=True)
    subprocess.run(["useradd", "--no-create-home", "--home-dir", home, "--shell", "/bin/sh", name], check=True)
    try:
        set_password(name, password)
        shutil.chown(home, name)
        yield name
    finally:
        subprocess.run(["userdel", "--force", name], check=False, capture_output=True)


def set_password(name: str, password: str) -> None:
    subprocess.run(["chpasswd"], input=f"{name}:{password}\n".encode(), check=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
