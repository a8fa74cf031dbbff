# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove releases that nobody needs any more."""

from __future__ import annotations

import time
import typing as t

from .._common import clock
from .._common.errors import InvalidInput, Refused
from .._common.runner import Run
from . import journal, lock
from .backends import open_store
from .site import INCOMING, RELEASES, Record, Site
from .store import STATE, Store

# An unfinished release is kept this long for a run that resumes it, if no newer release went live meanwhile.
RESUMABLE = 86400.0


def plan(
    site: Site, records: dict[str, Record], current: str | None, *, keep: int, keep_days: float | None, keep_bad: int
) -> list[dict[str, str]]:
    """What happens to each known release and why: items ``{release, action: keep|remove, reason}``, newest first."""
    previous = site.previous(records, current)
    good = kept_bad = unused = 0
    rows = []
    for record in sorted(records.values(), key=lambda item: (item.created, item.id), reverse=True):
        action, reason = "keep", ""
        if record.state == "bad":
            kept_bad += 1
            action, reason = ("keep", "bad, kept to be looked at") if kept_bad <= keep_bad else ("remove", "bad")
        elif record.state == "staging":
            action, reason = _unfinished(record, records.get(current or ""))
        else:
            # Deploys that were given up after staging must not push out releases that have served.
            served = record.id == current or bool(record.live_since or record.retired)
            good, unused = good + served, unused + (not served)
            age = time.time() - clock.seconds(record.created)
            if (good if served else unused) <= keep:
                reason = f"among the newest {keep}" + ("" if served else " that were never live")
            elif keep_days is not None and age < keep_days * 86400:
                reason = f"younger than {keep_days:g} days"
            else:
                action, reason = "remove", f"beyond the newest {keep}"
        if record.id == current:
            action, reason = "keep", "current"
        elif record.id == previous:
            action, reason = "keep", "the previous good release, what a rollback returns to"
        rows.append({"release": record.id, "action": action, "reason": reason})
    return rows


def _unfinished(record: Record, live: Record | None) -> tuple[str, str]:
    # Whoever gets here holds the lock or found none: a run that takes the lock is not in the middle of this one.
    if live and clock.seconds(live.live_since) > clock.seconds(record.created):
        return "remove", "unfinished, and a newer release went live"
    if time.time() - clock.seconds(record.created) > RESUMABLE:
        return "remove", "unfinished for more than a day"
    return "keep", "unfinished, can be resumed"


def prune(
    store: Store,
    *,
    keep: int = 5,
    keep_days: float | None = None,
    keep_bad: int = 1,
    lock_owner: str | None = None,
    check_mode: bool = False,
    assume_live: str | None = None,
) -> dict[str, t.Any]:
    """Apply ``plan``; in check mode as if the release ``assume_live`` had been made live before.

    Returns ``changed``, ``removed``, ``kept``, ``plan``, ``unknown`` folders (never touched) and ``diff``.
    """
    if keep < 2:
        raise InvalidInput(f"keep: {keep} would leave nothing to roll back to; use 2 or more")
    if (keep_days is not None and keep_days < 0) or keep_bad < 0:
        raise InvalidInput("keep_days and keep_bad can't be negative")
    if not store.check_base():
        raise Refused(f"{store.base} does not exist; there is nothing to prune, check path")
    site = Site(store)
    if check_mode:
        return _prune(site, store, keep, keep_days, keep_bad, lock_owner, True, assume_live)
    with store.mutex():
        return _prune(site, store, keep, keep_days, keep_bad, lock_owner, False, None)


def _prune(
    site: Site,
    store: Store,
    keep: int,
    keep_days: float | None,
    keep_bad: int,
    lock_owner: str | None,
    check_mode: bool,
    assume_live: str | None,
) -> dict[str, t.Any]:
    lock.check(site, lock_owner)
    recovered = journal.recover(site, check_mode)
    current = site.current()
    records = site.records()
    if assume_live and assume_live not in records:
        records[assume_live] = Record(assume_live, "live", clock.now(), previous=current or "")
        if current in records:
            records[current].state = "retired"
        current = assume_live
    rows = plan(site, records, current, keep=keep, keep_days=keep_days, keep_bad=keep_bad)
    removed = [row["release"] for row in rows if row["action"] == "remove"]
    unknown = [name for name in store.names(RELEASES) if name not in records]
    if not check_mode:
        store.empty_trash()
        for release in removed:
            site.forget(release)
        _drop_strays(site, store, records)
        if removed:
            site.note("pruned", releases=removed)
    before = "".join(f"{row['release']}\n" for row in rows)
    after = "".join(f"{row['release']}  # {row['reason']}\n" for row in rows if row["action"] == "keep")
    return {
        "changed": bool(removed or recovered),
        "removed": removed,
        "kept": [row["release"] for row in rows if row["action"] == "keep"],
        "plan": rows,
        "unknown": unknown,
        "recovered": recovered,
        "diff": {"before_header": f"{store.base}/{RELEASES}", "after_header": f"{store.base}/{RELEASES}", "before": before, "after": after},
    }


def _drop_strays(site: Site, store: Store, records: dict[str, Record]) -> None:
    """What killed runs left: manifests and uploads without a record, half-written files, locks that never got their name."""
    for name in store.names(INCOMING):
        if name not in records or records[name].state != "staging":
            store.remove_tree(f"{INCOMING}/{name}")
    for folder in (STATE, f"{STATE}/releases", f"{STATE}/manifests"):
        for name in store.names(folder):
            if name.endswith(".partial"):
                store.remove(f"{folder}/{name}")
    for name in store.names(STATE):
        if name.startswith("lock-"):
            store.remove_tree(f"{STATE}/{name}")
    for name in store.names(f"{STATE}/manifests"):
        if name.endswith((".json", ".stamps")) and name.rpartition(".")[0] not in records:
            store.remove(f"{STATE}/manifests/{name}")


def prune_by(store: Store, options: t.Mapping[str, t.Any], run: Run, assume_live: str | None = None) -> dict[str, t.Any]:
    """``prune`` as a module's options ask for it."""
    return prune(
        store,
        keep=options["keep"],
        keep_days=options["keep_days"],
        keep_bad=options["keep_bad"],
        lock_owner=options["lock_owner"],
        check_mode=run.check_mode,
        assume_live=assume_live,
    )


def release_prune(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """The module's use case."""
    with open_store(options, run) as store:
        return prune_by(store, options, run)
