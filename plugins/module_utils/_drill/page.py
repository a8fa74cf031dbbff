# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill as one page without anything from elsewhere: what it was, how long it took, and how it was before."""

from __future__ import annotations

import html
import typing as t

from .._common.progress import clock_time

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin-top:2rem}p.when{color:#57606a;margin-top:0}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}
td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.s{border-radius:1rem;padding:.1rem .6rem;font-weight:600;font-size:.85rem;color:#fff;background:#57606a}
.ok{background:#1a7f37}.warning{background:#9a6700}.failed,.crashed{background:#cf222e}
.bar{display:block;height:.7rem;background:#0969da;border-radius:2px;min-width:1px}.aside .bar{background:#afb8c1}
"""


def render(evidence: t.Mapping[str, t.Any], earlier: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """The page of ``evidence``; ``earlier`` drills, oldest first, are its trend. Every text is escaped."""
    title = f"Drill {evidence['scenario']}: {evidence['subject']}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{_text(title)}</title><style>{_STYLE}</style></head><body>
<h1>{_text(title)} {_status(evidence["status"])}</h1>
<p class="when">{_text(evidence["started"])} to {_text(evidence["ended"])} on {_text(evidence["host"])}</p>
<p>{_text(evidence["message"])}</p>
<h2>Targets and checks</h2>
{_checks(evidence["checks"])}
<h2>Phases</h2>
{_phases(evidence["phases"])}
<h2>Trend</h2>
{_trend([*earlier, evidence])}
<h2>Details</h2>
{_details(evidence["details"])}
</body></html>
"""


def _text(value: t.Any) -> str:
    return html.escape(str(value))


def _status(status: str) -> str:
    return f'<span class="s {_text(status)}">{_text(status)}</span>'


def duration(value: t.Any) -> str:
    """Seconds for people: ``0.59 s``, ``4:00:00``, a dash for None."""
    if value is None:
        return "-"
    return f"{float(value):.2f} s" if float(value) < 60 else clock_time(float(value))


def _table(heads: t.Sequence[str], rows: t.Iterable[str]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _checks(checks: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    rows = []
    for item in checks:
        seconds = item["unit"] == "s"
        value = duration(item["value"]) if seconds else "-" if item["value"] is None else f"{item['value']} {item['unit']}"
        limit = "-" if item["crit"] is None else duration(item["crit"]) if seconds else item["crit"]
        rows.append(
            f"<tr><td>{_text(item['name'])}</td><td>{_status(item['status'])}</td><td class=n>{_text(value)}</td>"
            f"<td class=n>{_text(limit)}</td><td>{_text(item['message'])}</td></tr>"
        )
    return _table(("check", "status", "measured", "limit", ""), rows)


def _phases(phases: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    longest = max([float(item["value"]) for item in phases] or [1.0]) or 1.0
    rows = []
    for item in phases:
        aside = not item.get("recovery", True)
        width = 100 * float(item["value"]) / longest
        rows.append(
            f"<tr{' class=aside' if aside else ''}><td>{_text(item['name'])}</td><td>{_status(item['status'])}</td>"
            f"<td class=n>{duration(item['value'])}</td><td style='width:30%'><span class=bar style='width:{width:.1f}%'></span></td>"
            f"<td>{_text(item['message'])}</td></tr>"
        )
    note = "<p>Grey phases belong to the drill, not to a recovery, and do not count.</p>" if "class=aside" in "".join(rows) else ""
    return _table(("phase", "status", "took", "", ""), rows) + note


def _trend(drills: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    measured = [float(item.get("rto_seconds") or 0) for item in drills]
    target = float(drills[-1]["targets"]["rto_seconds"] or 0)
    top = max([*measured, target]) or 1.0
    width, height, step = 600, 120, 600 / max(1, len(drills))
    bars = []
    for number, (item, value) in enumerate(zip(drills, measured)):
        tall, wide = height * value / top, max(1.0, step - 2)
        colour = "#1a7f37" if item["status"] in ("ok", "warning") else "#cf222e"
        bars.append(
            f"<rect x='{number * step + 1:.1f}' y='{height - tall:.1f}' width='{wide:.1f}' height='{tall:.1f}' fill='{colour}'>"
            f"<title>{_text(item['ended'])}: {duration(value)}</title></rect>"
        )
    line = height - height * target / top
    limit = f"<line x1='0' x2='{width}' y1='{line:.1f}' y2='{line:.1f}' stroke='#9a6700' stroke-dasharray='6 4'/>" if target else ""
    chart = f"<svg viewBox='0 0 {width} {height}' width='100%' role='img' aria-label='Recovery times'>{''.join(bars)}{limit}</svg>"
    rows = [
        f"<tr><td>{_text(item['ended'])}</td><td>{_status(item['status'])}</td><td class=n>{duration(item.get('rto_seconds'))}</td>"
        f"<td class=n>{duration(item.get('rpo_seconds'))}</td></tr>"
        for item in reversed(drills)
    ]
    return chart + _table(("drill", "status", "RTO", "RPO"), rows)


def _details(details: t.Mapping[str, t.Any]) -> str:
    return _table(("", ""), [f"<tr><td>{_text(name)}</td><td>{_text(value)}</td></tr>" for name, value in sorted(details.items())])
