# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts: which there are, started so that they are ready to be used, and removed."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import fcntl
import hashlib
import json
import pathlib
import socket
import time
import typing as t

from . import access, mongodb, network
from .engine import Engine, engine
from .image import image
from .shell import STATE, TestbedError, say

# Raised when containers have to be made anew although image and description are the same.
_REVISION = "1"
_ALIVE = ("running", "degraded")


@dataclasses.dataclass(frozen=True)
class Host:
    """One test host.

    ``number`` is its place in the network, ``groups`` are its inventory groups, ``services`` the systemd units that
    make up its part, ``options`` more options for its container.
    """

    name: str
    number: int
    groups: tuple[str, ...]
    services: tuple[str, ...]
    options: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        return network.address(self.number)

    @property
    def container(self) -> str:
        return f"runbook-{self.name}"


_PHP = "php8.2-fpm.service"
# Lets a host make disks of files, where the kernel has that.
_LOOP = ("--device", "/dev/loop-control", "--device-cgroup-rule", "b 7:* rmw") if pathlib.Path("/dev/loop-control").exists() else ()
_DATABASES = ("mariadb.service", "postgresql.service", "redis-server.service", "mongod.service")
HOSTS = (
    Host("web1", 11, ("web",), ("nginx.service", _PHP)),
    # The folder for tests of a full disk.
    Host("web2", 12, ("web",), ("nginx.service", _PHP), ("--tmpfs", "/srv/small:rw,size=64m,mode=755")),
    Host("db1", 13, ("db",), _DATABASES),
    Host("web3", 14, ("apache",), ("apache2.service", _PHP)),
    # A replica of db1's, or a place to restore to.
    Host("db2", 15, ("replica",), _DATABASES),
    # Whose servers are killed by tests that run on it (tests/database).
    Host("lab1", 16, ("lab",), _DATABASES, ("--tmpfs", "/srv/small:rw,size=64m,mode=755")),
    # Whose services, logs and queues are broken by tests that run on it (tests/operations).
    Host(
        "lab2",
        17,
        ("operations",),
        (
            "nginx.service",
            _PHP,
            "mariadb.service",
            "postgresql.service",
            "redis-server.service",
            "rabbitmq-server.service",
        ),
        ("--tmpfs", "/srv/small:rw,size=64m,mode=755", *_LOOP),
    ),
)


def named(names: t.Sequence[str]) -> list[Host]:
    """The hosts of these names, all when there are none."""
    unknown = sorted(set(names) - {host.name for host in HOSTS})
    if unknown:
        raise TestbedError(f"no host {', '.join(unknown)}; there are {', '.join(host.name for host in HOSTS)}")
    return [host for host in HOSTS if not names or host.name in names]


