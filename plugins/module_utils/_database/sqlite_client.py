# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting at SQLite files: paths, connections that create nothing, read-only questions, and one line for every error.

A database is its file: everything here works on the file that a path leads to, whatever links are on the way.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
import typing as t
import urllib.parse

from .._common.errors import InvalidInput, RunbookError
from .model import Inventory, TableFacts

# How long somebody else's lock is waited for, in seconds.
BUSY_TIMEOUT = 30.0
# What belongs to a database beside its own file.
COMPANIONS = ("-wal", "-shm", "-journal")
_CHECKSUM_METHOD = "sqlite-ascii-blake2b-1"
_MODULO = 1 << 128
# What a read-only question may do; anything else (ATTACH, PRAGMA with a value, writing …) is denied by the library.
READING = frozenset([sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE])


def check_path(name: str) -> None:
    """``InvalidInput`` unless ``name`` is the absolute, plain path of a file."""
    if not name.startswith("/"):
        raise InvalidInput(f"the SQLite database {name!r} is not an absolute path; give its file, for example /srv/app/shared/app.db")
    if "\0" in name or "\n" in name or "\r" in name:
        raise InvalidInput(f"the path {name!r} contains a line break or NUL byte")
    if name.endswith("/") or ".." in name.split("/"):
        raise InvalidInput(f"the path {name!r} is a folder's or climbs with '..'; give the database's file itself")


def real(name: str) -> str:
    """The file behind a path: a link is followed and stays what it is."""
    return os.path.realpath(name)


@contextlib.contextmanager
def one_line(name: str) -> t.Iterator[None]:
    """Whatever goes wrong with a database's file inside becomes one line that names it."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "not a database" in text:
            raise RunbookError(f"{name} is not a SQLite database, or it is encrypted") from None
        if "malformed" in text or "disk image" in text:
            raise RunbookError(f"the SQLite database {name} is damaged: {text}; restore a backup of it") from None
        if "locked" in text or "busy" in text:
            raise RunbookError(f"the SQLite database {name} is locked by another program; stop what writes to it") from None
        raise RunbookError(f"SQLite could not work on {name}: {text}") from None
    except OSError as error:
        raise RunbookError(f"the file {error.filename or name} can't be used: {error.strerror or error}") from None


def connect(name: str, mode: str = "rw") -> sqlite3.Connection:
    """A connection in autocommit mode to a file that has to be there.

    ``mode``: ``rw`` (the last such connection folds the log in and removes it), ``ro``, or ``copy`` for a file that nobody changes.
    """
    path = real(name)
    if not os.path.exists(path):
        raise RunbookError(f"there is no SQLite database {name} on this host")
    if not os.path.isfile(path):
        raise RunbookError(f"{name} is not a file, so it can't be a SQLite database")
    options = "mode=ro&immutable=1" if mode == "copy" else f"mode={mode}"
    # Written as bytes, so that names which are not UTF-8 arrive as they are.
    uri = f"file:{urllib.parse.quote(os.fsencode(path))}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    # Text that is not UTF-8 has to survive as well; ``ascii()`` shows it apart.
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    return connection


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def user_tables(connection: sqlite3.Connection) -> list[str]:
    """Tables that hold rows: not virtual ones (those keep theirs in ordinary tables), and none of the library's own."""
    found = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    )
    return [name for name, sql in found if not (sql or "").lstrip().upper().startswith("CREATE VIRTUAL")]


def problems(connection: sqlite3.Connection) -> str:
    """What the library's own check finds wrong with a database's structure; empty when nothing is."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
    return "" if found == ["ok"] else "; ".join(" ".join(line.split()) for line in found)


def read_inventory(name: str, mode: str, *, counts: bool, checksums: bool) -> Inventory:
    """Of one moment of a database. ``mode`` as for ``connect``."""
    with one_line(name), contextlib.closing(connect(name, mode)) as connection:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("BEGIN")
        facts = _all_facts(connection, checksums) if counts or checksums else {}
        objects: dict[str, dict[str, str]] = {}
        for kind, item, sql in connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"):
            objects.setdefault(kind, {})[item] = _digest(sql)
        for pragma in ("user_version", "application_id", "encoding", "auto_vacuum"):
            objects.setdefault("pragma", {})[pragma] = _digest(str(connection.execute(f"PRAGMA {pragma}").fetchone()[0]))
        objects["pragma"]["write_ahead_log"] = _digest(str(_logged(connection, name, mode)))
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
            numbers = connection.execute("SELECT name, seq FROM sqlite_sequence")
            objects["sequence"] = {str(item): _digest(str(number)) for item, number in numbers}
        return Inventory(_CHECKSUM_METHOD if checksums else "", facts, objects)


def _all_facts(connection: sqlite3.Connection, checksums: bool) -> dict[str, TableFacts]:
    # Most databases have valid text only, and the library's own decoder is twice as fast.
    careful, connection.text_factory = connection.text_factory, str
    facts: dict[str, TableFacts] = {}
    for table in user_tables(connection):
        try:
            facts[table] = _table_facts(connection, table, checksums)
        except (sqlite3.OperationalError, UnicodeDecodeError) as error:
            if "decode" not in str(error):
                raise
            connection.text_factory = careful
            facts[table] = _table_facts(connection, table, checksums)
            connection.text_factory = str
    return facts


def _logged(connection: sqlite3.Connection, name: str, mode: str) -> bool:
    """Whether a database keeps a write-ahead log. A connection to a copy does not tell, and only of a copy may the file be opened
    here: closing a file gives up all locks that this process has on it."""
    if mode != "copy":
        return bool(connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal")
    with open(real(name), "rb") as stream:
        return stream.read(20)[18:19] == b"\2"


def rows(name: str, sql: str, timeout: float, mode: str = "ro") -> list[dict[str, str | None]]:
    """What a question answers, as text; a statement that does anything but read is refused by the library."""
    until = time.monotonic() + timeout
    with one_line(name), contextlib.closing(connect(name, mode)) as connection:
        connection.set_authorizer(lambda action, *_more: sqlite3.SQLITE_OK if action in READING else sqlite3.SQLITE_DENY)
        connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
        try:
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description or ()]
            return [{key: as_text(value) for key, value in zip(names, row)} for row in cursor]
        except (sqlite3.Warning, sqlite3.Error) as error:
            reason = f"it took longer than {timeout:g} s" if "interrupted" in str(error) else str(error)
            raise RunbookError(f"the query {sql!r} on {name} failed: {reason}") from None


def _table_facts(connection: sqlite3.Connection, table: str, checksums: bool) -> TableFacts:
    """The checksum is the sum of the rows' hashes, so the order of rows does not matter.

    ``ascii`` of a row tells types apart, is exact for numbers, and does not depend on Python's version as ``repr`` does.
    """
    if not checksums:
        return TableFacts(connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()[0])  # noqa: S608 - quoted
    count = total = 0
    hashed, number = hashlib.blake2b, int.from_bytes
    for row in connection.execute(f"SELECT * FROM {quoted(table)}"):  # noqa: S608 - quoted
        count += 1
        total += number(hashed(ascii(row).encode(), digest_size=16).digest(), "big")
    return TableFacts(count, f"{total % _MODULO:032x}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def as_text(value: t.Any) -> str | None:
    """A value as exports and checks show it: bytes in hexadecimal digits."""
    if value is None or isinstance(value, str):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)
