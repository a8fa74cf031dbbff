# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``release_lock``: take, renew or give back the lock of a site, waiting for it if asked to."""

from __future__ import annotations

import socket
import time
import typing as t

from .._common.errors import InvalidInput, Refused
from .._common.runner import Run
from . import lock
from .backends import open_store
from .site import Site
from .store import Store

T = t.TypeVar("T")


def release_lock(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """Acquire (waiting up to ``wait`` seconds) or release the site's lock."""
    if options["ttl"] < 1:
        raise InvalidInput("ttl is in seconds and must be at least 1")
    owner = options["owner"]
    if not owner:
        raise InvalidInput("owner is empty; name this run, for example 'deploy 4711'")
    with open_store(options, run) as store:
        return _lock(store, owner, options, run)


def _lock(store: Store, owner: str, options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    site = Site(store)
    if not store.check_base():
        if options["state"] == "released":
            return {"changed": False, "lock": None, "taken_from": None, "msg": f"{store.base} does not exist and so is not locked"}
        if run.check_mode:
            return {"changed": True, "lock": None, "taken_from": None, "msg": f"{store.base} would be created and locked"}
        store.make_folder("", 0o755)
    if options["state"] == "released":
        ended = _locked(store, run, lambda: lock.release(site, owner, force=options["take_over"], check_mode=run.check_mode))
        return {"changed": ended is not None, "lock": None, "taken_from": None, "msg": "released" if ended else "was not locked"}
    where = options["where"] or socket.gethostname()
    deadline = time.monotonic() + options["wait"]
    while True:
        try:
            new, taken = _locked(
                store,
                run,
                lambda: lock.acquire(
                    site,
                    owner,
                    where=where,
                    ttl=options["ttl"],
                    purpose=options["purpose"],
                    take_over=options["take_over"],
                    check_mode=run.check_mode,
                ),
            )
            break
        except Refused:
            if time.monotonic() >= deadline or run.check_mode:
                raise
            time.sleep(min(1.0, max(0.05, deadline - time.monotonic())))
    held = lock.holder(site)
    return {
        "changed": new,
        "lock": held.to_dict() if held else None,
        "taken_from": taken.to_dict() if taken else None,
        "msg": f"locked by {owner}" + (f", taken over from {taken.describe()}" if taken else ""),
    }


def _locked(store: Store, run: Run, action: t.Callable[[], T]) -> T:
    if run.check_mode:
        return action()
    with store.mutex():
        return action()
