# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what people write to checks; everything that can be wrong with them is found here, before anything is looked at."""

from __future__ import annotations

import typing as t

from .._common.errors import InvalidInput
from .._common.thresholds import Thresholds, parse_limit
from .._common.times import parse_duration
from .kind import Check, Hold, Kind, Measure
from .options import CHECK, COMMON
from .registry import kind_of, nearest

_LONGEST = 3600


def parse_checks(checks: t.Sequence[t.Mapping[str, t.Any]], timeout: float) -> list[Check]:
    """All checks; ``InvalidInput`` naming the check for the first that makes no sense."""
    if not checks:
        raise InvalidInput("checks is empty; give at least one check")
    parsed: list[Check] = []
    for position, written in enumerate(checks, 1):
        label = written.get("name") or written.get("kind") or f"number {position}"
        try:
            check = _parse(written, timeout)
        except InvalidInput as error:
            raise InvalidInput(f"check {label!r}: {error.message}") from None
        if any(check.name == other.name for other in parsed):
            raise InvalidInput(f"two checks are called {check.name!r}; give each its own name")
        parsed.append(check)
    return parsed


def _parse(written: t.Mapping[str, t.Any], timeout: float) -> Check:
    unknown = [option for option in written if option not in CHECK]
    if unknown:
        raise InvalidInput(f"there is no option {unknown[0]!r}; {nearest(unknown[0], CHECK)}")
    given = {option: written.get(option) for option in CHECK}
    name = str(given["kind"] or "")
    kind = kind_of(name)
    _options(name, kind, given)
    measured = given["measure"] or next(iter(kind.measures))
    if measured not in kind.measures:
        raise InvalidInput(f"kind {name} measures {' or '.join(kind.measures)}, not {measured}")
    measure = kind.measures[measured]
    seconds = timeout if given["timeout"] is None else float(given["timeout"])
    if not 0 < seconds <= _LONGEST:
        raise InvalidInput(f"timeout {seconds:g} is not between 0 and {_LONGEST} seconds")
    check = Check(
        name=given["name"] or _name(name, kind, given),
        kind=name,
        measure=measured,
        unit=measure.unit if given["unit"] is None else given["unit"],
        thresholds=_thresholds(name, given, measure),
        timeout=seconds,
        hold=_hold(given),
        given=given,
    )
    if kind.refuse:
        kind.refuse(given)
    if not kind.judges and check.thresholds.warn is None and check.thresholds.crit is None:
        raise InvalidInput(f"{name} {measured} needs warn or crit; without a limit it would always be ok")
    return check


def _options(name: str, kind: Kind, given: t.Mapping[str, t.Any]) -> None:
    for option in kind.needs:
        if given[option] in (None, "", []):
            raise InvalidInput(f"kind {name} needs {option}")
    for option, value in given.items():
        if value is not None and option not in (*COMMON, *kind.needs, *kind.takes):
            own = ", ".join((*kind.needs, *kind.takes))
            raise InvalidInput(f"kind {name} does not take {option}; {f'it takes {own}' if own else 'leave it out'}")


def _name(name: str, kind: Kind, given: t.Mapping[str, t.Any]) -> str:
    subject = next((given[option] for option in (*kind.needs, *kind.takes) if given[option]), None)
    return f"{name} {subject}" if isinstance(subject, (str, int)) and not isinstance(subject, bool) else name


def _hold(given: t.Mapping[str, t.Any]) -> Hold:
    seconds = parse_duration(given["for"], "for") if given["for"] else 0.0
    times = 1 if given["times"] is None else int(given["times"])
    if not 1 <= times <= 1000:
        raise InvalidInput(f"times {times} is not between 1 and 1000")
    return Hold(seconds, times)


def _thresholds(name: str, given: t.Mapping[str, t.Any], measure: Measure) -> Thresholds:
    """A check's own limits, or its kind's. One that can never be passed, or always is, is a mistake."""
    below = measure.below if given["direction"] is None else given["direction"] == "below"
    if given["warn"] is None and given["crit"] is None:
        return Thresholds(measure.warn, measure.crit, below) if below == measure.below else Thresholds(below=below)
    warn, crit = (parse_limit(given[option], option, measure.unit) for option in ("warn", "crit"))
    for option, limit in (("warn", warn), ("crit", crit)):
        if limit is not None:
            _refuse_limit(name, option, limit, measure, below)
    return Thresholds(warn, crit, below)


def _refuse_limit(name: str, option: str, limit: float, measure: Measure, below: bool) -> None:
    """A limit that no value can pass, or that every value does, is a typing error."""
    least, most = measure.least, measure.most
    never = (least is not None and limit <= least) if below else (most is not None and limit >= most)
    always = (most is not None and limit > most) if below else (least is not None and limit < least)
    if never or always:
        lies = f"from {least:g}" + ("" if most is None else f" to {most:g}")
        raise InvalidInput(
            f"{option} {limit:g} {'can never be' if never else 'is always'} passed: {name} is {lies} {measure.unit}".rstrip()
            + f", and bad {'below' if below else 'above'} its limits"
        )
