# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one step that changes what is served, written down before it is taken.

A run killed anywhere leaves ``current`` as it was or as it was to be. The journal tells the next run which records
belong to which of the two: it finishes the bookkeeping of a step that was taken, and forgets one that was not.
"""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t

from .._common import clock
from .._common.errors import Refused, RunbookError
from .site import CURRENT, JOURNAL, RELEASES, Site
from .store import STATE

NEXT = f"{STATE}/next"  # the new link, before it is renamed over current


@dataclasses.dataclass
class Step:
    """A change of ``current``. ``to`` is ``None`` when the site is withdrawn; ``adopted`` names the release that a real
    folder at ``current`` becomes, ``run`` is the lock's owner."""

    to: str | None
    before: str | None
    reason: str = ""
    mark_bad: bool = False
    adopted: str = ""
    by: str = ""
    run: str = ""


def begin(site: Site, step: Step) -> None:
    site.store.write(JOURNAL, json.dumps(dataclasses.asdict(step)).encode())


@dataclasses.dataclass(frozen=True)
class Taken:
    """How a step was made: whether in one atomic step, and for how many milliseconds ``current`` was missing."""

    atomic: bool = True
    missing_ms: float = 0.0


def take(site: Site, step: Step) -> Taken:
    """Change ``current``. Adopting may need two renames on old kernels; where there are no links every swap does."""
    store = site.store
    if not store.links:
        return _move(site, step)
    if step.to is None:
        store.remove(CURRENT)
        return Taken()
    store.remove(NEXT)
    if not step.adopted:
        store.link(f"{RELEASES}/{step.to}", NEXT)
        began = time.monotonic()
        atomic = store.rename(NEXT, CURRENT)
        return Taken(atomic, 0.0 if atomic else _since(began))
    aside = f"{RELEASES}/{step.adopted}"
    store.make_folder(RELEASES, 0o755)
    store.link(f"{RELEASES}/{step.to}", aside)
    if store.exchange(aside, CURRENT):
        return Taken()
    store.remove(aside)
    began = time.monotonic()
    store.rename(CURRENT, aside)
    try:
        store.link(f"{RELEASES}/{step.to}", CURRENT)
    except OSError:
        store.rename(aside, CURRENT)
        raise
    return Taken(False, _since(began))


def _move(site: Site, step: Step) -> Taken:
    """The same where ``current`` is the folder of the live release itself."""
    store, leaving = site.store, step.adopted or step.before
    store.make_folder(RELEASES, 0o755)
    if step.to is None:
        store.rename(CURRENT, f"{RELEASES}/{leaving}")
        return Taken()
    if leaving is None:
        store.rename(f"{RELEASES}/{step.to}", CURRENT)
        return Taken()
    return Taken(False, round(store.trade(CURRENT, f"{RELEASES}/{leaving}", f"{RELEASES}/{step.to}"), 3))


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 3)


def finish(site: Site, step: Step) -> None:
    """Bring records and history in line with a step that was taken; safe to repeat."""
    records = site.records()
    at = clock.now()
    before = records.get(step.adopted or step.before or "")
    if before:
        before.state = "bad" if step.mark_bad else "retired"
        before.retired = at
        if step.mark_bad:
            before.reason = step.reason
        site.save(before)
    live = records.get(step.to or "")
    event = "withdrawn"
    if live:
        going_back = before is not None and live.id in site.ancestors(before.id, records)
        event = "rolled_back" if going_back else "swapped"
        if before and not going_back:
            live.previous = before.id
        live.state, live.live_since, live.retired, live.reason = "live", at, "", ""
        live.replaced, live.swapped_by = step.adopted or step.before or "", step.run
        site.save(live)
    site.note(event, release=step.to, before=step.adopted or step.before, reason=step.reason, marked_bad=step.mark_bad, by=step.by)
    site.store.remove(JOURNAL)


def recover(site: Site, check_mode: bool = False) -> str:
    """Finish or forget what a killed run left. Returns a sentence about it, empty when there was nothing."""
    settled = "" if check_mode else site.store.settle()
    data = site.store.read(JOURNAL)
    if data is None:
        return settled
    try:
        step = Step(**json.loads(data))
    except (ValueError, TypeError) as error:
        raise RunbookError(f"{site.store.base}/{JOURNAL} can't be read ({error}); look at current and remove that file") from error
    taken, sentence = _was_taken(site, step, check_mode)
    if check_mode:
        return sentence
    if taken:
        finish(site, step)
        site.note("recovered", outcome="finished", release=step.to)
    else:
        site.store.remove(NEXT)
        # A folder under the adopted name is what the site served: the step was taken, and undone by hand since.
        if step.adopted and not site.exists(step.adopted):
            if site.store.read_link(f"{RELEASES}/{step.adopted}"):
                site.store.remove(f"{RELEASES}/{step.adopted}")
            site.forget(step.adopted)
        site.store.remove(JOURNAL)
        site.note("recovered", outcome="undone", release=step.to)
    return sentence


def _was_taken(site: Site, step: Step, check_mode: bool) -> tuple[bool, str]:
    goal = f"the swap to release {step.to}" if step.to else "taking the site's current release away"
    left = step.adopted or ("" if site.store.links else step.before)
    aside = f"{RELEASES}/{left}"
    if left and step.to and site.store.stat(CURRENT) is None and site.store.stat(aside):
        # Killed between two renames: the name must come back, whichever way.
        if not check_mode:
            site.store.rename(aside, CURRENT)
        return False, f"an interrupted run had moved current aside for {goal}; it was put back"
    try:
        current = site.current()
    except Refused:
        current = step.before if not step.adopted else ""
    if current == step.to:
        return True, f"an interrupted run had already made {goal}; its records were completed"
    return False, f"an interrupted run had announced {goal} without making it; that was undone, {current or 'nothing'} is current"


def in_progress(site: Site) -> t.Any:
    """The announced step, for reports; ``None`` when none is open."""
    data = site.store.read(JOURNAL)
    try:
        return json.loads(data) if data else None
    except ValueError as error:
        return {"unreadable": str(error)}
