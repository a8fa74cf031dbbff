# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML, SVG and XML from Python values: the one place where text is escaped."""

from __future__ import annotations

import html
import re
import typing as t

# Neither HTML nor XML can hold these, escaped or not.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_VOID = frozenset(["br", "hr", "input", "link", "meta"])


class Markup(str):
    """Text that is markup already; everything else is text and is escaped."""

    __slots__ = ()


def text(value: t.Any) -> Markup:
    """A value as escaped text, for content and for quoted attributes alike. What no document can hold becomes U+FFFD."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(_FORBIDDEN.sub("\ufffd", str(value))))


def join(parts: t.Iterable[t.Any]) -> Markup:
    """Parts one after the other; what is no markup is escaped, None is nothing."""
    return Markup("".join([text(part) for part in parts if part is not None]))


def el(_name: str, *content: t.Any, **attributes: t.Any) -> Markup:
    """``<name attributes>content</name>``.

    ``class_`` stands for ``class`` and ``_`` for ``-``; attributes that are None or False are left out, True has no value.
    """
    said = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        name = key.rstrip("_").replace("_", "-")
        said.append(f" {name}" if value is True else f' {name}="{text(value)}"')
    opened = f"<{_name}{''.join(said)}>"
    return Markup(opened if _name in _VOID else f"{opened}{join(content)}</{_name}>")
