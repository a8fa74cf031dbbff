# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what one scan asks for: its files with their rotations, the right part of each, every line once."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import re
import time
import typing as t

from .._common.errors import RunbookError
from .scan_content import BLOCK, Content, Moved, lines_of, skip
from .scan_files import LogFile, base_of, find_files
from .scan_formats import LAYOUTS, Layout, recognise
from .scan_journal import Journal
from .scan_match import Block, Matcher, without
from .scan_options import PERCENTILES, Scan
from .scan_patterns import PATTERNS, ready_made
from .scan_stamps import Clock
from .scan_state import Record, plan, record_of, records_of
from .scan_tally import Tally, Wanted, times_in
from .scan_window import Filter, Window, could_have, edges

# How often a log may be rotated while it is being read, and how many seconds a rotation is waited for in between.
_ATTEMPTS = 10
_PAUSE = 0.5
# A last line without its end may still be written to; a file that was left alone for so many seconds is not.
_AT_REST = 300.0


@dataclasses.dataclass
class Found:
    """What a scan has read. ``remembered`` is for the state file. Sizes in bytes."""

    tally: Tally
    files: int = 0
    size: int = 0
    formats: set[str] = dataclasses.field(default_factory=set)
    gaps: list[str] = dataclasses.field(default_factory=list)
    remembered: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    missing: bool = False  # no log is there, and that is allowed


def read_scan(scan: Scan, against: bool, remembered: t.Mapping[str, t.Any], now: float) -> Found:
    """Read all that a scan asks for; ``against``: another scan wants its requests. ``RunbookError`` when that can't be done."""
    wanted = _wanted(scan, against)
    if scan.format == "journald":
        return _read_journal(scan, wanted, remembered, now)
    for _attempt in range(_ATTEMPTS):
        try:
            return _Reading(scan, wanted, remembered, now).read()
        except Moved:
            time.sleep(_PAUSE)
    raise RunbookError(f"the logs were rotated {_ATTEMPTS} times while they were read, or a rotation was killed; run that again, then this")


def _wanted(scan: Scan, against: bool) -> Wanted:
    keys = {measure.key for measure in scan.measures if measure.key}
    cache: dict[str, dict[str, Matcher]] = {}

    def matchers(layout: str) -> dict[str, Matcher]:
        if layout not in cache:
            cache[layout] = {
                key: ready_made(key, layout) if key in PATTERNS and key not in scan.custom else scan.custom[key] for key in keys
            }
        return cache[layout]

    kinds = {measure.measure for measure in scan.measures}
    requests = against or "requests" in kinds or bool(kinds & set(PERCENTILES)) or ("rate" in kinds and not scan.against)
    return Wanted(matchers, requests, bool(kinds & set(PERCENTILES)), scan.top)


def _read_journal(scan: Scan, wanted: Wanted, remembered: t.Mapping[str, t.Any], now: float) -> Found:
    files: list[LogFile] = []
    if scan.paths:
        files, missing = find_files(scan.paths, rotated=False)
        if missing and not scan.allow_missing:
            raise RunbookError(_nothing(missing))
    found = Found(Tally(wanted), len(files), formats={"journald"}, missing=bool(scan.paths) and not files)
    if found.missing:
        return found
    journal = Journal(scan.units, [file.path for file in files], scan.window, remembered.get("cursor", ""))
    for data in journal.blocks():
        found.size += len(data)
        found.tally.add(without(Block(data), scan.exclude), LAYOUTS["journal"], scan.request_time)
    found.remembered = {"at": now, "cursor": journal.cursor}
    return found


