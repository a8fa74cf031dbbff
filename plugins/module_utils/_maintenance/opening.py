# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a site is opened from outside, wherever it is."""

from __future__ import annotations

import posixpath
import typing as t

from .._common.errors import InvalidInput
from .._common.runner import Run
from .entries import HTACCESS, Entries, Owner


class Place(t.Protocol):
    """Where a site lives: how its base, and the folder of its ``.htaccess``, are opened from outside."""

    base: str

    def open(self, owner: Owner, dry: bool) -> Entries | None:
        """The site's base, or None when it does not exist; one that everybody may write in is refused."""

    def make(self, owner: Owner, dry: bool) -> None:
        """Make the site's base, which does not exist; or only tell of it (``dry``)."""

    def nowhere(self) -> Entries:
        """An imagined base, for check mode."""

    def beside(self, htaccess: str, owner: Owner, dry: bool) -> Entries | None:
        """The folder of the ``.htaccess`` file at that absolute path, or None when it does not exist."""

    def told(self, dry: bool) -> dict[str, t.Any]:
        """What the result tells beside what was done, or would be done (``dry``)."""


def open_base(place: Place, owner: Owner, run: Run, present: bool) -> Entries:
    """The base; where it does not exist, an imagined one if that can do no harm."""
    folder = place.open(owner, run.check_mode)
    if folder is not None:
        return folder
    if present and not run.check_mode:
        raise InvalidInput(f"{place.base} does not exist; check path, or deploy the site first")
    run.warn(f"{place.base} does not exist on this host; " + ("a real run would need it" if present else "nothing to switch off"))
    return place.nowhere()


def open_or_make_base(place: Place, owner: Owner, run: Run) -> Entries:
    """The base, made if need be: the web server is usually taught before the first deploy."""
    folder = place.open(owner, run.check_mode)
    if folder is None:
        place.make(owner, run.check_mode)
        folder = None if run.check_mode else place.open(owner, run.check_mode)
    return folder or place.nowhere()


def open_beside(place: Place, path: str | None, owner: Owner, base: Entries, needed: bool = False) -> Entries:
    """The folder in which Apache's ``.htaccess`` lies; an imagined one where there is none, unless it is needed."""
    path = path or f"{place.base}/{HTACCESS}"
    if posixpath.basename(path) != HTACCESS:
        raise InvalidInput(f"htaccess {path!r} must be the absolute path of a file named {HTACCESS}")
    folder = place.beside(path, owner, base.dry)
    if folder is None and needed and not base.dry:
        raise InvalidInput(f"{posixpath.dirname(path)} does not exist; check htaccess, or make that folder first")
    return folder or place.nowhere()
