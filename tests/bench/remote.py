# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test hosts as the benchmarks reach them: connections of their own, closed before each run."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import subprocess
import tempfile
import typing as t

from bed import access, hosts
from race import BenchError, Deadline

# Where the benchmarks put things on the hosts.
PLACE = "/srv/bench"


@dataclasses.dataclass(frozen=True)
class Address:
    """Where sshd of a host is reached: its own address, or a proxy's."""

    host: str
    name: str
    port: int = 22


class Remote:
    """Runs commands on hosts and knows the words that ssh, rsync and Ansible need for it."""

    def __init__(self, folder: pathlib.Path, sources: pathlib.Path, deadline: Deadline) -> None:
        """``folder`` is for what one run writes, ``sources`` for what a next run may use again."""
        self.folder, self.sources = folder, sources
        self.deadline = deadline
        self._known = {line.split(" ", 1)[0].split(",")[0]: line.split(" ", 1)[1] for line in access.KNOWN_HOSTS.read_text().splitlines()}
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.touch()
        # A socket's path may have some 100 characters.
        self.sockets = pathlib.Path(tempfile.mkdtemp(prefix="runbook-bench-"))

    def direct(self, name: str) -> Address:
        return self.through(name, hosts.named([name])[0].address, 22)

    def through(self, name: str, host: str, port: int) -> Address:
        """Let ``host:port`` stand for the host ``name``, with that host's key."""
        label = host if port == 22 else f"[{host}]:{port}"
        with open(self.known_hosts, "a") as stream:
            stream.write(f"{label} {self._known[name]}\n")
        return Address(host=host, name=name, port=port)

    def options(self, persist: bool) -> list[str]:
        """ssh's options. ``persist``: share connections in our own folder; otherwise each command makes its own."""
        control = f"{self.sockets}/%C" if persist else "none"
        words = {
            "IdentityFile": access.KEY,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.known_hosts,
            "GlobalKnownHostsFile": "/dev/null",
            "ControlPath": control,
        }
        return [word for name, value in words.items() for word in ("-o", f"{name}={value}")]

    def shell(self, address: Address) -> str:
        """rsync's ``-e``."""
        return " ".join(["ssh", "-p", str(address.port), "-l", "root", *self.options(persist=False)])

    def run(self, host: str, script: str, seconds: float = 120) -> str:
        """A shell script on a host, past SSH, as root; for setting scenes, never timed."""
        self.deadline.left(seconds)
        return hosts.execute(host, "sh", "-euc", script)

    def disconnect(self) -> None:
        """End the shared connections: every timed run makes its own, as a user's first run of the hour does."""
        for socket in self.sockets.iterdir():
            words = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "nobody"]
            subprocess.run(words, capture_output=True, check=False, timeout=10)

    def close(self) -> None:
        self.disconnect()
        shutil.rmtree(self.sockets, ignore_errors=True)


def command(words: t.Sequence[str | os.PathLike[str]], deadline: Deadline, seconds: float = 300, **more: t.Any) -> str:
    """Run a command on this machine, return its output; ``BenchError`` with its last lines when it fails."""
    argv = [os.fspath(word) for word in words]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=deadline.left(seconds),
            check=False,
            **more,
        )
    except FileNotFoundError:
        raise BenchError(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise BenchError(f"{' '.join(argv[:4])} … did not end within {seconds:.0f} s") from None
    if done.returncode:
        last = "\n".join(done.stdout.strip().splitlines()[-25:])
        raise BenchError(f"{' '.join(argv[:4])} … failed with status {done.returncode}:\n{last}")
    return str(done.stdout)


def remove(path: pathlib.Path) -> None:
    """Remove a folder that may not be there."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
