# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the expectations of a probe's options to validated values."""

from __future__ import annotations

import math
import re
import typing as t

from .._common.errors import InvalidInput
from .._common.jsonquery import compile_regex, parse_json
from .percentile import NEEDED, too_few
from .spec import (
    BodyExpectation,
    ByteRange,
    CacheExpectation,
    ClockLimit,
    DaysLimit,
    Directive,
    HeaderExpectation,
    LatencyLimit,
    RedirectRule,
)

TOKEN = re.compile(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
PHASES = ("dns", "connect", "tls", "ttfb", "total")
# The slowest answer that a person at a terminal still takes for an answer.
DEFAULT_CRIT_MS = 1000.0
DEFAULT_DAYS = (30, 14)
# What receivers of signed requests usually allow.
DEFAULT_SKEW_S = 300.0

Options = t.Mapping[str, t.Any]


def parse_sha256(value: str | None, option: str = "sha256") -> str | None:
    """A SHA-256 in lower case; a leading ``sha256:`` is taken off."""
    if value is None:
        return None
    text = value.strip().lower()
    text = text[7:] if text.startswith("sha256:") else text
    if not re.match(r"^[0-9a-f]{64}$", text):
        raise InvalidInput(f"{option} {value!r} is not 64 hexadecimal digits; take it from sha256sum")
    return text


def parse_content(options: Options) -> BodyExpectation:
    """The expectations about the body."""
    return BodyExpectation(
        text=tuple(options.get("text") or ()),
        text_absent=tuple(options.get("text_absent") or ()),
        regex=tuple(compile_regex(item) for item in options.get("regex") or ()),
        regex_absent=tuple(compile_regex(item) for item in options.get("regex_absent") or ()),
        json=tuple(parse_json(item) for item in options.get("json") or ()),
        sha256=parse_sha256(options.get("sha256")),
    )


def parse_expect_headers(items: t.Sequence[Options] | None) -> tuple[HeaderExpectation, ...]:
    """The expectations about response headers."""
    found = []
    for item in items or ():
        name, value, regex, absent = str(item["name"]), item.get("value"), item.get("regex"), item.get("state") == "absent"
        if not TOKEN.match(name):
            raise InvalidInput(f"expect_headers name {name!r} is not a header name; write it without colon and value")
        if (value is not None) + (regex is not None) + absent > 1:
            raise InvalidInput(f"expect_headers {name}: value, regex and state=absent exclude each other; give one of them")
        found.append(HeaderExpectation(name, value, None if regex is None else compile_regex(regex), absent))
    return tuple(found)


def _directive(text: str) -> Directive:
    match = re.match(r"^([A-Za-z][A-Za-z0-9-]*)(?:(>=|<=|=)(.+))?$", text.strip())
    if not match:
        raise InvalidInput(f"cache directive {text!r} can't be read; write for example public, max-age=60 or max-age>=60")
    name, compare, argument = match.group(1).lower(), match.group(2) or "", match.group(3) or ""
    if compare in (">=", "<=") and not re.match(r"^[0-9]{1,12}$", argument):
        raise InvalidInput(f"cache directive {text!r} compares with something that is not a number of seconds")
    return Directive(name, compare, argument)


def parse_cache(options: Options | None) -> CacheExpectation | None:
    """The expectations about Cache-Control and Vary."""
    if options is None:
        return None
    present = tuple(_directive(item) for item in options.get("present") or ())
    absent = tuple(str(item).strip().lower() for item in options.get("absent") or ())
    vary = tuple(str(item).strip().lower() for item in options.get("vary") or ())
    if not (present or absent or vary):
        raise InvalidInput("cache expects nothing; give present, absent or vary")
    both = {item.name for item in present} & set(absent)
    if both:
        raise InvalidInput(f"cache directive {min(both)} is both in present and in absent; keep one")
    return CacheExpectation(present, absent, vary)


def parse_redirects(follow: str | None, options: Options | None) -> RedirectRule:
    """Whether redirects are followed, and what is expected of them."""
    follow = follow or "none"
    if options is None:
        return RedirectRule(follow)
    locations = options.get("locations")
    hops = options.get("max_hops")
    if follow == "none" and (hops is not None or options.get("allow_downgrade")):
        raise InvalidInput("redirects max_hops and allow_downgrade need follow_redirects safe or all; set it, or leave them out")
    if hops is not None and not 1 <= hops <= 50:
        raise InvalidInput(f"redirects max_hops {hops} is not from 1 to 50")
    rule = RedirectRule(follow, None if locations is None else tuple(locations), hops or 5, bool(options.get("allow_downgrade")))
    if follow == "none" and len(rule.locations or ()) > 1:
        raise InvalidInput("redirects names more than one location, but follow_redirects is none; set it to safe or all")
    if len(rule.locations or ()) > rule.max_hops:
        raise InvalidInput(f"redirects names {len(rule.locations or ())} locations but max_hops is {rule.max_hops}; raise max_hops")
    return rule


def parse_range(options: Options | None) -> ByteRange | None:
    """One byte range: ``0-99``, ``100-`` or ``-100``."""
    if options is None:
        return None
    text = str(options["bytes"]).strip()
    match = re.match(r"^(?:bytes=)?([0-9]{0,18})-([0-9]{0,18})$", text)
    if not match or not any(match.groups()):
        raise InvalidInput(f"range {text!r} is not one byte range; write 0-99, 100- or -100")
    first, last = (int(group) if group else None for group in match.groups())
    if (first is not None and last is not None and last < first) or (first is None and last == 0):
        raise InvalidInput(f"range {text!r} is empty; its last byte must not come before its first")
    return ByteRange(match.group(0).replace("bytes=", ""), first, last, parse_sha256(options.get("sha256"), "range sha256"))


def parse_latency(items: t.Sequence[Options] | None, samples: int, scheme: str) -> tuple[LatencyLimit, ...]:
    """The limits of durations; refuses percentiles that so few samples can't have."""
    limits = []
    for item in items or ():
        phase, name = item.get("phase") or "total", item.get("percentile") or "max"
        warn, crit = item.get("warn"), item.get("crit")
        if warn is None and crit is None:
            crit = DEFAULT_CRIT_MS
        if samples < NEEDED[name]:
            raise InvalidInput(f"{too_few(name, samples)}; set samples to {NEEDED[name]} or more, or use percentile max")
        if phase == "tls" and scheme != "https":
            raise InvalidInput("latency of phase tls needs an https url; use phase connect or total")
        for limit in (warn, crit):
            if limit is not None and not (math.isfinite(limit) and limit > 0):
                raise InvalidInput(f"latency limit {limit} is not more than 0; limits are in milliseconds")
        if warn is not None and crit is not None and warn > crit:
            raise InvalidInput(f"latency warn {warn:g} is above crit {crit:g}; a warning must come first")
        limits.append(LatencyLimit(phase, name, warn, crit))
    return tuple(limits)


def parse_certificate_limit(options: Options | None, scheme: str) -> DaysLimit | None:
    """The days that a certificate must still be valid for."""
    if options is None:
        return None
    if scheme != "https":
        raise InvalidInput("certificate needs an https url; change the url, or leave certificate out")
    warn, crit = options.get("warn"), options.get("crit")
    # Where only one limit is given, the other's default must not contradict it.
    crit = crit if crit is not None else DEFAULT_DAYS[1] if warn is None else min(DEFAULT_DAYS[1], warn)
    warn = warn if warn is not None else max(DEFAULT_DAYS[0], crit)
    if warn < crit:
        raise InvalidInput(f"certificate warn {warn} is below crit {crit}; a warning must come first")
    return DaysLimit(warn, crit)


def parse_clock(options: Options | None) -> ClockLimit | None:
    """How far the server's clock may be from this one."""
    if options is None:
        return None
    warn, crit, query = options.get("warn"), options.get("crit"), options.get("query")
    crit = DEFAULT_SKEW_S if crit is None else crit
    for name, limit in (("warn", warn), ("crit", crit)):
        if limit is not None and not (math.isfinite(limit) and limit > 0):
            raise InvalidInput(f"clock_skew {name} {limit} is not more than 0; limits are in seconds")
        if limit is not None and limit < 1 and query is None:
            raise InvalidInput(f"clock_skew {name} {limit:g} is finer than the whole seconds of a Date header; use 1 or more, or a query")
    if warn is not None and warn > crit:
        raise InvalidInput(f"clock_skew warn {warn:g} is above crit {crit:g}; a warning must come first")
    return ClockLimit(warn, crit, None if query is None else parse_json({"query": query, "operator": "exists"}))
