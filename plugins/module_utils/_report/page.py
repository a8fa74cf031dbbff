# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one page that needs nothing else: whole without scripts; a script filters, and draws the days of single checks."""

from __future__ import annotations

import typing as t

from .._common.markup import Markup, el, join
from .assets import SCRIPT, STYLE
from .chart import draw, strip, trends_of
from .encode import levels, runs
from .model import Change, Check, Event, Host, Report, text_of
from .shell import badge, document, table
from .words import Words, direction_of

# Of a long list the page shows so much at once, and so much when asked; all of it is in the JSON document beside it.
CHANGES = (12, 100)
EVENTS = (8, 60)
CHARTS = 12
# Hosts whose checks are open from the beginning, if no more than that are not well.
_OPEN = 3


def render(report: Report, *, lang: str = "en", direction: str = "", words: t.Mapping[str, str] | None = None) -> str:
    """The page. ``lang`` is a language tag; ``direction`` is ``ltr``, ``rtl`` or what the language is written in."""
    say = Words(lang, words)
    sections = [
        ("changes", say["changes"], _changes(report, say)),
        ("hosts", say["hosts"], _hosts(report, say)),
        ("trends", say["trends"], _trends(report, say)),
        ("timeline", say["timeline"], _timeline(report, say)),
        ("checks", say["all_checks"], _checks(report, say)),
    ]
    if report.notes:
        sections.append(("notes", say["notes"], el("ul", *[el("li", el("bdi", note)) for note in report.notes])))
    links = el("ul", *[el("li", el("a", title, href=f"#{name}")) for name, title, _content in sections])
    body = join(
        [
            el("a", say["skip"], href="#main", class_="skip"),
            _head(report, say),
            el("nav", links, aria_label=say["sections"]),
            el(
                "main",
                *[
                    el("section", el("h2", title, id=f"h-{name}"), content, id=name, aria_labelledby=f"h-{name}")
                    for name, title, content in sections
                ],
                id="main",
                tabindex="-1",
            ),
            el("footer", el("a", say["to_top"], href="#top")),
        ]
    )
    return document(
        f"{report.title}: {say[report.status]}",
        body,
        style=STYLE,
        script=SCRIPT,
        lang=lang,
        direction=direction or direction_of(lang),
    )


def _moment(at: str) -> Markup:
    return el("time", f"{at[:10]} {at[11:16]} UTC", datetime=at, dir="ltr")


def _head(report: Report, say: Words) -> Markup:
    tiles = [
        el("li", el("b", count), " ", badge(status, say[status]), class_=None if count else "zero")
        for status, count in report.counts().items()
        if count or status in ("ok", "failed")
    ]
    state = el("p", el("span", say["overall"], ": ", class_="vh"), badge(report.status, say[report.status]), class_="state")
    when = el("p", say["as_of"], " ", _moment(report.at), class_="soft")
    return el(
        "header",
        el("div", el("h1", el("bdi", report.title)), when),
        state,
        el("ul", *tiles, class_="tiles", aria_label=say["checks"]),
        id="top",
    )


def _changes(report: Report, say: Words) -> Markup:
    if not report.changes:
        return el("p", say["no_changes" if report.compared else "no_day_before"], class_="soft")
    heads = (say["change"], say["host"], say["check"], say["before"], say["now"])
    return _long(heads, [_change(one, say) for one in report.changes[: CHANGES[1]]], CHANGES[0], len(report.changes), "changes", say)


def _long(heads: t.Sequence[t.Any], rows: t.Sequence[Markup], first: int, total: int, name: str, say: Words) -> Markup:
    """A table of the first rows, with the others in one that can be opened; how many more there are beyond those is said."""
    parts = [el("div", table(heads, rows[:first], class_=name), class_="scroll")]
    if len(rows) > first:
        further = el("div", table(heads, rows[first:], class_=name), class_="scroll")
        beyond = [el("p", say.of("more", count=total - len(rows)), class_="soft")] if total > len(rows) else []
        parts.append(el("details", el("summary", say.of("more", count=total - first)), further, *beyond, class_="more"))
    return join(parts)


