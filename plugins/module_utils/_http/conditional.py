# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expectations that need further requests: revalidation, ranges, HEAD."""

from __future__ import annotations

import re
import typing as t

from .client import Exchange, Headers, Keep
from .expect import quoted
from .spec import ByteRange, Failure, Probe

# Sends another request for what was probed: method, further headers, what to keep of the body.
Ask = t.Callable[[str, Headers, Keep], Exchange]

# RFC 9110, 9.3.2: HEAD has the headers of GET; these may differ or be left out without that being a mistake.
_COMPARED = ("Content-Type", "Content-Encoding", "Content-Language", "ETag", "Last-Modified", "Location", "Cache-Control", "Vary")
_VALIDATORS = {"etag": ("ETag", "If-None-Match"), "last_modified": ("Last-Modified", "If-Modified-Since")}


def check_again(probe: Probe, answer: Exchange, ask: Ask) -> t.Iterator[Failure]:
    """All of the probe's expectations that need further requests. Raises ``NoAnswer``."""
    if probe.head_equals_get:
        yield from check_head(answer, ask)
    for validator in probe.revalidate:
        yield from check_revalidation(validator, answer, ask)
    if probe.range:
        yield from check_range(probe.range, ask)


def check_head(answer: Exchange, ask: Ask) -> t.Iterator[Failure]:
    """HEAD must answer as GET does, without the body."""
    head = ask("HEAD", [], Keep())
    if head.status != answer.status:
        yield Failure(f"HEAD to answer {answer.status} as GET does", str(head.status))
        return
    if head.stray:
        yield Failure("HEAD to have no body", f"{head.stray} bytes after its headers")
    for name in _COMPARED:
        yield from _same_header(name, head.header(name), answer.header(name))
    length = head.header("Content-Length")
    if length is not None:
        # GET may be chunked; then what it really sent is the measure, unless that was encoded.
        sent = answer.header("Content-Length") or (None if answer.header("Content-Encoding") else str(answer.size))
        if sent is not None:
            yield from _same_header("Content-Length", length, sent)


def _same_header(name: str, head: str | None, get: str | None) -> t.Iterator[Failure]:
    if head != get:
        wanted = "none" if get is None else quoted(get)
        yield Failure(f"HEAD to have {name} as GET has ({wanted})", "none" if head is None else quoted(head))


def check_revalidation(validator: str, answer: Exchange, ask: Ask) -> t.Iterator[Failure]:
    """Asked with its own validator, the server must say 304 without body and without another ETag."""
    name, condition = _VALIDATORS[validator]
    value = answer.header(name)
    if not value:
        yield Failure(f"header {name} to revalidate with", "no such header")
        return
    again = ask("GET", [(condition, value)], Keep())
    if again.status != 304:
        now = again.header(name)
        changed = f" with {name} now {quoted(now)}" if now is not None and now != value else ""
        yield Failure(f"304 for {condition}: {value}", f"{again.status}{changed}")
        return
    if again.stray:
        yield Failure(f"304 for {condition} without body", f"{again.stray} bytes after its headers")
    before, after = answer.header("ETag"), again.header("ETag")
    if before is not None and after is not None and _opaque(before) != _opaque(after):
        yield Failure(f"304 for {condition} with ETag {before}", quoted(after))


def _opaque(etag: str) -> str:
    """An entity tag for weak comparison (RFC 9110, 8.8.3.2): a server that compresses may weaken it."""
    return etag[2:] if etag.startswith("W/") else etag


def check_range(wanted: ByteRange, ask: Ask) -> t.Iterator[Failure]:
    """206, a Content-Range that says what was asked for, and exactly those bytes."""
    part = ask("GET", [("Range", f"bytes={wanted.text}"), ("Accept-Encoding", "identity")], Keep())
    if part.status != 206:
        yield Failure(f"206 for range {wanted.text}", str(part.status))
        return
    stated = part.header("Content-Range")
    match = re.match(r"^bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)$", stated or "")
    if not match:
        yield Failure(f"Content-Range for range {wanted.text}", "no such header" if stated is None else quoted(stated))
        return
    first, last = int(match.group(1)), int(match.group(2))
    total = None if match.group(3) == "*" else int(match.group(3))
    expected = _expected(wanted, total)
    if expected is not None and (first, last) != expected:
        yield Failure(f"Content-Range of bytes {expected[0]}-{expected[1]} for range {wanted.text}", quoted(stated or ""))
        return
    if part.undecodable or (part.header("Content-Encoding") or "identity") != "identity":
        yield Failure(f"range {wanted.text} of the plain body", f"Content-Encoding {part.header('Content-Encoding')}", "crashed")
        return
    if part.size != last - first + 1:
        yield Failure(f"{last - first + 1} bytes for range {wanted.text}", f"{part.size} bytes")
        return
    if wanted.sha256 is not None:
        if part.sha256 != wanted.sha256:
            yield Failure(f"sha256 {wanted.sha256} of range {wanted.text}", part.sha256)
        return
    yield from _same_bytes(wanted, part, (first, last), total, ask)


def _expected(wanted: ByteRange, total: int | None) -> tuple[int, int] | None:
    if total is None:
        return (wanted.first, wanted.last) if wanted.first is not None and wanted.last is not None else None
    if wanted.first is None:
        return max(0, total - t.cast(int, wanted.last)), total - 1
    return wanted.first, total - 1 if wanted.last is None else min(wanted.last, total - 1)


def _same_bytes(wanted: ByteRange, part: Exchange, span: tuple[int, int], total: int | None, ask: Ask) -> t.Iterator[Failure]:
    """Compare with the same bytes of the whole; only digests are kept, so the size does not matter."""
    whole = ask("GET", [("Accept-Encoding", "identity")], Keep(part=span))
    if whole.header("ETag") != part.header("ETag"):
        yield Failure(f"range {wanted.text} of an unchanging body", "another ETag from the whole body", "crashed")
    elif whole.undecodable or (whole.header("Content-Encoding") or "identity") != "identity":
        got = f"Content-Encoding {whole.header('Content-Encoding')}"
        yield Failure(f"the plain body to compare range {wanted.text} with", got, "crashed")
    elif total is not None and whole.size != total:
        yield Failure(f"a whole of {total} bytes as Content-Range says", f"{whole.size} bytes")
    elif whole.part_sha256 != part.sha256:
        yield Failure(f"range {wanted.text} to be bytes {span[0]}-{span[1]} of the whole", "other bytes")
