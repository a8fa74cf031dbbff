# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a list of commands inside a release: builds, cache warm-up, migrations. No shell unless one is named."""

from __future__ import annotations

import dataclasses
import os
import shlex
import stat
import typing as t

from .._common import clock
from .._common.commands import parse, run_one
from .._common.errors import Refused, RunbookError
from .._common.runner import Run
from . import lock
from .backends import refuse_remote
from .manifest import compare
from .site import RELEASES, Site, release_id
from .store import LocalStore
from .verify import Scan, verify_tree
from .walk import Rules, is_shared, manifest_of


def run_commands(
    store: LocalStore,
    *,
    release: str,
    commands: list[list[str]],
    env: t.Mapping[str, str],
    timeout: float,
    seal: bool,
    by: str = "",
    lock_owner: str | None = None,
    check_mode: bool = False,
    assume_staged: bool = False,
) -> dict[str, t.Any]:
    """Run every command in the release's folder, stopping at the first that fails.

    A release that is not live yet is sealed afterwards: what the commands made becomes part of what is verified.
    """
    if not store.check_base():
        raise Refused(f"{store.base} does not exist; stage a release there first")
    site = Site(store)
    lock.check(site, lock_owner)
    current = site.current()
    name = current if release == "current" else release_id(release)
    record = site.records().get(name or "")
    if check_mode and assume_staged and name and record is None:
        return {"changed": bool(commands), "release": name, "sealed": False, "commands": _would_run(commands)}
    if name is None or record is None or not site.exists(name):
        raise Refused(f"release {name or release} is not on {store.base}; stage it first")
    if record.state not in ("ready", "live", "retired"):
        raise Refused(f"release {name} is {record.state}; commands run only in complete releases")
    folder = store.absolute(f"{RELEASES}/{name}")
    result: dict[str, t.Any] = {"changed": bool(commands), "release": name, "commands": [], "sealed": False}
    if check_mode:
        result["commands"] = _would_run(commands)
        return result
    for words in commands:
        ran = run_one(words, folder, env, timeout)
        result["commands"].append(dataclasses.asdict(ran))
        if ran.rc != 0:
            said = (ran.stderr.strip() or ran.stdout.strip()).splitlines()
            raise RunbookError(f"{ran.command} ended with {ran.rc} in release {name}: {said[-1] if said else 'it said nothing'}", **result)
    if seal and record.state == "ready":
        result.update(_seal(site, store, name, by))
        result["changed"] = result["changed"] or result["sealed"]
    return result


def _would_run(commands: list[list[str]]) -> list[dict[str, t.Any]]:
    return [{"command": shlex.join(words), "would_run": True} for words in commands]


def _seal(site: Site, store: LocalStore, release: str, by: str) -> dict[str, t.Any]:
    """Make the tree as it is now the content that every later check compares with."""
    folder = store.absolute(f"{RELEASES}/{release}")
    with store.mutex():
        record = site.record(release)
        old = site.manifest(release)
        if record is None or old is None:
            raise Refused(f"release {release} has no record or manifest; stage it again")
        if record.stamp and Scan(folder).stamp() == record.stamp:
            return {"sealed": False, "changes": {"added": 0, "changed": 0, "removed": 0}}
        new = manifest_of(folder, Rules(keep_all=True))
        if new.root == old.root:
            return {"sealed": False, "changes": {"added": 0, "changed": 0, "removed": 0}}
        links = {entry.path: entry for entry in new.entries if entry.kind == "l"}
        for entry in old.entries:
            if is_shared(entry) and links.get(entry.path) != entry:
                raise Refused(
                    f"a command replaced the link to shared data {entry.path} in release {release};"
                    " its data would be lost with the release, correct the command"
                )
        drift, record.stamp = verify_tree(folder, new)
        if drift:
            raise Refused(
                f"release {release} still changes after its commands ended ({drift.describe(len(new.entries))});"
                " a process is still writing to it"
            )
        changes = compare(old, new)
        _refuse_shared_inodes(site, store, release, changes.changed)
        record.root, record.files, record.bytes = new.root, len(new.files), new.total_bytes
        site.save_manifest(release, new)
        site.save(record)
        site.note("sealed", release=release, root=new.root, at=clock.now(), by=by)
        return {"sealed": True, "changes": {kind: len(paths) for kind, paths in dataclasses.asdict(changes).items()}}


def _refuse_shared_inodes(site: Site, store: LocalStore, release: str, changed: t.Sequence[str]) -> None:
    """Refuse when a changed file is one that another release has too: that release, perhaps the live one, changed with it."""
    suspects = {}
    for path in changed:
        seen = os.lstat(store.absolute(f"{RELEASES}/{release}/{path}"))
        if stat.S_ISREG(seen.st_mode) and seen.st_nlink > 1:
            suspects[seen.st_ino] = path
    for other in site.records() if suspects else ():
        found = Scan(store.absolute(f"{RELEASES}/{other}")).found if other != release and site.exists(other) else {}
        for seen in found.values():
            if seen.st_ino in suspects:
                raise Refused(
                    f"a command changed {suspects[seen.st_ino]} in place, and with it release {other}, which shares that file by a "
                    "hard link;"
                    f" put it right in {other}, then deploy under a new id with hardlink: false or a command that replaces files"
                )


def release_run(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """The module's use case."""
    refuse_remote(options, "running commands inside a release")
    return run_commands(
        LocalStore(options["path"]),
        release=options["release"],
        commands=parse(options["commands"]),
        env={str(key): str(value) for key, value in {**options["environment_vars"], **options["environment_secrets"]}.items()},
        timeout=options["timeout"],
        seal=options["seal"],
        by=options["by"],
        lock_owner=options["lock_owner"],
        check_mode=run.check_mode,
        assume_staged=options["assume_staged"],
    )