def _change(one: Change, say: Words) -> Markup:
    sign = {"worse": "▼", "better": "▲", "new": "+", "gone": "\u2212", "value": "±"}[one.kind]
    shown = [
        el("span", side, class_="n", dir="ltr")
        if one.kind == "value"
        else badge(side, say[side])
        if side
        else el("span", "\u2013", class_="soft")
        for side in (one.before, one.after)
    ]
    return el(
        "tr",
        el("td", el("span", sign, aria_hidden="true"), " ", say[one.kind], class_=f"kind {one.kind}"),
        el("th", el("a", el("bdi", one.host), href=f"#{_anchor(one.host)}"), scope="row"),
        el("td", el("bdi", one.check), _small(one.message)),
        el("td", shown[0]),
        el("td", shown[1]),
    )


def _small(message: str) -> Markup | None:
    return el("small", el("bdi", message)) if message else None


def _anchor(host: str) -> str:
    # Any text may be a name: spaces may not be in an id, and what else is odd is escaped with it.
    return "host-" + "".join(letter if letter.isalnum() or letter in "-_." else f"~{ord(letter):x}" for letter in host)


def _hosts(report: Report, say: Words) -> Markup:
    if not report.hosts:
        return el("p", say["no_hosts"])
    history = say.of("history", days=len(report.days))
    heads = (say["host"], say["status"], say["not_well"], history, el("th", say["last_seen"], scope="col", class_="wide"))
    tools = el(
        "div",
        el("label", say["filter"], " ", el("input", type="search", id="find", placeholder=say["filter_hint"], autocomplete="off")),
        el(
            "label",
            say["show"],
            " ",
            el("select", el("option", say["show_all"], value=""), el("option", say["show_bad"], value="bad"), id="show"),
        ),
        el("output", "", id="shown", data_text=say["shown"], aria_live="polite", class_="soft"),
        class_="tools js",
    )
    return join([tools, table(heads, [_host(host, history, say) for host in report.hosts], id="hosts-table")])


def _host(host: Host, history: str, say: Words) -> Markup:
    bad = [check for check in host.checks if check.status not in ("ok", "skipped")]
    first = bad[0] if bad else None
    more = say.of("more", count=len(bad) - 1) if len(bad) > 1 else ""
    about = (
        join([el("bdi", first.name), _small(first.message), el("small", more) if more else None])
        if first
        else el("span", "\u2013", class_="soft")
    )
    statuses = host.days.statuses()
    said = ", ".join(f"{statuses.count(status)} {say[status]}" for status in ("crashed", "failed", "warning", "ok") if status in statuses)
    return el(
        "tr",
        el("th", el("a", el("bdi", host.name), href=f"#{_anchor(host.name)}"), scope="row"),
        el("td", badge(host.status, say[host.status])),
        el("td", about),
        el("td", strip(statuses, f"{history}: {said}"), class_="days"),
        el("td", _moment(host.at), class_="wide soft"),
        data_w=int(bool(bad)),
    )


def _trends(report: Report, say: Words) -> Markup:
    trends = trends_of(report.hosts)
    if not trends:
        return el("p", say["no_trends"], class_="soft")
    number = {day: index for index, day in enumerate(report.days)}
    marks = sorted({number[event.at[:10]] for event in report.events if event.kind == "deploy" and event.at[:10] in number})
    parts: list[Markup] = []
    for group in ("latency", "size"):
        found = [trend for trend in trends if trend.group == group]
        if found:
            figures = [draw(trend, report.days, marks, say) for trend in found[:CHARTS]]
            left = len(found) - len(figures)
            parts += [el("h3", say[group]), el("div", *figures, class_="charts")]
            parts += [el("p", say.of("more", count=left), class_="soft")] if left else []
    return join(parts)


