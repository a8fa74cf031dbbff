# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted while blocks go by. Its size does not depend on the log's."""

from __future__ import annotations

import math
import re
import typing as t
from collections import Counter

from .._http.percentile import NEEDED, SHARES
from .scan_formats import Layout
from .scan_match import Block, Matcher

# Of different messages and request times, how many are kept apart.
_GROUPS = 5000
_TIMES = 20000
_SHOWN = 200

# AH01071 and HTTP500 are names.
_VARIABLE = re.compile(
    rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{12,}\b|\b0x[0-9a-fA-F]+"
    rb"|\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?|(?<![A-Z\d])\d+(?:[.,:]\d+)*"
)
_SECRET = re.compile(
    rb"""((?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|authorization|cookie|session(?:[_-]?id)?)\w*["']?\s*[:=]\s*["']?)"""
    rb"""(?:(?:bearer|basic)\s+)?[^\s"',;&]+|(\bbearer\s+)\S+|(://[^\s:/@]*:)[^\s@/]+(?=@)""",
    re.IGNORECASE,
)
# Nothing without one of these is a secret that could be told.
_HINT = re.compile(rb"[=:]|[Bb][Ee][Aa][Rr][Ee][Rr]")


def normalised(message: bytes, code: int = 0) -> str:
    """A message as others of its kind also look: without its secrets, printable, cut, without numbers and ids behind ``code`` bytes."""
    message = message[: 4 * _SHOWN]
    if _HINT.search(message):
        message = _SECRET.sub(lambda match: next(group for group in match.groups() if group is not None) + b"***", message)
    text = (message[:code] + _VARIABLE.sub(b"N", message[code:])).decode("utf-8", "replace").strip()
    # A log's text may be made by a visitor; nothing of it may steer a terminal or a report.
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


class Groups:
    """The most frequent messages. Beyond 5,000 different ones the rarest are forgotten, so that small numbers may be too small."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, message: bytes, code: int = 0) -> None:
        self._counts[normalised(message, code)] += 1
        if len(self._counts) > _GROUPS:
            self._counts = Counter(dict(self._counts.most_common(_GROUPS // 2)))

    def top(self, number: int) -> list[dict[str, t.Any]]:
        """``[{message, count}]``, the most frequent first."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return [{"message": message, "count": count} for message, count in ordered[:number]]


class Latencies:
    """Request times in milliseconds. Exact while there are at most 20,000 different ones, then to three digits."""

    def __init__(self) -> None:
        self._texts: Counter[bytes] = Counter()
        self._values: Counter[float] = Counter()
        self._unit = 1.0

    def add(self, texts: t.Iterable[bytes], unit: float) -> None:
        """More times as the log writes them; ``unit`` is how many milliseconds 1 is."""
        if unit != self._unit:
            self._fold()
            self._unit = unit
        self._texts.update(texts)
        if len(self._texts) > _TIMES:
            self._fold()

    @property
    def count(self) -> int:
        return sum(self._texts.values()) + sum(self._values.values())

    def percentile(self, name: str) -> float | None:
        """The nearest-rank percentile, or ``max``; None when there are too few to tell."""
        self._fold()
        total = self.count
        if total < NEEDED[name]:
            return None
        if name == "max":
            return max(self._values)
        rank, seen, value = math.ceil(SHARES[name] * total), 0, 0.0
        for value in sorted(self._values):
            seen += self._values[value]
            if seen >= rank:
                break
        return value

    def _fold(self) -> None:
        for text, count in self._texts.items():
            try:
                value = float(text) * self._unit
            except ValueError:
                continue
            if math.isfinite(value):
                self._values[value] += count
        self._texts.clear()
        if len(self._values) > _TIMES:
            rounded: Counter[float] = Counter()
            for value, count in self._values.items():
                rounded[float(f"{value:.2e}")] += count
            self._values = rounded


class Wanted(t.NamedTuple):
    """What a scan counts. ``matchers`` by the layout's name; a pattern is named by any key."""

    matchers: t.Callable[[str], t.Mapping[str, Matcher]]
    requests: bool
    latencies: bool
    top: int


class Tally:
    """Counts of one scan. ``times`` finds request times: pattern and unit in milliseconds, None where a log has none."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self.counts: Counter[str] = Counter()
        self.groups: dict[str, Groups] = {}
        self.latencies = Latencies()
        self.requests = 0
        self.has_requests = False

    def add(self, block: Block, layout: Layout, times: tuple[re.Pattern[bytes], float] | None) -> None:
        """Count the lines of one block."""
        for key, matcher in self._wanted.matchers(layout.name).items():
            groups = self.groups.setdefault(key, Groups())
            found = 0
            for begin, end in matcher.lines(block):
                found += 1
                if self._wanted.top:
                    groups.add(layout.message(block.data[begin:end]), layout.code)
            self.counts[key] += found
        if self._wanted.requests:
            self._count_requests(block, layout)
        if self._wanted.latencies and times:
            self.latencies.add(times[0].findall(block.data), times[1])

    def _count_requests(self, block: Block, layout: Layout) -> None:
        if layout.requests:
            self.has_requests = True
            self.requests += block.data.count(b"\n") + (not block.data.endswith(b"\n") if block.data else 0)
        elif layout.name == "jsonl":
            found = len(_STATUS.findall(block.data))
            self.has_requests = self.has_requests or found > 0
            self.requests += found


_STATUS = re.compile(rb'"status"\s*:\s*"?[1-5]\d\d\b')

# Where access logs have the time that a request took: pattern, and how many milliseconds 1 is.
_TIME_PLACES: tuple[tuple[re.Pattern[bytes], float], ...] = (
    (re.compile(rb"\b(?:rt|request_time|req_time|rtime)[=:]\"?(\d+(?:\.\d+)?)"), 1000.0),
    (re.compile(rb'" "?(\d+\.\d{3})"?(?= |$)', re.MULTILINE), 1000.0),  # nginx: $request_time behind the user agent
    (re.compile(rb'" (\d+)$', re.MULTILINE), 0.001),  # Apache: %D behind the user agent
    (re.compile(rb'"request_time"\s*:\s*"?(\d+(?:\.\d+)?)'), 1000.0),
    (re.compile(rb'"(?:duration|latency|response_time|elapsed|took)_ms"\s*:\s*"?(\d+(?:\.\d+)?)'), 1.0),
)


def times_in(head: bytes) -> tuple[re.Pattern[bytes], float] | None:
    """Where a log that begins with ``head`` has request times."""
    return next(((pattern, unit) for pattern, unit in _TIME_PLACES if pattern.search(head)), None)
