# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own playbooks, run as a user runs them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
import sys
import typing as t

from bed.shell import ROOT
from race import BenchError
from remote import PLACE, Address, Remote, command, remove
from runner import venvs
from runner.places import LOGS
from sites import Site

# A web server for the deployed site on each host, so that the deploy has something to prove itself on.
WEB_PORT = 8098
WEB_UNIT = "runbook-bench-web"


@functools.cache
def controller() -> pathlib.Path:
    """An environment with what a controller needs for SSH and no more: Ansible imports what it finds (paramiko: 0.07 s)."""
    LOGS.mkdir(parents=True, exist_ok=True)
    return venvs.ensure("controller", sys.executable)


@dataclasses.dataclass(frozen=True)
class Executions:
    """What was run on one host."""

    modules: int
    uploads: int
    others: int


class Ansible:
    """``ansible-playbook`` in an environment of its own: fresh connections, a cache that belongs to the benchmark."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.folder = remote.folder

    def environment(self, cache: str = "cache") -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        mine.update(
            ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), XDG_CACHE_HOME=str(self.folder / cache), ANSIBLE_NOCOLOR="1", LC_ALL="C.UTF-8"
        )
        return mine

    def inventory(self, name: str, addresses: t.Sequence[Address], variables: t.Mapping[str, t.Any] | None = None) -> pathlib.Path:
        path = self.folder / f"{name}.json"
        document = {
            "all": {
                "hosts": {address.name: {"ansible_host": address.host, "ansible_port": address.port} for address in addresses},
                "vars": {
                    "ansible_user": "root",
                    # Set, as an inventory that knows its hosts does; discovery would cost one more execution a host.
                    "ansible_python_interpreter": "/usr/bin/python3",
                    "ansible_ssh_common_args": " ".join(self.remote.options(persist=True)),
                    **(variables or {}),
                },
            }
        }
        path.write_text(json.dumps(document, indent=2) + "\n")
        return path

    def words(self, playbook: pathlib.Path, inventory: pathlib.Path, *more: str) -> list[str]:
        return [str(controller() / "ansible-playbook"), "-i", str(inventory), *more, str(playbook)]

    def play(self, playbook: pathlib.Path, inventory: pathlib.Path, *more: str, cache: str = "cache", collections: str = "") -> str:
        """Run a playbook, return its output. ``collections``: where to look for them instead of the checkout's own folder."""
        environment = {**self.environment(cache), **({"ANSIBLE_COLLECTIONS_PATH": collections} if collections else {})}
        return command(self.words(playbook, inventory, *more), self.remote.deadline, env=environment, cwd=ROOT)

    def forget(self, cache: str) -> None:
        """Make the controller one that has not deployed yet."""
        remove(self.folder / cache)

    def serve(self, addresses: t.Iterable[Address]) -> None:
        """Start the web server for deployed sites."""
        for address in addresses:
            stop_serving(self.remote, address.name)
            start = f"systemd-run -q --collect --unit {WEB_UNIT} python3 -m http.server {WEB_PORT} --directory {PLACE}"
            wait = f"for try in $(seq 50); do curl -sf -o /dev/null http://127.0.0.1:{WEB_PORT}/ && exit 0; sleep 0.1; done; exit 1"
            self.remote.run(address.name, f"mkdir -p {PLACE}; {start}; {wait}")


