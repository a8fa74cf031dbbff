# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make another release current: forward, back, or away."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from .._common.clock import now
from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.progress import Progress, Say, silent
from .._common.runner import Run, describe_os_error
from . import journal, lock
from .backends import open_store
from .manifest import Manifest, compare
from .site import CURRENT, RELEASES, Record, Site, release_id
from .store import Store

PREVIOUS, NONE = "previous", "none"


@dataclasses.dataclass
class Request:
    """What to make current and why. ``verify``: ``full`` hashes every file, ``auto`` hashes when any inode changed
    since all were hashed last."""

    release: str
    reason: str = ""
    mark_bad: bool = False
    adopt_directory: bool = False
    verify: str = "auto"
    by: str = ""
    lock_owner: str | None = None
    # In check mode a release that an earlier task would have staged is not there.
    assume_staged: bool = False
    # For undoing a rollback that another host could not make: the release is as good as it was.
    allow_bad: bool = False
    # For returning to what was served a moment ago, whatever the site did to it.
    allow_drift: bool = False
    # The same call has hashed all of it, under the same mutex.
    verified: bool = False


def _target(site: Site, request: Request, records: dict[str, Record], current: str | None) -> str | None:
    if request.release == NONE:
        return None
    if request.release == PREVIOUS:
        found = site.previous(records, current)
        if not found:
            there = ", ".join(records) or "none"
            raise Refused(
                f"no good release precedes {current or 'an empty current'} on {site.store.base};"
                f" nothing was changed. Releases known: {there}; name one to swap to it"
            )
        return found
    return release_id(request.release)


def _refuse_unfit(site: Site, target: str, records: dict[str, Record], allow_bad: bool) -> Record:
    record = records.get(target)
    if record is None:
        known = ", ".join(records) or "none"
        raise Refused(f"release {target} is not known on {site.store.base} (known: {known}); stage it first")
    if record.state == "staging":
        raise Refused(
            f"release {target} is not ready, its staging was not completed; run the deploy again to resume, or remove it with release_prune"
        )
    if record.state == "bad" and not allow_bad:
        raise Refused(
            f"release {target} is marked bad ({record.reason or 'no reason given'});"
            " stage a fixed one under a new id, or return to it all the same with allow_bad: true"
        )
    if not site.exists(target):
        raise Refused(
            f"{site.store.base}/{RELEASES}/{target} is missing although its record says {record.state};"
            " stage it again or name another release"
        )
    return record


def prove(site: Site, record: Record, request: Request, check_mode: bool, say: Say = silent) -> tuple[bool, str]:
    """Refuse a release that is no longer what was staged. Returns whether every byte was hashed for that, and what differs all the same.

    A site may write into its own folder. What it added to a release that was live is no reason to keep anybody from going back.
    """
    place = site.place(record.id)
    if request.verified:
        return False, ""
    if request.verify == "auto" and record.stamp and site.store.stamp(place) == record.stamp:
        return False, ""
    manifest = site.manifest(record.id)
    if manifest is None:
        raise Refused(f"release {record.id} has no manifest, so nothing can prove that it is whole; stage it again")
    progress = Progress(f"verifying {record.id}", say, files=len(manifest.files), size=manifest.total_bytes)
    drift, stamp = site.store.verify(place, manifest, progress.advance)
    if drift and (request.allow_drift or (record.live_since and not drift.drifted and not drift.missing)):
        return True, f"release {record.id} is not what was staged any more ({drift.describe(len(manifest.entries))})"
    if drift:
        raise Refused(
            f"release {record.id} in {site.store.absolute(place)} is not what was staged ({drift.describe(len(manifest.entries))});"
            " stage a new release, or look with release_info verify: true; allow_drift: true swaps to it as it is",
            drifted=drift.drifted[:100],
            missing=drift.missing[:100],
            extra=drift.extra[:100],
        )
    if not check_mode:
        record.stamp = stamp
        site.save(record)
    return True, ""


def _manifest(site: Site, release: str | None) -> Manifest | None:
    # For the diff alone: a damaged manifest of the release that is left must not keep anybody there.
    return site.usable_manifest(release) if release else None


