# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle judged: is every byte of it what its manifest says, nothing missing, nothing added, signed by whom."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import typing as t
import zipfile
import zlib

from .._common.errors import InvalidInput
from .._common.outcome import Outcome, Status
from . import archive, places, signature
from .names import MANIFEST, SIGNATURE, SUMS, problem

_BLOCK = 1 << 20
# What the bundle says of itself is read as a whole.
_INDEX = 64 << 20
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def verify(path: str, max_total: int, allowed_signers: str, identity: str) -> tuple[list[Outcome], dict[str, t.Any]]:
    """The checks ``content``, ``manifest`` and ``signature`` of the bundle at ``path``, and its manifest (empty when it has none)."""
    with places.folder_of(path) as parent:
        fd, reason = places.open_file(os.path.basename(path), parent)
    if fd < 0:
        raise InvalidInput(f"{path} is no bundle: {reason}")
    with os.fdopen(fd, "rb") as stream:
        try:
            with zipfile.ZipFile(stream) as bundle:
                return _judge(bundle, max_total, allowed_signers, identity)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, ValueError) as error:
            return [Outcome("content", "failed", f"{path} is no zip that can be read: {error}")], {}


def _judge(bundle: zipfile.ZipFile, max_total: int, allowed: str, identity: str) -> tuple[list[Outcome], dict[str, t.Any]]:
    infos = bundle.infolist()
    listed = [info.filename for info in infos]
    odd = sorted(
        {name for name in listed if listed.count(name) > 1 or (problem(name) and name not in (MANIFEST, SUMS, SIGNATURE))}
        | {info.filename for info in infos if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG)}
    )
    if odd:
        return [Outcome("content", "failed", f"it has names that no bundle has: {_few(odd)}")], {}
    if sum(info.file_size for info in infos) > max_total:
        return [Outcome("content", "crashed", f"it unpacks to more than max_total_bytes ({max_total}); raise that if it is to be read")], {}
    try:
        sums = _read(bundle, SUMS)
        expected = _expected(sums)
    except KeyError:
        return [Outcome("content", "failed", f"it has no {SUMS}, so nothing says what it should contain")], {}
    except (zipfile.BadZipFile, zlib.error, EOFError):
        return [Outcome("content", "failed", f"its {SUMS} is damaged")], {}
    present = set(listed) - {SUMS, SIGNATURE}
    differ = sorted(name for name in present & expected.keys() if _digest(bundle, name) != expected[name])
    missing, extra = sorted(expected.keys() - present), sorted(present - expected.keys())
    wrong = [f"{what} {_few(found)}" for what, found in (("differs:", differ), ("is missing:", missing), ("was added:", extra)) if found]
    content = Outcome(
        "content",
        "failed" if wrong else "ok",
        "; ".join(wrong) or f"{len(expected)} files are what {SUMS} says",
        value=len(differ) + len(missing) + len(extra),
        unit="files",
        crit=0,
        details={"differ": differ, "missing": missing, "extra": extra},
    )
    manifest, about = (
        _manifest(bundle, expected) if MANIFEST in present and MANIFEST not in differ else ({}, f"there is no sound {MANIFEST}")
    )
    return [
        content,
        Outcome("manifest", "failed" if about else "ok", about or f"it describes {len(manifest['entries'])} files"),
        _signed(bundle, sums, allowed, identity),
    ], manifest


def _read(bundle: zipfile.ZipFile, name: str) -> bytes:
    if bundle.getinfo(name).file_size > _INDEX:
        raise zipfile.BadZipFile(f"{name} is too large")
    return bundle.read(name)


def _expected(sums: bytes) -> dict[str, str]:
    matches = [_LINE.fullmatch(line) for line in sums.decode("utf-8", "replace").splitlines()]
    found = {match[2]: match[1] for match in matches if match}
    if len(found) != len(matches):
        raise zipfile.BadZipFile(f"{SUMS} has lines that are none of its own")
    return found


def _digest(bundle: zipfile.ZipFile, name: str) -> str:
    """The sha256 of a file of the bundle; empty when it can't be unpacked."""
    digest = hashlib.sha256()
    with contextlib.suppress(zipfile.BadZipFile, zlib.error, EOFError), bundle.open(name) as stream:
        while True:
            block = stream.read(_BLOCK)
            if not block:
                return digest.hexdigest()
            digest.update(block)
    return ""


def _manifest(bundle: zipfile.ZipFile, expected: t.Mapping[str, str]) -> tuple[dict[str, t.Any], str]:
    """The manifest and what is wrong with it."""
    try:
        manifest = json.loads(_read(bundle, MANIFEST))
        told = {entry["name"]: entry["sha256"] for entry in manifest["entries"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}, f"{MANIFEST} is none"
    if manifest.get("format") != archive.FORMAT:
        return {}, f"{MANIFEST} has format {manifest.get('format')!r}, which this version does not know"
    return manifest, "" if {**told, MANIFEST: expected[MANIFEST]} == dict(expected) else f"{MANIFEST} and {SUMS} tell different things"


def _signed(bundle: zipfile.ZipFile, sums: bytes, allowed: str, identity: str) -> Outcome:
    wanted: Status = "failed" if allowed else "skipped"
    if SIGNATURE not in bundle.namelist():
        return Outcome("signature", wanted, "it is not signed")
    try:
        data = _read(bundle, SIGNATURE)
    except (zipfile.BadZipFile, zlib.error, EOFError):
        return Outcome("signature", "failed", "its signature is damaged")
    good, said = signature.check(sums, data, allowed, identity)
    if not good:
        return Outcome("signature", "failed", f"the signature is not one of {identity or 'these bytes'}: {said}")
    if not allowed:
        return Outcome("signature", "warning", f"{said}, which nobody was asked about; give allowed_signers")
    return Outcome("signature", "ok", f"{said}, of {identity}")


def _few(found: t.Sequence[str]) -> str:
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
