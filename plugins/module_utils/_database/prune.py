# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove backups that nobody needs any more, so that no interruption and no failing week costs the last good one."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import time
import typing as t
import urllib.parse

from .._common.argspec import ArgumentSpec
from .._common.errors import Refused
from .._common.files import fsync_folder
from .._common.runner import Run
from . import catalogue, retention
from .catalogue import Catalogue
from .folder import Folder
from .retention import Policy, Row

# Of partial files and data without a sidecar: what is younger may belong to a backup that is being made.
STRAY_AGE = 86400.0

RETENTION = ArgumentSpec(
    {
        "keep_last": {"type": "int"},
        "keep_hourly": {"type": "int"},
        "keep_daily": {"type": "int"},
        "keep_weekly": {"type": "int"},
        "keep_monthly": {"type": "int"},
        "keep_yearly": {"type": "int"},
        "min_good": {"type": "int", "default": 2},
        "max_age": {"type": "str", "default": "10d"},
    }
)
PRUNE = RETENTION.merge(
    ArgumentSpec(
        {
            "dest": {"type": "path", "required": True},
            "name": {"type": "str"},
            "verify": {"type": "str", "choices": ["sizes", "checksum"], "default": "checksum"},
        }
    )
)


@dataclasses.dataclass
class Outlook:
    """What is to happen in one folder. ``held`` says why nothing is deleted."""

    catalogue: Catalogue
    rows: list[Row]
    held: str
    strays: list[str]

    @property
    def deleted(self) -> list[str]:
        return [] if self.held else [row.id for row in self.rows if row.action == "delete"]

    def listed(self) -> list[dict[str, str]]:
        """Rows as they are returned: nothing goes when it is held."""
        return [
            {
                "name": self.catalogue.name,
                **row.to_dict(),
                **({"action": "keep", "reason": f"nothing is deleted now ({row.reason})"} if self.held and row.action == "delete" else {}),
            }
            for row in self.rows
        ]


def foresee(folder: str, policy: Policy, *, checksum: bool, now: float, tick: t.Callable[[int], None] = lambda count: None) -> Outlook:
    """What is to be kept and deleted. Every backup that is to stay as a good one is proven to be one first, if ``checksum``."""
    found = catalogue.scan(folder)
    entries = {entry.id: entry for entry in found.entries}
    while True:
        candidates = [entry.candidate() for entry in found.entries]
        rows = retention.plan(candidates, policy)
        unproven = [entries[row.id] for row in rows if row.action == "keep" and row.state == "good" and entries[row.id].verified == "none"]
        if not checksum or not unproven:
            break
        # What turns out to be bad makes room for another, which has to be proven in its turn.
        for entry in unproven:
            entry.verify("checksum", tick=tick)
    retention.guard(candidates, policy, now)
    return Outlook(found, rows, retention.held(candidates, found.attempts), _strays(folder, found.orphans, now))


def _strays(folder: str, orphans: t.Sequence[str], now: float) -> list[str]:
    # Hidden partial folders belong to the folder's lock: whoever takes it removes them.
    return [name for name in orphans if not name.startswith(".") and now - _newest_change(os.path.join(folder, name)) > STRAY_AGE]


def _newest_change(path: str) -> float:
    """Of a file, or of a folder and what is in it."""
    with contextlib.suppress(FileNotFoundError):
        information = os.lstat(path)
        newest = information.st_mtime
        if stat.S_ISDIR(information.st_mode):
            with os.scandir(path) as inside:
                newest = max([newest, *(entry.stat(follow_symlinks=False).st_mtime for entry in inside)])
        return newest
    return time.time()


def carry_out(outlook: Outlook) -> int:
    """Delete what is to be deleted. Sidecars go first: data without one is no backup, and the next run removes it. Returns freed bytes."""
    folder = outlook.catalogue.folder
    freed = 0
    for identity in outlook.deleted:
        os.unlink(os.path.join(folder, f"{identity}.json"))
        fsync_folder(folder)
        for name in catalogue.names_of(folder, identity):
            freed += _remove(folder, name)
    for name in outlook.strays:
        freed += _remove(folder, name)
    return freed


def _remove(folder: str, name: str) -> int:
    """A file, a link (never what it points to), or a folder of files; freed bytes. Folders within that are nobody's here and stay."""
    path = os.path.join(folder, name)
    information = os.lstat(path)
    if not stat.S_ISDIR(information.st_mode):
        os.unlink(path)
        return information.st_size
    freed = 0
    # By descriptor: the folder can't be exchanged for a link meanwhile.
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for inside in os.listdir(fd):
            one = os.stat(inside, dir_fd=fd, follow_symlinks=False)
            if not stat.S_ISDIR(one.st_mode):
                os.unlink(inside, dir_fd=fd)
                freed += one.st_size
    finally:
        os.close(fd)
    with contextlib.suppress(OSError):
        os.rmdir(path)
    return freed


def db_backup_prune(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """The module's use case. One database's refusal does not keep the others from being pruned, and fails the whole at the end."""
    policy = Policy.from_options(options)
    outlooks: list[Outlook] = []
    refused: list[str] = []
    freed = 0
    for folder in catalogue.folders(options["dest"], options["name"]):
        if not os.path.isdir(folder):
            raise Refused(f"{folder} does not exist; there are no backups of {options['name']} in {options['dest']}")
        try:
            # No backup is made meanwhile, so what is partial is left from a run that was killed.
            place = Folder(options["dest"], urllib.parse.unquote(os.path.basename(folder)))
            with contextlib.nullcontext() if run.check_mode else place.locked("a pruning"):
                outlook = foresee(folder, policy, checksum=options["verify"] == "checksum", now=time.time())
                if not run.check_mode:
                    freed += carry_out(outlook)
            outlooks.append(outlook)
        except Refused as error:
            refused.append(f"{os.path.basename(folder)}: {error.message}" if options["name"] is None else error.message)
    result = _result(outlooks, freed)
    if refused:
        raise Refused("; ".join(refused), **result)
    for outlook in outlooks:
        if outlook.held:
            run.warn(f"nothing of {outlook.catalogue.name} was deleted: {outlook.held}")
    return result


def _result(outlooks: t.Sequence[Outlook], freed: int) -> dict[str, t.Any]:
    rows = [row for outlook in outlooks for row in outlook.listed()]
    deleted = [row for row in rows if row["action"] == "delete"]
    strays = [f"{outlook.catalogue.name}/{name}" for outlook in outlooks for name in outlook.strays]
    before = [f"{row['name']} {row['id']}" for row in rows] + [f"{name}  # no backup, older than a day" for name in strays]
    after = [f"{row['name']} {row['id']}  # {row['reason']}" for row in rows if row["action"] == "keep"]
    return {
        "changed": bool(deleted or strays),
        "plan": rows,
        "deleted": [{"name": row["name"], "id": row["id"]} for row in deleted],
        "kept": [{"name": row["name"], "id": row["id"]} for row in rows if row["action"] == "keep"],
        "bad": [row for row in rows if row["state"] != "good"],
        "held": {outlook.catalogue.name: outlook.held for outlook in outlooks if outlook.held},
        "strays": strays,
        "freed_bytes": freed,
        "diff": {"before": "".join(f"{line}\n" for line in before), "after": "".join(f"{line}\n" for line in after)},
    }
