# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows as the bytes of a CSV file (RFC 4180), made while they are read."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import typing as t

from .._common.errors import RunbookError
from .export_request import Field, Row

BOM = b"\xef\xbb\xbf"
# What a spreadsheet takes for a formula when a cell begins with it (OWASP, CSV injection), with the full-width forms.
_ACTIVE = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
# A number is none: coordinates and amounts stay what they are.
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_JSON = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+')
_NO_TEXT = "the value is no text in UTF-8; correct it, or export it by a query that converts it"
# Characters that are encoded at once.
_BLOCK = 256 << 10


@dataclasses.dataclass(frozen=True)
class Style:
    """How the file is written. ``null`` stands for NULL; ``escape``: cells that a spreadsheet would calculate begin with an apostrophe."""

    bom: bool = True
    header: bool = True
    delimiter: str = ","
    line_end: str = "\n"
    null: str = ""
    escape: bool = True


class _Lines:
    """Takes lines from a writer that ends them with ``END``: it quotes only such line breaks as it ends lines with."""

    END = "\r\n"

    def __init__(self, line_end: str) -> None:
        self._line_end = line_end
        self._lines: list[str] = []
        self.size = 0

    def write(self, line: str) -> None:
        self._lines.append(line)
        self.size += len(line)

    def take(self) -> str:
        """All lines since the last time, ended as they shall be."""
        lines, self._lines, self.size = self._lines, [], 0
        end = self._line_end
        return "".join(lines) if end == self.END else "".join([line[:-2] + end for line in lines])


class CsvReader:
    """The file's bytes, read as from a pipe. ``rows`` have been read so far, ``escaped`` cells of them begin with an apostrophe now."""

    def __init__(self, rows: t.Iterable[Row], fields: t.Sequence[Field], style: Style, documents: t.Collection[int] = ()) -> None:
        self._source, self._fields, self._style = rows, fields, style
        self._documents = sorted({*documents, *(place for place, field in enumerate(fields) if field.json)})
        self._blocks = self._encoded()
        self._rest = memoryview(b"")
        self.rows = 0
        self.escaped = 0

    def read(self, size: int, /) -> bytes:
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)

    def _encoded(self) -> t.Iterator[bytes]:
        style, documents = self._style, self._documents
        null, escape, tame, active = style.null, style.escape, self._tame, _ACTIVE
        lines = _Lines(style.line_end)
        writer = csv.writer(lines, delimiter=style.delimiter, lineterminator=_Lines.END)
        if style.bom:
            yield BOM
        if style.header:
            writer.writerow([tame(field.header) if escape and field.header[:1] in active else field.header for field in self._fields])
            self.escaped = 0
        first = 1
        for row in self._source:
            if documents:
                row = list(row)
                for place in documents:
                    row[place] = compact(row[place])
            if escape:
                writer.writerow([null if cell is None else tame(cell) if cell[:1] in active else cell for cell in row])
            else:
                writer.writerow([null if cell is None else cell for cell in row])
            self.rows += 1
            if lines.size >= _BLOCK:
                yield self._bytes(lines.take(), first)
                first = self.rows + 1
        yield self._bytes(lines.take(), first)

    def _tame(self, cell: str) -> str:
        if _NUMBER.fullmatch(cell):
            return cell
        self.escaped += 1
        return "'" + cell

    def _bytes(self, text: str, first: int) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError:
            pass
        header = self._style.header and first == 1
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=self._style.delimiter)
        for number, row in enumerate(lines, first - 1 if header else first):
            for field, cell in zip(self._fields, row):
                if any("\ud800" <= letter <= "\udfff" for letter in cell):
                    raise RunbookError(f"row {number}, column {field.name}: {_NO_TEXT}")
        raise RunbookError(f"after row {first}: {_NO_TEXT}")


def compact(text: str | None) -> str | None:
    """A JSON document without white space between its parts, otherwise as it is; what is no JSON document stays as it is."""
    if text is None:
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _JSON.sub(lambda match: match[1] or "", text)
