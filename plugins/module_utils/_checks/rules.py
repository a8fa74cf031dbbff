# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alert rules as they are written, and what they ask of a series of results."""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import math
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput
from .._common.outcome import SEVERITY
from .._common.thresholds import NotANumber, number, plain
from .._common.times import in_words, parse_duration
from .._notify.message import SEVERITIES

RULE: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "alert": {"type": "str"},
    "checks": {"type": "list", "elements": "str", "required": True},
    "hosts": {"type": "list", "elements": "str", "default": ["*"]},
    "above": {"type": "float"},
    "below": {"type": "float"},
    "status": {"type": "list", "elements": "str", "choices": list(SEVERITY)},
    "absent": {"type": "bool", "default": False},
    "field": {"type": "str", "default": "value"},
    "for": {"type": "str", "default": "0"},
    "times": {"type": "int"},
    "within": {"type": "str"},
    "clear_for": {"type": "str", "default": "0"},
    "gap": {"type": "str", "default": "15m"},
    "severity": {"type": "str", "choices": list(SEVERITIES), "default": "warning"},
    "title": {"type": "str"},
    "response": {"type": "str"},
    "targets": {"type": "list", "elements": "str"},
}

RESPONSE = ArgumentSpec(
    {
        "first": {"type": "list", "elements": "str", "default": []},
        "escalate": {"type": "str"},
        "escalate_after": {"type": "str"},
        "escalate_targets": {"type": "list", "elements": "str"},
        "playbook": {"type": "str"},
        "link": {"type": "str"},
    }
)


