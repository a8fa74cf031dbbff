# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's releases: their records, which of them is current, and the history. State comes from links and records only."""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import json
import re
import typing as t

from .._common import clock
from .._common.errors import InvalidInput, Refused, RunbookError
from .manifest import Manifest
from .store import STATE, Store

CURRENT = "current"
RELEASES = "releases"
SHARED = "shared"
HISTORY = f"{STATE}/history.jsonl"
JOURNAL = f"{STATE}/swap.json"
INCOMING = f"{STATE}/incoming"  # what unfinished stagings have received, by release

State = t.Literal["staging", "ready", "live", "retired", "bad"]
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WORDS = ("previous", "none", "latest", "current")  # what options mean by these is never a release


def release_id(text: str) -> str:
    """A usable release id, or ``InvalidInput``."""
    if not _ID.fullmatch(text) or text in _WORDS or text.endswith(".partial"):
        raise InvalidInput(
            f"release {text!r} can't be a release id; use letters, digits, '.', '_' and '-' (at most 64), for example 20261121_101500"
        )
    return text


@dataclasses.dataclass
class Record:
    """What is known of one release. Times are UTC. ``previous`` is what was current before it first went live, ``replaced`` what was
    when it did last, by the run that held the lock as ``swapped_by``."""

    id: str
    state: State
    created: str
    root: str = ""  # digest of its manifest
    source_root: str = ""  # the same before build commands changed it; equal to root when none did
    files: int = 0
    bytes: int = 0
    owner: str = ""
    group: str = ""
    stamp: str = ""  # digest of all inodes as they were when every sha256 was last verified
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    reason: str = ""
    previous: str = ""
    live_since: str = ""
    replaced: str = ""
    swapped_by: str = ""
    retired: str = ""
    by: str = ""

    def to_json(self) -> builtins.bytes:
        return (json.dumps(dataclasses.asdict(self), sort_keys=True, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, data: builtins.bytes) -> Record:
        fields = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in json.loads(data).items() if key in fields})