class Lock:
    """Lets one command at a time change the test hosts."""

    def __enter__(self) -> None:
        STATE.mkdir(parents=True, exist_ok=True)
        self._file = open(STATE / "lock", "w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *exc: object) -> None:
        self._file.close()


def up(names: t.Sequence[str] = ()) -> None:
    """Start hosts and wait until each is ready; what runs already is left alone."""
    chosen = named(names)
    with Lock():
        container = engine()
        tag = image(container)
        network.ensure(container)
        access.make_key()
        known = _inspect(container, chosen)
        for host in chosen:
            _start(container, host, tag, known.get(host.container))
        with concurrent.futures.ThreadPoolExecutor(len(chosen)) as pool:
            keys = dict(zip([host.name for host in chosen], pool.map(lambda host: _ready(container, host), chosen)))
        access.write(HOSTS, keys)


def down(names: t.Sequence[str] = ()) -> None:
    """Remove hosts, with everything on them; without names also their network."""
    chosen = named(names)
    with Lock():
        container = engine()
        for host in chosen:
            if container.try_("container", "inspect", host.container):
                # -v also takes the anonymous volumes along.
                container("rm", "--force", "-v", host.container)
        if not names:
            network.remove(container)
        for host in chosen:
            access.close(host.name)


def status() -> dict[str, str]:
    """The state of every host: systemd's word for it, or the engine's while it is not running."""
    container = engine()
    states = _inspect(container, HOSTS)
    answer = {}
    for host in HOSTS:
        state = states.get(host.container)
        answer[host.name] = "absent" if state is None else _systemd(container, host) if state["running"] else "stopped"
    return answer


def execute(name: str, *words: str, stdin: str | None = None) -> str:
    """Run a command on a host as root, past SSH; for setting scenes, not for what is tested."""
    (host,) = named([name])
    interactive = ["--interactive"] if stdin is not None else []
    return engine()("exec", *interactive, host.container, *words, stdin=stdin)


def _inspect(container: Engine, chosen: t.Iterable[Host]) -> dict[str, dict[str, t.Any]]:
    listing = container("ps", "--all", "--quiet", "--filter", "label=runbook-testbed").split()
    if not listing:
        return {}
    wanted = {host.container for host in chosen}
    states = {}
    for item in json.loads(container("inspect", *listing)):
        name = item["Name"].lstrip("/")
        if name in wanted:
            states[name] = {"running": item["State"]["Running"], "label": item["Config"]["Labels"].get("runbook-testbed", "")}
    return states


def _start(container: Engine, host: Host, tag: str, state: dict[str, t.Any] | None) -> None:
    label = hashlib.sha256(repr((tag, host, host.address, _REVISION)).encode()).hexdigest()[:16]
    if state and state["label"] == label:
        if not state["running"]:
            container("start", host.container)
        return
    if state:
        container("rm", "--force", "-v", host.container)
    say(f"starting {host.name} ({host.address})")
    container(
        "run",
        "--detach",
        *("--name", host.container, "--hostname", host.name, "--label", f"runbook-testbed={label}"),
        *("--network", network.NAME, "--ip", host.address),
        *(word for other in HOSTS if other != host for word in ("--add-host", f"{other.name}:{other.address}")),
        *container.systemd_options(),
        *host.options,
        *(tag, "/sbin/init"),
    )


def _systemd(container: Engine, host: Host) -> str:
    # The command's own status says only whether that word is "running".
    words = ["exec", host.container, "sh", "-c", "systemctl is-system-running || true"]
    try:
        return container(*words, seconds=20).strip() or "starting"
    except TestbedError:
        return "starting"


def _ready(container: Engine, host: Host, seconds: float = 60) -> str:
    """Switch a host's part on, let the tests in, wait for sshd; return the host's public key."""
    deadline = time.monotonic() + seconds
    while (state := _systemd(container, host)) not in _ALIVE:
        if time.monotonic() > deadline:
            logs = f"{' '.join(container.words)} logs {host.container}"
            raise TestbedError(f"{host.name} is still {state!r} after {seconds:.0f} s; see: {logs}")
        time.sleep(0.2)
    # Keys are added, not replaced: several checkouts may use the same hosts.
    script = """
    IFS= read -r key
    for user in root deploy; do
        file=$(getent passwd "$user" | cut -d: -f6)/.ssh/authorized_keys
        install -d -m 0700 -o "$user" -g "$user" "${file%/*}"
        grep -qxF "$key" "$file" 2>/dev/null || printf '%s\\n' "$key" >> "$file"
        chown "$user:$user" "$file" && chmod 0600 "$file"
    done
    """
    container("exec", "--interactive", host.container, "sh", "-ec", script, stdin=access.public_key())
    if "mongod.service" in host.services and not container.try_("exec", host.container, "test", "-x", mongodb.PLACE):
        container("cp", mongodb.mongod(), f"{host.container}:{mongodb.PLACE}")
    container("exec", host.container, "systemctl", "enable", "--quiet", "--now", "ssh.service", *host.services)
    while not _greets(host.address):
        if time.monotonic() > deadline:
            raise TestbedError(f"{host.name} does not answer at {host.address} port 22; containers' addresses must be reachable from here")
        time.sleep(0.2)
    return container("exec", host.container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").strip()


def _greets(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=2) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
