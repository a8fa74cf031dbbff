# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trends as inline SVG: a chart of one check on its hosts, and strips of statuses and events along the days."""

from __future__ import annotations

import dataclasses
import math
import statistics
import typing as t

from .._common.markup import Markup, el, join
from .model import Check, Host, text_of
from .units import group_of, measured
from .words import Words

# Drawn in the size of a phone's screen, so that the letters are not smaller there than they should be.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 360, 150, 40, 8, 10, 20
# More lines than that can't be told apart: a median and a range instead.
LINES = 5
Values = t.Sequence[t.Optional[float]]


@dataclasses.dataclass(frozen=True)
class Trend:
    """One check by its name, on all hosts that have it."""

    name: str
    unit: str
    rows: t.Sequence[tuple[Host, Check]]

    @property
    def group(self) -> str:
        return group_of(self.unit)


def trends_of(hosts: t.Sequence[Host]) -> list[Trend]:
    """The checks that measure a latency or a size and did so on two days, those that are not well first."""
    found: dict[tuple[str, str], list[tuple[Host, Check]]] = {}
    for host in hosts:
        for check in host.checks:
            if group_of(check.unit) and sum(value is not None for value in check.series.means()) > 1:
                found.setdefault((check.name, check.unit), []).append((host, check))
    trends = [Trend(name, unit, rows) for (name, unit), rows in found.items()]
    return sorted(trends, key=lambda trend: (-sum(check.status not in ("ok", "skipped") for _host, check in trend.rows), trend.name))


def draw(trend: Trend, days: t.Sequence[str], marks: t.Sequence[int], words: Words) -> Markup:
    """The trend as a figure; ``marks`` are the numbers of days with a deploy."""
    rows = [(host.name, check.series.means()) for host, check in trend.rows]
    lines, band, keys = _lines(rows, trend, words)
    limits = _limits(
        [check for _host, check in trend.rows], max(_known(band[1] if band else [v for _n, line in lines for v in line]), default=0)
    )
    highest = max([*_known([v for _name, line in lines for v in line]), *_known(band[1] if band else []), *limits.values()], default=0)
    lowest = min([0.0, *_known([v for _name, line in lines for v in line]), *_known(band[0] if band else [])])
    ticks = _ticks(lowest, highest)
    scale = _Scale(len(days), ticks[0], ticks[-1])
    parts: list[t.Any] = [_grid(scale, ticks, days, trend.unit)]
    if marks:
        parts.append(el("path", d="".join(f"M{scale.x(day)} {_TOP}V{_HEIGHT - _BOTTOM}" for day in marks), class_="mark"))
    if band:
        parts.append(el("path", d=_area(scale, band[0], band[1]), class_="band"))
    for name, limit in limits.items():
        parts.append(el("path", d=f"M{_LEFT} {scale.y(limit)}H{_WIDTH - _RIGHT}", class_=f"limit {name}"))
    parts += [el("path", d=_path(scale, line), class_=f"line l{number}") for number, (_name, line) in enumerate(lines)]
    title = _spoken(trend, lines[0][1], days, words)
    svg = el("svg", *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=title)
    head = el("figcaption", el("bdi", trend.name), " ", el("small", trend.unit))
    notes = [el("li", _swatch(kind), el("bdi", text)) for kind, text in keys]
    notes += [
        el("li", _swatch(f"limit {name}"), words.of(f"limit_{name}", value=text_of(limit, trend.unit))) for name, limit in limits.items()
    ]
    return el("figure", head, svg, el("ul", *notes, class_="key"))


def _lines(rows: t.Sequence[tuple[str, Values]], trend: Trend, words: Words) -> t.Any:
    """``(lines, band, keys)``: what is drawn, and what each of it is called."""
    if len(rows) <= LINES:
        keys = []
        for number, ((name, values), (_host, check)) in enumerate(zip(rows, trend.rows)):
            last = _known(values)[-1]
            keys.append((f"line l{number}", f"{name} {text_of(_round(last), check.unit)}"))
        return list(rows), None, keys
    columns = [sorted(_known(column)) for column in zip(*(values for _name, values in rows))]
    middle = [statistics.median(column) if column else None for column in columns]
    low, high = [column[0] if column else None for column in columns], [column[-1] if column else None for column in columns]
    return (
        [("", middle)],
        (low, high),
        [("line l0", words.of("median", count=len(rows))), ("band", words["range"])],
    )


def _known(values: Values) -> list[float]:
    return [value for value in values if value is not None]


def _round(value: float) -> float | int:
    found = float(f"{value:.3g}")
    return int(found) if found == int(found) else found


