# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``db_export`` is asked for, and what an engine has to give for it."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput, RunbookError
from .check_options import WHERE
from .conditions import Condition, parse_conditions
from .options import LOGIN

Row = t.Sequence[t.Optional[str]]

EXPORT = LOGIN.merge(
    ArgumentSpec(
        {
            "database": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "columns": {"type": "list", "elements": "raw", "required": True},
            "table": {"type": "str", "aliases": ["collection"]},
            "where": {**WHERE, "default": []},
            "query": {"type": "raw"},
            "order_by": {"type": "list", "elements": "str", "default": []},
            "bom": {"type": "bool", "default": True},
            "header": {"type": "bool", "default": True},
            "delimiter": {"type": "str", "choices": ["comma", "semicolon", "tab", "pipe"], "default": "comma"},
            "line_end": {"type": "str", "choices": ["lf", "crlf"], "default": "lf"},
            "null": {"type": "str", "default": ""},
            "formulas": {"type": "str", "choices": ["escape", "keep"], "default": "escape"},
            "max_rows": {"type": "int"},
            "check_count": {"type": "bool", "default": True},
            "timeout": {"type": "float", "default": 3600},
            "mode": {"type": "raw"},
        },
        required_one_of=[("table", "query")],
        mutually_exclusive=[("table", "query")],
    )
)


@dataclasses.dataclass(frozen=True)
class Field:
    """One column of the file: the column (MongoDB: dotted path) that it comes from, and what it is called in the first line."""

    name: str
    header: str
    json: bool = False


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Which rows: of ``table``, or what ``query`` answers; those that meet all of ``where``. ``timeout`` in seconds for all of it."""

    database: str
    fields: tuple[Field, ...]
    table: str = ""
    query: t.Any = None
    where: tuple[Condition, ...] = ()
    order_by: tuple[str, ...] = ()
    timeout: float = 3600.0


class Snapshot(t.Protocol):
    """One moment of a database. ``rows`` sees the same moment as ``count``; all methods raise ``RunbookError`` with one line."""

    @property
    def consistent(self) -> bool:
        """False where the server can't hold a moment; then rows may come and go between the two."""

    @property
    def json(self) -> t.Collection[int]:
        """The places of columns whose values are JSON documents, as far as the server says so."""

    def count(self) -> int: ...

    def rows(self) -> t.Iterator[Row]:
        """Values as text in the order of ``Wanted.fields``, one row at a time, however many there are; called once, after ``count``."""


def wanted_of(options: t.Mapping[str, t.Any]) -> Wanted:
    """What the options ask for; ``InvalidInput`` for what makes no sense."""
    fields = tuple(_field(given) for given in options["columns"])
    if not fields:
        raise InvalidInput("columns is empty; name the columns in the order in which the file shall have them")
    headers = [field.header for field in fields]
    twice = next((header for header in headers if headers.count(header) > 1), None)
    if twice is not None:
        raise InvalidInput(f"two columns are called {twice!r}; give one of them another header")
    query = options["query"]
    if query is not None and options["engine"] != "mongodb":
        if not isinstance(query, str) or not query.strip().rstrip(";"):
            raise InvalidInput("query is not a text; give one SQL statement that reads")
        if "\0" in query:
            raise InvalidInput("query contains a NUL byte")
        query = query.strip().rstrip(";")
    if options["timeout"] <= 0:
        raise InvalidInput("timeout is in seconds and must be above 0")
    if (options["max_rows"] or 0) < 0:
        raise InvalidInput("max_rows must not be below 0")
    where = parse_conditions(options["where"])
    names = [*(field.name for field in fields), *(item.column for item in where), *options["order_by"], options["table"] or ""]
    if any("\0" in name for name in names):
        raise InvalidInput("a name contains a NUL byte")
    return Wanted(options["database"], fields, options["table"] or "", query, where, tuple(options["order_by"]), options["timeout"])


def _field(given: t.Any) -> Field:
    if isinstance(given, str) and given:
        return Field(given, given)
    if not isinstance(given, dict) or not isinstance(given.get("name"), str) or not given["name"]:
        raise InvalidInput(f"column {given!r} is neither a name nor a mapping with a name, such as {{name: tel, header: phone}}")
    unknown = sorted(set(given) - {"name", "header", "json"})
    if unknown:
        raise InvalidInput(f"column {given['name']} has an unknown key {unknown[0]!r}; there are name, header and json")
    header, is_json = given.get("header", given["name"]), given.get("json", False)
    if not isinstance(header, str) or not isinstance(is_json, bool):
        raise InvalidInput(f"column {given['name']}: header is a text, json true or false")
    return Field(given["name"], header, is_json)


@contextlib.contextmanager
def within(seconds: float, terminate: t.Callable[[], None]) -> t.Iterator[None]:
    """Work that another program does has so many seconds; then that is ended, and the error says so."""
    late = threading.Event()

    def end() -> None:
        late.set()
        terminate()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (RunbookError, OSError):
        if late.is_set():
            raise too_late(seconds) from None
        raise
    finally:
        timer.cancel()


def too_late(seconds: float) -> RunbookError:
    return RunbookError(f"the export took longer than its timeout of {seconds:g} s and was given up; raise timeout or export less")
