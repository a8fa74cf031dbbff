# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole folders over SFTP: look at them, prove them, fill them, remove them. Paths are the server's."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
import typing as t

from .._common.errors import RunbookError
from .._common.progress import Advance, Progress, Say, silent, unseen
from .._release.manifest import Entry, Manifest
from .._release.store import Put
from .._release.verify import Drift
from . import jobs, wire
from .client import Job
from .jobs import Sending
from .pool import Pool
from .wire import Attributes

Scan = t.Dict[str, Attributes]  # every name below a folder, relative to it
# A file of which a part arrived is gone on with from here on; smaller ones are sent again.
RESUMED = 8 << 20
# Files that are sent along with links rather than after them, at most: so many, and bytes of all.
_FEW, _SMALL = 32, 1 << 20
# What costs the server little is asked for in larger crowds.
_MANY = 512


def scan(pool: Pool, root: str) -> Scan:
    """Every name below a folder; nothing when there is no folder."""
    found: Scan = {}
    level = [""]
    while level:
        deeper: list[str] = []
        for folder, names in pool.first.run(_named(folder, root) for folder in level):
            for name, what in (names or {}).items():
                path = f"{folder}/{name}" if folder else name
                found[path] = what
                if what.kind == "folder":
                    deeper.append(path)
        level = deeper
    return found


def _scan_known(pool: Pool, root: str, folders: t.Iterable[str]) -> Scan:
    """The same of a folder whose inner folders are known, without finding them out level by level. Of others only the names are told."""
    found: Scan = {}
    for folder, names in pool.first.run((_named(folder, root) for folder in ["", *folders]), _MANY):
        for name, what in (names or {}).items():
            found[f"{folder}/{name}" if folder else name] = what
    return found


def _named(folder: str, root: str) -> Job[tuple[str, dict[str, Attributes] | None]]:
    return folder, (yield from jobs.listing(f"{root}/{folder}" if folder else root))


def file_stamp(what: Attributes) -> str:
    """What can be seen of a file without reading it. Weaker than on a disk of one's own, where inodes and ctime tell more:
    whoever sets a file's time back after changing it to the same size is not noticed."""
    return f"{what.size} {what.mtime}"


