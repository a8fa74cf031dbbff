# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the hosts are reached: a key of our own, known host keys, an inventory and an ssh configuration."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import subprocess
import typing as t

from .shell import STATE, TestbedError, run

if t.TYPE_CHECKING:
    from .hosts import Host

KEY = STATE / "id_ed25519"
KNOWN_HOSTS = STATE / "known_hosts"
SSH_CONFIG = STATE / "ssh_config"
INVENTORY = STATE / "inventory" / "hosts.yml"


def make_key() -> None:
    """Make the key pair that the hosts let in, once."""
    if not KEY.is_file():
        STATE.mkdir(parents=True, exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "runbook-testbed", "-f", KEY])


def public_key() -> str:
    """The line for authorized_keys."""
    return KEY.with_suffix(".pub").read_text()


def control_folder() -> pathlib.Path:
    """A folder for connection sockets: their path may have some 100 characters, which a checkout's path can exceed."""
    folder = pathlib.Path(f"/tmp/runbook-{os.getuid()}-{hashlib.sha256(os.fsencode(STATE)).hexdigest()[:6]}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise TestbedError(f"{folder} belongs to somebody else; remove it")
    return folder


def write(hosts: t.Sequence[Host], keys: t.Mapping[str, str]) -> None:
    """Write known_hosts, the inventory and the ssh configuration; ``keys`` are the host keys learnt now, by host name."""
    known = {}
    if KNOWN_HOSTS.is_file():
        for line in KNOWN_HOSTS.read_text().splitlines():
            names, key = line.split(" ", 1)
            known[names.split(",")[0]] = key
    known.update({name: " ".join(key.split()[:2]) for name, key in keys.items()})
    lines = [f"{host.name},{host.address} {known[host.name]}\n" for host in hosts if host.name in known]
    KNOWN_HOSTS.write_text("".join(lines))
    for name, key in keys.items():
        _forget_other_sessions(name, key)
    options = {
        "IdentityFile": str(KEY),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(KNOWN_HOSTS),
        "GlobalKnownHostsFile": "/dev/null",
        "ControlMaster": "auto",
        "ControlPersist": "60s",
        "ControlPath": str(control_folder() / "%C"),
    }
    # JSON is YAML, and needs no library.
    INVENTORY.parent.mkdir(parents=True, exist_ok=True)
    INVENTORY.write_text("# Written by tests/testbed/testbed.py up\n" + json.dumps(_inventory(hosts, options), indent=2) + "\n")
    text = "".join(f"Host {host.name}\n  HostName {host.address}\n" for host in hosts)
    text += "Host *\n  User root\n" + "".join(f"  {name} {value}\n" for name, value in options.items())
    SSH_CONFIG.write_text(text)


def _inventory(hosts: t.Sequence[Host], options: t.Mapping[str, str]) -> dict[str, t.Any]:
    def members(group: str) -> dict[str, t.Any]:
        return {"hosts": {host.name: {"ansible_host": host.address} for host in hosts if group in host.groups}}

    return {
        "all": {
            "vars": {
                "ansible_user": "root",
                "ansible_python_interpreter": "/usr/bin/python3",
                "ansible_pipelining": True,
                "ansible_ssh_common_args": " ".join(f"-o {name}={value}" for name, value in options.items()),
            },
            "children": {
                "prod": {"children": {"web": members("web"), "db": members("db")}},
                **{group: members(group) for group in ("apache", "replica", "lab")},
            },
        }
    }


def _forget_other_sessions(name: str, key: str) -> None:
    """Close a shared connection to a host that has been made anew: it leads nowhere and would hang."""
    mark = STATE / f"{name}.key"
    if mark.is_file() and mark.read_text() != key:
        close(name)
    mark.write_text(key)


def close(name: str) -> None:
    """End the shared connection to a host, for every user that has one."""
    if SSH_CONFIG.is_file():
        for user in ("root", "deploy"):
            subprocess.run(["ssh", "-F", SSH_CONFIG, "-O", "exit", f"{user}@{name}"], capture_output=True, check=False)