class _Reading:
    """One attempt at the files of a scan."""

    def __init__(self, scan: Scan, wanted: Wanted, remembered: t.Mapping[str, t.Any], now: float) -> None:
        self._scan, self._now = scan, now
        # What the paths named the last time and name no more is forgotten.
        self._records = [record for record in records_of(remembered) if any(_names(pattern, record) for pattern in scan.paths)]
        self._at = remembered.get("at")
        self._found = Found(Tally(wanted))
        self._kept: list[Record] = []

    def read(self) -> Found:
        scan, found = self._scan, self._found
        followed = [record.base for record in self._records]
        files, missing = find_files(scan.paths, scan.rotated, followed)
        if missing and not scan.allow_missing:
            raise RunbookError(_nothing(missing))
        if not files and not self._records:
            found.missing = True
            return found
        live = _live(files)
        with contextlib.ExitStack() as stack:
            contents, records = [], list(self._records)
            for file in files:
                # A compressed file is opened once. Others always are: a new one may be a copy of theirs.
                same = next((record for record in records if file.compression and record.unchanged(file)), None)
                if same is not None:
                    records.remove(same)
                    self._kept.append(dataclasses.replace(same, path=file.path, base=file.base, live=file.key in live))
                elif scan.state or could_have(file.mtime, scan.window):
                    contents.append(stack.enter_context(Content(file)))
            for content in contents:
                content.check()
            planned = plan(contents, records)
            found.gaps = planned.gaps
            for content, offset in planned.known:
                self._keep(content, self._one(content, offset, Window()), live)
            for content in planned.new:
                window = self._window(content.file)
                if could_have(content.file.mtime, window):
                    end = self._one(content, 0, window)
                else:
                    end = self._end(content)
                self._keep(content, end, live)
            for content in contents:
                content.check()
        found.files = len(files)
        found.remembered = {"at": self._now, "files": [dataclasses.asdict(record) for record in self._kept]}
        return found

    def _window(self, file: LogFile) -> Window:
        """What of a file counts that was not read before. What came since the last run does, however long ago that was."""
        return Window() if self._at is not None and file.mtime >= self._at - 1 else self._scan.window

    def _end(self, content: Content) -> int:
        """Past everything, without reading it."""
        if content.length is not None:
            return content.length
        with content.stream() as stream:
            return sum(iter(lambda: len(stream.read(BLOCK)), 0))

    def _one(self, content: Content, offset: int, window: Window) -> int:
        """Count one file's lines; where in its contents that ended."""
        if content.length == offset:
            return offset
        layout = recognise(content.head, self._scan.format, content.file.path)
        self._found.formats.add(layout.name)
        clock = Clock(self._scan.laravel_zone if layout.name == "laravel" else self._scan.zone, self._now)
        times = self._scan.request_time or times_in(content.head)
        chosen = None if window.is_open else Filter(window, layout, clock)
        first = offset
        if content.length is None:
            with content.stream() as stream:
                skip(stream, offset)
                end = self._blocks(stream.read, offset, content, layout, times, chosen)
        else:
            first, last = (offset, content.length) if chosen is None else edges(content, window, layout, clock)
            end = self._blocks(content.reader(first, last), first, content, layout, times, chosen)
            end = end if last == content.length else content.length
        if chosen is not None and not chosen.stamps and not first and end:
            raise RunbookError(f"{content.file.path} has no times that can be read, so since and until can't be kept; give its format")
        return end

    def _blocks(
        self,
        read: t.Callable[[int], bytes],
        offset: int,
        content: Content,
        layout: Layout,
        times: tuple[re.Pattern[bytes], float] | None,
        chosen: Filter | None,
    ) -> int:
        for data, end in lines_of(read, offset):
            if not data.endswith(b"\n") and self._unfinished(content):
                break
            self._found.size += len(data)
            data = data if chosen is None else chosen.part(data)
            if data:
                self._found.tally.add(without(Block(data), self._scan.exclude), layout, times)
            offset = end
        return offset

    def _unfinished(self, content: Content) -> bool:
        """Whether the last line may get longer. Who remembers nothing counts it as it is."""
        return bool(self._scan.state) and content.length is not None and self._now - content.file.mtime < _AT_REST

    def _keep(self, content: Content, offset: int, live: t.Collection[tuple[int, int]]) -> None:
        if self._scan.state:
            done = content.length is None or offset == content.length
            self._kept.append(record_of(content, offset, content.file.key in live, done))


def _names(pattern: str, record: Record) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for path in (record.path, record.base)) or base_of(pattern) == record.base


def _live(files: t.Sequence[LogFile]) -> set[tuple[int, int]]:
    """Which files are being written to: of every log the one that was written last."""
    newest: dict[str, LogFile] = {}
    for file in files:
        if not file.compression:
            newest.setdefault(file.base, file)  # they are in this order
    return {file.key for file in files if file.path == file.base} | {file.key for file in newest.values()}


def _nothing(missing: t.Sequence[str]) -> str:
    return f"{', '.join(missing)} match{'es' if len(missing) == 1 else ''} no log; correct the path, or set allow_missing"
