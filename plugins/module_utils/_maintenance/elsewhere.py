# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching from here, for a site on a host where nothing can be run."""

from __future__ import annotations

import dataclasses
import datetime
import posixpath
import typing as t

from .._common.errors import InvalidInput
from .._common.runner import Run, UseCase
from .._release.store import Stat, Store
from .entries import DATA, FLAG, HTACCESS
from .request import parse
from .store_folder import InStore
from .switch import switch_at

OpenStore = t.Callable[[t.Mapping[str, t.Any], Run], t.ContextManager[Store]]


def switch_through(open_store: OpenStore) -> UseCase:
    """The use case of the module for a site in the store that ``open_store(options, run)`` opens."""

    def switch(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
        _check(options)
        if options["remote"].get("offline"):
            return _offline(options, run)
        with open_store(options, run) as store:
            return switch_at(InStore(store, options["path"]), options, run)

    return switch


def _check(options: t.Mapping[str, t.Any]) -> None:
    """Whatever can be refused without a connection."""
    for name in ("owner", "group"):
        if options[name]:
            raise InvalidInput(
                f"{name} can't be given with backend {options['backend']}, where everything belongs to the account that connects;"
                f" leave {name} out"
            )
    parse(options, datetime.datetime.now(datetime.timezone.utc))


def _offline(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    base = posixpath.normpath(options["path"])  # a relative one stays so: only the host knows where it counts from
    place = InStore(t.cast(Store, _Unasked(base, options["state"])), base)
    result = switch_at(place, options, dataclasses.replace(run, check_mode=True))
    if options["state"] != "installed":
        file, done = options["htaccess"] or f"{base}/{HTACCESS}", "remove" if options["state"] == "absent" else "write"
        place.log.append(f"where {file} holds the role's block: {done} the page's block there")
    whole = "all of it" if options["state"] == "absent" else "nothing of it"
    return {
        **result,
        "msg": f"offline: nothing was connected to; the transcript shows what would be done where {whole} is there yet",
    }


class _Unasked:
    """The reading half of a store that is not connected to: it has nothing, or all that switching off removes."""

    links = True

    def __init__(self, base: str, state: str) -> None:
        self.base = base
        self._stats: dict[str, Stat] = {}
        if state == "absent":
            folders = (DATA, f"{DATA}/allow", f"{DATA}/token", f"{DATA}/retry")
            self._stats = {name: Stat("folder", 0, 0o711) for name in folders}
            self._stats.update({name: Stat("file", 0, 0o644) for name in (FLAG, f"{DATA}/page.html")})
            self._stats[f"{DATA}/retry_after"] = Stat("link", 0, 0o777)

    def check_base(self) -> bool:
        return True

    def stat(self, name: str) -> Stat | None:
        return self._stats.get(name)

    def names(self, folder: str) -> list[str]:
        return [posixpath.basename(name) for name in self._stats if posixpath.dirname(name) == folder]

    def read(self, name: str) -> bytes | None:
        return None
