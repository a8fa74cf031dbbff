# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a site's releases; changes nothing."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._common import clock
from .._common.errors import Refused, RunbookError
from .._common.progress import Progress, Say, silent
from .._common.runner import Run
from . import journal, lock
from .backends import open_store
from .listing import listing
from .site import RELEASES, Record, Site
from .store import Store


def info(store: Store, *, verify: bool = False, history: int = 20, say: Say = silent) -> dict[str, t.Any]:
    """Releases (oldest first) with state, size, age and metadata, what is current and previous, the lock and the history."""
    site = Site(store)
    if not store.check_base():
        return {
            "exists": False,
            "current": None,
            "previous": None,
            "releases": [],
            "unknown": [],
            "lock": None,
            "history": [],
            "interrupted": None,
            "problem": "",
        }
    problem, current = "", None
    try:
        current = site.current()
    except Refused as error:
        problem = error.message
    records = site.records()
    held = lock.holder(site)
    rows = [_row(site, store, record, verify, say) for record in records.values()]
    if current and current not in records:
        problem = f"current points to {current}, of which there is no record; stage and swap to a new release"
    return {
        "exists": True,
        "current": current,
        "previous": site.previous(records, current),
        "releases": rows,
        "unknown": [name for name in store.names(RELEASES) if name not in records],
        "lock": held.to_dict() if held else None,
        "history": site.history(history),
        "interrupted": journal.in_progress(site),
        "problem": problem,
    }


def _row(site: Site, store: Store, record: Record, verify: bool, say: Say) -> dict[str, t.Any]:
    row = dataclasses.asdict(record)
    row["age_seconds"] = max(0, int(time.time() - clock.seconds(record.created)))
    row["path"] = store.absolute(site.place(record.id))
    row["complete"] = record.state != "staging" and site.exists(record.id)
    if verify and row["complete"]:
        manifest, row["problem"] = None, "it has no manifest"
        try:
            manifest = site.manifest(record.id)
        except RunbookError as error:
            row["problem"] = error.message
        if manifest is None:
            row["verified"] = False
        else:
            row["problem"] = ""
            progress = Progress(f"verifying {record.id}", say, files=len(manifest.files), size=manifest.total_bytes)
            drift, _stamp = store.verify(site.place(record.id), manifest, progress.advance)
            row["verified"] = not drift
            row.update(drifted=drift.drifted, missing=drift.missing, extra=drift.extra)
    return row


def release_info(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """The module's use case."""
    with open_store(options, dataclasses.replace(run, check_mode=True)) as store:  # whose host is only looked at
        result = {"changed": False, **info(store, verify=options["verify"], history=options["history"], say=run.say)}
        if options["listing"]:
            result["listing"] = listing(store)
    return result
