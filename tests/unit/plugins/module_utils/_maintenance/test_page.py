# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import html.parser

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused
from ansible_collections.runbook.ops.plugins.module_utils._maintenance import htaccess
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.page import render

NOW = datetime.datetime(2030, 1, 31, 21, 0, tzinfo=datetime.timezone.utc)
NASTY = "</p><script>alert('1')</script> \"q\" %{file:/etc/passwd} $1 \\ @when@ صيانة\n\nعربي\nsecond line"
ROLE = "# BEGIN runbook.ops maintenance\n"
ROLE += "<If \"-f '/srv/www.example.com/maintenance.flag' && ! ( \\\n  x \\\n)\">\n</If>\n# END runbook.ops maintenance\n"


class Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def test_untrusted_text_stays_text() -> None:
    page = render(NASTY, None, None, NOW)
    reader = read(page)
    assert "script" not in [tag for tag, _attributes in reader.tags]
    text = "".join(reader.text)
    assert "</p><script>alert('1')</script> \"q\" %{file:/etc/passwd} $1 \\ @when@ صيانة" in text
    assert [attributes["dir"] for tag, attributes in reader.tags if "dir" in attributes] == ["auto", "auto"]
    # What a quoted directive of Apache could misunderstand.
    assert not set('"%$\\') & set(page)


def test_it_needs_nothing_else() -> None:
    page = render("See https://www.example.com/", 60, None, NOW)
    assert not [attributes for _tag, attributes in read(page).tags if {"src", "href", "action"} & set(attributes)]
    assert "url(" not in page and "@import" not in page
    assert "width=device-width" in page and "prefers-color-scheme: dark" in page and "@media print" in page


def test_when() -> None:
    until = NOW + datetime.timedelta(minutes=30)
    assert "try again in about 5 minutes" in render(None, None, None, NOW)
    assert "try again in about 2 hours" in render(None, 7200, None, NOW)
    both = render(None, 600, until, NOW)
    assert "<time datetime='2030-01-31T21:30:00+00:00'>Thursday 31 January 2030, 21:30 (UTC)</time>" in both and "about 10 minutes" in both
    assert "expected back" not in render(None, 600, until, until)


def test_block_in_htaccess_comes_and_goes() -> None:
    for before in (ROLE, "RewriteEngine On\n" + ROLE, ROLE + "# the site's own, without a line end"):
        page = render(NASTY, None, None, NOW)
        text = htaccess.with_page(before, page, "90")
        assert text.isascii()
        line = next(line for line in text.splitlines() if line.startswith("  ErrorDocument"))
        assert line.count('"') == 2 and line.endswith('"')
        shown = "".join(read(line.split('"')[1]).text)
        assert shown.split() == "".join(read(page).text).split()
        assert htaccess.with_page(text, page, "90") == text
        assert htaccess.without_page(text).rstrip("\n") == before.rstrip("\n")
        assert htaccess.is_ours(text)
    assert not htaccess.is_ours(htaccess.without_page("# BEGIN runbook.ops maintenance page\n# END runbook.ops maintenance page\n"))


def test_htaccess_refuses() -> None:
    with pytest.raises(Refused, match="shorten"):
        htaccess.with_page(ROLE, render("ä" * 2000, None, None, NOW), "90")
    with pytest.raises(Refused, match="installed again"):
        htaccess.with_page("# BEGIN runbook.ops maintenance\n", render(None, None, None, NOW), "90")
