# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts of passed and failed, and how they are told."""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t
from xml.etree import ElementTree


@dataclasses.dataclass
class Tally:
    """What a stage found. A gate that counts nothing itself is one test."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""
    # A line for each failed test: its name, and the first line of what it said.
    failures: tuple[str, ...] = ()

    def __add__(self, other: Tally) -> Tally:
        notes = "; ".join(note for note in (self.note, other.note) if note)
        counts = (self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)
        return Tally(*counts, notes, self.failures + other.failures)


def gate(status: int) -> Tally:
    """The tally of a command that either passes or fails."""
    return Tally(passed=1) if status == 0 else Tally(failed=1)


def junit(path: pathlib.Path, status: int) -> Tally:
    """The tally of a pytest run that wrote ``path`` and ended with ``status``.

    A run that fails without a failed test in its report (a broken conftest, no test at all, a killed process) counts
    as one failure: it must never look like success.
    """
    tally = Tally()
    try:
        # The file was written by our own pytest a moment ago.
        suites = ElementTree.parse(path).getroot().iter("testsuite")
    except (OSError, ElementTree.ParseError):
        return Tally(failed=1, note="no test report")
    for suite in suites:
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        tally += Tally(int(suite.get("tests", 0)) - bad - skipped, bad, skipped, failures=tuple(_failures(suite)))
    if status != 0 and not tally.failed:
        tally += Tally(failed=1, note="no test found" if status == 5 else f"exit status {status}")
    return tally


def _failures(suite: ElementTree.Element) -> t.Iterator[str]:
    for case in suite.findall("testcase"):
        for fault in (*case.iter("failure"), *case.iter("error")):
            said = (fault.get("message") or "").strip().splitlines() or [fault.tag]
            yield f"{case.get('classname', '')}::{case.get('name', '')}: {said[0][:300]}"


def tail(path: pathlib.Path, lines: int = 40) -> str:
    """The last lines of a log, indented."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""
    return "".join(f"    | {line}\n" for line in text.splitlines()[-lines:])
