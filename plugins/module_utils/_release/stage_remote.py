# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a release complete and verified where nothing can be executed: the controller does it all, through a ``RemoteStore``.

What has been sent stays if the run is killed, and the next one goes on with it, under whatever id. The release gets its
name only when every byte that was sent has been read back.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import socket
import typing as t

from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.runner import Run
from . import lock
from .backends import open_remote
from .manifest import Manifest
from .site import INCOMING, RELEASES
from .stage_plan import Options, Result, finish_stage, predict_stage, rules_from_options, stage_request
from .staging import Request, Staging
from .store import Put, RemoteStore
from .swap import Request as SwapRequest
from .swap import swap_staged
from .walk import is_shared

# Gives the folder that the source is in on the controller, and its manifest.
Walk = t.Callable[[], "tuple[str, Manifest]"]


class RemoteStager(Staging):
    """Stages one release into a store that is filled from here. ``source``: the folder that the manifest describes."""

    store: RemoteStore

    def __init__(self, store: RemoteStore, request: Request, run: Run, source: str, manifest: Manifest) -> None:
        super().__init__(store, request, run.check_mode, run.say)
        if request.owner or request.group:
            raise InvalidInput("owner and group can't be set on a host without a shell, its files belong to the account; leave them out")
        self._source, self._manifest = source, manifest
        self._tree = f"{INCOMING}/{self.release}/tree"

    def stage(self, swap: SwapRequest | None = None) -> tuple[Result, Put | None]:
        """The finished staging, and what was sent; or what is ``accepted`` in check mode. ``swap``: to be made at once."""
        with self.alone():
            settled = self.settled()
            if settled:
                return {"done": self._swapped(settled, swap)}, None
            manifest = self._placed()
            known = self._known_files(manifest)
            accepted = self._accept(manifest, known)
            if self.check_mode:
                return accepted, None
            self._make_shared()
            self._take_over()
            self._record_begun()
            put = self.store.put_tree(self._source, manifest, self._tree, known, self.say, self.request.hardlink)
            self.notes += put.notes
            return {"done": self._swapped(self._make_ready(manifest, put), swap)}, put

    def _placed(self) -> Manifest:
        """The manifest as it is where the release will be served. Links to shared data lead there from where ``current`` is: where that
        is no link but the release's own folder, one level higher."""
        if self.store.links or not self.request.shared:
            return self._manifest
        return Manifest(tuple(entry._replace(digest=entry.digest[3:]) if is_shared(entry) else entry for entry in self._manifest.entries))

    def _known_files(self, manifest: Manifest) -> dict[str, tuple[str, str]]:
        """For each sha256 a file of a release here that has that content, and what could be seen of it when that was verified."""
        if not self.store.hard_links:
            return {}
        wanted = {entry.digest for entry in manifest.entries if entry.kind == "f"}
        found: dict[str, tuple[str, str]] = {}
        # Asked for together; a store that remembers does not ask again.
        ids = self._known.releases()
        self.store.read_each([name for release in ids for name in (self.site.manifest_name(release), self.site.stamps_name(release))])
        for release, old in self._known.manifests():
            stamps = self._stamps(release) if wanted - found.keys() else {}
            place = self.site.place(release) if stamps else ""
            for entry in old.entries if stamps else ():
                if entry.kind == "f" and entry.digest in wanted and entry.digest not in found and entry.path in stamps:
                    found[entry.digest] = (f"{place}/{entry.path}", stamps[entry.path])
        return found

    def _stamps(self, release: str) -> dict[str, str]:
        with contextlib.suppress(ValueError):
            return dict(json.loads(self.store.read(self.site.stamps_name(release)) or b"{}"))
        return {}

    def _accept(self, manifest: Manifest, known: t.Mapping[str, t.Any]) -> Result:
        """What is lacking; refuses when there is no room for it."""
        sizes = {entry.path: entry.size for entry in manifest.entries if entry.kind == "f" and entry.digest not in known}
        free = self.store.space()
        needed = sum(sizes.values())
        if free and needed + max(1 << 20, needed // 50) > free[0]:
            raise Refused(
                f"not enough space for the release on {self.store.base}: needs {needed / 1e6:.1f} MB, {free[0] / 1e6:.1f} MB free;"
                " nothing was written, free space or run release_prune",
                needed_bytes=needed,
                free_bytes=free[0],
            )
        if free and len(manifest.entries) - len(known) > free[1]:
            raise Refused(
                f"not enough inodes for the release on {self.store.base}: {free[1]:,} free; nothing was written, remove old releases"
            )
        reply: Result = {"lacking": sorted(sizes), "bytes": needed, "resumed": 0}
        if self.check_mode:
            reply["changes"] = dataclasses.asdict(self.changes(manifest))
        return reply

    def _make_shared(self) -> None:
        self.store.make_folder(RELEASES, 0o755)
        for item, _folder in self._make_shared_folders():
            if item.owner or item.group:
                raise InvalidInput(f"shared path {item.source} can't be given an owner on a host without a shell; leave that out")

    def _take_over(self) -> None:
        """Go on with what a killed run had sent: of this release, or, for the holder of the lock, of another one."""
        if self.site.exists(self.release):  # in its place, but not recorded as ready
            self.store.remove_tree(self._tree)
            self.store.make_folder(f"{INCOMING}/{self.release}", 0o700)
            self.store.rename(f"{RELEASES}/{self.release}", self._tree)
        held = lock.holder(self.site)
        if self.store.stat(self._tree) or not self.request.lock_owner or not held or held.owner != self.request.lock_owner:
            return
        for other in reversed(self.store.names(INCOMING)):
            record = self.site.record(other)
            if record and record.state == "staging" and self.store.stat(f"{INCOMING}/{other}/tree"):
                self.store.remove_tree(f"{INCOMING}/{self.release}")
                self.store.rename(f"{INCOMING}/{other}", f"{INCOMING}/{self.release}")
                self.notes.append(f"what the interrupted staging of {other} had sent was taken over")
                self.site.forget(other)
                return

    def _make_ready(self, manifest: Manifest, put: Put) -> Result:
        stamps = json.dumps(put.stamps, separators=(",", ":")).encode()
        changes = self.changes(manifest)
        stamp = put.stamp or self.store.stamp(self._tree)
        # Whoever is killed in between leaves a record that says that it is being staged.
        self.store.write_each(
            {self.site.manifest_name(self.release): manifest.to_json(), self.site.stamps_name(self.release): stamps},
            move=(self._tree, f"{RELEASES}/{self.release}"),
        )
        record = self._record_ready(manifest, stamp)
        self.store.remove_tree(f"{INCOMING}/{self.release}")
        result = self._result(record, True)
        result.update(linked_files=put.linked, copied_files=put.copied, received_files=put.sent_files, changes=dataclasses.asdict(changes))
        return result

    def _swapped(self, done: Result, swap: SwapRequest | None) -> Result:
        if swap is None or self.check_mode:
            return done
        made = swap_staged(self.site, dataclasses.replace(swap, release=done["release"]), True, self.say)
        if made is not None:
            done["swap"] = made
            if made["changed"]:
                done.update(changed=True, state="ready", current=made["before"])
        return done


def stage_remote(options: Options, run: Run, walk: Walk) -> Result:
    """``release_stage`` for a host without a shell. ``walk``: reads the source on the controller, which takes about as long as to
    connect to a host that is far away; so both are done at once."""
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        walking = beside.submit(walk)
        try:
            with open_remote(options, run) as store:
                return _staged(options, run, store, *walking.result())
        except (RunbookError, OSError):
            walking.result()  # a source that can't be read is said before anything about the host
            raise


def _staged(options: Options, run: Run, store: RemoteStore, source: str, manifest: Manifest) -> Result:
    request = stage_request(options, rules_from_options(options), manifest.root, socket.gethostname())
    stager = RemoteStager(store, request, run, source, manifest)
    swap = SwapRequest("", options["reason"], by=request.by, lock_owner=request.lock_owner) if options["swap"] else None
    reply, put = stager.stage(swap)
    if "done" not in reply:
        result = predict_stage(options["path"], request, manifest.total_bytes, len(manifest.files), reply, run.diff)
    else:
        accepted = {"resumed": put.resumed} if put else None
        result = finish_stage(reply["done"], run.diff, accepted)
        result["sent_files"], result["sent_bytes"] = (put.sent_files, put.sent_bytes) if put else (0, 0)
    result["notes"] = stager.notes
    return result
