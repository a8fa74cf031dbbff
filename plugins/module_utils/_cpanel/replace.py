# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renames, and the replacement of what has the new name already: two renames, written down so that the next run can put it right."""

from __future__ import annotations

import errno
import json
import secrets
import typing as t

from .._release.store import STATE
from .changes import Changes
from .looks import INTENT, TRASH, Looks
from .moves import Exchange, Mover
from .place import Place


class Replacing:
    """Names are relative to the site's base. ``check``: refuses when the mutex may be another's."""

    def __init__(self, mover: Mover, place: Place, looks: Looks, changes: Changes, check: t.Callable[[], None]) -> None:
        self._mover, self._place, self._looks, self._changes, self._check = mover, place, looks, changes, check

    def rename(self, old: str, new: str) -> bool:
        """Rename, replacing a file that is there. ``True`` when that was one step: nothing was."""
        self._check()
        self._changes.forget_folders()
        self._looks.changing(old, new)
        one, other = self._place.rel(old), self._place.rel(new)
        before = self._mover.kinds([one, other])
        if before[other] == "folder":
            raise FileExistsError(errno.EEXIST, "there is a folder of that name", self._place.absolute(new))
        if before[other] is None:
            self._mover.move(one, other, before)
            return True
        aside = f"{TRASH}/{secrets.token_hex(6)}"
        self.exchange(new, aside, old)
        self._changes.destroy(self._place.rel(aside))
        return False

    def exchange(self, current: str, aside: str, new: str) -> Exchange:
        """``current -> aside, new -> current``; see ``Mover.exchange``. Written down first, for ``settle``."""
        self._changes.forget_folders()
        for name in (aside, INTENT):
            self._changes.make_folder(name.rpartition("/")[0], 0o700 if name.startswith(STATE) else 0o755)
        self._changes.write_each({INTENT: json.dumps({"current": current, "aside": aside, "new": new}).encode()})
        self._check()
        self._looks.changing(current, aside, new)
        # After a failure it stays written down: a step whose answer was lost may still be taken.
        done = self._mover.exchange(self._place.rel(current), self._place.rel(aside), self._place.rel(new))
        self._changes.remove(INTENT)
        return done

    def settle(self) -> str:
        """Put right what a killed run left of a replacement: nothing under the name, because only the first rename was made."""
        data = self._looks.read_each([INTENT])[0]
        if data is None:
            return ""
        try:
            intent = json.loads(data)
            current, aside = str(intent["current"]), str(intent["aside"])
        except (ValueError, KeyError, TypeError):
            self._changes.remove(INTENT)
            return ""
        one, other = self._place.rel(current), self._place.rel(aside)
        self._looks.changing(current, aside)
        kinds = self._mover.kinds([one, other])
        said = ""
        if kinds[one] is None and kinds[other] is not None:
            self._mover.move(other, one, kinds)
            said = f"an interrupted run had moved {current} away to replace it; it was put back"
        self._changes.remove(INTENT)
        return said
