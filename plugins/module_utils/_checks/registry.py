# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All kinds of checks by name. A new kind is an entry in the ``KINDS`` of its group's file, or a group more here."""

from __future__ import annotations

import difflib
import typing as t

from .._common.errors import InvalidInput
from . import command, containers, files, jobs, ports, queues, resources, services, time_skew, updates
from .kind import Kind

_GROUPS = (services, resources, time_skew, updates, files, ports, jobs, containers, queues, command)
KINDS: dict[str, Kind] = {name: kind for group in _GROUPS for name, kind in group.KINDS.items()}


def kind_of(name: str) -> Kind:
    """The kind; ``InvalidInput`` with the nearest names when there is none."""
    if name in KINDS:
        return KINDS[name]
    raise InvalidInput(f"there is no kind {name!r}; {nearest(name, KINDS)}")


def nearest(name: str, names: t.Collection[str]) -> str:
    """What was probably meant, or all there is."""
    # A part of a name ("ssl_certificate", "redis") is nearer than its letters tell.
    parts = [one for one in names if name and (name in one or one in name)]
    near = list(dict.fromkeys([*difflib.get_close_matches(name, names, 3, 0.55), *parts]))[:4]
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(names))}"
