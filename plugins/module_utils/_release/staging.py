# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What staging a release is, wherever the site is: what may be staged, what it becomes, what is recorded of it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing as t

from .._common import clock
from .._common.errors import Refused, RunbookError
from .._common.progress import Advance, Progress, Say, silent
from . import journal, lock
from .build import Known
from .manifest import Changes, Manifest, compare
from .site import INCOMING, RELEASES, SHARED, Record, Site, release_id
from .store import Store
from .walk import Shared


@dataclasses.dataclass
class Request:
    """What to stage and how. ``reuse_current``: when the current release has the same content, answer with it instead."""

    release: str
    root: str
    shared: tuple[Shared, ...] = ()
    owner: str | None = None
    group: str | None = None
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    hardlink: bool = True
    reuse_current: bool = False
    by: str = ""
    lock_owner: str | None = None
    lock: dict[str, t.Any] | None = None  # acquire it first: where, ttl, take_over

    def to_wire(self) -> dict[str, t.Any]:
        return {**dataclasses.asdict(self), "shared": [dataclasses.astuple(item) for item in self.shared]}

    @classmethod
    def from_wire(cls, data: t.Mapping[str, t.Any]) -> Request:
        return cls(**{**data, "shared": tuple(Shared(*item) for item in data["shared"])})


