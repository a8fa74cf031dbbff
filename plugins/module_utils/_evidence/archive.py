# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle as bytes: a zip whose bytes follow from what is in it, with ``manifest.json`` and ``SHA256SUMS`` at its end.

``SHA256SUMS`` names every other file, ``manifest.json`` included, in the form that ``sha256sum -c`` reads; a signature signs it.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
import zipfile

from .collect import Document
from .names import MANIFEST, SIGNATURE, SUMS

FORMAT = 1
# The earliest that a zip can say. When something was collected is in the manifest, where a signature covers it.
_TIME = (1980, 1, 1, 0, 0, 0)
_LEVEL = 6

# Given SHA256SUMS, its signature; empty for none.
Sign = t.Callable[[bytes], bytes]


def write(
    stream: t.IO[bytes], documents: t.Iterable[Document], about: t.Callable[[], t.Mapping[str, t.Any]], sign: Sign, compress: bool
) -> dict[str, t.Any]:
    """Write a bundle and return its manifest. ``about`` is asked, when all documents are through, for what else the manifest says."""
    entries: list[dict[str, t.Any]] = []
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED, compresslevel=_LEVEL) as archive:
        for document in documents:
            entries.append(document.entry())
            _add(archive, document.name, document.data)
        entries.sort(key=lambda entry: str(entry["name"]))
        manifest = {"format": FORMAT, **about(), "entries": entries}
        text = (json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        _add(archive, MANIFEST, text)
        sums = sums_of([*((entry["name"], entry["sha256"]) for entry in entries), (MANIFEST, hashlib.sha256(text).hexdigest())])
        _add(archive, SUMS, sums)
        signature = sign(sums)
        if signature:
            _add(archive, SIGNATURE, signature)
    return manifest


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, _TIME)
    info.create_system = 3  # Unix, wherever it was made
    info.external_attr = 0o100644 << 16
    info.compress_type = archive.compression
    archive.writestr(info, data, compresslevel=_LEVEL)


def sums_of(pairs: t.Iterable[tuple[str, str]]) -> bytes:
    """Names with their sha256 in hexadecimal digits as ``sha256sum`` writes them, in the order of the names."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(pairs)).encode()
