# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``env_check``: is a configuration file complete, filled in and kept from others? No value of it is ever shown."""

from __future__ import annotations

import fnmatch
import os
import time
import typing as t

from .._common.errors import RunbookError
from .._common.outcome import Outcome, Status, overall, summary
from .._common.runner import Run
from .env_file import ConfigFile, open_config
from .env_rules import Expectations, Parity, Rule, parse_expectations
from .env_values import Settings, Value

# Of many names, a message has the first.
_SHOWN = 10


def env_check(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """``{changed, status, msg, checks, names}`` for the options of ``env_check``; check mode is the same, since nothing is changed.

    Raises ``InvalidInput`` before the file is opened, and ``RunbookError`` with the same structure when a check failed or crashed
    and the option ``fail`` is not false.
    """
    expected = parse_expectations(options)
    label = options["name"] or os.path.basename(options["path"])
    began = time.perf_counter()
    try:
        config: ConfigFile | None = open_config(options["path"], options["format"])
        trouble = ""
    except RunbookError as error:
        config, trouble = None, error.message
    checks = _unread(expected, trouble) if config is None else _judge(config, expected)
    for check in checks:
        check.name = f"{label}: {check.name}"
    checks[0].duration_ms = round((time.perf_counter() - began) * 1000, 3)
    status = overall(check.status for check in checks)
    result = {
        "changed": False,
        "status": status,
        "checks": [check.to_dict() for check in checks],
        "names": config.settings.names() if config else [],
    }
    message = summary(checks, "check")
    if status in ("failed", "crashed") and options["fail"]:
        raise RunbookError(message, **result)
    return {**result, "msg": message}


def _outcome(kind: str, name: str, status: Status, message: str, **more: t.Any) -> Outcome:
    details = {"kind": kind, **({"variable": name} if kind == "variable" else {})}
    return Outcome(name, status, message, details=details, **more)


def _unread(expected: Expectations, trouble: str) -> list[Outcome]:
    """The same checks as of a file that can be read, each ``crashed``: none of them was answered."""
    found = [_outcome("file", "file", "crashed", trouble)]
    for kind, name in _planned(expected):
        found.append(_outcome(kind, name, "crashed", "the file could not be read"))
    return found


def _planned(expected: Expectations) -> list[tuple[str, str]]:
    names = [*expected.required, *(rule.name for rule in expected.rules if not rule.is_pattern and rule.name not in expected.required)]
    return [
        *([("access", "access")] if _access_is_asked(expected) else []),
        *(("variable", name) for name in names),
        *(("any_of", _title(group)) for group in expected.any_of),
        *([("placeholders", "placeholders")] if expected.forbidden else []),
        *([("parity", "parity")] if expected.parity else []),
    ]


def _judge(config: ConfigFile, expected: Expectations) -> list[Outcome]:
    settings = config.settings
    names = settings.names()
    checks = [_outcome("file", "file", "ok", f"{len(names)} name{'' if len(names) == 1 else 's'}", value=len(names), unit="names")]
    if _access_is_asked(expected):
        checks.append(_access(config, expected))
    own = list(expected.required)
    for rule in expected.rules:
        own += [name for name in ([rule.name] if not rule.is_pattern else names) if name not in own and rule.fits(name)]
    for name in own:
        checks.append(_variable(name, settings.get(name), expected, needed=name in expected.required))
    checks += [_any_of(group, settings, expected) for group in expected.any_of]
    if expected.forbidden:
        rest = [name for name in names if name not in own]
        checks.append(_placeholders({name: settings.get(name) or Value() for name in rest}, expected))
    if expected.parity:
        checks.append(_parity(names, expected.parity))
    return checks


def _access_is_asked(expected: Expectations) -> bool:
    return bool(expected.mode is not None or expected.owner or expected.group)


def _access(config: ConfigFile, expected: Expectations) -> Outcome:
    """Who may do what with the file; more rights than ``mode`` are a failure, fewer are not."""
    wrong = []
    if expected.mode is not None and config.mode & ~expected.mode:
        wrong.append(f"its mode is {config.mode:04o}, more than {expected.mode:04o}")
    for word, is_now, wanted in (("owner", config.owner, expected.owner), ("group", config.group, expected.group)):
        if wanted and is_now != wanted:
            wrong.append(f"its {word} is {is_now}, not {wanted}")
    crit = f"{expected.mode:04o}" if expected.mode is not None else None
    message = "; ".join(wrong) or f"{config.mode:04o} {config.owner}:{config.group}"
    return _outcome("access", "access", "failed" if wrong else "ok", message, value=f"{config.mode:04o}", crit=crit)


def _variable(name: str, value: Value | None, expected: Expectations, *, needed: bool) -> Outcome:
    rule = expected.rule(name)
    if value is None:
        return _outcome("variable", name, "failed", "is not set") if needed else _outcome("variable", name, "skipped", "is not set")
    if rule.computed:
        return _outcome("variable", name, "ok", "is there; its value is made by code and not looked at")
    if value.why:
        return _outcome("variable", name, "crashed", value.why)
    wrong = _wrong(value.text, rule, expected)
    return _outcome("variable", name, "failed" if wrong else "ok", "; ".join(wrong) or "is set", crit=rule.min_length or None)


def _wrong(text: str, rule: Rule, expected: Expectations) -> list[str]:
    """What a value breaks, in words that do not give it away."""
    if not text.strip():
        return [] if rule.allow_empty else ["is empty"]
    wrong = []
    if len(text) < rule.min_length:
        wrong.append(f"is shorter than {rule.min_length} characters")
    if rule.allowed is not None and text not in rule.allowed:
        wrong.append(f"is none of {', '.join(rule.allowed) or 'the values that all its rules allow'}")
    if not rule.allow_placeholder and expected.is_placeholder(text):
        wrong.append("is a placeholder; put in a real value")
    return wrong


def _title(group: t.Sequence[str]) -> str:
    return f"any of {', '.join(group)}"


def _any_of(group: t.Sequence[str], settings: Settings, expected: Expectations) -> Outcome:
    values = [settings.get(name) for name in group]
    there = [value for value in values if value is not None]
    if any(not value.why and value.text.strip() and not expected.is_placeholder(value.text) for value in there):
        return _outcome("any_of", _title(group), "ok", "at least one is set")
    unknown = next((value for value in there if value.why), None)
    if unknown:
        return _outcome("any_of", _title(group), "crashed", f"one {unknown.why}")
    return _outcome("any_of", _title(group), "failed", "none is set to a real value")


def _placeholders(values: t.Mapping[str, Value], expected: Expectations) -> Outcome:
    """All names that have no check of their own: none may still have the value that it came with."""
    bad, unknown = [], []
    for name, value in values.items():
        rule = expected.rule(name)
        if rule.computed or rule.allow_placeholder:
            continue
        if value.why:
            unknown.append(name)
        elif expected.is_placeholder(value.text):
            bad.append(name)
    status: Status = "crashed" if unknown else "failed" if bad else "ok"
    parts = [f"still a placeholder: {_listed(bad)}"] if bad else []
    if unknown:
        parts.append(f"can't be told: {_listed(unknown)}; those that code makes may have rules with computed")
    return _outcome("placeholders", "placeholders", status, "; ".join(parts) or "none", value=len(bad), unit="names", crit=0)


def _parity(names: t.Sequence[str], parity: Parity) -> Outcome:
    """Do two environments know the same names?"""
    if parity.names is None:
        try:
            other: t.Sequence[str] = open_config(parity.path, parity.format).settings.names()
        except RunbookError as error:
            return _outcome("parity", "parity", "crashed", error.message)
    else:
        other = parity.names

    def only(ones: t.Iterable[str], others: t.Iterable[str]) -> list[str]:
        return sorted(name for name in set(ones) - set(others) if not any(fnmatch.fnmatchcase(name, one) for one in parity.ignore))

    missing, extra = only(other, names), [] if parity.allow_extra else only(names, other)
    parts = [f"only there: {_listed(missing)}"] if missing else []
    parts += [f"only here: {_listed(extra)}"] if extra else []
    found = _outcome("parity", "parity", "failed" if parts else "ok", "; ".join(parts) or "the same names", crit=0)
    found.value, found.unit = len(missing) + len(extra), "names"
    found.details.update(missing=missing, extra=extra)
    return found


def _listed(names: t.Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
