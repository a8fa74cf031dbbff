# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: certificates that expire, files that grow old, contents that should be as a manifest says."""

from __future__ import annotations

import base64
import contextlib
import glob
import os
import re
import stat
import time
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.times import in_words
from .._http.certificate import Certificate, parse_certificate
from .._source.checksum import file_digest
from .kind import Check, Kind, Measure, Reading

_PEM = re.compile(r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(.*?)-----END (?:TRUSTED |X509 )?CERTIFICATE-----", re.DOTALL)
_LINE = re.compile(r"([0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128}) [ *](.+)")
_ALGORITHMS = {64: "sha256", 96: "sha384", 128: "sha512"}
_LARGEST = 16 << 20
# Seconds by which clocks may differ.
SLACK = 300


def age_of(path: str, when: float) -> float:
    """Seconds since ``when``, the time that a file has or tells; ``RunbookError`` when that is yet to come."""
    age = time.time() - when
    if age < -SLACK:
        raise RunbookError(f"{path} is dated {in_words(-age)} in the future; a clock was or is wrong")
    return max(0.0, age)


def _absolute(option: str) -> t.Callable[[t.Mapping[str, t.Any]], None]:
    def refuse(given: t.Mapping[str, t.Any]) -> None:
        if not str(given[option]).startswith("/"):
            raise InvalidInput(f"{option} {given[option]!r} is not absolute")

    return refuse


def matching(pattern: str) -> list[str]:
    """All paths that fit; ``RunbookError`` when the folder that they are in can't be listed, which would look like none."""
    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        fixed = os.path.dirname(pattern if not glob.has_magic(pattern) else pattern[: re.search(r"[*?[]", pattern).start()])  # type: ignore[union-attr]
        os.listdir(fixed)
    return found


def _certificate(check: Check) -> Reading:
    """Of all certificates in all files, the one that expires first."""
    found = [(path, one) for path in matching(check.text("path")) for one in _certificates(path)]
    if not found:
        raise RunbookError(f"no file fits {check.text('path')}")
    path, first = min(found, key=lambda item: item[1].not_after)
    left = (first.not_after.timestamp() - time.time()) / 86400
    early = [(path, one) for path, one in found if one.not_before.timestamp() - time.time() > SLACK]
    when = f"{first.not_after:%Y-%m-%d %H:%M} UTC"
    note = f"{first.subject or 'a certificate without a name'} in {path} {'expired' if left < 0 else 'expires'} {when}"
    details = {"path": path, **first.to_dict(), "certificates": len(found)}
    if early:
        path, one = early[0]
        return Reading(
            int(left // 1), f"{one.subject} in {path} is not valid before {one.not_before:%Y-%m-%d %H:%M} UTC", "failed", details
        )
    return Reading(int(left // 1), note, "failed" if left < 0 else "ok", details)


def _certificates(path: str) -> list[Certificate]:
    with open(path, "rb") as stream:
        text = stream.read(_LARGEST).decode("ascii", "replace")
    try:
        found = [parse_certificate(base64.b64decode(match[1])) for match in _PEM.finditer(text)]
    except ValueError as error:
        raise RunbookError(f"a certificate in {path} can't be read: {error}") from None
    if not found:
        raise RunbookError(f"{path} holds no certificate in PEM format")
    return found


def _file_age(check: Check) -> Reading:
    """Seconds since the newest file was changed; of ``oldest`` the other way round, and then no file is no trouble (a spool)."""
    found = []
    for path in matching(check.text("path")):
        # A spool's files come and go.
        with contextlib.suppress(FileNotFoundError):
            facts = os.stat(path)
            if not stat.S_ISDIR(facts.st_mode):
                found.append((facts.st_mtime, path))
    if not found and check.measure == "oldest":
        return Reading(0, "there is none")
    if not found:
        return Reading(None, f"no file fits {check.text('path')}", "failed")
    when, path = min(found) if check.measure == "oldest" else max(found)
    age = age_of(path, when)
    return Reading(int(age), f"{path} is {in_words(age)} old", details={"path": path, "files": len(found)})


def _file_contents(check: Check) -> Reading:
    """How many files are missing or different. ``exact``: others are a warning."""
    base, manifest = check.text("path"), check.text("manifest")
    if not os.path.isdir(base):
        raise RunbookError(f"path {base} is no folder on this host")
    wanted = _manifest(manifest)
    end = time.monotonic() + check.timeout
    missing, changed = [], []
    for name, digest in wanted.items():
        if time.monotonic() > end:
            raise RunbookError(f"the files could not be read within {check.timeout:g} s; set a longer timeout")
        path = os.path.join(base, name)
        try:
            # A pipe in a file's place would be waited for.
            if not stat.S_ISREG(os.stat(path).st_mode) or file_digest(path, _ALGORITHMS[len(digest)]) != digest:
                changed.append(name)
        except (FileNotFoundError, NotADirectoryError):
            missing.append(name)
    others = [name for name in _names(base) if name not in wanted] if check.given["exact"] else []
    told = [f"{name} is missing" for name in missing] + [f"{name} is different" for name in changed]
    told += [f"{name} should not be there" for name in others]
    note = (
        "; ".join(told[:5]) + (f"; and {len(told) - 5} more" if len(told) > 5 else "") if told else f"{len(wanted)} files as they should be"
    )
    details = {"missing": missing[:100], "different": changed[:100], "unexpected": others[:100]}
    return Reading(len(missing) + len(changed), note, "warning" if others else "ok", details)


def _manifest(path: str) -> dict[str, str]:
    """Digests by name, from what ``sha256sum`` (or ``sha512sum``) prints. A line that can't be read may be the one that matters."""
    wanted = {}
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip() or line.startswith("#"):
                continue
            match = _LINE.fullmatch(line.rstrip("\r\n"))
            if not match:
                raise RunbookError(f"line {number} of {path} is no checksum with a name, as sha256sum prints them")
            wanted[os.path.normpath(match[2])] = match[1].lower()
    if not wanted:
        raise RunbookError(f"{path} names no files")
    return wanted


def _names(base: str) -> t.Iterator[str]:
    def stop(error: OSError) -> None:
        raise error

    for folder, _folders, files in os.walk(base, onerror=stop):
        for name in sorted(files):
            yield os.path.relpath(os.path.join(folder, name), base)


KINDS: dict[str, Kind] = {
    "certificate": Kind(_certificate, {"days": Measure("days", 30, 14, below=True, least=None)}, ("path",), refuse=_absolute("path")),
    "file_age": Kind(_file_age, {"newest": Measure("s"), "oldest": Measure("s")}, ("path",), refuse=_absolute("path")),
    "file_contents": Kind(_file_contents, {"count": Measure("files", None, 0)}, ("path", "manifest"), ("exact",), refuse=_absolute("path")),
}
