# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers tell: of names, of contents, of the server."""

from __future__ import annotations

import hashlib
import typing as t

from .answers import Answer


class Item(t.NamedTuple):
    """What a listing says of a name: ``kind`` is ``folder``, ``file``, ``link`` or ``other``; bytes; permission bits; epoch seconds."""

    kind: str
    size: int
    mode: int
    mtime: int


_KINDS = {"dir": "folder", "file": "file", "link": "link"}


def number(value: t.Any) -> int:
    try:
        return int(float(value))
    except (TypeError, ValueError):
        return 0


def item(found: t.Mapping[str, t.Any]) -> Item:
    """One entry of ``list_files`` or ``get_file_information``. ``mode`` is decimal there, ``nicemode`` octal."""
    mode = number(found.get("mode"))
    try:
        mode = mode & 0o7777 if mode else int(str(found.get("nicemode") or "0"), 8)
    except ValueError:
        mode = 0
    return Item(_KINDS.get(str(found.get("type")), "other"), number(found.get("size")), mode, number(found.get("mtime")))


def listing(data: t.Any) -> dict[str, Item]:
    """The names in a folder. The published answer has ``dirs`` and ``files``, servers answer one list."""
    parts = [*(data.get("dirs") or []), *(data.get("files") or [])] if isinstance(data, dict) else data or []
    found = {}
    for each in parts:
        name = str(each.get("file", ""))
        if name in ("", ".", "..") or str(each.get("isparent", "0")) == "1" or str(each.get("exists", "1")) == "0":
            continue
        found[name] = item(each)
    return found


def contents(text: t.Any, size: int | None = None) -> list[bytes]:
    """What bytes the text of ``get_file_content`` can stand for, most likely first; with ``size`` only those of that size.

    Asked for as ISO-8859-1, each character is one byte. A server that decoded the file by itself answers its text instead.
    """
    text = "" if text is None else str(text)
    found = []
    for charset in ("iso-8859-1", "utf-8"):
        try:
            found.append(text.encode(charset))
        except UnicodeEncodeError:
            continue
    return [data for data in dict.fromkeys(found) if size is None or len(data) == size]


def told(answer: Answer) -> Item | None:
    """What an answer to ``get_file_information`` tells."""
    found = answer.data or {}
    return None if str(found.get("exists", "1")) == "0" or not found else item(found)


def digest(text: t.Any, size: int, wanted: str | None) -> str | None:
    """The sha256 of what ``get_file_content`` gave back, ``None`` when it can't be that file's; ``wanted`` when it can be that."""
    digests = [hashlib.sha256(data).hexdigest() for data in contents(text, size)]
    return wanted if wanted in digests else (digests[0] if digests else None)


def version(data: t.Any) -> int:
    """The major version in what the API tells of the server; 0 when there is none in it."""
    if isinstance(data, list):
        data = next((each.get("value") for each in data if isinstance(each, dict) and each.get("value")), "")
    if isinstance(data, dict):
        data = data.get("version") or data.get("value") or ""
    parts = [int(part) for part in str(data or "").partition(" ")[0].split(".") if part.isdigit()]
    if parts[:1] == [11] and len(parts) > 1:
        return parts[1]
    return parts[0] if parts else 0