def swap(store: Store, request: Request, check_mode: bool = False, say: Say = silent) -> dict[str, t.Any]:
    """Make ``request.release`` current. Returns ``changed``, ``before``, ``after``, ``recovered``, ``atomic``, and a ``diff``."""
    if not store.check_base():
        if check_mode and request.assume_staged:
            return _first_swap(store, request)
        raise Refused(f"{store.base} does not exist; stage a release there first")
    if check_mode:
        return _swap(Site(store), request, True, say)
    with store.mutex():
        return _swap(Site(store), request, False, say)


def swap_staged(site: Site, request: Request, make: bool, say: Say = silent) -> dict[str, t.Any] | None:
    """Make a release current in the call that staged it, whose mutex is held; or, when an earlier call of the same run has done that,
    answer what that one would have. That is told when not to ``make`` it, and ``None`` when none has.

    A failure is part of the answer, because the release is staged all the same."""
    try:
        if make:
            return _swap(site, request, False, say)
        record = site.record(request.release)
        made = record and request.lock_owner and record.swapped_by == request.lock_owner and site.current() == record.id
        return _was_made(site, record) if record and made else None
    except RunbookError as error:
        return {"failed": True, "changed": False, "msg": error.message, **error.result}
    except OSError as error:
        return {"failed": True, "changed": False, "msg": describe_os_error(error)}


def _was_made(site: Site, record: Record) -> dict[str, t.Any]:
    before = record.replaced or None
    back = before is not None and record.id in site.ancestors(before, site.records())
    return {**_made(site, before, record.id, ""), "rolled_back": back}


def _first_swap(store: Store, request: Request) -> dict[str, t.Any]:
    """What check mode can say of a site whose folder an earlier task of the play would have made."""
    name = f"{store.base}/{CURRENT}"
    return {
        "changed": True,
        "before": None,
        "after": request.release,
        "before_metadata": {},
        "recovered": "",
        "atomic": True,
        "missing_ms": 0.0,
        "verified": False,
        "drift": "",
        "rolled_back": False,
        "diff": {"before_header": name, "after_header": name, "before": "", "after": f"{CURRENT} -> {RELEASES}/{request.release}\n"},
        "msg": f"nothing -> {request.release} on {store.base}",
    }


def _swap(site: Site, request: Request, check_mode: bool, say: Say) -> dict[str, t.Any]:
    store = site.store
    lock.check(site, request.lock_owner)
    step = journal.in_progress(site)
    recovered = journal.recover(site, check_mode)
    if step and request.release == PREVIOUS and _went_back(site, step):
        # The rollback that is asked for was made by the run that was killed; another would go back too far.
        return _finished(site, step, recovered)
    adopted = ""
    found = store.stat(CURRENT)
    if found and found.kind == "folder" and request.adopt_directory and (store.links or _unowned(site)):
        if request.release in (PREVIOUS, NONE):
            raise InvalidInput("adopt_directory needs a release to put in the folder's place; name it")
        adopted = f"adopted_{now().replace('-', '').replace(':', '').replace('T', '_').rstrip('Z')}"
        current = None
    else:
        current = site.current()
    records = site.records()
    target = _target(site, request, records, current)
    result: dict[str, t.Any] = {
        "before": adopted or current,
        "after": target,
        "recovered": recovered,
        "atomic": True,
        "missing_ms": 0.0,
        "verified": False,
        "drift": "",
    }
    result["before_metadata"] = records[current].metadata if current in records else {}
    if target == current and not adopted:
        if target is not None and not site.exists(target):
            raise Refused(
                f"{CURRENT} points to {RELEASES}/{target}, which is missing on {store.base};"
                " swap to another release, or stage this one again"
            )
        # mark_bad is for the release that is replaced. None is: a repeated or resumed call has nothing left to do.
        return {**result, "changed": bool(recovered), "msg": f"{target or 'nothing'} is already current on {store.base}"}
    if target is not None and not (check_mode and request.assume_staged and target not in records):
        fit = _refuse_unfit(site, target, records, request.allow_bad)
        result["verified"], result["drift"] = prove(site, fit, request, check_mode, say)
    result["changed"] = True
    if not request.verified:  # else the staging has told
        result["diff"] = _diff(site, current, target)
    going_back = target is not None and current is not None and target in site.ancestors(current, records)
    result["rolled_back"] = going_back
    result["msg"] = f"{current or 'nothing'} -> {target or 'nothing'} on {store.base}"
    # Before anything is announced: a folder that can't be recorded (a socket in it, say) is refused with nothing changed.
    adoption = store.manifest_of(CURRENT, say) if adopted else None
    foreign = current if current and current not in records and site.exists(current) else ""
    with contextlib.suppress(RunbookError, OSError):  # what can't be recorded can't be returned to, but may be left
        adoption = store.manifest_of(f"{RELEASES}/{foreign}", say) if foreign else adoption
    if check_mode:
        return result
    step = journal.Step(target, current, request.reason, request.mark_bad, adopted, request.by, request.lock_owner or "")
    if foreign and adoption:
        _record_adopted(site, foreign, adoption, request.by, "adopted: was current without a record, another tool had made it")
    journal.begin(site, step)
    if adopted and adoption:
        _record_adopted(site, adopted, adoption, request.by, "adopted: was a real folder at current")
    taken = journal.take(site, step)
    result["atomic"], result["missing_ms"] = taken.atomic, taken.missing_ms
    journal.finish(site, step)
    return result


