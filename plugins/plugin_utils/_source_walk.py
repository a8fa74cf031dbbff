# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller walks and hashes a source once, however many hosts a task runs for."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import time
import typing as t

from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.files import write_atomic
from ansible_collections.runbook.ops.plugins.module_utils._release.manifest import Manifest
from ansible_collections.runbook.ops.plugins.module_utils._release.walk import Rules, Walker, complete, hash_found

# A file that was changed this shortly (seconds) before it was hashed may change again within the same clock tick
# and is hashed again next time, as git treats "racily clean" files.
RACY = 2.0
KEEP_WALKS = 3600.0
KEEP_STAGED = 90 * 86400.0


@dataclasses.dataclass(frozen=True)
class Walked:
    """A source's manifest and how many of its names shared paths hide."""

    manifest: Manifest
    hidden: int


def walk_once(source: str, rules: Rules, cache: str, run: str) -> Walked:
    """The manifest of ``source``; computed by the first of the processes that ask with the same ``run``, read by the others."""
    folder = os.path.join(cache, "walks")
    os.makedirs(folder, 0o700, exist_ok=True)
    asked = json.dumps([os.path.realpath(source), run, dataclasses.asdict(rules)], sort_keys=True)
    name = os.path.join(folder, hashlib.sha256(asked.encode("utf-8", "surrogateescape")).hexdigest())
    with _alone(f"{name}.lock"):
        try:
            with open(name, "rb") as stream:
                hidden = int(stream.readline())
                return Walked(Manifest.from_json(stream.read()), hidden)
        except FileNotFoundError:
            pass
        walked = _walk(source, rules, cache)
        write_atomic(name, f"{walked.hidden}\n".encode() + walked.manifest.to_json())
    _forget_old(folder)
    return walked


class Memory:
    """What this controller staged on a host last. A guess about the host, never relied on: it may have been rebuilt since."""

    def __init__(self, cache: str, host: str, path: str) -> None:
        self._folder = os.path.join(cache, "staged")
        self._pointer = os.path.join(self._folder, hashlib.sha256(f"{host}\0{path}".encode()).hexdigest())

    def recall(self, like: Manifest) -> Manifest | None:
        """What was staged; ``like``: what is to be staged now, which most often differs little."""
        try:
            with open(self._pointer, encoding="ascii") as stream:
                root = stream.read()
            with open(os.path.join(self._folder, f"{root}.manifest"), "rb") as manifest:
                return Manifest.from_json(manifest.read(), like)
        except (OSError, ValueError, RunbookError):
            return None

    def keep(self, manifest: Manifest) -> None:
        os.makedirs(self._folder, 0o700, exist_ok=True)
        name = os.path.join(self._folder, f"{manifest.root}.manifest")
        if not os.path.exists(name):
            write_atomic(name, manifest.to_json())
        os.utime(name)
        write_atomic(self._pointer, manifest.root.encode())
        _forget_old(self._folder, KEEP_STAGED)


@contextlib.contextmanager
def _alone(path: str) -> t.Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _walk(source: str, rules: Rules, cache: str) -> Walked:
    walker = Walker(source, rules)
    walker.walk()
    folder = os.path.join(cache, "hashes")
    os.makedirs(folder, 0o700, exist_ok=True)
    memory = os.path.join(folder, hashlib.sha256(os.path.realpath(source).encode("utf-8", "surrogateescape")).hexdigest())
    known = _remembered(memory)
    digests: dict[str, str] = {}
    fresh = []
    for found in walker.files:
        row = known.get(found.path)
        if row and tuple(row[:4]) == found.stamp:
            digests[found.path] = row[4]
        else:
            fresh.append(found)
    began = time.time_ns()
    digests.update(hash_found(source, fresh))
    if fresh or len(known) != len(walker.files):
        limit = began - int(RACY * 1e9)
        rows = {found.path: [*found.stamp, digests[found.path]] for found in walker.files if max(found.stamp[2], found.stamp[3]) < limit}
        write_atomic(memory, json.dumps(rows, separators=(",", ":")).encode())
    return Walked(complete(walker, digests), walker.hidden)


def _remembered(path: str) -> dict[str, list[t.Any]]:
    try:
        with open(path, "rb") as stream:
            return t.cast("dict[str, list[t.Any]]", json.loads(stream.read()))
    except (FileNotFoundError, ValueError):
        return {}


def _forget_old(folder: str, keep: float = KEEP_WALKS) -> None:
    limit = time.time() - keep
    for item in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            if item.stat().st_mtime < limit:
                os.unlink(item.path)