class Staging:
    """The staging of one release into a store."""

    def __init__(self, store: Store, request: Request, check_mode: bool = False, say: Say = silent) -> None:
        self.store, self.site, self.request, self.check_mode, self.say = store, Site(store), request, check_mode, say
        self.release = release_id(request.release)
        self.notes: list[str] = []
        self._records: dict[str, Record] | None = None  # as they were when the staging began
        self._inside = False

    def make_base(self) -> None:
        self.store.make_folder("", 0o755)

    def settled(self) -> dict[str, t.Any] | None:
        """What can be said without looking at the content; also takes the lock and recovers an interrupted swap."""
        self.store.check_base()
        self._lock()
        recovered = journal.recover(self.site, self.check_mode)
        if recovered:
            self.notes.append(recovered)
        self._check_shared()
        self._records = records = self.site.records()
        record = records.get(self.release)
        if record is None and self.site.exists(self.release):
            raise Refused(
                f"{self.store.absolute(RELEASES)}/{self.release} exists but has no record, something else made it; "
                "choose another release id or move it away"
            )
        if record and record.state == "bad":
            raise Refused(f"release {self.release} was marked bad ({record.reason}); stage under a new id")
        if record and record.state != "staging" and not self.site.exists(self.release):
            # A removal was killed, or somebody deleted the folder: what is known of it describes nothing any more.
            self.notes.append(f"release {self.release} was {record.state} but its folder is gone; it is staged anew")
            if not self.check_mode:
                self.site.save(Record(self.release, "staging", clock.now(), previous=record.previous, by=self.request.by))
            return None
        if record and record.state != "staging":
            if record.source_root != self.request.root:
                raise Refused(f"release {self.release} exists with other content; stage under a new id, a release is never edited")
            if not self.check_mode:
                # Of a run that was killed after the record said ready.
                self.store.remove_tree(f"{INCOMING}/{self.release}")
                self.store.empty_trash()
            return self._result(record, False)
        if self.request.reuse_current:
            current = records.get(self.site.current() or "")
            if current and current.source_root == self.request.root and (current.owner, current.group) == self._owner_names():
                return self._result(current, False)
        return None

    def _owner_names(self) -> tuple[str, str]:
        return self.request.owner or "", self.request.group or ""

    def _lock(self) -> None:
        asked = self.request.lock
        owner = self.request.lock_owner
        if asked is None or not owner:
            lock.check(self.site, owner)
            return
        _new, taken = lock.acquire(
            self.site,
            owner,
            where=asked["where"],
            ttl=asked["ttl"],
            purpose=f"release {self.release}",
            take_over=asked["take_over"],
            check_mode=self.check_mode,
        )
        if taken:
            self.notes.append(f"the lock was taken over from {taken.describe()}")

    def _check_shared(self) -> None:
        for item in self.request.shared:
            path = f"{SHARED}/{item.source}"
            found = self.store.stat(path)
            kind = "folder" if item.folder else "file"
            if found is None and not item.folder:
                message = f"shared file {self.store.absolute(path)} does not exist; put it there first, then deploy again"
                if not self.check_mode:
                    raise Refused(message)
                self.notes.append(message)
            if found and found.kind not in (kind, "link"):
                raise Refused(
                    f"{self.store.absolute(path)} should be a shared {kind} but is a {found.kind}; correct the shared paths or move it away"
                )

    def changes(self, manifest: Manifest) -> Changes:
        """How the release differs from the current one."""
        with contextlib.suppress(RunbookError):
            current = self.site.current()
            return compare(self._known.manifest(current) if current else None, manifest)
        return compare(None, manifest)

    def _make_shared_folders(self) -> t.Iterator[tuple[Shared, str]]:
        """Make the folders that are shared, and those that shared files lie in. Yields what was made, outer folders first."""
        for item in self.request.shared:
            path = f"{SHARED}/{item.source}" if item.folder else f"{SHARED}/{item.source}".rpartition("/")[0]
            missing = []
            while self.store.stat(path) is None:
                missing.append(path)
                path = path.rpartition("/")[0]
            for folder in reversed(missing):  # the mode is for the folder itself, its owner must get through those above
                self.store.make_folder(folder, item.mode if folder == missing[0] else 0o755)
                yield item, folder

    def _begin(self, manifest: Manifest) -> None:
        """Write down what is being staged."""
        self.store.write(f"{INCOMING}/{self.release}/manifest.json", manifest.to_json())
        self._record_begun()

    def _record_begun(self) -> None:
        if self.site.record(self.release) is None:
            owner, group = self._owner_names()
            self.site.save(
                Record(self.release, "staging", clock.now(), source_root=self.request.root, owner=owner, group=group, by=self.request.by)
            )

    def _record_ready(self, manifest: Manifest, stamp: str) -> Record:
        """Record that the release is in its place, whole and verified."""
        record = self.site.record(self.release) or Record(self.release, "staging", clock.now())
        owner, group = self._owner_names()
        record.state, record.root, record.source_root = "ready", manifest.root, self.request.root
        record.files, record.bytes = len(manifest.files), manifest.total_bytes
        record.owner, record.group, record.metadata = owner, group, dict(self.request.metadata)
        record.by, record.stamp = self.request.by, stamp
        self.site.save(record)
        self.site.note("staged", release=self.release, root=manifest.root, files=record.files, bytes=record.bytes, by=self.request.by)
        return record

    def _progress(self, what: str, manifest: Manifest) -> Advance:
        return Progress(f"{what} {self.release}", self.say, files=len(manifest.files), size=manifest.total_bytes).advance

    def _result(self, record: Record, changed: bool) -> dict[str, t.Any]:
        current = None
        with contextlib.suppress(Refused):
            current = self.site.current()
        return {
            "changed": changed,
            "release": record.id,
            "state": "live" if record.id == current else record.state,
            "release_path": self.store.absolute(f"{RELEASES}/{record.id}"),
            "root": record.root,
            "files": record.files,
            "bytes": record.bytes,
            "current": current,
            "notes": self.notes,
        }

    @functools.cached_property
    def _known(self) -> Known:
        return Known(self.site, self.store, self.site.records() if self._records is None else self._records)

    @contextlib.contextmanager
    def alone(self) -> t.Iterator[None]:
        """Hold the store's mutex, once however deep; nothing is held or made in check mode."""
        if self.check_mode or self._inside:
            yield
            return
        if not self.store.check_base():
            self.make_base()
        with self.store.mutex():
            self._inside = True
            try:
                yield
            finally:
                self._inside = False
