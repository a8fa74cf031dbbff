# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine has to be able to do. One file per engine implements it; ``engines.py`` finds it by name.

A dump consists of parts: one stream, or several that are read at the same time (``jobs``). How parts are compressed,
encrypted, hashed, written and read again is not an engine's business (``parts.py``): it hands out readers of plain bytes and
gets readers of plain bytes back. Every claim about a server's state is asked of the server, never remembered.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from .model import Inventory, Selection, Server, Table


class Reader(t.Protocol):
    """``read(size)`` returns at most that many bytes, and none at the end, as a raw pipe does."""

    def read(self, size: int, /) -> bytes: ...


@dataclasses.dataclass(frozen=True)
class Part:
    """One stream of a dump, ``data`` when there is only one. Leaving ``open``'s context raises unless the stream was complete."""

    name: str
    open: t.Callable[[], contextlib.AbstractContextManager[Reader]]


class Dump(t.Protocol):
    """One moment of a database, held while the dump is open: parts, inventory and query all see the same moment."""

    @property
    def parts(self) -> t.Sequence[Part]: ...

    # What load and create need to know later (character set, owner, settings, grants …): JSON, kept in the sidecar.
    @property
    def settings(self) -> dict[str, t.Any]: ...

    def inventory(self, *, counts: bool, checksums: bool) -> Inventory:
        """Called in a thread of its own while parts are read."""

    def query(self, text: str) -> str:
        """One value, for the schema's revision."""

    def check_end(self, part: str, tail: bytes) -> None:
        """Raise ``RunbookError`` unless the last bytes (up to 4 KB) of a part are how a complete dump ends."""


class Engine(t.Protocol):
    """A server and what can be done with its databases. Names are checked and quoted here, in one place per engine.

    All methods raise ``RunbookError`` with one line: client missing (which package), wrong password, no such database …
    """

    kind: t.ClassVar[str]
    # Of a single part's file: sql, sqlite, rdb …
    suffix: t.ClassVar[str]

    def server(self) -> Server:
        """Who answers; raises when nobody does or the log-in is refused."""

    def check_name(self, name: str) -> None:
        """``InvalidInput`` when no database of this engine can have that name."""

    def exists(self, name: str) -> bool: ...

    def tables(self, name: str) -> list[Table]:
        """All tables; raises when there is no such database."""

    def dump(self, name: str, tables: Selection, jobs: int) -> contextlib.AbstractContextManager[Dump]: ...

    def inventory(self, name: str, *, counts: bool, checksums: bool) -> Inventory:
        """Of a database that nobody writes to now."""

    def refuses(self, made_by: Server) -> str:
        """Why a dump of that server can't be loaded into this one; empty when it can."""

    def data_folder(self, name: str) -> str:
        """Where the server keeps a database's data, when that is on this host and this log-in may know; else empty."""

    def side_name(self, live: str, token: str) -> str:
        """A name beside ``live`` for a database that is being restored or was replaced; ``token`` is 8 letters and digits."""

    def create(self, name: str, settings: t.Mapping[str, t.Any]) -> None:
        """An empty database with a dump's settings, that only this log-in uses; raises when the name is taken."""

    def load(self, name: str, parts: t.Sequence[Part], settings: t.Mapping[str, t.Any], jobs: int) -> None:
        """Fill an empty database. The first error of the server or of a part ends it, and is raised."""

    def drop(self, name: str) -> None:
        """Remove a database, whoever uses it; nothing happens when it is not there."""

    def switch(self, live: str, side: str, previous: str, note: t.Callable[[str, t.Mapping[str, t.Any]], None]) -> None:
        """Give ``live``'s name to ``side`` and keep what had it as ``previous``; ``live`` may be absent.

        Nobody writes meanwhile. As few steps as the server allows, atomic where it can be. ``note(step, facts)`` makes a step
        durable in the journal before it is taken, with what ``settle`` needs to finish or undo it.
        """

    def settle(self, live: str, side: str, previous: str, step: str, facts: t.Mapping[str, t.Any]) -> t.Literal["new", "old"]:
        """After a run that was killed in ``switch``: bring ``live`` to the whole new or the whole old state and say which.

        Decided by what the server has, not by the journal alone. Afterwards the side (old) or the previous (new) can be dropped.
        """
