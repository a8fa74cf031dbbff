# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back up a folder of files: a snapshot counts when it, the repository and the source have been compared."""

from __future__ import annotations

import json
import os
import time
import typing as t

from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.process import LAST_WORDS, ProgramFailed
from .._common.progress import Progress, megabytes
from .._common.runner import Run
from .._common.times import parse_duration
from .._database import retention
from .._database.retention import Candidate, Policy, Row
from . import options as opts
from .compare import Comparison, compare
from .restic import INCOMPLETE, PENDING, VERIFIED, NoRepository, Repository, Snapshot, check_tags, opened

# Clocks of file systems tick a little beside the system's.
_MARGIN = 2.0


def files_backup(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """The module's use case."""
    path = _source(options["path"])
    check_tags(options["tags"])
    keeps = any(options[f"keep_{name}"] is not None for name in ("last", "hourly", "daily", "weekly", "monthly", "yearly"))
    policy = Policy.from_options(options) if keeps else None
    fresh = parse_duration(options["fresh_for"], "fresh_for")
    with opened(opts.location(options)) as repository:
        host = opts.host(options)
        try:
            before = repository.snapshots(options["tags"], host, path)
        except NoRepository:
            _refuse_init(options, repository)
            if run.check_mode:
                return _result(True, None, f"would make the repository {repository.where} and a snapshot of {path}\n")
            repository.run("init")
            before = []
        young = [snapshot for snapshot in before if VERIFIED in snapshot.tags and 0 <= time.time() - snapshot.taken < fresh]
        if young:
            return _result(False, young[-1], "")
        words = _words(options, path, host)
        if run.check_mode:
            facts, _unreadable = _back_up(repository, [words[0], "--dry-run", *words[1:]], path, run)
            return _result(True, None, _told(path, facts), facts)
        snapshot, facts, compared = _make(repository, options, words, path, run)
        result = _result(True, snapshot, _told(path, facts), facts)
        result["excluded_files"] = compared.counts["missing"]
        result["files"], result["bytes"] = compared.files, compared.bytes
        if policy:
            try:
                _forget(repository, [*before, snapshot], policy, result, run)
            except Refused as error:
                raise Refused(f"snapshot {snapshot.short} is good, but {error.message}", **result) from None
        return result


def _source(path: str) -> str:
    clean = os.path.normpath(path)
    if not path.startswith("/") or clean == "/":
        raise InvalidInput(f"path {path!r} is not an absolute path of a folder or file below /")
    if not os.path.lexists(clean):
        raise RunbookError(f"{clean} does not exist; there is nothing to back up")
    if os.path.islink(clean):
        raise InvalidInput(f"{clean} is a symbolic link; name what it leads to, {os.path.realpath(clean)}")
    return os.path.realpath(os.path.dirname(clean)).rstrip("/") + "/" + os.path.basename(clean)


def _refuse_init(options: t.Mapping[str, t.Any], repository: Repository) -> None:
    if not options["init"]:
        raise RunbookError(f"there is no repository at {repository.where}; correct the address, mount its disk, or let init: true make one")
    place = options["repository"]
    if place.startswith("/") and os.path.isdir(place) and os.listdir(place):
        raise RunbookError(f"{place} holds something else than a repository; name an empty or new folder, nothing was made")


def _words(options: t.Mapping[str, t.Any], path: str, host: str) -> list[str]:
    words = ["backup", "--json", "--host", host, "--tag", ",".join([*options["tags"], PENDING])]
    for pattern in options["exclude"]:
        words += [f"--exclude={pattern}"]
    return [*words, *(["--one-file-system"] if options["one_file_system"] else []), "--", path]


def _back_up(repository: Repository, words: list[str], path: str, run: Run) -> tuple[dict[str, t.Any], str]:
    """restic's own summary, and what it could not read."""
    progress = Progress(f"backing up {path}", run.say)
    began = time.time() - _MARGIN
    facts: dict[str, t.Any] = {}
    unreadable = []
    try:
        for line in repository.lines(*words):
            if line.get("message_type") == "status":
                progress.files, progress.size = line.get("total_files", 0), line.get("total_bytes", 0)
                progress.advance(line.get("files_done", 0) - progress.done_files, line.get("bytes_done", 0) - progress.done_bytes)
            elif line.get("message_type") == "summary":
                facts = line
    except ProgramFailed as failed:
        if failed.rc != INCOMPLETE:
            raise repository.explain(failed) from None
        # What vanished under restic's eyes is for the comparison with the source to judge.
        unreadable = _unreadable(failed, began)
    if not facts:
        raise RunbookError(f"restic ended without a summary of {path}; no snapshot counts, run again")
    return facts, "; ".join(unreadable[:3]) + (f" and {len(unreadable) - 3} more" if len(unreadable) > 3 else "")


def _unreadable(failed: ProgramFailed, began: float) -> list[str]:
    """What restic could not read, by its lines on stderr; nothing when it is all about what was changed or removed meanwhile."""
    found, passing = [], 0
    for text in failed.stderr.splitlines():
        try:
            line = json.loads(text)
            item, error = str(line["item"]), line["error"]
        except (ValueError, KeyError, TypeError):
            continue
        if _in_flux(item, began):
            passing += 1
            continue
        number = error.get("Err") if isinstance(error, dict) else None
        found.append(f"{item}: {os.strerror(number) if isinstance(number, int) else 'unreadable'}")
    # Only the end of what it said is known: of many lines the first may have told something else.
    cut = len(failed.stderr) >= LAST_WORDS // 2
    return found or ([] if passing and not cut else [failed.message])


def _in_flux(path: str, began: float) -> bool:
    # Of a name that is not UTF-8 it is not known which it is.
    if "\N{REPLACEMENT CHARACTER}" in path:
        return False
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return max(status.st_mtime, status.st_ctime) >= began


def _make(
    repository: Repository, options: t.Mapping[str, t.Any], words: list[str], path: str, run: Run
) -> tuple[Snapshot, dict[str, t.Any], Comparison]:
    """A new snapshot, verified. Whatever fails leaves it pending: it never counts, and a later good run's retention removes it."""
    began = time.time() - _MARGIN
    facts, unreadable = _back_up(repository, words, path, run)
    made = str(facts.get("snapshot_id", ""))
    if unreadable and not options["allow_unreadable"]:
        raise RunbookError(
            f"some of {path} could not be read ({unreadable}), so snapshot {made} does not count;"
            " make it readable, exclude it, or allow_unreadable: true"
        )
    if unreadable:
        run.warn(f"some of {path} could not be read and is not in snapshot {made}: {unreadable}")
    compared = compare(path, path, repository.nodes(made), unchanged_since=began, one_file_system=options["one_file_system"])
    # What patterns leave out is counted, not judged: only restic knows what fits them.
    lenient = bool(options["exclude"]) or bool(unreadable)
    if compared.counts["differing"] or (compared.counts["missing"] and not lenient):
        raise RunbookError(f"snapshot {made} is not what {path} holds: {compared}; it does not count, look at the repository and run again")
    if (compared.files, compared.bytes) != (facts["total_files_processed"], facts["total_bytes_processed"]):
        raise RunbookError(
            f"snapshot {made} lists {compared.files:,} files of {compared.bytes:,} bytes, but {facts['total_files_processed']:,} of"
            f" {facts['total_bytes_processed']:,} were read; it does not count, look at the repository and run again"
        )
    if options["check"]:
        run.say(f"checking {repository.where}")
        data = options["check_data"].strip()
        depth = ["--read-data"] if data == "100%" else [f"--read-data-subset={data}"] if data not in ("", "0", "0%") else []
        try:
            repository.run("check", *depth)
        except RunbookError as error:
            raise RunbookError(
                f"the repository is damaged or could not be checked, so snapshot {made} does not count: {error.message};"
                " back up into another repository until it is repaired"
            ) from None
    repository.run("tag", "--remove", PENDING, "--add", VERIFIED, made)
    for snapshot in reversed(repository.snapshots(options["tags"], opts.host(options), path)):
        if snapshot.original.startswith(made) and VERIFIED in snapshot.tags:
            return snapshot, facts, compared
    raise RunbookError(f"snapshot {made} is not in {repository.where} any more; somebody else removed it")


def _forget(repository: Repository, snapshots: t.Sequence[Snapshot], policy: Policy, result: dict[str, t.Any], run: Run) -> None:
    """Retention. It runs after a good backup only, so a failed run never deletes anything."""
    candidates = [_candidate(snapshot) for snapshot in snapshots]
    retention.guard(candidates, policy, time.time())
    held = retention.held(candidates, [])
    rows: list[Row] = retention.plan(candidates, policy)
    gone = [] if held else [row.id for row in rows if row.action == "delete"]
    if gone:
        run.say(f"forgetting {len(gone)} snapshots of {repository.where}")
        repository.run("forget", *gone)
        repository.run("prune")
    result["plan"] = [{**row.to_dict(), "id": row.id[:8]} for row in rows]
    result["forgotten"] = [identity[:8] for identity in gone]
    result["diff"]["before"] += "".join(f"snapshot {identity[:8]}\n" for identity in gone)
    if held:
        run.warn(f"nothing was forgotten: {held}")


def _candidate(snapshot: Snapshot) -> Candidate:
    if VERIFIED in snapshot.tags:
        return Candidate(snapshot.id, snapshot.taken)
    if PENDING in snapshot.tags:
        return Candidate(snapshot.id, snapshot.taken, "bad", "its run failed before it was verified")
    return Candidate(snapshot.id, snapshot.taken, "unknown", "not made by this collection")


def _told(path: str, facts: t.Mapping[str, t.Any]) -> str:
    new, changed = facts.get("files_new", 0), facts.get("files_changed", 0)
    return f"{path}: {new:,} new files, {changed:,} changed, {megabytes(facts.get('data_added', 0))} to add\n"


def _result(changed: bool, snapshot: Snapshot | None, after: str, facts: t.Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
    facts = facts or {}
    return {
        "changed": changed,
        "snapshot": snapshot.summary() if snapshot else None,
        "files": facts.get("total_files_processed"),
        "bytes": facts.get("total_bytes_processed"),
        "files_new": facts.get("files_new"),
        "files_changed": facts.get("files_changed"),
        "bytes_added": facts.get("data_added"),
        "excluded_files": None,
        "plan": [],
        "forgotten": [],
        "diff": {"before": "", "after": after},
    }
