# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring copies of backups back: proven against their sidecar before they have a name."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import typing as t

from .._common.errors import Refused, RunbookError
from .._common.files import fsync_folder, write_atomic
from .._common.progress import Progress, megabytes
from .._common.runner import Run
from .._database import catalogue, sidecar
from .._database.folder import Folder
from .._database.sidecar import BadSidecar, Sidecar
from .rclone import CHUNK, Rclone

_LARGEST = 64 << 20


def fetch(rclone: Rclone, dest: str, name: str, select: str, ids: t.Sequence[str], run: Run) -> dict[str, t.Any]:
    """``select``: ``latest``, ``missing`` (all that are not here) or ``ids``. What is good here is not fetched again."""
    folder = Folder(dest, name)
    quoted = os.path.basename(folder.path)
    there = rclone.list(quoted)
    known = sorted((one[:-5] for one in there if one.endswith(".json") and sidecar.is_id(one[:-5])), key=_by_time, reverse=True)
    if not known:
        raise Refused(f"there is no copy of a backup of {name} in {rclone.path(quoted)}; look at remote and name")
    absent = sorted(set(ids) - set(known))
    if select == "ids" and absent:
        raise Refused(f"there is no copy of {', '.join(absent)} in {rclone.path(quoted)}; there are {', '.join(known[:5])}")
    wanted = known[:1] if select == "latest" else known if select == "missing" else [one for one in known if one in ids]
    if run.check_mode:
        missing = [identity for identity in wanted if not _is_good(folder, identity)]
        return _result(folder, name, missing, wanted)
    fetched: list[str] = []
    failures = []
    with folder.locked(f"fetching backups of {name}"):
        for identity in wanted:
            if _is_good(folder, identity):
                continue
            partial = folder.partial()
            try:
                _fetch_one(rclone, folder, partial, quoted, identity, run)
                fetched.append(identity)
            except RunbookError as error:
                failures.append(error.message)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    result = _result(folder, name, fetched, wanted)
    if failures:
        raise RunbookError("; ".join(failures), **result)
    return result


def _by_time(identity: str) -> tuple[str, int]:
    return identity[:15], int(identity[16:] or 1)


def _is_good(folder: Folder, identity: str) -> bool:
    """Whether a backup is here already, every byte of it."""
    for entry in catalogue.scan(folder.path).entries if os.path.isdir(folder.path) else []:
        if entry.id == identity:
            entry.verify("checksum")
            return entry.state == "good"
    return False


def _fetch_one(rclone: Rclone, folder: Folder, partial: str, quoted: str, identity: str, run: Run) -> None:
    data = rclone.content(f"{quoted}/{identity}.json", _LARGEST)
    path = os.path.join(partial, f"{identity}.json")
    write_atomic(path, data, 0o640)
    try:
        found = sidecar.read(path)
    except BadSidecar as error:
        raise RunbookError(
            f"the copy's sidecar is damaged ({error.message.replace(partial, rclone.path(quoted))}); fetch another"
        ) from None
    if Folder(folder.dest, found.name).path != folder.path:
        raise RunbookError(f"the copy {identity} in {rclone.path(quoted)} is of database {found.name}, not of this one; fetch another")
    if folder.free() < found.stored_bytes + CHUNK:
        raise Refused(f"{folder.path} has {megabytes(folder.free())} free, the copy {identity} has {megabytes(found.stored_bytes)}")
    progress = Progress(f"fetching {found.name} {identity}", run.say, size=found.stored_bytes)
    for part in found.parts:
        _owned(part.file, identity)
        file = os.path.join(partial, part.file)
        os.makedirs(os.path.dirname(file), mode=0o750, exist_ok=True)
        _receive(rclone, f"{quoted}/{part.file}", file, part, progress)
    _publish(folder, partial, found, data)


def _owned(file: str, identity: str) -> None:
    if not file.startswith((f"{identity}.", f"{identity}/")) or file == f"{identity}.json" or file.count("/") > 1:
        raise RunbookError(f"the copy's sidecar {identity} names the file {file!r}, which is not its own; fetch another")


def _receive(rclone: Rclone, name: str, file: str, part: sidecar.StoredPart, progress: Progress) -> None:
    """Write while hashing; what is not what the sidecar says is an error, after some tries."""
    for _number in range(rclone.retries):
        sha, size = hashlib.sha256(), 0
        trouble = ""
        with open(file, "wb") as out:
            os.fchmod(out.fileno(), 0o640)
            try:
                with rclone.reading(name) as stream:
                    while data := stream.read(CHUNK):
                        size += len(data)
                        if size > part.stored_bytes:
                            break
                        sha.update(data)
                        out.write(data)
                        progress.advance(0, len(data))
                    # rclone is not to be blamed for what we did not read.
                    while stream.read(CHUNK):
                        pass
            except RunbookError as error:
                trouble = error.message
            out.flush()
            os.fsync(out.fileno())
        if not trouble and (size, sha.hexdigest()) == (part.stored_bytes, part.stored_sha256):
            return
        progress.advance(0, -size)
    if not trouble:
        trouble = (
            f"it is cut, {size:,} of {part.stored_bytes:,} bytes" if size < part.stored_bytes else "it is not what was backed up (sha256)"
        )
    raise RunbookError(f"the copy {rclone.path(name)} is not good: {trouble}; fetch another")


def _publish(folder: Folder, partial: str, found: Sidecar, data: bytes) -> None:
    """Data first, its sidecar last; what was under these names was no good backup."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(sidecar.sidecar_path(folder.path, found.id))
    for name in sorted({part.file.split("/", 1)[0] for part in found.parts}):
        goal = os.path.join(folder.path, name)
        if os.path.isdir(goal) and not os.path.islink(goal):
            # Into the partial folder, which is removed with what is in it.
            os.rename(goal, os.path.join(partial, f"old-{name}"))
        os.rename(os.path.join(partial, name), goal)
    fsync_folder(folder.path)
    write_atomic(sidecar.sidecar_path(folder.path, found.id), data, 0o640)


def _result(folder: Folder, name: str, fetched: t.Sequence[str], wanted: t.Sequence[str]) -> dict[str, t.Any]:
    return {
        "changed": bool(fetched),
        "copied": [{"name": name, "id": identity} for identity in fetched],
        "copies": [
            {"name": name, "id": identity, "state": "good", "trouble": "", "sent": False, "verified": identity in fetched}
            for identity in wanted
        ],
        "diff": {
            "before_header": folder.path,
            "after_header": folder.path,
            "before": "",
            "after": "".join(f"{identity}\n" for identity in fetched),
        },
    }
