# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.runbook.ops.plugins.module_utils._common.markup import Markup, el, join, text


def test_text_is_escaped_wherever_it_stands():
    assert el("p", "<b>&'\"", title='"><script>') == '<p title="&quot;&gt;&lt;script&gt;">&lt;b&gt;&amp;&#x27;&quot;</p>'


def test_markup_is_not_escaped_twice():
    assert el("p", el("b", "a & b"), Markup("<i>x</i>")) == "<p><b>a &amp; b</b><i>x</i></p>"


def test_what_is_said_of_markup_is_text_again():
    # A text that was made from markup is no markup: only el, join and text make some.
    assert text(el("b", "x") + "<i>") == "&lt;b&gt;x&lt;/b&gt;&lt;i&gt;"


def test_attributes():
    made = el("input", type="search", hidden=True, checked=False, value=None, class_="a", data_x=0, http_equiv="b")
    assert made == '<input type="search" hidden class="a" data-x="0" http-equiv="b">'


def test_what_no_document_can_hold_is_replaced():
    assert text("a\x00\x1b[31m\ud800\ufffe\tb\n") == "a\ufffd\ufffd[31m\ufffd\ufffd\tb\n"


def test_nothing_and_numbers():
    assert join([None, 0, "", 1.5]) == "01.5"
