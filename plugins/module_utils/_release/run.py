# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a list of commands inside a release: builds, cache warm-up, migrations. No shell unless one is named."""

from __future__ import annotations

import dataclasses
import os
import shlex
import signal
import stat
import subprocess
import tempfile
import time
import typing as t

from .._common import clock
from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.runner import Run
from . import lock
from .manifest import compare
from .site import RELEASES, Site, release_id
from .store import LocalStore
from .verify import Scan, verify_tree
from .walk import Rules, manifest_of

# What of a command's output goes into a result; the end is where errors are.
TAIL = 4000


def parse(commands: t.Sequence[t.Any]) -> list[list[str]]:
    """Commands as argument lists: given as such, or as text that is split as a shell splits words (nothing is expanded)."""
    parsed = []
    for command in commands:
        try:
            if isinstance(command, t.Mapping):
                raise TypeError("it is a mapping")
            words = shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
            if any("\0" in word for word in words):
                raise ValueError("it contains a NUL byte")
        except (ValueError, TypeError) as error:
            raise InvalidInput(f"command {command!r} can't be split into words ({error}); give it as a list of arguments") from None
        if not words:
            raise InvalidInput("a command is empty; remove it from the list")
        parsed.append(words)
    return parsed


@dataclasses.dataclass
class Ran:
    """One command's end. ``rc`` as a shell reports it (128 + signal), 124 after a timeout, 127 when not found."""

    command: str
    rc: int
    stdout: str
    stderr: str
    duration_ms: float


def _tail(stream: t.IO[bytes]) -> str:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - TAIL))
    text = stream.read().decode("utf-8", "replace")
    return f"... {text}" if size > TAIL else text


def run_one(words: list[str], folder: str, env: t.Mapping[str, str], timeout: float) -> Ran:
    """Run one command to its end; it and all its children are killed when ``timeout`` seconds have passed."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                words, cwd=folder, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
        except OSError as error:
            return Ran(shlex.join(words), 127, "", f"{error.strerror}: {words[0]}", 0.0)
        except ValueError as error:  # a name or value that no environment can hold
            return Ran(shlex.join(words), 127, "", f"the environment can't be used: {error}", 0.0)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            err.write(f"\nkilled after {timeout:g} s".encode())
            code = 124
        return Ran(shlex.join(words), 128 - code if code < 0 else code, _tail(out), _tail(err), round((time.monotonic() - began) * 1000, 1))


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
            # Only links to shared data climb out of a release, see walk.leads_out.
            outward = "../" * (entry.path.count("/") + 2) + "shared/"
            if entry.kind == "l" and entry.digest.startswith(outward) and links.get(entry.path) != entry:
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
