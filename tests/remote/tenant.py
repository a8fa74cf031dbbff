# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who deploys the small site to a host without a shell, by the modules' own use cases; and what has to be true whatever happened."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import http.client
import json
import os
import pathlib
import typing as t

import small
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import ArgumentSpec
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._release import options as specs
from ansible_collections.runbook.ops.plugins.module_utils._release.finish import release_finish
from ansible_collections.runbook.ops.plugins.module_utils._release.info import release_info
from ansible_collections.runbook.ops.plugins.module_utils._release.prune import release_prune
from ansible_collections.runbook.ops.plugins.module_utils._release.release_lock import release_lock
from ansible_collections.runbook.ops.plugins.module_utils._release.stage_plan import rules_from_options
from ansible_collections.runbook.ops.plugins.module_utils._release.stage_remote import stage_remote
from ansible_collections.runbook.ops.plugins.module_utils._release.swap import release_swap
from ansible_collections.runbook.ops.plugins.module_utils._release.walk import manifest_of

from .hosting import Place

Result = t.Dict[str, t.Any]
# What a call ends with when something went wrong; anything else is a defect.
TROUBLE = (RunbookError, OSError)


def tree_of(folder: str | pathlib.Path) -> dict[str, str]:
    """Every file and link below a folder, with what it holds."""
    found = {}
    for parent, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = os.path.join(parent, name)
            if os.path.islink(path):
                found[os.path.relpath(path, folder)] = "-> " + os.readlink(path)
            elif os.path.isfile(path):
                found[os.path.relpath(path, folder)] = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    return found


class Tenant:
    """``remote``: as the modules take it. ``path``: the site's base as that account sees it. ``work``: for sources."""

    def __init__(self, place: Place, backend: str, path: str, remote: Result, work: pathlib.Path) -> None:
        self.place, self.backend, self.path, self.remote, self.work = place, backend, path, remote, work

    def through(self, port: int, known_hosts: str | None = None) -> Tenant:
        """The same over another port."""
        remote = {**self.remote, "port": port, "known_hosts": known_hosts or self.remote["known_hosts"]}
        return Tenant(self.place, self.backend, self.path, remote, self.work)

    # -- the modules -----------------------------------------------------------------------------------------------

    def options(self, spec: ArgumentSpec, **given: t.Any) -> Result:
        unknown = set(given) - set(spec.options)
        assert not unknown, unknown
        values = {name: copy.deepcopy(option.get("default")) for name, option in spec.options.items()}
        return {**values, "path": self.path, "backend": self.backend, "remote": self._remote(spec), **given}

    def _remote(self, spec: ArgumentSpec) -> Result:
        inner = spec.options["remote"]["options"]
        unknown = set(self.remote) - set(inner)
        assert not unknown, unknown
        return {**{name: option.get("default") for name, option in inner.items()}, **self.remote}

    def source(self, release: str, megabytes: int = 0) -> str:
        folder = self.work / "sources" / release
        if not folder.exists():
            small.write(folder, release, megabytes)
        return str(folder)

    def stage(self, release: str, check: bool = False, src: str = "", **given: t.Any) -> Result:
        src = src or self.source(release)
        options = self.options(specs.STAGE, src=src, release=release, **given)
        rules = rules_from_options(options)
        return stage_remote(options, Run(check_mode=check), lambda: (src, manifest_of(src, rules)))

    def swap(self, release: str, check: bool = False, **given: t.Any) -> Result:
        return release_swap(self.options(specs.SWAP, release=release, **given), Run(check_mode=check))

    def deploy(self, release: str, **given: t.Any) -> Result:
        staged = self.stage(release, **given)
        owner = {"lock_owner": given["lock_owner"]} if "lock_owner" in given else {}
        return {**staged, **self.swap(release, **owner)}

    def prune(self, **given: t.Any) -> Result:
        return release_prune(self.options(specs.PRUNE, **given), Run())

    def info(self, **given: t.Any) -> Result:
        return release_info(self.options(specs.INFO, **given), Run())

    def lock(self, owner: str, **given: t.Any) -> Result:
        return release_lock(self.options(specs.LOCK, owner=owner, **given), Run())

    def finish(self, **given: t.Any) -> Result:
        return release_finish(self.options(specs.FINISH, **given), Run())

    # -- what is true ----------------------------------------------------------------------------------------------

    def get(self, path: str = "/") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.place.web_port, timeout=10)
        connection.request("GET", path, headers={"Host": "faults.example.com"})
        answer = connection.getresponse()
        found = answer.status, answer.read().decode(errors="replace")
        connection.close()
        return found

    def served(self) -> str:
        """The release that the site serves. Every file of it is what its source holds, and there is no other."""
        status, body = self.get()
        match = small.ANSWER.fullmatch(body)
        assert status == 200, (status, body[:300])
        assert match, (status, body[:300])
        release = match[1]
        assert tree_of(self.place.path("current").resolve()) == tree_of(self.source(release)), f"{release} is not what was deployed"
        return release

    def served_or_nothing(self) -> str | None:
        return self.served() if os.path.lexists(self.place.path("current")) else None

    def states(self) -> dict[str, str]:
        """What the records say, as they are on the host."""
        return {path.stem: json.loads(path.read_text())["state"] for path in self.place.path(".runbook", "releases").glob("*.json")}

    def leftovers(self) -> list[str]:
        """What no finished and pruned deploy may leave behind."""
        state = self.place.path(".runbook")
        found = [path for path in self.place.base.rglob("*") if path.name.endswith(".partial")]
        for folder in ("incoming", "trash", "replaced"):
            found += state.joinpath(folder).glob("*")
        found += [*state.glob("lock*"), *state.glob("mutex.d*"), *state.glob("trial*")]
        found += [state / name for name in ("next", "swap.json") if os.path.lexists(state / name)]
        known = {path.stem for path in state.joinpath("releases").glob("*.json")}
        found += [path for path in state.joinpath("manifests").glob("*") if path.name.split(".")[0] not in known]
        return sorted(str(path.relative_to(self.place.base)) for path in found)

    def history(self) -> list[Result]:
        with contextlib.suppress(FileNotFoundError):
            return [json.loads(line) for line in self.place.path(".runbook", "history.jsonl").read_text().splitlines()]
        return []

    def poller(self) -> small.Poller:
        return small.Poller("127.0.0.1", self.place.web_port)
