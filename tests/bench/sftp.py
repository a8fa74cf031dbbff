# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site staged over SFTP, against OpenSSH's own ``sftp``, on a host that has an ordinary sshd."""

from __future__ import annotations

import json
import os
import sys
import typing as t

from bed import access
from bed.shell import ROOT
from race import BenchError
from remote import PLACE, Address, Remote, command
from sites import Site

HOST, USER = "web1", "deploy"
# What the action of release_stage does with backend: sftp, in a process of its own; prints what came of it.
_SCRIPT = """
import copy, json, resource, sys
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._release.options import STAGE
from ansible_collections.runbook.ops.plugins.module_utils._release.stage_plan import rules_from_options
from ansible_collections.runbook.ops.plugins.module_utils._release.stage_remote import stage_remote
from ansible_collections.runbook.ops.plugins.module_utils._release.walk import manifest_of
given = json.loads(sys.argv[1])
options = {name: copy.deepcopy(option.get("default")) for name, option in STAGE.options.items()}
remote = {name: option.get("default") for name, option in STAGE.options["remote"]["options"].items()}
options.update(given, backend="sftp", remote={**remote, **given["remote"]})
result = stage_remote(options, Run(), lambda: (given["src"], manifest_of(given["src"], rules_from_options(options))))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
print(json.dumps({"mb": peak, "sent_files": result["sent_files"], "files": result["files"], "linked": result.get("linked_files", 0)}))
"""


class Stage:
    """Stages one source again and again, each time as another release. ``address``: of the host, or of a proxy before it."""

    def __init__(self, remote: Remote, name: str, site: Site, address: Address) -> None:
        self.remote, self.site, self.address = remote, site, address
        self.path = f"{PLACE}/{name}"
        self._number = 0
        self.last: dict[str, t.Any] = {}

    def forget(self) -> None:
        """Make the host one that has nothing."""
        self.remote.run(HOST, f"mkdir -p {PLACE} && rm -rf {self.path} && mkdir {self.path} && chown {USER}: {self.path}")

    def run(self) -> None:
        self._number += 1
        connect = {"host": self.address.host, "port": self.address.port, "user": USER, "private_key": str(access.KEY)}
        given = {"path": self.path, "src": str(self.site.tree), "release": f"r{self._number}"}
        given["remote"] = {**connect, "known_hosts": str(self.remote.known_hosts)}
        environment = {**os.environ, "PYTHONPATH": str(ROOT / ".venv" / "collections")}
        words = [sys.executable, "-c", _SCRIPT, json.dumps(given)]
        self.last = json.loads(command(words, self.remote.deadline, env=environment).splitlines()[-1])

    def check(self) -> None:
        """That the release is there, whole; a run that did nothing would be fast."""
        _expect(self.remote, f"{self.path}/releases/r{self._number}", self.site)

    def check_one(self) -> None:
        """The same, and that no more than the changed file was sent."""
        self.check()
        if self.last["sent_files"] != 1:
            raise BenchError(f"{self.last['sent_files']} files were sent where one had changed")


class OpenSsh:
    """``put -r`` of ``sftp``: one request after the other, and nothing is read back."""

    def __init__(self, remote: Remote, name: str, site: Site, address: Address) -> None:
        self.remote, self.site, self.address = remote, site, address
        self.path = f"{PLACE}/{name}"
        self._batch = remote.folder / f"{name}.batch"

    def forget(self) -> None:
        self.remote.run(HOST, f"mkdir -p {PLACE} && rm -rf {self.path} && mkdir {self.path} && chown {USER}: {self.path}")

    def run(self) -> None:
        self._batch.write_text(f"put -r {self.site.tree} {self.path}/tree\n")
        options = self.remote.options(persist=False)
        words = ["sftp", "-q", "-b", self._batch, "-P", str(self.address.port), *options, f"{USER}@{self.address.host}"]
        command(words, self.remote.deadline, 1200)

    def check(self) -> None:
        _expect(self.remote, f"{self.path}/tree", self.site)


def _expect(remote: Remote, tree: str, site: Site) -> None:
    files, size = site.size()
    found = remote.run(HOST, f"find {tree} -type f -printf '%s\\n' | awk '{{ n++; s += $1 }} END {{ print n, s }}'").split()
    if found != [str(files), str(size)]:
        raise BenchError(f"{tree} on {HOST} is not what was sent ({' files, '.join(found)} bytes of {files} files, {size} bytes)")
