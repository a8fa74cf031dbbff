# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a rotation before each of its changes: no line is missing or there twice once the next run is through."""

from __future__ import annotations

import collections
import os
import pathlib
import shutil
import warnings

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._logs import rotate_work
from ansible_collections.runbook.ops.plugins.module_utils._logs.rotate_method import can_collapse
from faults.crash_points import every_crash_point, run_until
from faults.small_logs import hidden, lines, rotate, text

MORE = ("pwrite", "ftruncate", "utime", "write")
WRITTEN = text(1000)
LATER = text(30, start=1000)
ONCE = collections.Counter(line for line in (WRITTEN + LATER).split(b"\n") if line)


@pytest.fixture
def crash(logs, monkeypatch):
    """``crash(**options)``: for every point the log anew, killed there, written to, and rotated again."""
    work = logs / "work"
    monkeypatch.setattr(rotate_work, "SETTLES", 0.0)

    def crash(method, older=b"", **options):
        if method != "rename":
            # Nobody writes here: what has to be tried is the cut.
            monkeypatch.setattr(rotate_work, "choose", lambda log, allowed: (method, "as asked for"))
            monkeypatch.setattr(rotate_work.Cutting, "_stop", lambda *_: None)
        given = {"paths": [f"{work}/*.log"], "method": method, **options}

        def prepare():
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            if older:
                (work / ("a.log.1" if options.get("suffix") == "number" else "a.log-20260102-030405")).write_bytes(older)
            (work / "a.log").write_bytes(WRITTEN[len(older) :])

        def check(number):
            with open(work / "a.log", "ab") as stream:
                stream.write(LATER)
            rotate(**given)
            assert lines(work, "a.log") == ONCE, f"killed before change {number}: {sorted(os.listdir(work))}"
            assert hidden(work) == []
            assert not [path for path in work.rglob("a.log?*") if path.stat().st_size == 0]

        return every_crash_point(prepare, lambda: rotate(**given), check, MORE)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside pytest's threads
        yield crash


@pytest.mark.parametrize("suffix", ["date", "number"])
@pytest.mark.parametrize("dest", [None, "old"])
def test_rename(crash, suffix, dest):
    points = crash("rename", older=text(100), suffix=suffix, dest=dest, compress="gzip")
    assert points > 20


def test_rename_where_names_can_not_be_exchanged(crash, monkeypatch):
    from ansible_collections.runbook.ops.plugins.module_utils._logs import rotate_rename

    monkeypatch.setattr(rotate_rename, "exchange", lambda *_args, **_more: False)
    assert crash("rename", suffix="number") > 15


@pytest.mark.parametrize("suffix", ["date", "number"])
def test_collapse(crash, logs, suffix):
    (logs / "probe").write_bytes(b"x" * 10000)
    if not can_collapse(str(logs / "probe")):
        pytest.skip("this file system can't collapse files")
    os.unlink(logs / "probe")
    assert crash("collapse", older=text(50), suffix=suffix) > 30


@pytest.mark.parametrize("method", ["pause", "copytruncate"])
@pytest.mark.parametrize("dest", [None, "old"])
def test_truncate(crash, method, dest):
    assert crash(method, allow_loss=True, dest=dest) > 30


@pytest.mark.usefixtures("crash")
def test_killed_twice(logs, monkeypatch):
    """The next run, too, is killed: while it undoes what the first had begun."""
    work = pathlib.Path(logs / "work")
    monkeypatch.setattr(rotate_work, "choose", lambda log, allowed: ("copytruncate", "as asked for"))
    given = {"paths": [f"{work}/*.log"], "method": "copytruncate", "allow_loss": True}
    for first in range(16, 40, 8):

        def prepare(first=first):
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            (work / "a.log").write_bytes(WRITTEN)
            run_until(lambda: rotate(**given), first, MORE)

        def check(number, first=first):
            with open(work / "a.log", "ab") as stream:
                stream.write(LATER)
            rotate(**given)
            assert lines(work, "a.log") == ONCE, f"killed before {first}, then before {number}"

        prepare()
        every_crash_point(prepare, lambda: rotate(**given), check, MORE)
