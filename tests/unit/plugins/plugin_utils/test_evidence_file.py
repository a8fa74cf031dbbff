# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import json
import os

import pytest
from ansible_collections.runbook.ops.plugins.plugin_utils import _evidence_file
from ansible_collections.runbook.ops.plugins.plugin_utils._evidence_file import EvidenceFile


@pytest.fixture
def said():
    return []


@pytest.fixture
def file(tmp_path, said):
    file = EvidenceFile(str(tmp_path / "new" / "run.jsonl"), said.append)
    assert file.open()
    yield file
    file.close()


def lines(file):
    with open(file.path, "rb") as stream:
        return stream.read().split(b"\n")


def test_a_disk_that_fills_costs_lines_and_says_so(file, said, monkeypatch):
    real, room = os.write, 12

    def full(fd, data):
        nonlocal room
        if room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = real(fd, data[:room])
        room -= count
        return count

    monkeypatch.setattr(_evidence_file.os, "write", full)
    file.write({"a": 1})
    file.write({"b": "x" * 50})
    file.write({"c": 3})
    room = 1000
    file.write({"d": 4, "run": "r"})
    file.close()
    assert len(said) == 2 and "No space left on device; the run goes on" in said[0] and "lacks 2 lines" in said[1]
    whole = []
    for line in lines(file):
        try:
            whole.append(json.loads(line))
        except ValueError:
            continue
    assert whole == [{"a": 1}, {"event": "lost", "run": "r", "lines": 2}, {"d": 4, "run": "r"}]


def test_important_lines_wait_for_the_disk(file, monkeypatch):
    flushed = []
    monkeypatch.setattr(_evidence_file.os, "fsync", flushed.append)
    file.write({"a": 1}, True)
    for _line in range(100):
        file.write({"a": 1})
    assert len(flushed) == 1
    file.write({"a": 1}, True)
    assert len(flushed) == 2


def test_a_line_has_an_end_and_is_always_json(file):
    file.write({"result": "x" * (2 << 20), "task": "kept"})
    file.write({"task": "caf\udce9 نص", "odd": {1, 2}.__class__})
    first, second, _third = lines(file)
    assert (len(first) < 1000, json.loads(first)["task"]) == (True, "kept")
    assert "is longer than a line may be" in json.loads(first)["cut"]
    assert json.loads(second)["task"] == "caf\udce9 نص"
