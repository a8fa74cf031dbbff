# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty checks of a host, as one ``host_check`` and as what people write without it: a task of ansible.builtin for each."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from race import Lane
from remote import PLACE

if t.TYPE_CHECKING:
    from benchmarks import Bench

NAMES = 10
_HOSTS = ("web1", "web2")
_FOLDER = f"{PLACE}/checks"
_SCENE = f"""
mkdir -p {_FOLDER}/app
for number in $(seq 50); do echo $number > {_FOLDER}/app/$number; done
(cd {_FOLDER}/app && sha256sum *) > {_FOLDER}/SHA256SUMS
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=www.example.com -days 90 \
  -keyout {_FOLDER}/key -out {_FOLDER}/cert.pem 2>/dev/null
touch {_FOLDER}/beat {_FOLDER}/export.csv
printf '#!/bin/sh\\necho "{{\\\\"workers\\\\": 4}}"\\n' > {_FOLDER}/health
chmod +x {_FOLDER}/health
"""

# One of ours beside the task that looks at the same, and what makes that task fail.
_PAIRS: list[tuple[dict[str, t.Any], dict[str, t.Any], str]] = [
    ({"kind": "service", "service": "nginx"}, {"command": "systemctl is-active nginx"}, "found.rc != 0"),
    ({"kind": "service", "service": "php8.2-fpm"}, {"command": "systemctl is-active php8.2-fpm"}, "found.rc != 0"),
    ({"kind": "process", "process": "nginx"}, {"command": "pgrep -c nginx"}, "found.stdout | int < 1"),
    (
        {"kind": "failed_units", "crit": 1000},
        {"command": "systemctl list-units --state=failed --plain --no-legend"},
        "found.stdout_lines | length > 1000",
    ),
    ({"kind": "disk", "path": "/", "crit": 99}, {"command": "df --output=pcent /"}, "found.stdout_lines[-1] | replace('%', '') | int > 99"),
    (
        {"kind": "disk", "path": PLACE, "crit": 99},
        {"command": f"df --output=pcent {PLACE}"},
        "found.stdout_lines[-1] | replace('%', '') | int > 99",
    ),
    (
        {"kind": "inodes", "path": "/", "crit": 99},
        {"command": "df --output=ipcent /"},
        "found.stdout_lines[-1] | replace('%', '') | int > 99",
    ),
    (
        {"kind": "memory", "crit": 99},
        {"command": "free -b"},
        "found.stdout_lines[1].split()[6] | int * 100 < found.stdout_lines[1].split()[1] | int",
    ),
    ({"kind": "swap", "crit": 99}, {"command": "swapon --show --bytes --noheadings"}, "found.rc != 0"),
    ({"kind": "load", "crit": 10000}, {"slurp": {"src": "/proc/loadavg"}}, "(found.content | b64decode).split()[1] | float > 10000"),
    ({"kind": "uptime", "crit": 1}, {"slurp": {"src": "/proc/uptime"}}, "(found.content | b64decode).split()[0] | float < 1"),
    (
        {"kind": "certificate", "path": f"{_FOLDER}/cert.pem"},
        {"command": f"openssl x509 -noout -checkend 2592000 -in {_FOLDER}/cert.pem"},
        "found.rc != 0",
    ),
    ({"kind": "port", "port": 80}, {"wait_for": {"port": 80, "timeout": 1}}, "found.state != 'started'"),
    ({"kind": "port", "port": 22}, {"wait_for": {"port": 22, "timeout": 1}}, "found.state != 'started'"),
    (
        {"kind": "file_age", "path": f"{_FOLDER}/export.csv", "crit": "1d"},
        {"stat": {"path": f"{_FOLDER}/export.csv", "get_checksum": False}},
        "not found.stat.exists or now().timestamp() - found.stat.mtime > 86400",
    ),
    (
        {"kind": "heartbeat", "path": f"{_FOLDER}/beat", "crit": "1d"},
        {"stat": {"path": f"{_FOLDER}/beat", "get_checksum": False}},
        "not found.stat.exists or now().timestamp() - found.stat.mtime > 86400",
    ),
    (
        {"kind": "file_contents", "path": f"{_FOLDER}/app", "manifest": f"{_FOLDER}/SHA256SUMS"},
        {"command": {"cmd": f"sha256sum --quiet --check {_FOLDER}/SHA256SUMS", "chdir": f"{_FOLDER}/app"}},
        "found.rc != 0",
    ),
    (
        {"kind": "command", "command": f"{_FOLDER}/health", "query": "workers", "value": 4},
        {"command": f"{_FOLDER}/health"},
        "(found.stdout | from_json).workers != 4",
    ),
    ({"kind": "process", "process": "php-fpm*"}, {"command": "pgrep -c php-fpm"}, "found.stdout | int < 1"),
    (
        {"kind": "timer", "timer": "systemd-tmpfiles-clean", "crit": "30d"},
        {"command": "systemctl show --property=ActiveState,LastTriggerUSec systemd-tmpfiles-clean.timer"},
        "'ActiveState=active' not in found.stdout",
    ),
]


def compare(bench: Bench) -> None:
    """Both plays on ten names of two hosts; every check is well, or the play would fail and so would the benchmark."""
    folder = bench.remote.folder
    for host in _HOSTS:
        bench.remote.run(host, _SCENE)
    known = [bench.remote.direct(host) for host in _HOSTS]
    addresses = [dataclasses.replace(known[number % len(known)], name=f"host{number:02}") for number in range(NAMES)]
    inventory = bench.ansible.inventory("host_checks", addresses)
    checks = [{**ours, "name": f"{number} {ours['kind']}"} for number, (ours, _task, _bad) in enumerate(_PAIRS)]
    tasks: list[dict[str, t.Any]] = []
    for _ours, task, bad in _PAIRS:
        ((module, options),) = task.items()
        tasks.append({f"ansible.builtin.{module}": options, "register": "found", "changed_when": False, "failed_when": bad})
    for name, play in (("host_check", [{"runbook.ops.host_check": {"checks": checks}}]), ("single_tasks", tasks)):
        document = [
            {"name": name, "hosts": "all", "gather_facts": False, "tasks": [{"name": f"Task {at}", **task} for at, task in enumerate(play)]}
        ]
        (folder / f"{name}.yml").write_text(json.dumps(document, indent=2))
    lanes = [Lane(name, lambda name=name: bench.ansible.play(folder / f"{name}.yml", inventory), bench.remote.disconnect)  # type: ignore[misc]
             for name in ("host_check", "single_tasks")]  # fmt: skip
    title = f"{len(_PAIRS)} checks on {NAMES} names of {len(_HOSTS)} hosts"
    result = bench.race(title, lanes)
    bench.versus(title, result, "host_check", "single_tasks", 0.15, "one host_check / single tasks of ansible.builtin")
