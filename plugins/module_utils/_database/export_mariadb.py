# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports from MariaDB and MySQL: one client program for one moment, whose rows are read from its pipe as the server sends them.

The client prints a row as a line, with line breaks, tabs and backslashes in values escaped. It prints NULL as it prints the text
``NULL``, so every value is asked for with a sign before it, which NULL doesn't have.
"""

from __future__ import annotations

import contextlib
import io
import re
import secrets
import subprocess
import typing as t

from .._common.errors import RunbookError
from .._common.process import Process, ProgramFailed
from .dialect_mariadb import MariaDBDialect, check_reading, hexed
from .export_request import Row, Wanted, within
from .export_sql import Statements, statements
from .mariadb_client import Client
from .model import Login

_BINARY = frozenset(["binary", "varbinary", "blob", "tinyblob", "mediumblob", "longblob"])
_SHAPES = frozenset(
    ["geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection"]
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
# How long the server waits for us while a slow disk or compressor takes its time, in seconds.
_PATIENCE = 3600


@contextlib.contextmanager
def snapshot(login: Login, wanted: Wanted) -> t.Iterator[MariaDBSnapshot]:
    """A transaction that began before anything is read. Tables of engines without transactions are not held by it."""
    if wanted.query:
        check_reading(wanted.query)
    client = Client(login)
    prepared = statements(MariaDBDialect(client), wanted, _shown)
    end = f"$rb{secrets.token_hex(4)}$"
    words = ("--quick", "--unbuffered", "--skip-column-names", f"--delimiter={end}")
    with _explained(client), contextlib.ExitStack() as stack:
        command = stack.enter_context(client.sql(wanted.database, *words))
        process = stack.enter_context(Process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        stack.enter_context(within(wanted.timeout, process.terminate))
        yield MariaDBSnapshot(process, prepared, end)


@contextlib.contextmanager
def _explained(client: Client) -> t.Iterator[None]:
    try:
        yield
    except ProgramFailed as failed:
        raise client.explain(failed) from None


class MariaDBSnapshot:
    """See ``Snapshot``."""

    consistent = True

    def __init__(self, process: Process, prepared: Statements, end: str) -> None:
        self._process, self._prepared, self._end = process, prepared, end
        self._lines = io.BufferedReader(t.cast(io.RawIOBase, process.stdout), 1 << 18)
        self.json = prepared.json
        self._run(
            f"SET SESSION sql_mode='', time_zone='+00:00', net_write_timeout={_PATIENCE}",
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        )

    def count(self) -> int:
        self._execute(self._prepared.count)
        line = self._lines.readline()
        if not line:
            self._process.finish()
            raise RunbookError("the client ended before it had counted")
        return int(line)

    def rows(self) -> t.Iterator[Row]:
        self._execute(self._prepared.rows)
        self._process.stdin.close()
        for line in self._lines:
            text = line[:-1].decode("utf-8", "surrogateescape")
            cells = text.split("\t")
            if "\\" in text:
                yield [None if cell == "NULL" else _ESCAPE.sub(_plain, cell[1:]) for cell in cells]
            else:
                yield [None if cell == "NULL" else cell[1:] for cell in cells]
        self._process.finish()

    def _execute(self, statement: str) -> None:
        """Prepared, so that nothing in it can be a second statement."""
        self._run(f"SET @runbook = {hexed(statement)}", "PREPARE runbook FROM @runbook", "EXECUTE runbook")

    def _run(self, *statements: str) -> None:
        try:
            self._process.write("".join(f"{statement}{self._end}\n" for statement in statements).encode("utf-8", "surrogateescape"))
        except BrokenPipeError:
            self._process.finish()
            raise


def _shown(column: str, kind: str) -> str:
    if kind in _BINARY:
        column = f"LOWER(HEX({column}))"
    elif kind in _SHAPES:
        column = f"ST_AsText({column})"
    elif kind == "bit":
        column = f"CAST({column} AS UNSIGNED)"
    return f"CONCAT('=', {column})"


def _plain(match: re.Match[str]) -> str:
    return _ESCAPED.get(match[1], match[0])