class Deploy:
    """One site of one source on some hosts, deployed by playbooks/deploy.yml."""

    playbook = ROOT / "playbooks" / "deploy.yml"

    def __init__(
        self, ansible: Ansible, name: str, site: Site, addresses: t.Sequence[Address], cache: str = "cache", **variables: t.Any
    ) -> None:
        self.cache = cache
        self.ansible, self.name, self.site, self.addresses = ansible, name, site, addresses
        self.path = f"{PLACE}/{name}"
        self.variables = {
            "site_path": self.path,
            "site_url": f"http://www.example.com:{WEB_PORT}/{name}/current/",
            "deploy_src": str(site.tree),
            # Every round removes a release, as every deploy does once there are enough of them.
            "deploy_keep": 2,
            "deploy_summary": "benchmark",
            "verify_probes": [{"name": "the changed file", "url": site.changing, "status": [200]}],
            **variables,
        }
        self.inventory = ansible.inventory(name, addresses, self.variables)

    def run(self, *more: str) -> str:
        return self.ansible.play(self.playbook, self.inventory, *more, cache=self.cache)

    def environment(self) -> dict[str, str]:
        return self.ansible.environment(self.cache)

    def words(self) -> list[str]:
        return self.ansible.words(self.playbook, self.inventory)

    def check(self) -> None:
        """That the change is live on every host; a run that did nothing would be fast."""
        expect(self.ansible.remote, self.addresses, f"{self.path}/current", self.site)

    def forget(self) -> None:
        """Make the hosts empty again."""
        for address in self.addresses:
            self.ansible.remote.run(address.name, f"rm -rf {self.path}")

    def executions(self) -> dict[str, Executions]:
        """Deploy once more, telling everything, and count what was executed on each host."""
        self.ansible.remote.disconnect()
        return count(self.run("-vvv"), self.addresses)

    def sent_bytes(self) -> dict[str, int]:
        """Deploy once more and read ``sent_bytes`` of release_stage for each host."""
        output = self.run("-v")
        found = {}
        for address in self.addresses:
            # A host's result is what is indented below its line.
            results = re.findall(rf"^changed: \[{re.escape(address.name)}\] => ?\n((?: .*\n)+)", output, re.MULTILINE)
            sent = [match[1] for result in results if (match := re.search(r"^ +sent_bytes: (\d+)$", result, re.MULTILINE))]
            if len(sent) != 1:
                raise BenchError(f"the deploy did not say what it sent to {address.name}:\n{output[-2000:]}")
            found[address.name] = int(sent[0])
        return found


def count(output: str, addresses: t.Sequence[Address]) -> dict[str, Executions]:
    """Executions by host in the output of ``ansible-playbook -vvv``: modules (a Python that reads a program, or a request to an agent that
    is there), uploads (a Python with a program of its own that reads data), and anything else, such as starting an agent that stays,
    making folders and removing them."""
    found = {}
    for address in addresses:
        lines = re.findall(rf"^<{re.escape(address.host)}> SSH: EXEC (.*)$", output, re.MULTILINE)
        modules = sum(bool(re.search(r"python[0-9.]* && sleep 0", line)) for line in lines)
        starts = sum("concurrent.futures" in line for line in lines)
        uploads = sum(bool(re.search(r"python[0-9.]* -c ", line)) for line in lines) - starts
        requests = len(re.findall(rf"^<{re.escape(address.host)}> AGENT: ASK ", output, re.MULTILINE))
        found[address.name] = Executions(modules + requests, uploads, len(lines) - modules - uploads)
        modules += requests
        if not modules:
            raise BenchError(f"no module execution was found for {address.name}; has the output of -vvv changed?")
    return found


def expect(remote: Remote, addresses: t.Sequence[Address], tree: str, site: Site) -> None:
    """The changed file as it should be, and as many files as the source has."""
    wanted = hashlib.sha256((site.tree / site.changing).read_bytes()).hexdigest()
    files, _size = site.size()
    for address in addresses:
        script = f"cd {tree}/ && sha256sum < {site.changing} | cut -c1-64 && find . -type f | wc -l"
        digest, number = remote.run(address.name, script).split()
        # Capistrano writes REVISION into a release.
        if digest != wanted or int(number) not in (files, files + 1):
            raise BenchError(f"{tree} on {address.name} is not what was deployed ({number} of {files} files)")


def stop_serving(remote: Remote, host: str) -> None:
    """Stop the web server of a host, if it runs."""
    remote.run(host, f"systemctl stop {WEB_UNIT} 2>/dev/null || true; systemctl reset-failed {WEB_UNIT} 2>/dev/null || true")
