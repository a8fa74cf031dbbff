# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of HTTP status codes as people write them."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._common.errors import InvalidInput


@dataclasses.dataclass(frozen=True)
class StatusSet:
    """The accepted status codes: inclusive ranges, and the text they came from."""

    ranges: tuple[tuple[int, int], ...]
    text: str

    def __contains__(self, status: object) -> bool:
        return isinstance(status, int) and any(first <= status <= last for first, last in self.ranges)

    def __str__(self) -> str:
        return self.text


def _range(item: str) -> tuple[int, int]:
    if re.match(r"^[1-5][xX]{2}$", item):
        return int(item[0]) * 100, int(item[0]) * 100 + 99
    match = re.match(r"^([0-9]{3})(?:\s*-\s*([0-9]{3}))?$", item)
    if match:
        first = int(match.group(1))
        last = int(match.group(2) or first)
        if 100 <= first <= last <= 599:
            return first, last
    raise InvalidInput(f"status {item!r} is neither a code (200), a range (200-299) nor a class (2xx)")


def parse_status(items: t.Sequence[t.Any]) -> StatusSet:
    """A set from codes (``200``), ranges (``200-299``) and classes (``2xx``)."""
    texts = [str(item).strip() for item in items]
    if not texts:
        raise InvalidInput("status is empty; name at least one code, or leave it out for 200")
    return StatusSet(tuple(_range(text) for text in texts), " or ".join(texts))
