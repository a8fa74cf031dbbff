# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of a log lies in a window of time: found by bisection where that is possible, line by line only at its edges."""

from __future__ import annotations

import dataclasses

from .scan_content import BLOCK, LONGEST_LINE, Content
from .scan_formats import Layout, stamp_of
from .scan_stamps import Clock

# Bisection ends when so few bytes are left that reading them is as fast.
_NARROW = 1 << 15


@dataclasses.dataclass(frozen=True)
class Window:
    """From ``since`` to before ``until``, in seconds since 1970; None is open."""

    since: float | None = None
    until: float | None = None

    @property
    def is_open(self) -> bool:
        return self.since is None and self.until is None

    def has(self, moment: float) -> bool:
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)


class Filter:
    """Takes out of blocks, given in their order, the lines of a window. A line without a time belongs to the one before it."""

    def __init__(self, window: Window, layout: Layout, clock: Clock) -> None:
        self._window, self._layout, self._clock = window, layout, clock
        self._keep = window.since is None
        self.stamps = 0  # whether any time was found; not how many

    def part(self, data: bytes) -> bytes:
        """The lines of the window."""
        first, last = _first(data, self._layout), _last(data, self._layout)
        if first is None or last is None:
            return data if self._keep else b""
        self.stamps += 1
        begin, end = self._clock.read(first[1]), self._clock.read(last)
        if begin is not None and end is not None:
            early, late = min(begin, end), max(begin, end)
            slack = self._clock.disorder(first[1])
            since, until = self._window.since, self._window.until
            if (since is None or early >= since + slack) and (until is None or late < until - slack) and (self._keep or first[0] == 0):
                self._keep = True
                return data
            if (since is not None and late < since - slack) or (until is not None and early >= until + slack):
                self._keep = False
                return b""
        return self._line_by_line(data)

    def _line_by_line(self, data: bytes) -> bytes:
        match, read, has = self._layout.stamp.match, self._clock.read, self._window.has
        parts = []
        start, position, size, keep = 0, 0, len(data), self._keep
        text = None
        while position < size:
            found = match(data, position)
            if found and found[found.lastindex or 0] != text:
                text = found[found.lastindex or 0]
                moment = read(text)
                now = keep if moment is None else has(moment)
                if now != keep:
                    if keep:
                        parts.append(data[start:position])
                    start, keep = position, now
            position = data.find(b"\n", position) + 1 or size
        if keep:
            parts.append(data[start:])
        self._keep = keep
        return b"".join(parts)


def edges(content: Content, window: Window, layout: Layout, clock: Clock) -> tuple[int, int]:
    """From where to where an uncompressed log has to be read for a window; all of it when its lines are not in order."""
    size = content.length or 0
    first = _first(content.head, layout)
    last = _last(content.pread(BLOCK, max(0, size - BLOCK)), layout)
    begin, end = (clock.read(first[1]) if first else None), (clock.read(last) if last else None)
    if first is None or begin is None or end is None or begin > end + clock.disorder(first[1]):
        return 0, size
    slack = clock.disorder(first[1])
    since, until = window.since, window.until
    low = _edge(content, since - slack, layout, clock)[0] if since is not None and begin < since - slack else 0
    high = _edge(content, until + slack, layout, clock)[1] if until is not None and end >= until + slack else size
    return low, high


def _edge(content: Content, moment: float, layout: Layout, clock: Clock) -> tuple[int, int]:
    """Beginnings of two lines close to each other: what is before the first is earlier than ``moment``, from the second on nothing is."""
    low, high = 0, content.length or 0
    # What was probed, by bytes; the line that was found there may begin a good way behind it.
    floor, ceiling = low, high
    while ceiling - floor > _NARROW:
        middle = (floor + ceiling) // 2
        found = _line_behind(content, middle, ceiling, layout)
        time = clock.read(found[1]) if found else None
        if found and time is not None and time < moment:
            low = floor = found[0]
        else:
            ceiling = middle
            if found and time is not None:
                high = found[0]
    return low, high


def _line_behind(content: Content, offset: int, until: int, layout: Layout) -> tuple[int, bytes] | None:
    """The first line with a time that begins behind ``offset``, and that time's text."""
    size = 4096
    while size <= LONGEST_LINE:
        data = content.pread(size, offset)
        begin = data.find(b"\n") + 1
        found = _first(data[begin:], layout) if begin else None
        if found and offset + begin + found[0] < until:
            return offset + begin + found[0], found[1]
        if len(data) < size or offset + size >= until:
            return None
        size *= 4
    return None


def _first(data: bytes, layout: Layout) -> tuple[int, bytes] | None:
    """Where the first line with a time begins, and that time's text."""
    position = 0
    while position < len(data):
        text = stamp_of(layout, data, position)
        if text is not None:
            return position, text
        position = data.find(b"\n", position) + 1
        if not position:
            return None
    return None


def _last(data: bytes, layout: Layout) -> bytes | None:
    """The text of the last line's time."""
    end = len(data)
    while end > 0:
        begin = data.rfind(b"\n", 0, end - 1) + 1
        text = stamp_of(layout, data, begin)
        if text is not None:
            return text
        end = begin
    return None


def could_have(content_mtime: float, window: Window) -> bool:
    """Whether a file that was last written then can have lines of the window."""
    return window.since is None or content_mtime >= window.since - 1
