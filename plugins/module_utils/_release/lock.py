# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may change the site: one owner at a time, with a name, a place, a beginning and an end.

The lock outlives module calls (a deploy is many), so no process holds it: it is a folder that appears with its
owner already inside, by one rename that fails when somebody else's is there.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import time
import typing as t

from .._common import clock
from .._common.errors import Refused
from .site import Site
from .store import STATE

LOCK = f"{STATE}/lock"


@dataclasses.dataclass
class Lock:
    """The holder of a site's lock. ``ttl`` in seconds, counted from ``renewed``; what runs out may be taken by others."""

    owner: str
    where: str
    since: str
    renewed: str
    ttl: int
    purpose: str = ""

    @property
    def expired(self) -> bool:
        return time.time() > clock.seconds(self.renewed) + self.ttl

    def to_dict(self) -> dict[str, t.Any]:
        return {**dataclasses.asdict(self), "expired": self.expired}

    def describe(self) -> str:
        """Who, from where, since when, until when."""
        left = int(clock.seconds(self.renewed) + self.ttl - time.time())
        until = f"expires in {left} s" if left > 0 else f"expired {-left} s ago"
        what = f" for {self.purpose}" if self.purpose else ""
        return f"{self.owner} from {self.where}{what} since {self.since} ({clock.ago(self.since)}, {until})"


def holder(site: Site) -> Lock | None:
    """The present lock, or ``None``."""
    data = site.store.read(f"{LOCK}/owner.json")
    if data is None:
        return None
    try:
        found = Lock(**json.loads(data))
        return dataclasses.replace(found, ttl=int(found.ttl))
    except (ValueError, TypeError):
        # Unreadable, so nobody can prove to hold it; it counts as run out and is replaced.
        return Lock("unknown", "unknown", clock.stamp(0), clock.stamp(0), 0)


def _write(site: Site, lock: Lock) -> None:
    """Put a lock in the place of none: complete before it has its name."""
    made = f"{STATE}/lock-{secrets.token_hex(6)}"
    site.store.make_folder(made, 0o700)
    site.store.write(f"{made}/owner.json", json.dumps(dataclasses.asdict(lock)).encode())
    site.store.rename(made, LOCK)


def check(site: Site, owner: str | None) -> None:
    """Refuse when somebody else holds the lock."""
    found = holder(site)
    if found and found.owner != owner and not found.expired:
        raise Refused(
            f"{site.store.base} is locked by {found.describe()};"
            " wait for it, or if that run is dead take the lock over (release_lock with take_over: true)",
            lock=found.to_dict(),
        )


def acquire(
    site: Site, owner: str, *, where: str, ttl: int, purpose: str = "", take_over: bool = False, check_mode: bool = False
) -> tuple[bool, Lock | None]:
    """Take or renew the lock; the caller holds the store's mutex (but in check mode). Returns whether it is newly "
    "ours, and whom it was taken from."""
    found = holder(site)
    fresh = Lock(owner, where, clock.now(), clock.now(), ttl, purpose)
    if found and found.owner == owner:
        if not check_mode:
            renewed = dataclasses.replace(found, renewed=clock.now(), ttl=ttl)
            site.store.write(f"{LOCK}/owner.json", json.dumps(dataclasses.asdict(renewed)).encode())
        return False, None
    if found and not found.expired and not take_over:
        check(site, owner)
    if not check_mode:
        if site.store.stat(LOCK):
            site.store.remove_tree(LOCK)
        if found:
            site.note("lock_taken_over", by=owner, before=found.to_dict())
        _write(site, fresh)
    return True, found


def release(site: Site, owner: str, *, force: bool = False, check_mode: bool = False) -> Lock | None:
    """Give the lock back. Returns the lock that ended; ``Refused`` when it is somebody else's, unless ``force``."""
    found = holder(site)
    if found is None:
        return None
    if found.owner != owner and not force:
        raise Refused(
            f"the lock of {site.store.base} belongs to {found.describe()}, not to {owner}; nothing was released", lock=found.to_dict()
        )
    if not check_mode:
        site.store.remove_tree(LOCK)
        if found.owner != owner:
            site.note("lock_broken", by=owner, before=found.to_dict())
    return found