def _timeline(report: Report, say: Words) -> Markup:
    if not report.events:
        return el("p", say.of("no_events", days=len(report.days)), class_="soft")
    number = {day: index for index, day in enumerate(report.days)}
    lanes = []
    for kind in ("deploy", "rollback", "drill", "other"):
        events = [event for event in report.events if event.kind == kind]
        if events:
            marks = [_mark(event, number[event.at[:10]], len(report.days)) for event in reversed(events)]
            drawn = el("svg", el("path", d="M0 11H9999", class_="grid"), *marks, width="100%", height=22)
            lanes.append(el("div", el("span", say[kind]), el("div", drawn, dir="ltr"), class_="lane"))
    ends = el(
        "div",
        el("span", ""),
        el("div", el("span", report.days[0]), el("span", report.days[-1]), class_="ends", dir="ltr"),
        class_="lane soft",
    )
    rows = [
        el(
            "tr",
            el("td", _moment(event.at)),
            el("td", say[event.kind]),
            el("td", el("bdi", event.host)),
            el("td", el("bdi", event.title), _small(event.message)),
            el("td", badge(event.status, say[event.status])),
        )
        for event in report.events[: EVENTS[1]]
    ]
    heads = (say["when"], say["what"], say["host"], say["name"], say["status"])
    # The list says the same, and more, to those who do not see the drawing.
    drawing = el("div", *lanes, ends, class_="lanes", aria_hidden="true")
    return join([drawing, _long(heads, rows, EVENTS[0], len(report.events), "events", say)])


def _mark(event: Event, day: int, days: int) -> Markup:
    seconds = int(event.at[11:13]) * 3600 + int(event.at[14:16]) * 60
    where = 100 * (day + seconds / 86400) / days
    shape = {
        "deploy": "M0-6L5.5 4.5H-5.5z",
        "rollback": "M0 6L5.5-4.5H-5.5z",
        "drill": "M0-6L6 0 0 6-6 0z",
        "other": "M-4-4H4V4H-4z",
    }[event.kind]
    said = el("title", f"{event.at[:16].replace('T', ' ')} {event.host} {event.title}: {event.message or event.status}")
    return el("svg", el("path", said, d=shape, class_=event.status), x=f"{where:.2f}%", y=11, overflow="visible")


def _checks(report: Report, say: Words) -> Markup:
    if not report.hosts:
        return el("p", say["no_hosts"])
    bad = [host for host in report.hosts if host.status not in ("ok", "skipped")]
    opened = {host.name for host in bad} if len(bad) <= _OPEN else set()
    buttons = el(
        "p",
        el("button", say["open_all"], type="button", id="open"),
        " ",
        el("button", say["close_all"], type="button", id="close"),
        class_="js",
    )
    return join([buttons, *[_host_checks(host, host.name in opened, len(report.days), say) for host in report.hosts]])


def _host_checks(host: Host, opened: bool, days: int, say: Words) -> Markup:
    counts = ", ".join(
        f"{host.count(status)} {say[status]}" for status in ("crashed", "failed", "warning", "ok", "skipped") if host.count(status)
    )
    heads = (
        say["check"],
        say["status"],
        el("th", say["measured"], scope="col", class_="n"),
        el("th", say.of("history", days=days), scope="col", class_="js days"),
    )
    rows = [_check(check, say) for check in host.checks]
    summary = el("summary", el("bdi", host.name), " ", badge(host.status, say[host.status]), " ", el("small", counts))
    return el("details", summary, el("div", table(heads, rows), id=_anchor(host.name)), open=opened, class_="host")


def _check(check: Check, say: Words) -> Markup:
    limits = ", ".join(say.of(f"limit_{name}", value=getattr(check, name)) for name in ("warn", "crit") if getattr(check, name) is not None)
    shown = text_of(check.value, check.unit)
    return el(
        "tr",
        el("th", el("bdi", check.name), _small("" if check.message == shown else check.message), scope="row"),
        el("td", badge(check.status, say[check.status])),
        el("td", el("bdi", shown), el("small", limits) if limits else None, class_="n"),
        el("td", class_="js", data_s=runs(check.series.statuses()), data_v=levels(check.series.means()) or None),
    )
