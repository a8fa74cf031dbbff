# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a release complete and verified on a host: the host's half of the conversation with the controller.

1. ``offer``: the controller names the release's root digest and its subtrees; the host answers which subtrees no
   release of its has.
2. ``detail``: the controller describes those; the host knows the whole manifest now and answers which files it lacks.
3. the files arrive (``receive``), in as many uploads as it takes; an interrupted upload keeps what had arrived.
4. ``build``: the host builds the tree from uploads and hard links, hashes every file and records the release as ready.

A host that has all the content goes from the offer to the end in one call. With ``remote_src`` there is no
conversation: the source is walked on the host itself.
"""

from __future__ import annotations

import base64
import ctypes
import dataclasses
import io
import os
import sys
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.files import fsync_folder
from .._common.progress import Say, silent
from .._common.runner import Run
from . import lock
from .alongside import Alongside
from .build import Builder, Built, Owner, check_space
from .incoming import Incoming
from .manifest import SHORT, Entry, Manifest
from .receive import receive
from .site import RELEASES, SHARED
from .staging import Request, Staging
from .store import LocalStore
from .verify import verify_tree

# Folders as the controller describes them: {folder: [[name, kind, mode, size, digest], ...]}.
Trees = t.Mapping[str, t.Sequence[t.Sequence[t.Any]]]


class Stager(Staging):
    """Stages one release on this host."""

    store: LocalStore

    def __init__(self, store: LocalStore, request: Request, check_mode: bool = False, say: Say = silent) -> None:
        super().__init__(store, request, check_mode, say)
        self.incoming = Incoming(store, self.site, self.release)
        self.owner = Owner.named(request.owner, request.group)
        self._begun: Manifest | None = None  # what is being staged, if it was this object that began to
        self.verified = False  # whether this object has built and hashed the release

    def make_base(self) -> None:
        super().make_base()
        self.owner.give(self.store.base)

    # -- 1 ------------------------------------------------------------------------------------------------------

    def offer(self, digests: str, guessed: t.Collection[int], trees: Trees, upload: str) -> dict[str, t.Any]:
        """Go as far as the message allows. ``digests``: SHORT bytes (hex) of every subtree, in order of the folders' names;
        ``trees`` and ``upload``: what the controller guesses to be new here, ``guessed`` the indexes of these subtrees.

        Answers ``done`` with a result; or what ``detail`` answers, when only files are lacking; or the indexes of the
        subtrees that are ``missing``.
        """
        with self.alone():
            settled = self.settled()
            if settled:
                return {"done": settled}
            known = self._known_trees()
            size = SHORT * 2
            asked = [digests[start : start + size] for start in range(0, len(digests), size)]
            missing = [index for index, digest in enumerate(asked) if digest not in known]
            if not set(missing) <= set(guessed):
                return {"missing": missing, "python": sys.executable, "incoming": self.incoming.blobs, "notes": self.notes}
            reply = self.detail(trees)
            if self.check_mode:
                return reply
            self.receive(upload)
            if any(not os.path.exists(f"{self.incoming.blobs}/{digest}") for digest in reply["lacking"]):
                return reply
            built = self.build()
            # An earlier release's file may prove spoilt only now: then this is what ``detail`` would have answered.
            return {**built, "accepted": {"resumed": reply["resumed"]}} if "done" in built else {**reply, **built}

    def receive(self, upload: str) -> None:
        """Store the files that came inside a message (base64)."""
        if upload:
            _received(t.cast(t.BinaryIO, io.BytesIO(base64.b64decode(upload))), self.incoming.blobs)

    def _known_trees(self) -> set[str]:
        known: set[str] = set()
        for _release, manifest in self._known.manifests():
            known.update(digest[: SHORT * 2] for digest in manifest.trees.values())
        return known

    # -- 2 ------------------------------------------------------------------------------------------------------

    def detail(self, trees: Trees) -> dict[str, t.Any]:
        """Learn the unknown subtrees (``{folder: [[name, kind, mode, size, digest], …]}``, a subfolder's digest being
        its subtree's) and answer the sha256 of the files to send, with their total size in bytes."""
        with self.alone():
            lock.check(self.site, self.request.lock_owner)
            reply = self.accept(self._assemble(trees))
            return {**reply, "python": sys.executable, "incoming": self.incoming.blobs, "notes": self.notes}

    def accept(self, manifest: Manifest) -> dict[str, t.Any]:
        """Check that there is room, record the release as being staged, and say what is lacking."""
        known = self._known.find({entry.digest for entry in manifest.entries if entry.kind == "f"})
        sizes = {entry.digest: entry.size for entry in manifest.entries if entry.kind == "f"}
        inherited = {digest: path for digest, path in self._left_by_others().items() if digest in sizes}
        waiting = {*self.incoming.arrived(), *self.incoming.harvestable(manifest), *inherited}
        lacking = [digest for digest in sizes if digest not in known and digest not in waiting]
        to_send = sum(sizes[digest] for digest in lacking)
        copies = manifest.total_bytes - sum(sizes.values())  # the same content at a second path is a copy
        if not self.request.hardlink:
            copies += sum(sizes[digest] for digest in known)
        linked = sum(entry.digest in known for entry in manifest.entries if entry.kind == "f") if self.request.hardlink else 0
        check_space(self.store, to_send + copies, len(manifest.entries) - linked)
        resumed = {digest for digest in waiting if digest in sizes and digest not in known}
        reply: dict[str, t.Any] = {"lacking": lacking, "bytes": to_send, "resumed": len(resumed)}
        if self.check_mode:
            reply["changes"] = dataclasses.asdict(self.changes(manifest))
            return reply
        for folder in (RELEASES, SHARED):
            if self.store.stat(folder) is None:
                self.store.make_folder(folder, 0o755)
                self.owner.give(self.store.absolute(folder))
        for item, folder in self._make_shared_folders():
            Owner.named(item.owner or self.request.owner, item.group or self.request.group).give(self.store.absolute(folder))
        self.incoming.reclaim()
        self.incoming.make()
        self.notes.extend(self.incoming.inherit(inherited))
        self._begin(manifest)
        self._begun = manifest
        return reply

    def _left_by_others(self) -> dict[str, str]:
        """What interrupted runs under other ids had sent. Only for the holder of the lock, else a run that is alive could be robbed."""
        held = lock.holder(self.site)
        if not self.request.lock_owner or not held or held.owner != self.request.lock_owner:
            return {}
        return self.incoming.left_by_others(look_only=self.check_mode)

    def _assemble(self, trees: Trees) -> Manifest:
        places: dict[str, tuple[Manifest, str]] = {}
        for _release, manifest in self._known.manifests():
            for folder, digest in manifest.trees.items():
                places.setdefault(digest, (manifest, folder))
        entries: list[Entry] = []

        def expand(folder: str, digest: str) -> None:
            prefix = f"{folder}/" if folder else ""
            if folder in trees:
                for name, kind, mode, size, child in trees[folder]:
                    entries.append(Entry(prefix + name, kind, mode, size, "" if kind == "d" else child))
                    if kind == "d":
                        expand(prefix + name, child)
            elif digest in places:
                manifest, old = places[digest]
                cut = len(old) + 1 if old else 0
                entries.extend(entry._replace(path=prefix + entry.path[cut:]) for entry in manifest.below(old))
            else:
                raise RunbookError(
                    f"the controller did not describe the folder {folder or '/'} of release {self.release}; run the deploy again"
                )

        expand("", self.request.root)
        manifest = Manifest.of(entries)
        if manifest.root != self.request.root:
            raise RunbookError(f"release {self.release} was described as {self.request.root} but is {manifest.root}; run the deploy again")
        return manifest

    # -- 4 ------------------------------------------------------------------------------------------------------

    def build(self, source: str | None = None) -> dict[str, t.Any]:
        """Build, verify and record the release; or answer the sha256 that are still ``lacking``."""
        with self.alone():
            lock.check(self.site, self.request.lock_owner)
            manifest = self._begun_manifest()
            built = self._build_tree(manifest, source)
            if built.lacking:
                return {"lacking": sorted(set(built.lacking)), "notes": self.notes}
            return {"done": self._make_ready(manifest, built)}

    def _begun_manifest(self) -> Manifest:
        name = f"{self.incoming.path}/manifest.json"
        if self.store.stat(name) is None:  # another run may have finished it meanwhile
            raise RunbookError(f"nothing is being staged as {self.release} on {self.store.base}; run the deploy again")
        return self._begun or Manifest.from_json(self.store.read(name) or b"", self._known.any)

    def _build_tree(self, manifest: Manifest, source: str | None) -> Built:
        self.incoming.harvest(manifest)
        known = self._known.find({entry.digest for entry in manifest.entries if entry.kind == "f"})
        while True:
            self.store.remove_tree(f"{self.incoming.path}/tree")
            with Alongside(self.incoming.tree, [entry for entry in manifest.entries if entry.kind == "f"]) as along:
                builder = Builder(
                    self.incoming.tree,
                    self.owner,
                    known=known,
                    blobs=self.incoming.blobs,
                    source=source,
                    hardlink=self.request.hardlink,
                    advance=self._progress("building", manifest),
                    placed=along.placed,
                )
                built = builder.build(manifest)
                if built.lacking:
                    return built
                drift, self._stamp = verify_tree(self.incoming.tree, manifest, self._progress("verifying", manifest), along.right)
            if not drift:
                return built
            spoilt = [path for path in drift.drifted if path in built.linked_from]
            uploads = [path for path in drift.drifted if path in manifest.files and path not in built.linked_from]
            if not spoilt and (source is not None or not uploads):
                raise RunbookError(
                    f"release {self.release} is incomplete ({drift.describe(len(manifest.entries))}); "
                    "the source or the disk changed meanwhile, run the deploy again"
                )
            for path in spoilt:
                digest = manifest.files[path].digest
                self.notes.append(f"{built.linked_from[path]} is no longer what was staged there; it is sent anew")
                known.pop(digest, None)
            for path in uploads if source is None else ():
                # It was whole when it arrived (a power failure can undo that); harvested, it would come back for ever.
                os.unlink(f"{self.incoming.tree}/{path}")
                self.notes.append(f"{path} had arrived but is damaged; it is sent anew")
            self.incoming.harvest(manifest)

    def _make_ready(self, manifest: Manifest, built: Built) -> dict[str, t.Any]:
        place = self.store.absolute(f"{RELEASES}/{self.release}")
        self.site.save_manifest(self.release, manifest)
        self.say(f"writing {self.release} to the disk")
        _flush(self.incoming.tree)
        os.rename(self.incoming.tree, place)
        fsync_folder(os.path.dirname(place))
        record = self._record_ready(manifest, self._stamp)
        self.verified = True
        changes = self.changes(manifest)
        self.store.remove_tree(self.incoming.path)
        result = self._result(record, True)
        result.update(linked_files=built.linked, copied_files=built.copied, received_files=built.moved, changes=dataclasses.asdict(changes))
        return result


def _flush(folder: str) -> None:
    """Have the file system of ``folder`` write its data before names point to it (``syncfs(2)``)."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        ctypes.CDLL(None).syncfs(fd)
    except (OSError, AttributeError):
        os.sync()
    finally:
        os.close(fd)


def _received(stream: t.BinaryIO, folder: str) -> int:
    try:
        return receive(stream, folder)
    except ValueError as error:
        raise RunbookError(f"the host could not store an upload: {error}; run the deploy again, what arrived is kept") from error


def answer(message: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """Serve one message of the controller. The messages are those of ``Stager``'s methods."""
    stager = Stager(LocalStore(message["path"]), Request.from_wire(message["request"]), run.check_mode, run.say)
    wish = message.get("swap")
    if not wish or run.check_mode:
        return _step(stager, message)
    # Nobody else's hands are between the two.
    with stager.alone():
        reply = _step(stager, message)
        if "done" in reply:
            _swap(stager, reply["done"], wish)
        return reply


def _swap(stager: Stager, done: dict[str, t.Any], wish: t.Mapping[str, t.Any]) -> None:
    """Make the release current in the same call. ``wish``: the ``reason``, and ``make``, false to tell only whether an earlier call of
    this run did, whose answer was lost."""
    from . import swap  # much that most stagings do not need

    asked = stager.request
    request = swap.Request(done["release"], wish["reason"], by=asked.by, lock_owner=asked.lock_owner, verified=stager.verified)
    result = swap.swap_staged(stager.site, request, wish["make"], stager.say)
    if result is not None:
        done["swap"] = result
        if result["changed"]:  # also when it is told again: the answer is that of the call that did it
            done.update(changed=True, state="ready", current=result["before"])


def _step(stager: Stager, message: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    step = message["step"]
    if step == "offer":
        return stager.offer(message["digests"], message["guessed"], message["trees"], message["upload"])
    if step == "detail":
        return stager.detail(message["trees"])
    if step == "receive_file":
        with open(message["file"], "rb") as stream:
            return {"received": _received(stream, stager.incoming.blobs)}
    if step == "build":
        stager.receive(message["upload"])
        return stager.build()
    raise InvalidInput(f"unknown step {step!r}; the controller and the host run different versions of the collection")
