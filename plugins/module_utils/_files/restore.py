# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore a folder of files: beside the live one, verified, then in its place by one step."""

from __future__ import annotations

import os
import shutil
import typing as t

from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.files import site_base
from .._common.progress import megabytes
from .._common.runner import Run
from .._common.times import parse_moment
from . import options as opts
from .compare import compare
from .place import Entry, Place, drop
from .restic import VERIFIED, Repository, Snapshot, check_tags, opened

_SPARE = 16 << 20


def files_restore(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """The module's use case."""
    source = os.path.normpath(options["path"])
    target = site_base(options["target"] or source)
    scratch = options["mode"] == "scratch"
    _refuse_options(options, source, target, scratch)
    place = Place(target)
    if os.path.islink(target):
        raise Refused(f"{target} is a symbolic link; name what it leads to, {os.path.realpath(target)}")
    if not os.path.isdir(place.parent):
        raise Refused(f"{place.parent} does not exist; make it first, with the owner that it needs")
    with opened(opts.location(options)) as repository:
        if run.check_mode:
            return _restore(repository, options, place, source, run)
        with place.locked():
            return _restore(repository, options, place, source, run)


def _refuse_options(options: t.Mapping[str, t.Any], source: str, target: str, scratch: bool) -> None:
    check_tags(options["tags"])
    if options["keep_previous"] < 1:
        raise InvalidInput(f"keep_previous: {options['keep_previous']} would leave nothing to return to; use 1 or more")
    if options["as_of"] and options["src"] != "latest":
        raise InvalidInput("as_of looks for the newest snapshot by then; leave src out")
    if scratch and target == source:
        raise InvalidInput("mode: scratch restores beside what is live; give target, a new folder")


def _choose(repository: Repository, options: t.Mapping[str, t.Any], source: str) -> Snapshot:
    """The wanted snapshot. One that was never verified has to be asked for by name and with a word."""
    there = repository.snapshots(options["tags"], opts.host(options), source)
    verified = [snapshot for snapshot in there if VERIFIED in snapshot.tags]
    what = f"of {source} by {opts.host(options)} in {repository.where}"
    if options["src"] == "latest":
        if not there:
            raise Refused(f"there is no snapshot {what}; look at path, host and tags")
        chosen = verified
        if options["as_of"]:
            moment = parse_moment(options["as_of"], "as_of").timestamp()
            chosen = [snapshot for snapshot in verified if snapshot.taken <= moment]
        if not chosen:
            raise Refused(f"there is no verified snapshot {what}" + (f" as of {options['as_of']}" if options["as_of"] else ""))
        return chosen[-1]
    fits = [snapshot for snapshot in there if snapshot.id.startswith(options["src"]) and len(options["src"]) >= 6]
    if len(fits) != 1:
        raise Refused(f"snapshot {options['src']} is not one {what}; there are {', '.join(one.short for one in there[-5:]) or 'none'}")
    if fits[0] not in verified and not options["allow_unverified"]:
        raise Refused(f"snapshot {fits[0].short} was never verified, its run failed; choose another, or allow_unverified: true")
    return fits[0]


def _restore(repository: Repository, options: t.Mapping[str, t.Any], place: Place, source: str, run: Run) -> dict[str, t.Any]:
    recovered = place.settle(run.check_mode)
    snapshot = _choose(repository, options, source)
    result: dict[str, t.Any] = {
        "changed": bool(recovered),
        "snapshot": snapshot.summary(),
        "target": place.target,
        "previous": None,
        "recovered": recovered,
    }
    there = os.path.lexists(place.target)
    if there:
        found = compare(place.target, source, repository.nodes(snapshot.id), unchanged_since=None)
        if not found:
            return {**result, "files": found.files, "bytes": found.bytes, "diff": {"before": "", "after": ""}}
        _refuse_live(options, place)
        # Of the old, extra and missing are seen from the snapshot.
        before = f"{place.target}: {found.counts['missing']:,} files that are not in the snapshot\n"
        after = f"{place.target}: {found.counts['differing']:,} files changed, {found.counts['extra']:,} files more\n"
        files, size = found.files, found.bytes
    else:
        listed = [int(node.get("size", 0)) for node in repository.nodes(snapshot.id) if node["type"] == "file"]
        files, size = len(listed), sum(listed)
        before, after = f"{place.target}: absent\n", f"{place.target}: {files:,} files, {megabytes(size)}\n"
    result.update({"changed": True, "files": files, "bytes": size, "diff": {"before": before, "after": after}})
    free = shutil.disk_usage(place.parent).free
    if free < size + _SPARE:
        raise Refused(
            f"{place.parent} has {megabytes(free)} free, but {megabytes(size)} are to be restored beside what is there; free some"
        )
    if run.check_mode:
        return result
    result["previous"] = _put(repository, snapshot, place, source, size, run)
    drop(place.previous()[options["keep_previous"] :])
    return result


def _refuse_live(options: t.Mapping[str, t.Any], place: Place) -> None:
    if options["mode"] == "scratch":
        raise Refused(f"{place.target} exists; mode: scratch restores into a new folder, name another or remove it")
    empty = os.path.isdir(place.target) and not os.listdir(place.target)
    if not empty and not options["force"]:
        raise Refused(f"{place.target} holds other data than the snapshot; force: true replaces it and keeps it as previous")


def _put(repository: Repository, snapshot: Snapshot, place: Place, source: str, size: int, run: Run) -> str | None:
    """Restore, verify, switch. Returns where what was live is kept."""
    drop([place.side])
    place.write(Entry("restoring", snapshot.short))
    try:
        os.mkdir(place.side, 0o700)
        run.say(f"restoring {megabytes(size)} of snapshot {snapshot.short}")
        repository.run("restore", snapshot.id, "--target", place.side, "--include", _literal(source), "--verify")
        inside = os.path.join(place.side, source.lstrip("/"))
        if not os.path.lexists(inside):
            raise RunbookError(f"snapshot {snapshot.short} has no {source}; nothing was changed")
        found = compare(inside, source, repository.nodes(snapshot.id), unchanged_since=None)
        if found:
            raise RunbookError(f"what was restored of snapshot {snapshot.short} is not what it lists: {found}; {place.target} is as it was")
        # What was written has to be on the disk before the old one loses its name.
        os.sync()
    except BaseException:
        place.close()
        raise
    old = os.lstat(place.target).st_ino if os.path.lexists(place.target) else 0
    previous = place.new_previous() if old else ""
    place.switch(Entry("switching", snapshot.short, inside, previous, os.lstat(inside).st_ino, old))
    return previous or None


def _literal(path: str) -> str:
    """A path as a pattern that fits nothing else."""
    return "".join(f"\\{letter}" if letter in "*?[\\" else letter for letter in path)
