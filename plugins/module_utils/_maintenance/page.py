# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that visitors see, as one file that needs nothing else."""

from __future__ import annotations

import datetime
import html
import re

from .moment import DEFAULT_RETRY_AFTER, for_people, in_words

DEFAULT_MESSAGE = "This site is down for maintenance."

# No double quote, percent sign, dollar sign or backslash may stand here: the page also travels inside a quoted directive of an
# .htaccess file (see htaccess.py), where these would mean something.
_PAGE = """\
<!DOCTYPE html>
<html lang='en'>
<head>
<meta charset='utf-8'>
<meta name='viewport' content='width=device-width, initial-scale=1'>
<meta name='robots' content='noindex'>
<meta name='color-scheme' content='light dark'>
<title>Down for maintenance</title>
<style>
body { margin: 0; min-height: 90vh; display: flex; align-items: center; justify-content: center;
  background: #f6f7f9; color: #1d2430; font: 1.125rem/1.6 system-ui, sans-serif; }
main { max-width: 36rem; margin: 1rem; padding: 1.5rem 2rem; background: #fff; border: 1px solid #d5dae2; border-radius: .75rem;
  overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
p { margin: 0 0 1rem; }
.when { color: #4d5869; margin: 0; }
@media (prefers-color-scheme: dark) {
  body { background: #12161c; color: #e6eaf0; }
  main { background: #1b212a; border-color: #39424f; }
  .when { color: #a9b4c4; }
}
@media print { body { display: block; background: none; color: #000; } main { border: 0; background: none; } .when { color: #000; } }
</style>
</head>
<body>
<main>
<h1>Down for maintenance</h1>
@message@
<p class='when'>@when@</p>
</main>
</body>
</html>
"""


def render(message: str | None, retry_after: int | None, until: datetime.datetime | None, now: datetime.datetime) -> str:
    """The whole page; ``message`` is untrusted text whose empty lines separate paragraphs, each in its own direction."""
    paragraphs = re.split(r"\n\s*\n", (message or DEFAULT_MESSAGE).strip())
    # Without a language: the operator's words may be in any.
    body = "\n".join(f"<p dir='auto' lang=''>{'<br>'.join(_text(line) for line in part.splitlines())}</p>" for part in paragraphs)
    if until is not None and until > now:
        when = f"It is expected back on <time datetime='{until.isoformat()}'>{for_people(until)}</time>."
        if retry_after is not None:
            when += f" Please try again in {in_words(retry_after)}."
    else:
        when = f"Please try again in {in_words(retry_after or DEFAULT_RETRY_AFTER)}."
    # One pass, so that a message which spells the other placeholder stays text.
    values = {"@message@": body, "@when@": when}
    return re.sub("|".join(values), lambda match: values[match.group()], _PAGE)


def _text(line: str) -> str:
    return re.sub(r"[%$\\]", lambda match: f"&#{ord(match.group())};", html.escape(line.strip()))
