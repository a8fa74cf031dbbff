# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container engine: found, installed, started, and spoken to."""

from __future__ import annotations

import functools
import os
import pathlib
import shutil
import subprocess
import time
import typing as t

from .shell import STATE, TestbedError, apt_install, root_prefix, run, say, succeeds

CGROUPS = pathlib.Path("/sys/fs/cgroup")


class Engine:
    """Docker, or Podman with the same words. ``words`` is how it is called, sudo included."""

    def __init__(self, words: t.Sequence[str]) -> None:
        self.words = list(words)
        self.podman = pathlib.Path(words[-1]).name == "podman"

    def __call__(self, *arguments: str | os.PathLike[str], stdin: str | None = None, seconds: float = 900) -> str:
        """Run an engine command and return what it wrote."""
        # The plain builder is enough, and is the only one that Debian 12's package brings.
        return run([*self.words, *arguments], stdin=stdin, env={"DOCKER_BUILDKIT": "0"}, seconds=seconds)

    def try_(self, *arguments: str, seconds: float = 120) -> bool:
        """Whether an engine command ends well."""
        return succeeds([*self.words, *arguments], seconds=seconds)

    def systemd_options(self) -> list[str]:
        """Options with which a container can run systemd as its first process."""
        options = ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"]
        if self.podman:
            return [*options, "--systemd=always"]
        options += ["--tmpfs", "/run", "--tmpfs", "/run/lock"]
        if (CGROUPS / "cgroup.controllers").exists():
            return [*options, "--cgroupns=host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
        # Separate cgroup trees: systemd needs its own named one and nothing else.
        return [*options, "-v", "/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw"]


@functools.cache
def engine() -> Engine:
    """A container engine that answers; it is installed and started if that is what it takes."""
    wanted = os.environ.get("TESTBED_ENGINE", "")
    name = wanted or next((word for word in ("docker", "podman") if shutil.which(word)), "docker")
    if name not in ("docker", "podman"):
        raise TestbedError(f"TESTBED_ENGINE is {name!r}; it can be docker or podman")
    missing = [package for command, package in (("ssh", "openssh-client"), ("ssh-keygen", "openssh-client")) if not shutil.which(command)]
    # The client alone may be there without the daemon.
    if not shutil.which(name) or (name == "docker" and not _answers([name]) and not shutil.which("dockerd") and not wanted):
        missing.append("docker.io" if name == "docker" else "podman")
    if missing:
        apt_install(sorted(set(missing)), "test hosts are containers reached by SSH")
    if _answers([name]):
        return Engine([name])
    prefix = root_prefix()
    if name == "podman" or _answers([*prefix, name]):
        return Engine([*prefix, name])
    _start_docker(prefix)
    return Engine([name] if _answers([name]) else [*prefix, name])


def _answers(words: t.Sequence[str]) -> bool:
    return succeeds([*words, "info"], seconds=30)


def _start_docker(prefix: t.Sequence[str]) -> None:
    if pathlib.Path("/run/systemd/system").is_dir():
        say("starting docker")
        run([*prefix, "systemctl", "start", "docker"])
        return
    if not shutil.which("dockerd"):
        raise TestbedError("the docker client is there but no daemon answers; start Docker and run again")
    STATE.mkdir(parents=True, exist_ok=True)
    log = STATE / "dockerd.log"
    # It chooses its storage driver itself; where the choice fails, the one that works everywhere is slow but works.
    for options in ([], ["--storage-driver=vfs"], ["--storage-driver=vfs", "--iptables=false"]):
        say(f"starting dockerd {' '.join(options)}".rstrip() + f", log in {log}")
        with open(log, "ab") as stream:
            process = subprocess.Popen(
                [*prefix, "dockerd", *options],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                cwd="/",
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if _answers([*prefix, "docker"]):
                return
            time.sleep(0.5)
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=20)
    raise TestbedError(f"dockerd does not start; the end of {log} says why")
