# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a server that takes part in replication, and what can be done with it, whatever its engine."""

from __future__ import annotations

import dataclasses
import time
import typing as t

# The table of one row that a drill writes on the primary and looks for on the replica.
MARKER = "runbook_failover_marker"


@dataclasses.dataclass(frozen=True)
class Upstream:
    """The server to follow, and the account for replication there. ``ssl_mode`` in libpq's words."""

    host: str
    port: int
    user: str
    password: str = dataclasses.field(default="", repr=False)
    ssl_mode: str = "prefer"


@dataclasses.dataclass(frozen=True)
class State:
    """A server now. ``writable``: it accepts writes of ordinary users. ``position``: what it has, replayed and written, in the
    engine's words. ``following``: it is connected to ``upstream``; ``lag`` in seconds, None when it is not known; ``error``: why
    replication stands still."""

    role: str  # primary or replica
    writable: bool
    position: str
    upstream: str = ""
    following: bool = False
    lag: float | None = None
    error: str = ""
    replicas: int = 0


class Replication(t.Protocol):
    """One server. All errors are ``RunbookError`` with one line."""

    where: str
    # Whether the server must be started anew before what ``follow`` wrote counts.
    restarts: bool

    def state(self) -> State: ...

    def has(self, position: str) -> bool:
        """Whether everything up to a primary's position has been applied here. ``InvalidInput`` for what is no position."""

    def fence(self, timeout: float) -> int:
        """Accept no more writes and end the sessions of others; how many there were."""

    def unfence(self) -> None: ...

    def promote(self, timeout: float) -> None:
        """End replication here and accept writes."""

    def follow(self, upstream: Upstream) -> None:
        """Replicate from another server, from what is here on."""

    def mark(self, token: str) -> None:
        """Replace the marker row of the log-in's database by this one, committed."""

    def marker(self) -> str:
        """The marker row; empty when there is none."""

    def unmark(self) -> None: ...


def wait(until: t.Callable[[], bool], timeout: float, pause: float = 0.1) -> bool:
    """Whether it became true within ``timeout`` seconds. It is asked at least once."""
    deadline = time.monotonic() + timeout
    while not until():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
    return True
