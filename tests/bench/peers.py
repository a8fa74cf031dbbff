# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the deploy is measured against: plain rsync, and Capistrano. Both from Debian."""

from __future__ import annotations

import concurrent.futures
import shutil
import typing as t

from bed import access
from bed.shell import TestbedError, apt_install
from ours import expect
from race import BenchError
from remote import PLACE, Address, Remote, command
from sites import Site


def need(program: str, package: str, why: str) -> None:
    """Have a program on this machine, or say how to."""
    if not shutil.which(program):
        try:
            apt_install([package], why)
        except TestbedError as error:
            raise BenchError(str(error)) from None


def need_on_host(remote: Remote, host: str, program: str, package: str) -> None:
    """Have a program on a test host."""
    install = f"{{ apt-get -q update && apt-get -q install -y --no-install-recommends {package}; }} >/dev/null 2>&1"
    remote.run(host, f"command -v {program} >/dev/null || {install}", 300)


class Rsync:
    """``rsync -a --delete --link-dest`` of a folder to a new folder on each host, as a loop in a shell does it."""

    def __init__(self, remote: Remote, name: str, site: Site, addresses: t.Sequence[Address]) -> None:
        need("rsync", "rsync", "the peer of the deploy benchmark")
        self.remote, self.site, self.addresses = remote, site, addresses
        self.path = f"{PLACE}/{name}"
        self.number = 0

    def prepare(self) -> None:
        """A new folder's number; only the two newest ones stay (rsync itself removes none)."""
        self.number += 1
        for address in self.addresses:
            self.remote.run(address.name, f"mkdir -p {self.path} && rm -rf {self.path}/{self.number - 2}")

    def one_after_the_other(self) -> None:
        for address in self.addresses:
            self._send(address)

    def at_once(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(len(self.addresses)) as pool:
            list(pool.map(self._send, self.addresses))

    def _send(self, address: Address) -> None:
        words = ["rsync", "-a", "--delete", "-e", self.remote.shell(address)]
        if self.number > 1:
            words.append(f"--link-dest=../{self.number - 1}")
        command([*words, f"{self.site.tree}/", f"{address.host}:{self.path}/{self.number}/"], self.remote.deadline)

    def check(self) -> None:
        expect(self.remote, self.addresses, f"{self.path}/{self.number}", self.site)

    def forget(self) -> None:
        for address in self.addresses:
            self.remote.run(address.name, f"rm -rf {self.path}")
        self.number = 0


class Capistrano:
    """``cap production deploy`` from a git repository that lies on the host itself."""

    def __init__(self, remote: Remote, site: Site, address: Address, near: Address) -> None:
        """``address`` is where Capistrano connects to; ``near`` reaches the same host without delay, for commits."""
        need("cap", "capistrano", "the peer of the latency benchmark")
        need_on_host(remote, address.name, "git", "git")
        self.remote, self.site, self.address, self.near = remote, site, address, near
        self.path = f"{PLACE}/capistrano"
        self.repository = f"{PLACE}/capistrano.git"
        self.folder = remote.folder / "capistrano"
        self._set_up()

    def _set_up(self) -> None:
        stages = self.folder / "config" / "deploy"
        stages.mkdir(parents=True)
        (self.folder / "Capfile").write_text(
            'require "capistrano/setup"\nrequire "capistrano/deploy"\nrequire "capistrano/scm/git"\ninstall_plugin Capistrano::SCM::Git\n'
        )
        (stages.parent / "deploy.rb").write_text(
            f'set :application, "bench"\nset :repo_url, "file://{self.repository}"\nset :branch, "main"\n'
            f'set :deploy_to, "{self.path}"\nset :keep_releases, 2\n'
        )
        (stages / "production.rb").write_text(
            f'server "{self.address.host}", user: "root", roles: %w{{app web}}, ssh_options: {{\n'
            f'  port: {self.address.port}, keys: ["{access.KEY}"], keys_only: true, auth_methods: ["publickey"], config: false,\n'
            f"  forward_agent: false, verify_host_key: :always,\n"
            f'  user_known_hosts_file: ["{self.remote.known_hosts}"], global_known_hosts_file: ["/dev/null"]\n}}\n'
        )
        self.remote.run(self.address.name, f"rm -rf {self.path} {self.repository} && git init -q --bare -b main {self.repository}")
        self._git("init", "-q", "-b", "main")
        self.commit()

    def _git(self, *words: str) -> None:
        environment = {
            "GIT_SSH_COMMAND": self.remote.shell(self.near).replace(" -l root", ""),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "PATH": "/usr/bin:/bin",
        }
        identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "safe.directory=*"]
        command(
            ["git", f"--git-dir={self.remote.folder}/small.git", f"--work-tree={self.site.tree}", *identity, *words],
            self.remote.deadline,
            env=environment,
        )

    def commit(self) -> None:
        """Commit what changed and bring it to the repository on the host."""
        self._git("add", "-A")
        self._git("commit", "-q", "-m", "change")
        self._git("push", "-q", f"ssh://root@{self.near.host}:{self.near.port}{self.repository}", "main")

    def run(self) -> None:
        command(["cap", "production", "deploy"], self.remote.deadline, cwd=self.folder)

    def check(self) -> None:
        expect(self.remote, [self.address], f"{self.path}/current", self.site)
