# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a file a backup: the sidecar beside it, written last, and the logs of what was tried and what was restored.

``<dest>/<database>/<id>.json`` is the sidecar of ``<id>.<suffix>…`` (one part) or of the folder ``<id>/`` (several).
Beside them ``attempts.jsonl`` has one line a run, ``restores.jsonl`` one line a verified restore. Formats are only ever added to:
a sidecar of format 1 stays readable.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import stat
import typing as t
import urllib.parse

from .._common.errors import InvalidInput, RunbookError
from .._common.files import write_atomic
from .model import Inventory, Server

FORMAT = 1
ATTEMPTS = "attempts.jsonl"
RESTORES = "restores.jsonl"
_ID = re.compile(r"\d{8}_\d{6}(_\d+)?")
_HASH = re.compile(r"[0-9a-f]{64}")
# A sidecar has a line for every table; more than this is not one.
_LARGEST = 64 << 20


class BadSidecar(RunbookError):
    """A sidecar that can't be read or contradicts itself: its backup does not count."""


@dataclasses.dataclass(frozen=True)
class StoredPart:
    """One stream of a backup as it lies in ``file`` (relative to the sidecar's folder)."""

    name: str
    file: str
    plain_bytes: int
    plain_sha256: str
    stored_bytes: int
    stored_sha256: str


@dataclasses.dataclass(frozen=True)
class Sidecar:
    """All that is known of a backup. Times as ``2026-11-21T10:15:00Z``, ``seconds`` from start to end."""

    id: str
    engine: str
    name: str
    server: Server
    started: str
    ended: str
    seconds: float
    compression: str
    # Public keys that can read it; empty when it is not encrypted.
    recipients: tuple[str, ...]
    parts: tuple[StoredPart, ...]
    inventory: Inventory
    settings: dict[str, t.Any]
    # Tables left in and out, as they were asked for.
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    schema_revision: str = ""
    consistent: bool = True
    notes: tuple[str, ...] = ()
    host: str = ""

    @property
    def plain_bytes(self) -> int:
        return sum(part.plain_bytes for part in self.parts)

    @property
    def stored_bytes(self) -> int:
        return sum(part.stored_bytes for part in self.parts)

    @property
    def encrypted(self) -> bool:
        return bool(self.recipients)

    @property
    def partial(self) -> bool:
        """Whether it has only some of the database's tables."""
        return bool(self.include or self.exclude)

    def to_dict(self) -> dict[str, t.Any]:
        return {"format": FORMAT, **dataclasses.asdict(self), "plain_bytes": self.plain_bytes, "stored_bytes": self.stored_bytes}

    def summary(self) -> dict[str, t.Any]:
        """What a module returns: all but the long lists."""
        whole = self.to_dict()
        for long in ("inventory", "settings", "format"):
            whole.pop(long)
        return {**whole, "tables": len(self.inventory.tables), "rows": self.inventory.rows}


def folder_of(dest: str, name: str) -> str:
    """Where the backups of a database are: its name with everything unusual percent-encoded, so that no name leads elsewhere."""
    quoted = urllib.parse.quote(name, safe="").replace(".", "%2E")
    if len(quoted) > 200:
        raise InvalidInput(f"the name {name[:40]!r}… is too long for a folder of backups")
    return os.path.join(dest, quoted)


def is_id(text: str) -> bool:
    """Whether text could be a backup's id, ``20261121_101500`` or ``20261121_101500_2``."""
    return bool(_ID.fullmatch(text))


def sidecar_path(folder: str, identity: str) -> str:
    return os.path.join(folder, f"{identity}.json")


def write(folder: str, sidecar: Sidecar, mode: int = 0o640) -> str:
    """Make the backup exist; the path of its sidecar."""
    path = sidecar_path(folder, sidecar.id)
    write_atomic(
        path, (json.dumps(sidecar.to_dict(), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8", "replace"), mode
    )
    return path


def read(path: str) -> Sidecar:
    """A sidecar, checked: of the right shape, about the file beside it, its parts inside its folder. Else ``BadSidecar``."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as stream:
            information = os.fstat(stream.fileno())
            if not stat.S_ISREG(information.st_mode) or information.st_size > _LARGEST:
                raise ValueError("it is not an ordinary file of a sidecar's size")
            raw = json.loads(stream.read())
    except FileNotFoundError:
        raise BadSidecar(f"{path} does not exist; without its sidecar a backup does not exist") from None
    except OSError as error:
        raise BadSidecar(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise BadSidecar(f"{path} is no sidecar: {error}") from None
    try:
        found = _from_dict(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadSidecar(f"{path} is no sidecar of format {FORMAT}: {error!r}") from None
    if os.path.basename(path) != f"{found.id}.json":
        raise BadSidecar(f"{path} is the sidecar of another backup, {found.id}; do not rename or exchange sidecars")
    return found


def _from_dict(raw: t.Any) -> Sidecar:
    if int(raw["format"]) > FORMAT:
        raise ValueError(f"it has format {raw['format']}, made by a newer version of this collection; update it")
    parts = []
    for item in raw["parts"]:
        part = StoredPart(
            str(item["name"]),
            str(item["file"]),
            int(item["plain_bytes"]),
            str(item["plain_sha256"]),
            int(item["stored_bytes"]),
            str(item["stored_sha256"]),
        )
        if (
            part.file.startswith("/")
            or ".." in part.file.split("/")
            or not _HASH.fullmatch(part.stored_sha256 + "")
            or part.stored_bytes < 0
        ):
            raise ValueError(f"its part {part.file!r} is not believable")
        parts.append(part)
    if not is_id(str(raw["id"])) or not parts:
        raise ValueError("it names no backup")
    return Sidecar(
        id=str(raw["id"]),
        engine=str(raw["engine"]),
        name=str(raw["name"]),
        server=Server(str(raw["server"]["product"]), str(raw["server"]["version"])),
        started=str(raw["started"]),
        ended=str(raw["ended"]),
        seconds=float(raw["seconds"]),
        compression=str(raw["compression"]),
        recipients=tuple(map(str, raw["recipients"])),
        parts=tuple(parts),
        inventory=Inventory.from_dict(raw["inventory"]),
        settings=dict(raw["settings"]),
        include=tuple(map(str, raw["include"])),
        exclude=tuple(map(str, raw["exclude"])),
        schema_revision=str(raw["schema_revision"]),
        consistent=bool(raw["consistent"]),
        notes=tuple(map(str, raw["notes"])),
        host=str(raw["host"]),
    )


def log(folder: str, file: str, line: t.Mapping[str, t.Any]) -> None:
    """Append one line to ``attempts.jsonl`` or ``restores.jsonl``, whole or not at all."""
    data = (json.dumps(line, sort_keys=True) + "\n").encode()
    fd = os.open(os.path.join(folder, file), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o640)
    try:
        # A line that a full disk has cut must not swallow the next.
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            data = b"\n" + data
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)


def logged(folder: str, file: str) -> list[dict[str, t.Any]]:
    """The lines that can be read, oldest first."""
    lines = []
    try:
        with open(os.path.join(folder, file), encoding="utf-8", errors="replace") as stream:
            for text in stream:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict):
                    lines.append(line)
    except FileNotFoundError:
        pass
    return lines
