# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is expected of a configuration file, as validated values."""

from __future__ import annotations

import dataclasses
import fnmatch
import re
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput
from .env_file import FORMATS

# Compared with a whole value and with each of its words, whatever the letters' case.
PLACEHOLDERS = (
    "changeme*",
    "change[-_]me*",
    "*example",
    "example[-_]*",
    "your[-_]*",
    "todo",
    "fixme",
    "replace[-_]*",
    "replaceme*",
    "placeholder*",
    "insert[-_]*",
    "<*>",
    "xxx*",
    "*[-_]xxx",
    "??xxx",
    "put your unique phrase here",
)


def is_placeholder(text: str, patterns: t.Sequence[str] = PLACEHOLDERS) -> bool:
    """Whether a text, or a word of it, stands where a real value should be; patterns are in lower case."""
    lower = text.strip().lower()
    words = [lower, *re.split(r"[^a-z0-9_-]+", lower)]
    return any(fnmatch.fnmatchcase(word, pattern) for word in words if word for pattern in patterns)


ENV = ArgumentSpec(
    {
        "path": {"type": "path", "required": True},
        "format": {"type": "str", "choices": list(FORMATS), "default": "auto"},
        "name": {"type": "str"},
        "required": {"type": "list", "elements": "str", "default": []},
        "any_of": {"type": "list", "elements": "list", "default": []},
        "rules": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "min_length": {"type": "int"},
                "allowed": {"type": "list", "elements": "str"},
                "allow_empty": {"type": "bool", "default": False},
                "allow_placeholder": {"type": "bool", "default": False},
                "computed": {"type": "bool", "default": False},
            },
        },
        "forbidden": {"type": "list", "elements": "str", "default": list(PLACEHOLDERS)},
        "mode": {"type": "raw"},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "parity": {
            "type": "dict",
            "options": {
                "path": {"type": "path"},
                "format": {"type": "str", "choices": list(FORMATS), "default": "auto"},
                "names": {"type": "list", "elements": "str"},
                "ignore": {"type": "list", "elements": "str", "default": []},
                "allow_extra": {"type": "bool", "default": False},
            },
            "required_one_of": [["path", "names"]],
            "mutually_exclusive": [["path", "names"]],
        },
        "fail": {"type": "bool", "default": True},
    }
)


@dataclasses.dataclass(frozen=True)
class Rule:
    """What is expected of the values of the names that fit ``name``, a name or a pattern with ``*``."""

    name: str
    min_length: int = 0
    allowed: tuple[str, ...] | None = None
    allow_empty: bool = False
    allow_placeholder: bool = False
    computed: bool = False

    @property
    def is_pattern(self) -> bool:
        return any(char in self.name for char in "*?[")

    def fits(self, name: str) -> bool:
        return fnmatch.fnmatchcase(name, self.name)


@dataclasses.dataclass(frozen=True)
class Parity:
    """The other environment: its file, or its names."""

    path: str
    format: str
    names: tuple[str, ...] | None
    ignore: tuple[str, ...]
    allow_extra: bool


@dataclasses.dataclass(frozen=True)
class Expectations:
    """All of them. ``mode``: the bits that a file may have at most."""

    required: tuple[str, ...]
    any_of: tuple[tuple[str, ...], ...]
    rules: tuple[Rule, ...]
    forbidden: tuple[str, ...]
    mode: int | None
    owner: str
    group: str
    parity: Parity | None

    def rule(self, name: str) -> Rule:
        """What holds for one name: a rule with just that name and all whose pattern fits, the strictest of each kind."""
        fitting = [rule for rule in self.rules if rule.fits(name)]
        allowed = [rule.allowed for rule in fitting if rule.allowed is not None]
        return Rule(
            name,
            max((rule.min_length for rule in fitting), default=0),
            tuple(one for one in allowed[0] if all(one in other for other in allowed)) if allowed else None,
            any(rule.allow_empty for rule in fitting),
            any(rule.allow_placeholder for rule in fitting),
            any(rule.computed for rule in fitting),
        )

    def is_placeholder(self, text: str) -> bool:
        """Whether a value, or a word of it, is one of the texts that stand where a value should be."""
        return is_placeholder(text, self.forbidden)


def parse_expectations(options: t.Mapping[str, t.Any]) -> Expectations:
    """The options of ``env_check``; ``InvalidInput`` naming the option that makes no sense."""
    parity = options["parity"]
    return Expectations(
        required=tuple(dict.fromkeys(_name(name, "required") for name in options["required"])),
        any_of=tuple(_group(names) for names in options["any_of"]),
        rules=_rules(options["rules"]),
        forbidden=tuple(_text(one, "forbidden").lower() for one in options["forbidden"]),
        mode=_mode(options["mode"]),
        owner=options["owner"] or "",
        group=options["group"] or "",
        parity=parity
        and Parity(
            parity["path"] or "",
            parity["format"],
            None if parity["names"] is None else tuple(parity["names"]),
            tuple(parity["ignore"]),
            parity["allow_extra"],
        ),
    )


def _rules(given: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for one in given:
        name = _name(one["name"], "rules")
        if any(rule.name == name for rule in rules):
            raise InvalidInput(f"there are two rules for {name}; write one with all that is expected")
        length = one["min_length"] or 0
        if length < 0:
            raise InvalidInput(f"min_length {length} of {name} is less than nothing")
        if one["allowed"] is not None and not one["allowed"]:
            raise InvalidInput(f"the rule for {name} allows no value; name some in allowed, or leave it out")
        allowed = None if one["allowed"] is None else tuple(one["allowed"])
        if allowed and not any(len(text) >= length for text in allowed):
            raise InvalidInput(f"no value in allowed of {name} has min_length {length}")
        if one["computed"] and (length or allowed):
            raise InvalidInput(f"the rule for {name} has computed, so its value is not looked at; leave out min_length and allowed")
        rules.append(Rule(name, length, allowed, one["allow_empty"], one["allow_placeholder"], one["computed"]))
    return tuple(rules)


def _group(names: t.Any) -> tuple[str, ...]:
    if len(names) < 2:
        raise InvalidInput("a group in any_of has fewer than two names; write a single name in required")
    return tuple(_name(str(name), "any_of") for name in names)


def _name(text: str, option: str) -> str:
    # PHP's variables are written with their dollar in most people's minds.
    return _text(text, option).lstrip("$")


def _text(text: str, option: str) -> str:
    if not text.strip():
        raise InvalidInput(f"{option} has an empty text; remove it")
    return text.strip()


def _mode(given: t.Any) -> int | None:
    if given is None:
        return None
    if not isinstance(given, str) or not re.fullmatch(r"0?[0-7]{3}", given):
        raise InvalidInput(f"mode {given!r} is no mode; write three or four octal digits in quotes, such as '0640'")
    return int(given, 8)