class Site:
    """The releases of the site in a ``Store``."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # -- records -----------------------------------------------------------------------------------------------

    def current(self) -> str | None:
        """The id that ``current`` points to, or whose folder it is; ``None`` without it. ``Refused`` when it is something else."""
        found = self.store.stat(CURRENT)
        if found is None:
            return None
        target = self.store.read_link(CURRENT) if self.store.links else None
        where = f"{self.store.base}/{CURRENT}"
        if target is None:
            moved = None if self.store.links or found.kind != "folder" else self._moved()
            if moved:
                return moved
            raise Refused(
                f"{where} is a real {found.kind}, not a link to a release;"
                " run the swap with adopt_directory: true to keep it as a release, or move it away yourself"
            )
        # Other tools' absolute links are understood as long as they stay inside this site.
        inner = target[len(self.store.base) + 1 :] if target.startswith(self.store.base + "/") else target
        folder, _slash, name = inner.rstrip("/").rpartition("/")
        if folder != RELEASES or not _ID.fullmatch(name):
            raise Refused(
                f"{where} points to {target}, which is not one of this site's releases; point it to releases/<id> or remove the link"
            )
        return name

    def _moved(self) -> str | None:
        """The release whose own folder ``current`` is: one that is missing below ``releases``. A swap that is being made has
        written down which two these can be."""
        step: t.Any = None
        with contextlib.suppress(ValueError):
            step = json.loads(self.store.read(JOURNAL) or b"null")
        asked = [step.get("to"), step.get("before")] if isinstance(step, dict) else []
        asked += [record.id for record in self._written() if record.state == "live"]
        for release in asked:
            if isinstance(release, str) and _ID.fullmatch(release) and self.store.stat(f"{RELEASES}/{release}") is None:
                return release
        return None

    def place(self, release: str) -> str:
        """The name of a release's folder."""
        name = f"{RELEASES}/{release}"
        if not self.store.links and self.store.stat(name) is None:
            with contextlib.suppress(Refused):
                return CURRENT if self.current() == release else name
        return name

    def _written(self) -> list[Record]:
        names = [name[:-5] for name in self.store.names(f"{STATE}/releases") if name.endswith(".json")]
        texts = self.store.read_each([f"{STATE}/releases/{name}.json" for name in names])
        return [record for record in map(self._understood, names, texts) if record]

    def records(self) -> dict[str, Record]:
        """Every readable record, oldest first; what is current decides which one is live."""
        found = self._written()
        try:
            current = self.current()
        except Refused:
            current = None
        for record in found:
            if record.id == current:
                record.state = "live"
            elif record.state == "live":
                record.state = "retired"
        return {record.id: record for record in sorted(found, key=lambda item: (item.created, item.id))}

    def record(self, release: str) -> Record | None:
        """One record as it is written (``records`` says which one is live)."""
        return self._understood(release, self.store.read(f"{STATE}/releases/{release}.json"))

    def _understood(self, release: str, data: builtins.bytes | None) -> Record | None:
        if data is None:
            return None
        try:
            return Record.from_json(data)
        except (ValueError, TypeError, AttributeError) as error:
            raise RunbookError(
                f"the record of release {release} can't be read ({error});"
                f" look at {self.store.base}/{STATE}/releases/{release}.json, remove it to give the release up"
            ) from error

    def save(self, record: Record) -> None:
        self.store.write(f"{STATE}/releases/{record.id}.json", record.to_json())

    def manifest(self, release: str, like: Manifest | None = None) -> Manifest | None:
        """What the release consists of; ``None`` without a manifest, ``RunbookError`` for a damaged one. ``like``: one that is in memory
        and differs little."""
        name = self.manifest_name(release)
        data = self.store.read(name)
        try:
            return None if data is None else Manifest.from_json(data, like)
        except RunbookError as error:
            raise RunbookError(
                f"release {release} can't be verified, {error.message}; look at {self.store.base}/{name}, or stage a new release"
            ) from error

    def usable_manifest(self, release: str, like: Manifest | None = None) -> Manifest | None:
        """``manifest`` for what works without: ``None`` also for a damaged one."""
        with contextlib.suppress(RunbookError):
            return self.manifest(release, like)
        return None

    @staticmethod
    def manifest_name(release: str) -> str:
        """Where the manifest of a release is."""
        return f"{STATE}/manifests/{release}.json"

    @staticmethod
    def stamps_name(release: str) -> str:
        """Where it is written what could be seen of the release's files when they were verified, for stores that can't tell more."""
        return f"{STATE}/manifests/{release}.stamps"

    def save_manifest(self, release: str, manifest: Manifest) -> None:
        self.store.write(self.manifest_name(release), manifest.to_json())

    def exists(self, release: str) -> bool:
        found = self.store.stat(self.place(release))
        return found is not None and found.kind == "folder"

    def forget(self, release: str) -> None:
        """Remove a release and all that is known of it; those that came after it point to what came before it."""
        records = self.records()
        gone = records.get(release)
        for record in records.values():
            if record.previous == release:
                record.previous = gone.previous if gone else ""
                self.save(record)
        # The record goes last: as long as it is there, a killed removal is finished by the next one.
        self.store.remove_tree(f"{RELEASES}/{release}")
        self.store.remove_tree(f"{INCOMING}/{release}")
        self.store.remove(self.manifest_name(release))
        self.store.remove(self.stamps_name(release))
        self.store.remove(f"{STATE}/releases/{release}.json")

    # -- the line of good releases -----------------------------------------------------------------------------

    def ancestors(self, release: str, records: t.Mapping[str, Record]) -> list[str]:
        """What was current before ``release``, newest first, by their records; each at most once."""
        line: list[str] = []
        record = records.get(release)
        while record and record.previous and record.previous not in line and record.previous != release:
            line.append(record.previous)
            record = records.get(record.previous)
        return line

    def previous(self, records: t.Mapping[str, Record], current: str | None) -> str | None:
        """The good release that was current before the current one, complete and not marked bad."""
        if current is None:
            return None
        for release in self.ancestors(current, records):
            record = records.get(release)
            if record and record.state in ("ready", "retired") and self.exists(release):
                return release
        return None

    # -- history -----------------------------------------------------------------------------------------------

    def note(self, event: str, **facts: t.Any) -> None:
        """Append one event to the history."""
        line = json.dumps({"time": clock.now(), "event": event, **facts}, sort_keys=True, ensure_ascii=False)
        self.store.append(HISTORY, line.encode("utf-8", "backslashreplace") + b"\n")

    def history(self, last: int = 0) -> list[dict[str, t.Any]]:
        """Readable events, oldest first (``last``: only so many). A line that a killed run tore is left out."""
        events = []
        for line in (self.store.read(HISTORY) or b"").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                events.append(event)
        return events[-last:] if last else events
