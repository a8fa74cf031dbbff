# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows as CSV: what is quoted, escaped, made compact, refused."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._database.export_csv import CsvReader, Style, compact
from ansible_collections.runbook.ops.plugins.module_utils._database.export_request import Field

PLAIN = Style(bom=False, header=False)


def written(rows, style=PLAIN, documents=(), size=1 << 16):
    fields = [Field(f"c{place}", f"c{place}") for place in range(len(rows[0]) if rows else 1)]
    reader = CsvReader(iter(rows), fields, style, documents)
    data = b"".join(iter(lambda: reader.read(size), b""))
    return data.decode(), reader


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a,b", '"a,b"'),
        ('say "x"', '"say ""x"""'),
        ("two\nlines", '"two\nlines"'),
        ("=1+1", "'=1+1"),
        ('=HYPERLINK("x","y")', '"\'=HYPERLINK(""x"",""y"")"'),
        ("+966 50", "'+966 50"),
        ("+966501234567", "+966501234567"),
        ("-12.5", "-12.5"),
        ("-1e-7", "-1e-7"),
        ("-12.5+cmd|' /C calc'!A0", "'-12.5+cmd|' /C calc'!A0"),
        ("-1\n", '"\'-1\n"'),
        ("@SUM(1)", "'@SUM(1)"),
        ("\tx", "'\tx"),
        ("\rx", '"\'\rx"'),
        ("\uff1d1", "'\uff1d1"),
        ("-\u0661", "'-\u0661"),
        (" =1", " =1"),
        ("a=1", "a=1"),
    ],
)
def test_cells(cell, expected):
    assert written([("x", cell)])[0] == f"x,{expected}\n"
    kept = written([("x", cell)], Style(bom=False, header=False, escape=False))[0]
    assert "'" not in kept or "'" in cell


def test_headers_null_and_ends():
    text, reader = written([(None, ""), ("=", "b")], Style(null="\\N", delimiter=";", line_end="\r\n"))
    assert text == "\ufeffc0;c1\r\n\\N;\r\n'=;b\r\n"
    assert (reader.rows, reader.escaped) == (2, 1)
    # A lone empty cell would be an empty line, which readers skip.
    assert written([("",), (None,)])[0] == '""\n""\n'
    assert CsvReader(iter(()), [Field("a", "=a")], Style()).read(100) == b"\xef\xbb\xbf"


def test_pieces_are_of_any_size():
    rows = [(str(number), "مقهى" * 20) for number in range(5000)]
    whole = written(rows)[0]
    assert written(rows, size=7)[0] == whole
    assert whole.count("\n") == 5000


def test_documents_are_compact_and_otherwise_as_they_are():
    assert compact('{"a": [1.50, "x y\\" z"],\n "b" : null}') == '{"a":[1.50,"x y\\" z"],"b":null}'
    assert compact("not a document") == "not a document"
    assert compact(None) is None
    assert written([('[ "b" ]', '[ "a" ]')], documents=(1,))[0] == '"[ ""b"" ]","[""a""]"\n'


def test_what_is_no_text_is_told_by_row_and_column():
    with pytest.raises(RunbookError, match="row 3, column c1: the value is no text in UTF-8"):
        written([("a", "b"), ("two\nlines", "c"), ("a", "\udcff")], Style())
