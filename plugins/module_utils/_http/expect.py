# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing one answer with what was expected of it."""

from __future__ import annotations

import json
import re
import typing as t

from .._common.jsonquery import NotEvaluated, show
from .client import Exchange
from .spec import BodyExpectation, CacheExpectation, Directive, Failure, HeaderExpectation, Probe

_EXCERPT = 200


def check_answer(probe: Probe, exchange: Exchange) -> t.Iterator[Failure]:
    """Every expectation about status, headers and body that ``exchange`` does not meet."""
    if exchange.status not in probe.status:
        yield Failure(f"status {probe.status}", str(exchange.status))
    for expectation in probe.expect_headers:
        yield from check_header(expectation, exchange)
    if probe.cache:
        yield from check_cache(probe.cache, exchange)
    if exchange.stray:
        yield Failure(f"an answer of status {exchange.status} without body", f"{exchange.stray} bytes after its headers")
    yield from check_content(probe, exchange)


def check_header(expectation: HeaderExpectation, exchange: Exchange) -> t.Iterator[Failure]:
    """A header that is missing, different or there although it must not be."""
    name, got = expectation.name, exchange.header(expectation.name)
    shown = "no such header" if got is None else quoted(got)
    if expectation.absent:
        if got is not None:
            yield Failure(f"no header {name}", shown)
    elif expectation.value is not None:
        if got is None or got.strip() != expectation.value.strip():
            yield Failure(f"header {name}: {expectation.value}", shown)
    elif expectation.regex is not None:
        if got is None or not expectation.regex.search(got):
            yield Failure(f"header {name} to match {expectation.regex.pattern}", shown)
    elif got is None:
        yield Failure(f"header {name}", shown)


def quoted(text: str) -> str:
    """Text from a server as a short, printable quotation."""
    shown = printable(text)
    return repr(shown if len(shown) <= 120 else shown[:117] + "...")


def printable(text: str) -> str:
    """``text`` in one line, everything that a terminal might obey replaced by a space."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def directives(value: str | None) -> dict[str, str | None]:
    """Cache-Control taken apart: directive to its argument, None where there is none."""
    found: dict[str, str | None] = {}
    for match in re.finditer(r'([^\s,;=]+)(?:\s*=\s*("[^"]*"|[^\s,;]*))?', value or ""):
        name, argument = match.group(1).lower(), match.group(2)
        found.setdefault(name, argument.strip('"') if argument is not None else None)
    return found


def _holds(directive: Directive, found: dict[str, str | None]) -> bool:
    if directive.name not in found:
        return False
    argument = found[directive.name]
    if not directive.compare:
        return True
    if argument is None:
        return False
    if directive.compare == "=":
        return argument == directive.argument
    if not re.match(r"^[0-9]{1,18}$", argument):
        return False
    seconds, limit = int(argument), int(directive.argument)
    return seconds >= limit if directive.compare == ">=" else seconds <= limit


def check_cache(expectation: CacheExpectation, exchange: Exchange) -> t.Iterator[Failure]:
    """Directives of Cache-Control and names in Vary that are missing, or there although they must not be."""
    value = exchange.header("Cache-Control")
    found, shown = directives(value), "no such header" if value is None else quoted(value)
    for directive in expectation.present:
        if not _holds(directive, found):
            yield Failure(f"Cache-Control with {directive}", shown)
    for name in expectation.absent:
        if name in found:
            yield Failure(f"Cache-Control without {name}", shown)
    vary = exchange.header("Vary")
    names = {name.strip().lower() for name in (vary or "").split(",")}
    for name in expectation.vary:
        if name not in names and "*" not in names:
            yield Failure(f"Vary with {name}", "no such header" if vary is None else quoted(vary))


def text_of(exchange: Exchange) -> str:
    """The kept body as text, in the answer's own charset where that is one."""
    match = re.search(r"charset\s*=\s*[\"']?([A-Za-z0-9._:-]+)", exchange.header("Content-Type") or "", re.I)
    try:
        return exchange.body.decode(match.group(1) if match else "utf-8", "replace")
    except (LookupError, ValueError):
        return exchange.body.decode("utf-8", "replace")


def excerpt(exchange: Exchange) -> str:
    """The first 200 printable characters of the body."""
    return printable(text_of(exchange)[: 4 * _EXCERPT])[:_EXCERPT]


def check_content(probe: Probe, exchange: Exchange) -> t.Iterator[Failure]:
    """What the body lacks, or has although it must not."""
    content = probe.content
    if not content.needs_text and content.sha256 is None:
        if exchange.undecodable and not exchange.undecodable.startswith("Content-Encoding"):
            yield Failure("a whole body", exchange.undecodable)
        return
    if exchange.undecodable:
        yield Failure("a readable body", exchange.undecodable, "crashed")
        return
    if content.sha256 is not None and exchange.sha256 != content.sha256:
        yield Failure(f"sha256 {content.sha256}", f"{exchange.sha256} ({exchange.size} bytes)")
    if not content.needs_text:
        return
    if exchange.size > len(exchange.body):
        yield Failure(f"a body of at most max_body ({probe.max_body} bytes)", f"{exchange.size} bytes", "crashed")
        return
    text = text_of(exchange)
    yield from _check_text(content, text, exchange)
    if content.json:
        yield from _check_json(content, exchange)


def _check_text(content: BodyExpectation, text: str, exchange: Exchange) -> t.Iterator[Failure]:
    without, having = f"a body of {exchange.size} bytes without it", "a body that has it"
    for item in content.text:
        if item not in text:
            yield Failure(f"text {quoted(item)}", without)
    for item in content.text_absent:
        if item in text:
            yield Failure(f"no text {quoted(item)}", having)
    for pattern in content.regex:
        if not pattern.search(text):
            yield Failure(f"text matching {quoted(pattern.pattern)}", without)
    for pattern in content.regex_absent:
        if pattern.search(text):
            yield Failure(f"no text matching {quoted(pattern.pattern)}", having)


def _check_json(content: BodyExpectation, exchange: Exchange) -> t.Iterator[Failure]:
    try:
        # Bytes, not text: JSON says by itself which Unicode encoding it is in.
        document = json.loads(exchange.body)
    except (ValueError, RecursionError) as error:
        kind = exchange.header("Content-Type") or "a body of no declared type"
        yield Failure("JSON", f"{printable(kind)[:60]} that is not JSON ({printable(str(error))[:80]})")
        return
    for expectation in content.json:
        try:
            holds, found = expectation.holds(document)
        except NotEvaluated as error:
            yield Failure(f"json {expectation}", f"an answer on which it can't be evaluated ({printable(str(error))})", "crashed")
            continue
        if not holds:
            yield Failure(f"json {expectation}", show(found))