@dataclasses.dataclass(frozen=True)
class Response:
    """What to do about an alert: what first, whom or what next and after how many seconds, and which playbook is offered."""

    first: tuple[str, ...] = ()
    escalate: str = ""
    escalate_after: float | None = None
    escalate_targets: tuple[str, ...] | None = None
    playbook: str = ""
    link: str = ""


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule. Times in seconds. Rules of the same ``alert`` are degrees of one alert, of which the worst counts."""

    name: str
    alert: str
    checks: tuple[str, ...]
    hosts: tuple[str, ...]
    severity: str
    above: float | None = None
    below: float | None = None
    status: tuple[str, ...] = ()
    absent: bool = False
    field: str = "value"
    lasting: float = 0.0
    times: int | None = None
    within: float = 0.0
    clear_for: float = 0.0
    gap: float = 900.0
    title: str = ""
    targets: tuple[str, ...] | None = None
    response: Response = dataclasses.field(default_factory=Response)

    @property
    def window(self) -> float:
        """How far back records are needed to judge."""
        return max(self.lasting, self.within, self.clear_for) + self.gap

    def matches(self, host: str, check: str) -> bool:
        """Whether the rule is about this series."""
        return _fits(host, self.hosts) and _fits(check, self.checks)

    def broken_by(self, item: t.Mapping[str, t.Any]) -> bool | None:
        """Whether a result item breaks the rule; None when it says neither (skipped, or no number where one is compared)."""
        if item.get("status") == "skipped":
            return None
        if self.status:
            return item.get("status") in self.status
        value = self.value_of(item)
        if value is None:
            return None
        return value > self.above if self.above is not None else value < t.cast(float, self.below)

    def value_of(self, item: t.Mapping[str, t.Any]) -> float | None:
        """The number that the rule compares."""
        found: t.Any = item
        for name in self.field.split("."):
            found = found.get(name) if isinstance(found, t.Mapping) else None
        try:
            return number(found)
        except NotANumber:
            return None

    @property
    def condition(self) -> str:
        """What breaks the rule, in words."""
        if self.absent:
            return f"no record for {in_words(self.lasting)}"
        if self.status:
            what = " or ".join(self.status)
        else:
            what = f"above {plain(self.above)}" if self.above is not None else f"below {plain(t.cast(float, self.below))}"
        if self.times is not None:
            return f"{what} {self.times} times within {in_words(self.within)}"
        return f"{what} for {in_words(self.lasting)}" if self.lasting else what


def literal(pattern: str) -> bool:
    """Whether a pattern names exactly one thing."""
    return not any(char in pattern for char in "*?[")


def parse_rules(items: t.Sequence[t.Mapping[str, t.Any]], responses: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[Rule]:
    """The rules of the options ``rules`` and ``responses``; an ``InvalidInput`` names the rule that it is about."""
    if not items:
        raise InvalidInput("rules is empty; give at least one rule")
    found: list[Rule] = []
    parsed = {str(name): _response(str(name), given) for name, given in responses.items()}
    for item in items:
        try:
            rule = _rule(item, parsed)
        except InvalidInput as error:
            raise InvalidInput(f"rule {item['name']!r}: {error.message}") from None
        if any(other.name == rule.name for other in found):
            raise InvalidInput(f"rule {rule.name!r} is there twice; give each its own name")
        found.append(rule)
    return found


def _rule(item: t.Mapping[str, t.Any], responses: t.Mapping[str, Response]) -> Rule:
    name = item["name"].strip()
    alert = (item.get("alert") or name).strip()
    if not name or not name.isprintable() or "/" in alert:
        raise InvalidInput("its name is empty, has line breaks, or a slash (in alert); give one short line")
    asked = [option for option in ("above", "below", "status") if item.get(option) not in (None, [])] + (
        ["absent"] if item["absent"] else []
    )
    if len(asked) != 1:
        raise InvalidInput(f"it needs exactly one of above, below, status and absent, not {' and '.join(asked) or 'none'}")
    for option in ("above", "below"):
        if item.get(option) is not None and not math.isfinite(item[option]):
            raise InvalidInput(f"{option} {item[option]} is no number to compare with")
    if not item["checks"] or not item["hosts"]:
        raise InvalidInput("checks and hosts must each have a name or pattern")
    lasting = parse_duration(item["for"], "for")
    times, within = item.get("times"), item.get("within")
    if (times is None) != (within is None):
        raise InvalidInput("times and within belong together; give both, such as times 2 within 3m")
    if times is not None and (times < 1 or lasting or item["absent"]):
        raise InvalidInput("times is at least 1 and goes with within only, not with for or absent")
    if item["absent"] and not lasting:
        raise InvalidInput("absent needs for, the longest time without a record")
    response = item.get("response") or alert
    if item.get("response") and response not in responses:
        near = difflib.get_close_matches(response, responses, 3) or sorted(responses)[:5]
        raise InvalidInput(f"there is no response {response!r}" + (f"; nearest are {', '.join(near)}" if near else " in responses"))
    return Rule(
        name=name,
        alert=alert,
        checks=tuple(item["checks"]),
        hosts=tuple(item["hosts"]),
        severity=item["severity"],
        above=item.get("above"),
        below=item.get("below"),
        status=tuple(item.get("status") or ()),
        absent=item["absent"],
        field=item["field"],
        lasting=lasting,
        times=times,
        within=parse_duration(within, "within") if within is not None else 0.0,
        clear_for=parse_duration(item["clear_for"], "clear_for"),
        gap=max(1.0, parse_duration(item["gap"], "gap")),
        title=item.get("title") or "",
        targets=None if item.get("targets") is None else tuple(item["targets"]),
        response=responses.get(response, Response()),
    )


def _response(name: str, given: t.Mapping[str, t.Any]) -> Response:
    if not isinstance(given, t.Mapping):
        raise InvalidInput(f"response {name!r} is no mapping of first, escalate, escalate_after, escalate_targets, playbook and link")
    unknown = sorted(set(map(str, given)) - RESPONSE.options.keys())
    if unknown:
        near = difflib.get_close_matches(unknown[0], RESPONSE.options, 1)
        raise InvalidInput(f"response {name!r} has no {unknown[0]!r}" + (f"; do you mean {near[0]}?" if near else ""))
    first, targets, after = given.get("first") or [], given.get("escalate_targets"), given.get("escalate_after")
    return Response(
        first=tuple([first] if isinstance(first, str) else map(str, first)),
        escalate=str(given.get("escalate") or ""),
        escalate_after=None if after is None else parse_duration(after, f"response {name!r}: escalate_after"),
        escalate_targets=None if targets is None else tuple([targets] if isinstance(targets, str) else map(str, targets)),
        playbook=str(given.get("playbook") or ""),
        link=str(given.get("link") or ""),
    )


def _fits(name: str, patterns: t.Sequence[str]) -> bool:
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