def _unowned(site: Site) -> bool:
    """Whether ``current`` is a folder that nobody staged."""
    try:
        return site.current() is None
    except Refused:
        return True


def _went_back(site: Site, step: t.Mapping[str, t.Any]) -> bool:
    """Whether an announced step was one back, and was taken."""
    to, before = step.get("to"), step.get("before")
    return isinstance(to, str) and isinstance(before, str) and site.current() == to and to in site.ancestors(before, site.records())


def _finished(site: Site, step: t.Mapping[str, t.Any], recovered: str) -> dict[str, t.Any]:
    made = _made(site, step["before"], step["to"], recovered)
    return {**made, "rolled_back": True, "msg": f"{made['msg']}, by the run that was interrupted"}


def _made(site: Site, before: str | None, after: str, recovered: str) -> dict[str, t.Any]:
    """The result of a swap that an earlier call has made."""
    records = site.records()
    return {
        "changed": True,
        "before": before,
        "after": after,
        "recovered": recovered,
        "atomic": True,
        "missing_ms": 0.0,
        "verified": False,
        "drift": "",
        "before_metadata": records[before].metadata if before in records else {},
        "diff": _diff(site, before, after),
        "msg": f"{before or 'nothing'} -> {after} on {site.store.base}",
    }


def _record_adopted(site: Site, adopted: str, manifest: Manifest, by: str, reason: str) -> None:
    """Give what was served until now a record and a manifest before it is replaced, so that it can be returned to like any release."""
    site.save_manifest(adopted, manifest)
    site.save(
        Record(
            adopted,
            "retired",
            now(),
            root=manifest.root,
            source_root=manifest.root,
            files=len(manifest.files),
            bytes=manifest.total_bytes,
            reason=reason,
            by=by,
        )
    )


def _diff(site: Site, before: str | None, after: str | None) -> dict[str, str]:
    lines = [f"{CURRENT} -> {RELEASES}/{before}" if before else f"{CURRENT}: absent"]
    new = [f"{CURRENT} -> {RELEASES}/{after}" if after else f"{CURRENT}: absent"]
    one, other = _manifest(site, before), _manifest(site, after)
    if one and other:
        changes = compare(one, other)
        new += [f"+ {path}" for path in changes.added[:200]]
        new += [f"~ {path}" for path in changes.changed[:200]]
        new += [f"- {path}" for path in changes.removed[:200]]
    name = f"{site.store.base}/{CURRENT}"
    return {"before_header": name, "after_header": name, "before": "\n".join(lines) + "\n", "after": "\n".join(new) + "\n"}


def release_swap(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """The module's use case."""
    request = Request(
        release=options["release"],
        reason=options["reason"],
        mark_bad=options["mark_bad"],
        adopt_directory=options["adopt_directory"],
        verify=options["verify"],
        by=options["by"],
        lock_owner=options["lock_owner"],
        assume_staged=options["assume_staged"],
        allow_bad=options["allow_bad"],
        allow_drift=options["allow_drift"],
    )
    with open_store(options, run) as store:
        return swap(store, request, run.check_mode, run.say)
