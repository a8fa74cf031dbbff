# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page as text; what a browser makes of it is in tests/operations/test_report_page.py."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import re

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._report import page
from ansible_collections.runbook.ops.plugins.module_utils._report.model import Event
from ansible_collections.runbook.ops.plugins.module_utils._report.words import ARABIC, ENGLISH
from operations.reports import NASTY, big, happened, item, many, record, report

VOID = {"meta", "link", "br", "hr", "input"}


class Reader(html.parser.HTMLParser):
    """Elements with their attributes, texts, and whether everything that was opened was closed in its order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def small():
    return report(*many(3, 8, 20), events=happened(), days=30)


def test_all_parts_are_there(small):
    read = Reader(page.render(small))
    assert [attrs["id"] for attrs in read.all("section")] == ["changes", "hosts", "trends", "timeline", "checks"]
    assert read.all("html") == [{"lang": "en", "dir": "ltr"}]
    assert len(read.all("h1")) == 1 and len(read.all("details")) >= 3
    assert [attrs for attrs in read.all("svg") if attrs.get("role") == "img" and attrs.get("aria-label")]


def test_it_needs_nothing_else(small):
    text = page.render(small)
    read = Reader(text)
    assert [attrs["href"] for attrs in read.all("link")] == ["data:,"]
    assert not [
        attrs for _tag, attrs in read.elements if "src" in attrs or "style" in attrs or any(name.startswith("on") for name in attrs)
    ]
    assert {attrs["href"][0] for attrs in read.all("a")} == {"#"}
    assert not re.findall(r"url\(|@import|https?:(?!//www\.w3\.org/2000/svg)", text)


def test_links_lead_somewhere(small):
    read = Reader(page.render(small))
    ids = [attrs["id"] for _tag, attrs in read.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for attrs in read.all("a")} <= set(ids)
    assert {attrs["aria-labelledby"] for attrs in read.all("section")} <= set(ids)


def test_its_policy_allows_its_own_script_and_style_only(small):
    text = page.render(small)
    (policy,) = [attrs["content"] for attrs in Reader(text).all("meta") if attrs.get("http-equiv") == "Content-Security-Policy"]
    for tag in ("style", "script"):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", text, re.S)[1]
        assert f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy


def test_what_others_wrote_stays_text():
    found = report(
        record(NASTY, item(NASTY, "failed", 1, NASTY, message=NASTY), item(f"{NASTY}2", "ok", 2, "ms", message=NASTY), ago=1),
        record(NASTY, item(NASTY, "ok", 1, NASTY, message=NASTY), item(f"{NASTY}2", "failed", 900, "ms", message=NASTY)),
        events=[Event("2026-11-21T06:00:00Z", "deploy", NASTY, "failed", NASTY, NASTY)],
        title=NASTY,
        notes=[NASTY],
    )
    text = page.render(found, words={"hosts": NASTY, "chart": NASTY})
    read = Reader(text)
    assert len(read.all("script")) == 1 and text.count("<script>") == 1
    assert "".join(read.texts).count("<script>alert('x')</script>") >= 10
    ids = {attrs["id"] for _tag, attrs in read.elements if "id" in attrs}
    assert {attrs["href"][1:] for attrs in read.all("a")} <= ids and not [one for one in ids if re.search(r"[\s<>\"']", one)]


def test_a_status_is_never_told_by_its_colour_alone(small):
    read = Reader(page.render(small))
    words = {"ok", "warning", "failed", "crashed", "skipped"}
    badges = re.findall(r'<span class="s ([a-z]+)"><span aria-hidden="true">(.)</span>([^<]+)</span>', page.render(small))
    assert len(badges) == len([attrs for attrs in read.all("span") if str(attrs.get("class")).startswith("s ")])
    assert {word for _status, _sign, word in badges} <= words and all(status == word for status, _sign, word in badges)


def test_languages_and_directions(small):
    read = Reader(page.render(small, lang="ar"))
    assert read.all("html") == [{"lang": "ar", "dir": "rtl"}]
    assert ARABIC["changes"] in read.texts
    assert Reader(page.render(small, lang="fa-IR")).all("html") == [{"lang": "fa-IR", "dir": "rtl"}]
    assert Reader(page.render(small, direction="rtl")).all("html") == [{"lang": "en", "dir": "rtl"}]
    assert "Server!" in Reader(page.render(small, words={"hosts": "Server!"})).texts


def test_all_words_in_all_languages():
    assert ARABIC.keys() == ENGLISH.keys()
    assert all(set(re.findall(r"\{\w+\}", ARABIC[name])) == set(re.findall(r"\{\w+\}", ENGLISH[name])) for name in ENGLISH)


def test_an_empty_report_is_a_page_too():
    read = Reader(page.render(report()))
    assert ENGLISH["no_hosts"] in read.texts and ENGLISH["no_day_before"] in read.texts


def test_only_with_a_day_before_nothing_is_said_to_have_changed():
    today, yesterday = record("web1", item("a")), record("web1", item("a"), ago=1)
    for records, said in (((today,), "no_day_before"), ((yesterday, today), "no_changes")):
        texts = Reader(page.render(report(*records))).texts
        assert [name for name in ("no_day_before", "no_changes") if ENGLISH[name] in texts] == [said]


def test_long_lists_say_how_much_more_there_is():
    before = [record(f"web{number}", item("a"), ago=1) for number in range(150)]
    found = report(*before, *[record(f"web{number}", item("a", "failed")) for number in range(150)])
    read = Reader(page.render(found))
    first, further = page.CHANGES
    assert f"and {150 - first} more" in read.texts and f"and {150 - further} more" in read.texts


def test_the_largest_page_stays_below_two_megabytes():
    text = page.render(big())
    assert len(text.encode()) < 2_000_000
    Reader(text)