def stamp_of(found: Scan) -> str:
    digest = hashlib.sha256()
    for path in sorted(found):
        what = found[path]
        own = "" if what.kind == "folder" else file_stamp(what)
        digest.update(f"{path}\0{what.mode} {own}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def verify(pool: Pool, root: str, manifest: Manifest, modes: bool, advance: Advance = unseen) -> tuple[Drift, str]:
    """Compare a folder with a manifest, every byte read. ``modes``: these too, and not only files, names and links."""
    found = scan(pool, root)
    drift = Drift([], [], [])
    to_read, links = [], []
    for entry in manifest.entries:
        what = found.get(entry.path)
        if what is None:
            drift.missing.append(entry.path)
        elif differs(entry, what, modes):
            drift.drifted.append(entry.path)
        elif entry.kind == "f":
            to_read.append(entry)
        elif entry.kind == "l":
            links.append(entry)
    known = {entry.path for entry in manifest.entries}
    drift.extra.extend(sorted(path for path in found if path not in known))
    drift.drifted.extend(_wrong(pool, root, to_read, advance))
    drift.drifted.extend(_wrong_links(pool, root, links))
    # Of the look before the reading: what changes meanwhile changes the next stamp.
    return drift, stamp_of(found)


def differs(entry: Entry, what: Attributes, modes: bool) -> bool:
    """Whether a name is plainly not what an entry says."""
    if {"f": "file", "d": "folder", "l": "link"}[entry.kind] != what.kind:
        return True
    if entry.kind == "l":
        return False
    if modes and what.mode is not None and stat.S_IMODE(what.mode) != entry.mode:
        return True
    return entry.kind == "f" and what.size != entry.size


def _wrong(pool: Pool, root: str, entries: t.Sequence[Entry], advance: Advance = unseen) -> list[str]:
    """The files whose bytes are not what their entries say."""

    def job(entry: Entry) -> Job[str]:
        digest = yield from jobs.hash_file(f"{root}/{entry.path}", entry.size, advance)
        advance(1, 0)
        return "" if digest == entry.digest else entry.path

    return sorted(filter(None, pool.run((job(entry) for entry in entries), len(entries))))


def _wrong_links(pool: Pool, root: str, entries: t.Sequence[Entry]) -> list[str]:
    def job(entry: Entry) -> Job[str]:
        target = yield from jobs.read_link(f"{root}/{entry.path}")
        return "" if target == entry.digest else entry.path

    return sorted(filter(None, pool.first.run(job(entry) for entry in entries)))


def manifest_of(pool: Pool, root: str, say: Say = silent) -> Manifest:
    """What a folder consists of, as it is."""
    found = scan(pool, root)
    files = [path for path, what in found.items() if what.kind == "file"]
    progress = Progress(f"reading {root}", say, files=len(files), size=sum(found[path].size or 0 for path in files))
    entries = [Entry(path, "d", stat.S_IMODE(what.mode or 0o755), 0, "") for path, what in found.items() if what.kind == "folder"]

    def hashed(path: str) -> Job[Entry]:
        what = found[path]
        digest = yield from jobs.hash_file(f"{root}/{path}", what.size or 0, progress.advance)
        if not digest:
            raise RunbookError(f"{root}/{path} changes while it is read; try again")
        return Entry(path, "f", stat.S_IMODE(what.mode or 0o644), what.size or 0, digest)

    def linked(path: str) -> Job[Entry]:
        return Entry(path, "l", 0o777, 0, (yield from jobs.read_link(f"{root}/{path}")))

    entries += pool.run(map(hashed, files), len(files))
    entries += pool.first.run(linked(path) for path, what in found.items() if what.kind == "link")
    return Manifest.of(entries)


def destroy(pool: Pool, root: str) -> None:
    """Remove a folder, or a file, and all that is in it. Links are removed, not followed."""
    what = pool.first.do(jobs.look(root))
    if what is None:
        return
    if what.kind != "folder":
        pool.first.do(jobs.remove_file(root))
        return
    found = scan(pool, root)
    names = [f"{root}/{path}" for path, item in found.items() if item.kind != "folder"]
    for _done in pool.run(map(jobs.remove_file, names), len(names)):
        pass
    folders = [root, *(f"{root}/{path}" for path, item in found.items() if item.kind == "folder")]
    by_depth: dict[int, list[str]] = {}
    for folder in folders:
        by_depth.setdefault(folder.count("/"), []).append(folder)
    for depth in sorted(by_depth, reverse=True):
        for _done in pool.first.run(jobs.check(wire.about(wire.RMDIR, folder)) for folder in by_depth[depth]):
            pass


def put(
    pool: Pool,
    source: str,
    manifest: Manifest,
    root: str,
    known: t.Mapping[str, tuple[str, str]],
    modes: bool,
    say: Say = silent,
    fresh: bool = False,
) -> Put:
    """Make the existing folder ``root`` the tree of a manifest; see ``RemoteStore.put_tree``. ``known``: sha256 to path and stamp;
    ``fresh``: whether the folder was made just now. Large files grow in ``root``.parts until they are whole.

    What is in the folder may be a link to a file of another release, perhaps the one that is served. So no file there is ever written
    to: what is not as it should be is removed, and made anew.
    """
    done = Put()
    found = {} if fresh else scan(pool, root)
    _remove_strangers(pool, root, manifest, found)
    _make_folders(pool, root, manifest, found)
    left = [entry for entry in manifest.entries if entry.kind == "f"]
    left = _kept(pool, root, left, found, done)
    _remove(pool, [f"{root}/{entry.path}" for entry in left if entry.path in found])
    sender = _Sender(pool, source, root, modes, done, say)
    linked, left = _link(pool, root, left, known, sender)
    sender.send(left)
    _make_links(pool, root, [entry for entry in manifest.entries if entry.kind == "l" and entry.path not in found])
    if modes:
        _set_modes(pool, root, manifest)
    drift, found = _compare(pool, root, manifest, modes, done)
    changed = [entry for entry in linked if _is_another(entry, found, known, modes)]
    if changed:  # in that release, since it was verified
        _remove(pool, [f"{root}/{entry.path}" for entry in changed])
        done.linked -= len(changed)
        sender.send(changed)
        drift, found = _compare(pool, root, manifest, modes, done)
    if drift:
        raise RunbookError(
            f"the release is not on the host as it was sent ({drift.describe(len(manifest.entries))}), although the server reported"
            " success; nothing was made current, run the deploy again"
        )
    return done


def _is_another(entry: Entry, found: Scan, known: t.Mapping[str, tuple[str, str]], modes: bool) -> bool:
    """Whether what a file was linked to is no longer what was verified, or has another mode where that counts."""
    what = found.get(entry.path)
    return what is None or file_stamp(what) != known[entry.digest][1] or differs(entry, what, modes)


def _remove(pool: Pool, paths: t.Sequence[str]) -> None:
    for _done in pool.first.run(map(jobs.remove_file, paths), _MANY):
        pass


def _remove_strangers(pool: Pool, root: str, manifest: Manifest, found: Scan) -> None:
    """Remove what is not of this tree, or not of the right kind, and take it out of ``found``."""
    wanted = {entry.path: entry for entry in manifest.entries}
    kinds = {"f": "file", "d": "folder", "l": "link"}
    wrong = [path for path, what in found.items() if path not in wanted or kinds[wanted[path].kind] != what.kind]
    links = [entry for entry in manifest.entries if entry.kind == "l" and entry.path in found and entry.path not in wrong]
    wrong += _wrong_links(pool, root, links)
    for path in sorted(wrong):
        if path in found:
            destroy(pool, f"{root}/{path}")
            for inner in [name for name in found if name == path or name.startswith(path + "/")]:
                del found[inner]


def _make_folders(pool: Pool, root: str, manifest: Manifest, found: Scan) -> None:
    def attempt(request: wire.Request) -> Job[wire.Request | None]:
        (reply,) = yield [request]
        return None if reply.code == wire.OK else request

    # Servers answer in the order in which they are asked, outer folders first; those that don't are asked again.
    missing = sorted(entry.path for entry in manifest.entries if entry.kind == "d" and entry.path not in found)
    modes = {entry.path: entry.mode | 0o700 for entry in manifest.entries if entry.kind == "d"}
    wanted = [wire.make_folder(f"{root}/{path}", modes[path]) for path in missing]
    failed = [request for request in pool.first.run(map(attempt, wanted), _MANY) if request]
    for request in sorted(failed, key=lambda one: one.name):
        pool.first.do(jobs.check(request))


def _kept(pool: Pool, root: str, entries: t.Sequence[Entry], found: Scan, done: Put) -> list[Entry]:
    """The entries that are not there as they should be; an interrupted call may have sent some."""
    there = [entry for entry in entries if entry.path in found and found[entry.path].size == entry.size]
    wrong = set(_wrong(pool, root, there))
    kept = {entry.path for entry in there} - wrong
    done.resumed = len(kept)
    return [entry for entry in entries if entry.path not in kept]


def _link(
    pool: Pool, root: str, entries: t.Sequence[Entry], known: t.Mapping[str, tuple[str, str]], sender: _Sender
) -> tuple[list[Entry], list[Entry]]:
    """Hard links instead of sending. Returns what was linked and what is left to send: a host may refuse links to some files. A few
    small files are sent along with the links."""

    def link(entry: Entry) -> Job[tuple[Entry, bool]]:
        names = [wire.text(wire.encode(name)) for name in (known[entry.digest][0], f"{root}/{entry.path}")]
        (reply,) = yield [wire.extended(wire.HARDLINK, *names, name=entry.path)]
        return entry, reply.code == wire.OK

    def send(entry: Entry) -> Job[tuple[Entry, bool]]:
        sender.count((yield from sender.sending(entry)))
        return entry, True

    wanted = [entry for entry in entries if entry.digest in known]
    unknown = [entry for entry in entries if entry.digest not in known]
    along = unknown if len(unknown) <= _FEW and sum(entry.size for entry in unknown) <= _SMALL else []
    tried = list(pool.first.run(itertools.chain(map(send, along), map(link, wanted)), _MANY))
    linked = [entry for entry, made in tried if made and entry.digest in known]
    refused = [entry for entry, made in tried if not made]
    done = sender.done
    done.linked = len(linked)
    if refused:
        done.notes.append(f"{len(refused):,} files could not be linked to those of earlier releases; they were sent")
    return linked, [*(() if along else unknown), *refused]


class _Sender:
    """Sends files of the release to ``root``, and counts them in ``done``."""

    def __init__(self, pool: Pool, source: str, root: str, modes: bool, done: Put, say: Say) -> None:
        self._pool, self._source, self._root, self._modes, self.done, self._say = pool, source, root, modes, done, say
        self._parts = f"{root}.parts"
        self._there: dict[str, Attributes] = {}
        self._advance = unseen
        self._hashed = wire.hash_offered(pool.first.extensions)

    def sending(self, entry: Entry) -> Job[int]:
        """The bytes that were sent. A large file grows beside the tree, and goes on where it was cut."""
        path, size = f"{self._root}/{entry.path}", 0
        if entry.size >= RESUMED:
            path = f"{self._parts}/{entry.digest}"
            had = self._there[entry.digest].size or 0 if entry.digest in self._there else 0
            size = had // jobs.CHUNK * jobs.CHUNK if had < entry.size else 0
        local = os.path.join(self._source, entry.path)
        fresh = entry.size < RESUMED
        sent = yield from jobs.send_file(
            Sending(local, path, entry.size, entry.digest, entry.mode, self._modes, size, self._hashed, fresh), self._advance
        )
        if entry.size >= RESUMED:
            yield from jobs.check(wire.rename(path, f"{self._root}/{entry.path}"))
        return sent

    def count(self, sent: int) -> None:
        """One more file that was sent; not in the job, which may run in any thread."""
        self.done.sent_files += 1
        self.done.sent_bytes += sent

    def send(self, entries: t.Sequence[Entry]) -> None:
        """Send all of them, over as many connections as are worth it."""
        self._advance = Progress("sending", self._say, files=len(entries), size=sum(entry.size for entry in entries)).advance
        large = [entry for entry in entries if entry.size >= RESUMED]
        if large:
            self._pool.first.do(jobs.answers([wire.make_folder(self._parts, 0o700)]))
            begun: dict[str, Attributes] | None = self._pool.first.do(jobs.listing(self._parts))
            self._there = begun or {}
        # Large ones first, so that none is left over when all others are done; of the same content one after the other.
        ordered = sorted(entries, key=lambda entry: -entry.size)
        twins = [entry for index, entry in enumerate(large) if any(entry.digest == other.digest for other in large[:index])]
        for round_ in ([entry for entry in ordered if entry not in twins], *([entry] for entry in twins)):
            for sent in self._pool.run(map(self.sending, round_), len(round_)):
                self.count(sent)


def _make_links(pool: Pool, root: str, entries: t.Sequence[Entry]) -> None:
    for _done in pool.first.run(jobs.check(wire.symlink(entry.digest, f"{root}/{entry.path}", target_first=True)) for entry in entries):
        pass


def _set_modes(pool: Pool, root: str, manifest: Manifest) -> None:
    """Folders exactly, and last: one may be read-only for its own owner. Files were given their modes when they were sent."""
    wanted = {entry.path: entry for entry in manifest.entries if entry.kind == "d"}
    wrong = [wire.set_mode(root, 0o755)]  # the release itself, which no entry tells of
    wrong += [
        wire.set_mode(f"{root}/{path}", wanted[path].mode)
        for path, what in scan(pool, root).items()
        if path in wanted and what.mode is not None and stat.S_IMODE(what.mode) != wanted[path].mode
    ]
    for _done in pool.first.run(map(jobs.check, sorted(wrong, key=lambda request: -request.name.count("/")))):
        pass


def _compare(pool: Pool, root: str, manifest: Manifest, modes: bool, done: Put) -> tuple[Drift, Scan]:
    """Names, kinds, sizes and modes of a tree whose bytes were read already; notes what can be seen of it now."""
    found = _scan_known(pool, root, (entry.path for entry in manifest.entries if entry.kind == "d"))
    drift = Drift([], [], [])
    for entry in manifest.entries:
        what = found.get(entry.path)
        if what is None:
            drift.missing.append(entry.path)
        elif differs(entry, what, modes):
            drift.drifted.append(entry.path)
    known = {entry.path for entry in manifest.entries}
    drift.extra.extend(sorted(path for path in found if path not in known))
    done.stamps = {entry.path: file_stamp(found[entry.path]) for entry in manifest.entries if entry.kind == "f" and entry.path in found}
    done.stamp = stamp_of(found)
    return drift, found