def _limits(checks: t.Sequence[Check], highest: float) -> dict[str, float]:
    """The limits that all hosts share and that are not too far above what was measured to be shown."""
    found: dict[str, float] = {}
    for name in ("warn", "crit"):
        values = {getattr(check, name) for check in checks}
        value = measured(values.pop()) if len(values) == 1 else None
        if value is not None and 0 <= value <= max(highest, 1e-9) * 2:
            found[name] = value
    return found


class _Scale:
    def __init__(self, days: int, low: float, high: float) -> None:
        self._step = (_WIDTH - _LEFT - _RIGHT) / max(1, days - 1)
        self._low, self._size = low, (high - low) or 1.0

    def x(self, day: int) -> str:
        return _short(_LEFT + day * self._step)

    def y(self, value: float) -> str:
        return _short(_HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * (value - self._low) / self._size)


def _short(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")


def _ticks(low: float, high: float) -> list[float]:
    """Three to five round numbers that enclose both."""
    raw = ((high - low) or 1.0) / 3
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first = math.floor(low / step)
    return [step * number for number in range(first, math.ceil(high / step - 1e-9) + 1)] if high > low else [0.0, 1.0]


def _grid(scale: _Scale, ticks: t.Sequence[float], days: t.Sequence[str], unit: str) -> Markup:
    lines = "".join(f"M{_LEFT} {scale.y(tick)}H{_WIDTH - _RIGHT}" for tick in ticks)
    labels = [el("text", _tick(tick), x=_LEFT - 5, y=_short(float(scale.y(tick)) + 3.5), class_="end") for tick in ticks]
    at = sorted({0, len(days) // 2, len(days) - 1})
    anchors = {0: "start", len(days) - 1: "end"} if len(days) > 1 else {0: "start"}
    labels += [el("text", days[day][5:], x=scale.x(day), y=_HEIGHT - 5, class_=anchors.get(day, "middle")) for day in at]
    return el("g", el("path", d=lines, class_="grid"), *labels, aria_hidden="true")


def _tick(value: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _path(scale: _Scale, values: Values) -> str:
    """A line with gaps where nothing was measured; a day without neighbours is a dot."""
    parts, open_ = [], False
    for day, value in enumerate(values):
        if value is None:
            open_ = False
            continue
        parts.append(f"{'L' if open_ else 'M'}{scale.x(day)} {scale.y(value)}")
        if not open_ and (day + 1 == len(values) or values[day + 1] is None):
            parts.append("h.01")
        open_ = True
    return "".join(parts)


def _area(scale: _Scale, low: Values, high: Values) -> str:
    days = [day for day, value in enumerate(low) if value is not None]
    there = [f"{scale.x(day)} {scale.y(t.cast(float, high[day]))}" for day in days]
    back = [f"{scale.x(day)} {scale.y(t.cast(float, low[day]))}" for day in reversed(days)]
    return f"M{'L'.join(there + back)}Z"


def _swatch(kind: str) -> Markup:
    inside = el("path", d="M0 1h18v8h-18z", class_=kind) if kind == "band" else el("path", d="M0 5h18", class_=kind)
    return el("svg", inside, width=18, height=10, aria_hidden="true")


def _spoken(trend: Trend, values: Values, days: t.Sequence[str], words: Words) -> str:
    known = [(day, value) for day, value in zip(days, values) if value is not None]

    def said(value: float) -> str:
        return text_of(_round(value), trend.unit)

    facts = {"from": known[0][0], "to": known[-1][0]}
    return words.of(
        "chart", name=trend.name, first=said(known[0][1]), last=said(known[-1][1]), most=said(max(value for _day, value in known)), **facts
    )


def strip(statuses: t.Sequence[str], label: str) -> Markup:
    """A row of days, each in its status' colour; what is not well is taller, so that it is seen without colours too."""
    heights = {"ok": (5, 9), "warning": (3, 11), "failed": (0, 14), "crashed": (0, 14), "skipped": (7, 5)}
    paths: dict[str, list[str]] = {}
    start = 0
    for day in range(1, len(statuses) + 1):
        if day == len(statuses) or statuses[day] != statuses[start]:
            if statuses[start]:
                top, height = heights[statuses[start]]
                wide = day - start
                paths.setdefault(statuses[start], []).append(f"M{start} {top}h{wide}v{height}h-{wide}z")
            start = day
    parts = [el("path", d="".join(found), class_=status) for status, found in paths.items()]
    return el(
        "svg", join(parts), viewBox=f"0 0 {len(statuses)} 14", preserveAspectRatio="none", role="img", aria_label=label, class_="strip"
    )
