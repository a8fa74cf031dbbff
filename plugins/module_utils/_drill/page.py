# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill as one page without anything from elsewhere: what it was, how long it took, and how it was before."""

from __future__ import annotations

import typing as t

from .._common.markup import Markup, el, join
from .._common.progress import clock_time
from .._report.shell import badge, document, table

_STYLE = """
body{padding-block:1rem 2rem}main{max-width:60rem}.bar{fill:var(--accent)}.aside .bar{fill:var(--line)}
svg.wide{width:100%;height:.7rem;margin-block-start:.4rem}td.wide{width:30%}
"""


def render(evidence: t.Mapping[str, t.Any], earlier: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """The page of ``evidence``; ``earlier`` drills, oldest first, are its trend."""
    title = f"Drill {evidence['scenario']}: {evidence['subject']}"
    body = el(
        "main",
        el("h1", title, " ", badge(evidence["status"])),
        el("p", f"{evidence['started']} to {evidence['ended']} on {evidence['host']}", class_="soft"),
        el("p", evidence["message"], dir="auto"),
        el("section", el("h2", "Targets and checks"), _checks(evidence["checks"])),
        el("section", el("h2", "Phases"), _phases(evidence["phases"])),
        el("section", el("h2", "Trend"), _trend([*earlier, evidence])),
        el("section", el("h2", "Details"), _details(evidence["details"])),
    )
    return document(title, body, style=_STYLE)


def duration(value: t.Any) -> str:
    """Seconds for people: ``0.59 s``, ``4:00:00``, a dash for None."""
    if value is None:
        return "-"
    return f"{float(value):.2f} s" if float(value) < 60 else clock_time(float(value))


def _row(*cells: t.Any, class_: str | None = None) -> Markup:
    return el("tr", *[cell if isinstance(cell, Markup) and cell.startswith("<td") else el("td", cell) for cell in cells], class_=class_)


def _number(value: t.Any) -> Markup:
    return el("td", value, class_="n")


def _checks(checks: t.Sequence[t.Mapping[str, t.Any]]) -> Markup:
    rows = []
    for item in checks:
        seconds = item["unit"] == "s"
        value = duration(item["value"]) if seconds else "-" if item["value"] is None else f"{item['value']} {item['unit']}"
        limit = "-" if item["crit"] is None else duration(item["crit"]) if seconds else item["crit"]
        rows.append(_row(item["name"], badge(item["status"]), _number(value), _number(limit), item["message"]))
    return table(("check", "status", "measured", "limit", "about"), rows)


def _phases(phases: t.Sequence[t.Mapping[str, t.Any]]) -> Markup:
    longest = max([float(item["value"]) for item in phases] or [1.0]) or 1.0
    rows = []
    for item in phases:
        part = el("path", d=f"M0 0H{100 * float(item['value']) / longest:.1f}v1H0z", class_="bar")
        share = el("svg", part, class_="wide", viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true")
        aside = None if item.get("recovery", True) else "aside"
        took = _number(duration(item["value"]))
        rows.append(_row(item["name"], badge(item["status"]), took, el("td", share, class_="wide"), item["message"], class_=aside))
    note = "Grey phases belong to the drill, not to a recovery, and do not count."
    some = any(not item.get("recovery", True) for item in phases)
    return join([table(("phase", "status", "took", "share", "about"), rows), el("p", note) if some else None])


def _trend(drills: t.Sequence[t.Mapping[str, t.Any]]) -> Markup:
    measured = [float(item.get("rto_seconds") or 0) for item in drills]
    target = float(drills[-1]["targets"]["rto_seconds"] or 0)
    top = max([*measured, target]) or 1.0
    width, height, step = 600, 120, 600 / max(1, len(drills))
    bars = []
    for number, (item, value) in enumerate(zip(drills, measured)):
        tall, wide = height * value / top, max(1.0, step - 2)
        said = el("title", f"{item['ended']}: {duration(value)}")
        place = {"x": f"{number * step + 1:.1f}", "y": f"{height - tall:.1f}", "width": f"{wide:.1f}", "height": f"{tall:.1f}"}
        bars.append(el("rect", said, **place, class_="ok" if item["status"] in ("ok", "warning") else "failed"))
    line = f"{height - height * target / top:.1f}"
    limit = el("line", x1=0, x2=width, y1=line, y2=line, stroke="currentColor", stroke_dasharray="6 4") if target else None
    chart = el("svg", *bars, limit, viewBox=f"0 0 {width} {height}", width="100%", role="img", aria_label="Recovery times")
    rows = [
        _row(item["ended"], badge(item["status"]), _number(duration(item.get("rto_seconds"))), _number(duration(item.get("rpo_seconds"))))
        for item in reversed(drills)
    ]
    return join([chart, table(("drill", "status", "RTO", "RPO"), rows)])


def _details(details: t.Mapping[str, t.Any]) -> Markup:
    return table(("name", "value"), [_row(name, value) for name, value in sorted(details.items())])
