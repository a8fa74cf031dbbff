# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of databases, whatever engine holds them: log-ins, servers, tables, inventories."""

from __future__ import annotations

import dataclasses
import fnmatch
import typing as t

from .._common.errors import InvalidInput


@dataclasses.dataclass(frozen=True)
class Login:
    """How to get at a server, in the words of community.mysql and community.postgresql. Empty means the client's default."""

    host: str = ""
    port: int = 0
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    unix_socket: str = ""
    # The database to log in to where that is not the one to work on (PostgreSQL's maintenance database, MongoDB's authSource).
    database: str = ""
    config_file: str = ""
    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    # disable, prefer, require, verify-ca, verify-full: libpq's words, for all engines.
    ssl_mode: str = "prefer"

    @property
    def local(self) -> bool:
        """Whether the server is on this host, as far as names tell."""
        return bool(self.unix_socket) or self.host in ("", "localhost", "127.0.0.1", "::1")

    @property
    def where(self) -> str:
        """For messages: ``db.example.com:3306`` or a socket's path, never the user's password."""
        if self.unix_socket:
            return self.unix_socket
        return f"{self.host or 'this host'}{f':{self.port}' if self.port else ''}"


@dataclasses.dataclass(frozen=True)
class Server:
    """A server as it describes itself: ``product`` in lower case (``mariadb``, ``mysql``, ``postgresql`` …)."""

    product: str
    version: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """The leading numbers of the version: ``(10, 11, 6)``."""
        found = []
        for part in self.version.split("."):
            digits = part[: len(part) - len(part.lstrip("0123456789"))]
            if not digits:
                break
            found.append(int(digits))
            if digits != part:
                break
        return tuple(found)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table, collection or key space. ``bytes`` as the server estimates it, data without indexes."""

    name: str
    bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which tables or collections: names, or patterns with ``*`` and ``?``. Nothing included means all."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def partial(self) -> bool:
        return bool(self.include or self.exclude)

    def resolve(self, tables: t.Iterable[Table]) -> list[Table]:
        """The chosen tables; ``InvalidInput`` when an included name or pattern fits none, since a typing error must not leave data out."""
        present = list(tables)
        for wanted in self.include:
            if not any(fnmatch.fnmatchcase(table.name, wanted) for table in present):
                raise InvalidInput(
                    f"no table fits {wanted!r}; there are {', '.join(sorted(table.name for table in present)[:20]) or 'none'}"
                )
        return [
            table
            for table in present
            if (not self.include or any(fnmatch.fnmatchcase(table.name, wanted) for wanted in self.include))
            and not any(fnmatch.fnmatchcase(table.name, unwanted) for unwanted in self.exclude)
        ]


@dataclasses.dataclass(frozen=True)
class TableFacts:
    """``rows`` counted, and a ``checksum`` over all of them that does not depend on the order of rows or the database's name.

    An empty checksum was not asked for.
    """

    rows: int
    checksum: str = ""


@dataclasses.dataclass
class Inventory:
    """What a database holds, to be compared with what it should hold.

    ``objects`` are definitions by kind (``table``, ``view``, ``trigger``, ``routine``, ``event``, ``grant``, ``sequence``,
    ``extension``, ``index`` …) and name, as short hashes that do not depend on the database's name. ``method`` names how
    checksums were computed: two inventories' checksums are compared only when it is the same.
    """

    method: str = ""
    tables: dict[str, TableFacts] = dataclasses.field(default_factory=dict)
    objects: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())

    def to_dict(self) -> dict[str, t.Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, value: t.Mapping[str, t.Any]) -> Inventory:
        """What ``to_dict`` made; ``KeyError``, ``TypeError`` or ``ValueError`` when it is something else."""
        tables = {str(name): TableFacts(int(facts["rows"]), str(facts["checksum"])) for name, facts in value["tables"].items()}
        objects = {str(kind): {str(name): str(digest) for name, digest in named.items()} for kind, named in value["objects"].items()}
        return cls(str(value["method"]), tables, objects)

    def differences(self, found: Inventory) -> list[str]:
        """What is not as it should be in ``found``, one line each; empty when all is there and alike."""
        lines = []
        for name, facts in self.tables.items():
            other = found.tables.get(name)
            if other is None:
                lines.append(f"table {name} is missing")
            elif other.rows != facts.rows:
                lines.append(f"table {name} has {other.rows:,} rows instead of {facts.rows:,}")
            elif facts.checksum and other.checksum and self.method == found.method and other.checksum != facts.checksum:
                lines.append(f"table {name} has the right number of rows but other contents")
        lines += [f"table {name} should not be there" for name in found.tables if name not in self.tables]
        if self.method != found.method:
            # Of another major version, whose definitions read differently.
            return lines
        for kind in sorted({*self.objects, *found.objects}):
            wanted, present = self.objects.get(kind, {}), found.objects.get(kind, {})
            for name in sorted({*wanted, *present}):
                if name not in present:
                    lines.append(f"{kind} {name} is missing")
                elif name not in wanted:
                    lines.append(f"{kind} {name} should not be there")
                elif wanted[name] != present[name]:
                    lines.append(f"{kind} {name} is defined differently")
        return lines
