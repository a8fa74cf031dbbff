# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of backups at another place: what is there, what has to be sent, and whether it arrived."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.progress import Progress, megabytes
from .._common.runner import Run
from .._database import catalogue, sidecar
from .._database.catalogue import Entry
from .._database.sidecar import Sidecar
from .fetch import fetch
from .rclone import Rclone, Remote, connected

OFFSITE = ArgumentSpec(
    {
        "direction": {"type": "str", "choices": ["push", "fetch"], "default": "push"},
        "dest": {"type": "path", "required": True},
        "name": {"type": "str"},
        "remote": {"type": "str", "required": True},
        "config": {"type": "dict", "default": {}, "no_log": True},
        "config_file": {"type": "path"},
        "select": {"type": "str", "choices": ["latest", "missing", "ids"], "default": "missing"},
        "ids": {"type": "list", "elements": "str", "default": []},
        "verify": {"type": "str", "choices": ["new", "latest", "all"], "default": "new"},
        "retries": {"type": "int", "default": 3},
    },
    mutually_exclusive=[("config", "config_file")],
    required_if=[("select", "ids", ["ids", "name"]), ("direction", "fetch", ["name"])],
)


@dataclasses.dataclass
class Copy:
    """A backup and its copy. ``trouble`` says why the copy is none, empty when it seems to be one."""

    name: str
    id: str
    trouble: str
    sent: bool = False
    verified: bool = False

    def to_dict(self) -> dict[str, t.Any]:
        return {**dataclasses.asdict(self), "state": "missing" if self.trouble == "missing" else "bad" if self.trouble else "good"}


def offsite_copy(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """The module's use case."""
    if options["select"] == "ids" and not all(sidecar.is_id(identity) for identity in options["ids"]):
        raise InvalidInput(f"ids: {', '.join(options['ids'])} are not all ids of backups, such as 20261121_101500")
    remote = Remote(options["remote"], options["config"], options["config_file"] or "", options["retries"])
    remote.check()
    if remote.unchecked_host:
        run.warn(f"config: {remote.unchecked_host} has no known_hosts_file, so nobody compares the key of its host")
    with connected(remote) as rclone:
        if options["direction"] == "fetch":
            return fetch(rclone, options["dest"], options["name"], options["select"], options["ids"], run)
        return _push(rclone, options, run)


def _push(rclone: Rclone, options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    copies: list[Copy] = []
    failures: list[str] = []
    for folder in catalogue.folders(options["dest"], options["name"]):
        found = catalogue.scan(folder)
        if options["name"] is not None and not found.entries:
            raise Refused(f"there are no backups in {folder}; make one first, or correct name and dest")
        quoted = os.path.basename(folder)
        there = rclone.list(quoted)
        for number, entry in enumerate(_chosen(found.entries, options)):
            copy = Copy(found.name, entry.id, _trouble(entry, there))
            copies.append(copy)
            try:
                known = not copy.trouble
                read = options["verify"] == "all" or (options["verify"] == "latest" and number == 0)
                if known and read:
                    copy.trouble, copy.verified = _read_back(rclone, quoted, t.cast(Sidecar, entry.sidecar), run), True
                if copy.trouble and not run.check_mode:
                    _send(rclone, quoted, entry, copy, f"{entry.id}.json" in there, run)
            except RunbookError as error:
                # A bad one among older ones is told; the newest being bad is a failure of its own.
                if entry.state == "good" or number == 0 or options["select"] == "ids":
                    failures.append(f"{found.name} {entry.id}: {error.message}")
                else:
                    run.warn(f"{found.name} {entry.id} was not sent: {error.message}")
    result = _result(rclone, copies, run.check_mode)
    if failures:
        raise RunbookError("; ".join(failures), **result)
    return result


def _chosen(entries: list[Entry], options: t.Mapping[str, t.Any]) -> list[Entry]:
    if options["select"] == "latest":
        return entries[:1]
    if options["select"] == "missing":
        return entries
    absent = set(options["ids"]) - {entry.id for entry in entries}
    if absent:
        raise Refused(f"there is no backup {', '.join(sorted(absent))} of {options['name']} in {options['dest']}")
    return [entry for entry in entries if entry.id in options["ids"]]


def _trouble(entry: Entry, there: t.Mapping[str, int]) -> str:
    """What a listing tells against a copy."""
    name = f"{entry.id}.json"
    if name not in there:
        partial = any(one.startswith((f"{entry.id}.", f"{entry.id}/")) for one in there)
        return "its sidecar is missing, so it was never complete" if partial else "missing"
    if not entry.sidecar:
        return ""  # a copy may be all that is left of it
    for part in entry.sidecar.parts:
        if part.file not in there:
            return f"{part.file} is missing"
        if there[part.file] != part.stored_bytes:
            return f"{part.file} has {there[part.file]:,} of {part.stored_bytes:,} bytes"
    return ""


def _read_back(rclone: Rclone, quoted: str, found: Sidecar, run: Run) -> str:
    """What reading every byte tells against a copy; empty when they are those of the backup."""
    progress = Progress(f"reading back {found.name} {found.id}", run.say, size=found.stored_bytes)
    for part in found.parts:
        size, digest = rclone.digest(f"{quoted}/{part.file}", lambda count: progress.advance(0, count))
        if (size, digest) != (part.stored_bytes, part.stored_sha256):
            return f"{part.file} reads back as {size:,} bytes that are not those of the backup"
    return ""


def _send(rclone: Rclone, quoted: str, entry: Entry, copy: Copy, named: bool, run: Run) -> None:
    """Data, proven by reading it back; the sidecar last. A copy that is not proven after some tries has no sidecar.

    ``named`` says whether it has one now.
    """
    entry.verify("checksum")
    found = entry.sidecar
    if entry.state != "good" or found is None:
        raise RunbookError(f"it is not good here ({entry.trouble}), so it was not sent")
    path = sidecar.sidecar_path(entry.folder, entry.id)
    with open(path, "rb") as stream:
        data = stream.read()
    name = f"{quoted}/{entry.id}.json"
    if named:
        # What was a backup is none while its data is exchanged.
        rclone.remove(name)
    for number in range(1, rclone.retries + 1):
        run.say(f"sending {found.name} {found.id}, {megabytes(found.stored_bytes)}" + (f", try {number}" if number > 1 else ""))
        for part in found.parts:
            rclone.send(os.path.join(entry.folder, part.file), f"{quoted}/{part.file}")
        trouble = _read_back(rclone, quoted, found, run)
        if trouble:
            continue
        rclone.send(path, name)
        if rclone.content(name, 2 * len(data)) == data:
            copy.sent, copy.verified = True, True
            return
        trouble = "its sidecar reads back differently"
        rclone.remove(name)
    raise RunbookError(f"{trouble}, {rclone.retries} times; the copy has no sidecar and does not count, look at {rclone.where}")


def _result(rclone: Rclone, copies: t.Sequence[Copy], check_mode: bool) -> dict[str, t.Any]:
    changed = [copy for copy in copies if copy.sent or (check_mode and copy.trouble)]
    for copy in copies:
        # What was wrong with it is put right now.
        if copy.sent:
            copy.trouble = ""
    before = [f"{copy.name} {copy.id}\n" for copy in copies if copy not in changed]
    return {
        "changed": bool(changed),
        "copied": [{"name": copy.name, "id": copy.id} for copy in changed],
        "copies": [copy.to_dict() for copy in copies],
        "diff": {
            "before_header": rclone.where,
            "after_header": rclone.where,
            "before": "".join(before),
            "after": "".join(before + [f"{copy.name} {copy.id}\n" for copy in changed]),
        },
    }
