# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all checks of a host have in common: a kind says what it takes and measures, and how it is read."""

from __future__ import annotations

import dataclasses
import typing as t

from .._common.thresholds import Thresholds
from .._database.checks import Reading


@dataclasses.dataclass(frozen=True)
class Measure:
    """What can be measured: its ``unit``, its limits when a check names none, and between which values it always lies.

    ``below``: less is worse. ``least`` and ``most`` None: no bound.
    """

    unit: str = ""
    warn: float | None = None
    crit: float | None = None
    below: bool = False
    least: float | None = 0
    most: float | None = None


@dataclasses.dataclass(frozen=True)
class Hold:
    """How long, in seconds, and how many times in a row something must be wrong before it counts."""

    seconds: float = 0
    times: int = 1

    def __bool__(self) -> bool:
        return self.seconds > 0 or self.times > 1


@dataclasses.dataclass(frozen=True)
class Check:
    """One expectation. ``given`` has every option that a check may have, None where it was left out; ``timeout`` in seconds."""

    name: str
    kind: str
    measure: str
    unit: str
    thresholds: Thresholds
    timeout: float
    hold: Hold
    given: t.Mapping[str, t.Any] = dataclasses.field(repr=False)

    def text(self, option: str) -> str:
        """An option as text, empty when it was left out."""
        value = self.given[option]
        return "" if value is None else str(value)


class Read(t.Protocol):
    """Looks, and says what it saw. Whatever it raises makes the check crashed; it must end by itself within ``check.timeout``."""

    def __call__(self, check: Check) -> Reading: ...


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of checks.

    ``measures``: the default first. ``needs`` and ``takes`` are options that must, and may, be given; the first of either names the
    check when nothing else does. ``refuse`` raises ``InvalidInput`` for options that make no sense, before anything is looked at.
    ``judges``: what is read has a status of its own, so that limits may be missing.
    """

    read: Read
    measures: t.Mapping[str, Measure]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    refuse: t.Callable[[t.Mapping[str, t.Any]], None] | None = None
    judges: bool = False


__all__ = ["Check", "Hold", "Kind", "Measure", "Read", "Reading"]
