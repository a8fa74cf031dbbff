# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``log_scan``, as validated values."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput
from .._common.thresholds import Thresholds
from .._common.times import parse_duration, parse_moment
from .scan_files import check_paths
from .scan_formats import FORMATS
from .scan_match import Matcher, custom
from .scan_patterns import PATTERNS
from .scan_stamps import Clock, zone_of
from .scan_window import Window

PERCENTILES = ("p50", "p95", "p99", "max")
# What can be measured, with its unit.
MEASURES = {"count": "lines", "rate": "%", "requests": "requests", **dict.fromkeys(PERCENTILES, "ms")}
UNITS = {"s": 1000.0, "ms": 1.0, "us": 0.001}

MEASURE: dict[str, t.Any] = {
    "name": {"type": "str"},
    "measure": {"type": "str", "choices": list(MEASURES), "default": "count"},
    "pattern": {"type": "str", "choices": list(PATTERNS)},
    "regex": {"type": "str"},
    "ignore_case": {"type": "bool", "default": False},
    "warn": {"type": "float"},
    "crit": {"type": "float"},
    "direction": {"type": "str", "choices": ["above", "below"], "default": "above"},
    "min_requests": {"type": "int", "default": 1},
}
SCAN: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "paths": {"type": "list", "elements": "str", "default": []},
    "units": {"type": "list", "elements": "str", "default": []},
    "format": {"type": "str", "choices": list(FORMATS), "default": "auto"},
    "rotated": {"type": "bool", "default": True},
    "allow_missing": {"type": "bool", "default": False},
    "since": {"type": "str"},
    "until": {"type": "str"},
    "time_zone": {"type": "str"},
    "state": {"type": "path"},
    "measures": {"type": "list", "elements": "dict", "options": MEASURE},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "against": {"type": "str"},
    "request_time": {"type": "str"},
    "request_time_unit": {"type": "str", "choices": list(UNITS), "default": "s"},
    "top": {"type": "int", "default": 5},
}
OPTIONS = ArgumentSpec(
    {
        "scans": {"type": "list", "elements": "dict", "required": True, "options": SCAN},
        "timeout": {"type": "float", "default": 300},
        "fail": {"type": "bool", "default": True},
    }
)


@dataclasses.dataclass(frozen=True)
class Measure:
    """One number that becomes one item. ``key`` names what is counted: a pattern, or a regular expression of the scan."""

    name: str
    measure: str
    key: str
    thresholds: Thresholds
    min_requests: int


@dataclasses.dataclass(frozen=True)
class Scan:
    """What is read together. ``custom`` holds the matchers of keys that are no ready-made pattern."""

    name: str
    paths: tuple[str, ...]
    units: tuple[str, ...]
    format: str
    rotated: bool
    allow_missing: bool
    window: Window
    zone: datetime.tzinfo | None
    laravel_zone: datetime.tzinfo | None
    state: str
    measures: tuple[Measure, ...]
    custom: t.Mapping[str, Matcher]
    exclude: tuple[Matcher, ...]
    against: str
    request_time: tuple[re.Pattern[bytes], float] | None
    top: int


def parse_scans(options: t.Mapping[str, t.Any], now: float) -> list[Scan]:
    """All scans of the module's options; ``InvalidInput`` naming the scan for the first that makes no sense."""
    if not options["scans"]:
        raise InvalidInput("scans is empty; give at least one scan")
    if not 0 < options["timeout"] <= 86400:
        raise InvalidInput(f"timeout {options['timeout']:g} is not between 0 and 86400 seconds")
    scans: list[Scan] = []
    for given in options["scans"]:
        try:
            scan = _scan(given, now)
        except InvalidInput as error:
            raise InvalidInput(f"scan {given['name']!r}: {error.message}") from None
        scans.append(scan)
    names = [scan.name for scan in scans]
    items = [measure.name for scan in scans for measure in scan.measures]
    for kind, taken in (("scans", names), ("measures", items)):
        twice = next((name for name in taken if taken.count(name) > 1), None)
        if twice is not None:
            raise InvalidInput(f"two {kind} are called {twice!r}; give each its own name")
    for scan in scans:
        if scan.against and scan.against not in names:
            raise InvalidInput(f"scan {scan.name!r}: against {scan.against!r} is no scan of this task; there are {', '.join(names)}")
    return scans


