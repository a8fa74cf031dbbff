# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What files are called in a bundle: never a name that could leave the folder it is unpacked in, or deceive who reads it."""

from __future__ import annotations

import re
import unicodedata

from .._common.errors import InvalidInput

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
RESERVED = frozenset([MANIFEST, SUMS, SIGNATURE])
_LONGEST = 1000


def given(name: str, what: str) -> str:
    """A name that somebody chose; ``InvalidInput`` when a bundle can't have it."""
    trouble = problem(name)
    if trouble:
        raise InvalidInput(f"{what} {name!r} {trouble}; give a relative name such as logs/nginx_error.log")
    return name


def problem(name: str) -> str:
    """Why a bundle can't have a file of this name; empty when it can."""
    parts = name.split("/")
    if not name or name.startswith("/") or "\\" in name or re.match(r"[A-Za-z]:", name):
        return "is not relative to the bundle"
    if ".." in parts:
        return "climbs with '..'"
    if "" in parts or "." in parts:
        return "has an empty part"
    if len(name) > _LONGEST or any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in parts):
        return "is too long"
    if name in RESERVED:
        return "is the bundle's own"
    return "has characters that are not shown as they are" if found(name) != name else ""


def found(name: str) -> str:
    """A name that was found on a disk, with what would deceive or break a reader written as ``%XX``: control characters, bytes
    that are no text, characters that change the direction of what follows, and the backslash."""
    return "".join(_shown(letter) for letter in name)


def _shown(letter: str) -> str:
    if 0xDC80 <= ord(letter) <= 0xDCFF:  # a byte that is not UTF-8
        return f"%{ord(letter) - 0xDC00:02X}"
    odd = letter == "\\" or unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass")) if odd else letter
