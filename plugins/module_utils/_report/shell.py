# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all pages for people have in common: one document without anything from elsewhere, its look, and how a status looks."""

from __future__ import annotations

import base64
import hashlib
import typing as t

from .._common.markup import Markup, el, join

# A status is told by its word and its sign; the colour only helps.
SIGNS = {"ok": "✓", "warning": "!", "failed": "✕", "crashed": "?", "skipped": "\u2013"}

STYLE = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b2330;--soft:#566173;--line:#d9dee6;--accent:#0b5cad;--grid:#e6eaf0;
--ok:#14702f;--warning:#8a5a00;--failed:#c1121f;--crashed:#7a1fa2;--skipped:#5b6675;
--ok-bg:#e3f4e8;--warning-bg:#fdf0d2;--failed-bg:#fde5e6;--crashed-bg:#f3e5f8;--skipped-bg:#eaedf1;
--l0:#0b5cad;--l1:#b5540a;--l2:#00776b;--l3:#9b2c8f;--l4:#5f6b00}
@media screen and (prefers-color-scheme:dark){:root{--bg:#0f141b;--card:#18202a;--ink:#e7ecf3;--soft:#a3afbf;--line:#303b49;
--accent:#7ab8ff;
--grid:#273140;
--ok:#6fdc8c;--warning:#f5c451;--failed:#ff8a8f;--crashed:#d9a0f5;--skipped:#a9b4c2;
--ok-bg:#15301f;--warning-bg:#3a2d0c;--failed-bg:#431a1d;--crashed-bg:#331d40;--skipped-bg:#28313d;
--l0:#7ab8ff;--l1:#ffb169;--l2:#59d5c6;--l3:#f09be4;--l4:#d3de5a}}
@media print{:root{color-scheme:light;--bg:#fff;--card:#fff;--ink:#000;--soft:#333;--line:#999;--accent:#000}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans Arabic",sans-serif;
overflow-wrap:anywhere}
main,header,footer{max-width:76rem;margin-inline:auto;padding-inline:1rem}
h1{font-size:1.5rem;line-height:1.25;margin:0}h2{font-size:1.15rem;margin:0 0 .6rem}h3{font-size:1rem;margin:1.2rem 0 .5rem}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:3px}
section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem 1.1rem;margin-block:1rem}
.soft,small{color:var(--soft)}small{font-size:.85rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:start;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid var(--line)}
thead th{color:var(--soft);font-size:.8rem;font-weight:600;border-bottom-width:2px}
tbody th{font-weight:600;min-width:8rem}time{white-space:nowrap}tbody tr:last-child>*{border-bottom:0}
.n{text-align:end;font-variant-numeric:tabular-nums}
.s{display:inline-flex;gap:.35em;align-items:baseline;border-radius:1rem;padding:.05rem .6rem;font-weight:600;font-size:.85rem;
white-space:nowrap}
.s.ok{color:var(--ok);background:var(--ok-bg)}.s.warning{color:var(--warning);background:var(--warning-bg)}
.s.failed{color:var(--failed);background:var(--failed-bg)}.s.crashed{color:var(--crashed);background:var(--crashed-bg)}
.s.skipped{color:var(--skipped);background:var(--skipped-bg)}
svg{display:block}svg .ok{fill:var(--ok)}svg .warning{fill:var(--warning)}svg .failed{fill:var(--failed)}svg .crashed{fill:var(--crashed)}
svg .skipped{fill:var(--skipped)}
@media print{body{font-size:10pt}section{border:0;padding:0;break-inside:auto}tr,figure{break-inside:avoid}
a{color:inherit;text-decoration:none}
.s{border:1px solid;-webkit-print-color-adjust:exact;print-color-adjust:exact}thead{display:table-header-group}}
"""


def document(title: str, body: Markup, *, style: str = "", script: str = "", lang: str = "en", direction: str = "ltr") -> str:
    """A whole page. Its own policy forbids the browser every request, and every script and style that is not in it word for word."""
    style = STYLE + style
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hash(style)}",
            *([f"script-src {_hash(script)}"] if script else []),
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width,initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="robots", content="noindex"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        # Without it a browser asks the server for one.
        el("link", rel="icon", href="data:,"),
        el("style", Markup(style)),
    )
    end = el("script", Markup(script)) if script else None
    return f"<!doctype html>\n{el('html', head, el('body', body, end), lang=lang, dir=direction)}\n"


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def badge(status: str, word: t.Any = None) -> Markup:
    """A status as people see it."""
    return el("span", el("span", SIGNS.get(status, ""), aria_hidden="true"), word or status, class_=f"s {status}")


def table(heads: t.Sequence[t.Any], rows: t.Iterable[Markup], **attributes: t.Any) -> Markup:
    """A table whose heads are cells or texts."""
    cells = [head if isinstance(head, Markup) else el("th", head, scope="col") for head in heads]
    return el("table", el("thead", el("tr", *cells)), el("tbody", join(rows)), **attributes)