def _scan(given: t.Mapping[str, t.Any], now: float) -> Scan:
    name = given["name"].strip()
    if not name or not name.isprintable():
        raise InvalidInput("name is empty or not printable")
    journal = given["format"] == "journald"
    if given["units"] and not journal:
        raise InvalidInput("units are journald's; give format journald")
    if not given["paths"] and not journal:
        raise InvalidInput("paths is empty; name the logs, or give format journald")
    check_paths(given["paths"])
    if any(unit.startswith("-") or not unit.isprintable() for unit in given["units"]):
        raise InvalidInput("units has a name that no unit can have")
    zone = zone_of(given["time_zone"] or "local")
    clock = Clock(zone, now)
    window = Window(_moment(given["since"], "since", clock), _moment(given["until"], "until", clock))
    if window.since is not None and window.until is not None and window.since >= window.until:
        raise InvalidInput("since is not before until; swap them")
    if given["state"] and window.until is not None:
        raise InvalidInput("state goes on where the last run ended, so it can't have until; leave one of them out")
    if not 0 <= given["top"] <= 100:
        raise InvalidInput(f"top {given['top']} is not between 0 and 100")
    matchers: dict[str, Matcher] = {}
    measures = tuple(_measure(one, name, matchers) for one in given["measures"] or [{**_defaults(MEASURE), "pattern": "errors"}])
    return Scan(
        name=name,
        paths=tuple(given["paths"]),
        units=tuple(given["units"]),
        format=given["format"],
        rotated=given["rotated"],
        allow_missing=given["allow_missing"],
        window=window,
        zone=zone,
        # Laravel writes in its application's zone, which is UTC unless somebody changed it.
        laravel_zone=zone if given["time_zone"] else zone_of("utc"),
        state=given["state"] or "",
        measures=measures,
        custom=matchers,
        exclude=tuple(custom(text, "exclude") for text in given["exclude"]),
        against=given["against"] or "",
        request_time=_request_time(given),
        top=given["top"],
    )


def _defaults(spec: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    return {name: option.get("default") for name, option in spec.items()}


def _measure(given: t.Mapping[str, t.Any], scan: str, matchers: dict[str, Matcher]) -> Measure:
    measure, pattern, regex = given["measure"], given["pattern"], given["regex"]
    lines = measure in ("count", "rate")
    if lines != bool(pattern or regex) or (pattern and regex):
        raise InvalidInput(f"measure {measure} takes {'either pattern or regex' if lines else 'neither pattern nor regex'}")
    if given["ignore_case"] and not regex:
        raise InvalidInput("ignore_case goes with regex")
    if given["min_requests"] < 1:
        raise InvalidInput(f"min_requests {given['min_requests']} is less than 1")
    key = pattern or ""
    if regex:
        key = f"{'(?i)' if given['ignore_case'] else ''}{regex}"
        matchers[key] = custom(regex, "regex", given["ignore_case"])
    label = given["name"] or " ".join(part for part in (pattern or regex, measure if measure != "count" else "") if part)
    thresholds = Thresholds(given["warn"], given["crit"], given["direction"] == "below")
    return Measure(f"{scan} {label}", measure, key, thresholds, given["min_requests"])


def _moment(text: str | None, option: str, clock: Clock) -> float | None:
    if text is None:
        return None
    text = text.strip()
    if text in ("today", "yesterday"):
        return clock.midnight(0 if text == "today" else 1)
    if re.fullmatch(r"[0-9]{10,}", text) or not re.fullmatch(r"[0-9.smhdw ]+", text.lower()):
        return parse_moment(text, option).timestamp()
    return clock.now - parse_duration(text, option)


def _request_time(given: t.Mapping[str, t.Any]) -> tuple[re.Pattern[bytes], float] | None:
    text = given["request_time"]
    if not text:
        return None
    try:
        pattern = re.compile(text.encode(), re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidInput(f"request_time {text!r} is no regular expression: {error}") from None
    if pattern.groups != 1:
        raise InvalidInput(f"request_time {text!r} needs one group in parentheses, around the number")
    return pattern, UNITS[given["request_time_unit"]]
