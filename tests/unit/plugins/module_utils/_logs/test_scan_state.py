# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every line once, whatever rotations do between two runs."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import random
import shutil
import subprocess

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._logs import scan_read
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_state import StateFile

from .scanning import count, scan, scan_all


class Log:
    """A log that is written and rotated as the tools do it; ``written`` counts the lines with an error."""

    def __init__(self, folder, name="app.log"):
        self.folder, self.path, self.written, self.number = folder, folder / name, 0, 0
        self.path.write_bytes(b"")

    def write(self, lines):
        with self.path.open("ab") as stream:
            for _line in range(lines):
                self.number += 1
                stream.write(b"2026-01-02 03:04:05 [ERROR] number %d of this log failed %s\n" % (self.number, b"x" * (self.number % 60)))
        self.written += lines

    def shift(self):
        """Make room for a new first one, as logrotate does with numbers."""
        for number in range(20, 0, -1):
            for ending in ("", ".gz", ".zst", ".xz", ".bz2"):
                old = self.folder / f"{self.path.name}.{number}{ending}"
                if old.exists():
                    old.rename(self.folder / f"{self.path.name}.{number + 1}{ending}")
        return self.folder / f"{self.path.name}.1"

    def rename(self):
        self.path.rename(self.shift())
        self.path.write_bytes(b"")

    def rename_only(self):
        """The moment before the writer opens its log again."""
        self.path.rename(self.shift())

    def copy_and_truncate(self):
        shutil.copy2(self.path, self.shift())
        os.truncate(self.path, 0)

    def collapse(self):
        """What log_rotate leaves: whole blocks moved to a copy, which ends with a line; of that line's other part, spaces."""
        data = self.path.read_bytes()
        cut = len(data) // 4096 * 4096
        end = data.find(b"\n", cut) + 1
        if cut and end:
            self.shift().write_bytes(data[:end])
            with self.path.open("r+b") as stream:
                stream.write(b" " * (end - cut - 1) + b"\n" + data[end:])
                stream.truncate()

    def compress(self, ending):
        for path in sorted(self.folder.glob(f"{self.path.name}.*")):
            if path.suffix in (".gz", ".zst", ".xz", ".bz2"):
                continue
            packed, status = path.with_name(path.name + ending), path.stat()
            if ending == ".zst":
                subprocess.run(["zstd", "-q", str(path), "-o", str(packed)], check=True)
            else:
                packed.write_bytes({".gz": gzip, ".xz": lzma, ".bz2": bz2}[ending].compress(path.read_bytes()))
            os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
            path.unlink()


ENDINGS = [".gz", ".xz", ".bz2", *([".zst"] if shutil.which("zstd") else [])]


@pytest.fixture
def log(tmp_path):
    (tmp_path / "logs").mkdir()
    return Log(tmp_path / "logs")


@pytest.fixture
def state(tmp_path):
    return str(tmp_path / "scan.json")


ROTATIONS = {
    "rename": lambda log: log.rename(),
    "rename, not yet opened": lambda log: log.rename_only(),
    "copytruncate": lambda log: log.copy_and_truncate(),
    "collapse": lambda log: log.collapse(),
    "twice": lambda log: (log.rename(), log.write(7), log.copy_and_truncate()),
    **{f"rename, compressed {ending}": lambda log, ending=ending: (log.rename(), log.compress(ending)) for ending in ENDINGS},
    **{
        f"copytruncate, compressed {ending}": lambda log, ending=ending: (log.copy_and_truncate(), log.compress(ending))
        for ending in ENDINGS
    },
}


@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize("first", [0, 1, 30, 300])
@pytest.mark.parametrize("more", [0, 1, 200])
def test_a_rotation_hides_and_repeats_nothing(log, state, rotation, first, more):
    log.write(first)
    assert count(log.path, state=state) == first
    log.write(more)
    ROTATIONS[rotation](log)
    item = scan(log.path, state=state, measures=[{"regex": "ERROR"}])
    assert (item["value"], item["status"], item.get("gaps")) == (log.written - first, "ok", None)
    log.write(3)
    assert count(log.path, state=state) == 3
    assert count(log.path, state=state) == 0


@pytest.mark.parametrize("seed", range(12))
def test_any_order_of_writing_rotating_and_scanning(log, state, seed):
    choice, seen, steps = random.Random(seed), 0, []
    actions = [
        *[lambda: log.write(choice.randrange(1, 400))] * 4,
        log.rename,
        log.copy_and_truncate,
        log.collapse,
        lambda: log.compress(choice.choice(ENDINGS)),
    ]
    for _step in range(40):
        steps.append(choice.randrange(len(actions) + 3))
        if steps[-1] < len(actions):
            actions[steps[-1]]()
        else:
            seen += count(log.path, state=state)
            assert seen == log.written, (seed, steps)


def test_a_copy_that_is_not_finished_is_not_counted(log, state):
    log.write(500)
    assert count(log.path, state=state) == 500
    log.write(10)
    copy = log.folder / "app.log.1"
    shutil.copy2(log.path, copy)
    assert count(log.path, state=state) == 10
    os.truncate(log.path, 0)
    log.write(2)
    assert count(log.path, state=state) == 2


@pytest.mark.parametrize("lines", [1, 500])
@pytest.mark.parametrize("more", [0, 5])
def test_a_copy_that_was_there_at_first_is_not_counted(log, state, lines, more):
    log.write(lines)
    shutil.copy2(log.path, log.folder / "app.log.1")
    log.write(more)
    assert count(log.path, state=state) == lines + more


def test_a_compressor_at_work_is_left_alone(log, state):
    log.write(3000)
    log.rename()
    packed = gzip.compress((log.folder / "app.log.1").read_bytes())
    (log.folder / "app.log.1.gz").write_bytes(packed[: len(packed) // 2])
    assert count(log.path, state=state) == 3000
    (log.folder / "app.log.1.gz").write_bytes(packed)
    (log.folder / "app.log.1").unlink()
    assert count(log.path, state=state) == 0


def test_a_cut_that_is_being_made_is_waited_for(log, state, monkeypatch):
    log.write(500)
    assert count(log.path, state=state) == 500
    log.write(5)
    journal, whole = log.folder / ".app.log.runbook-cut", log.path.read_bytes()
    journal.write_text('{"state": "marked"}')
    with log.path.open("r+b") as stream:
        stream.write(b"0123456789abcdef0123456789abcdef")

    def rotate(_seconds):
        log.path.write_bytes(whole)
        log.collapse()
        journal.unlink()

    monkeypatch.setattr(scan_read.time, "sleep", rotate)
    assert count(log.path, state=state) == 5
    journal.write_text('{"state": "marked"}')
    monkeypatch.setattr(scan_read.time, "sleep", lambda _seconds: None)
    assert "or a rotation was killed" in scan(log.path, state=state)["message"]


def test_a_line_counts_when_it_is_finished(log, state):
    log.write(2)
    with log.path.open("ab") as stream:
        stream.write(b"half an ERR")
    assert count(log.path, state=state) == 2
    with log.path.open("ab") as stream:
        stream.write(b"OR\nand an ERROR without end")
    assert count(log.path, state=state) == 1
    os.utime(log.path, (1, 1))  # nobody writes it any more
    assert count(log.path, state=state) == 1
    assert count(log.path, state=state) == 0


def test_lines_that_nobody_can_read_any_more_are_said(log, state):
    log.write(50)
    assert count(log.path, state=state) == 50
    log.write(5)
    log.path.unlink()
    log.path.write_bytes(b"2026-01-02 03:04:05 another beginning\n")
    item = scan(log.path, state=state, measures=[{"regex": "ERROR"}])
    assert (item["status"], item["value"]) == ("warning", 0)
    assert "was emptied or removed" in item["message"]
    assert scan(log.path, state=state, measures=[{"regex": "ERROR"}])["status"] == "ok"


def test_old_logs_may_be_removed(log, state):
    log.write(5)
    log.rename()
    log.write(5)
    assert count(log.path, state=state) == 10
    (log.folder / "app.log.1").unlink()
    assert scan(log.path, state=state, measures=[{"regex": "ERROR"}])["status"] == "ok"


def test_a_path_that_is_named_no_more_is_forgotten(log, state):
    other = Log(log.folder, "other.log")
    log.write(5)
    other.write(7)
    assert count(log.path, other.path, state=state) == 12
    log.write(1)
    item = scan(other.path, state=state, measures=[{"regex": "ERROR"}])
    assert (item["value"], item["status"]) == (0, "ok")


def test_logs_with_the_same_beginning_are_kept_apart(log, state):
    banner = b"/usr/sbin/server, Version: 10.11. started with:\nTcp port: 3306  Unix socket: /run/server.sock\nTime Id Command Argument\n"
    log.path.write_bytes(banner + b"ERROR one\n")
    assert count(log.path, state=state) == 1
    log.rename()
    log.path.write_bytes(banner + b"ERROR two\nERROR three\n")
    assert count(log.path, state=state) == 2
    log.rename()
    log.path.write_bytes(banner)
    assert count(log.path, state=state) == 0
    log.rename()
    log.path.write_bytes(banner + b"ERROR four\n")
    assert count(log.path, state=state) == 1


def test_the_same_line_in_two_logs_counts_twice(log, state):
    """Of a program that writes no time: the new log is no copy of the one before it, although it is its beginning."""
    for _day in range(3):
        log.path.write_bytes(b"ERROR disk full\n")
        assert count(log.path, state=state) == 1
        log.rename()
    assert count(log.path, state=state) == 0


def test_a_log_that_is_written_anew_after_the_same_beginning(log, state):
    banner = b"# this server says the same at every start\n" * 200
    log.path.write_bytes(banner + b"ERROR one\n" * 3)
    assert count(log.path, state=state) == 3
    with log.path.open("r+b") as stream:
        stream.truncate()
        stream.write(banner + b"ERROR two, and more of it\n" * 5)
    item = scan(log.path, state=state, measures=[{"regex": "ERROR"}])
    assert (item["value"], item["status"]) == (5, "warning")


def test_the_window_is_for_the_first_time_only(log, state, tmp_path):
    log.write(5)  # lines of long ago
    assert count(log.path, state=state, since="1h", time_zone="utc") == 0
    log.write(4)
    assert count(log.path, state=state, since="1h", time_zone="utc") == 4
    log.rename()
    log.write(3)
    assert count(log.path, state=state, since="1h", time_zone="utc") == 3


def test_scans_share_a_file_and_nothing_else(log, state):
    log.write(5)
    one, two = ({"name": name, "paths": [str(log.path)], "state": state, "measures": [{"regex": "ERROR"}]} for name in ("one", "two"))
    assert [item["value"] for item in scan_all(one)["checks"]] == [5]
    assert [item["value"] for item in scan_all(one, two)["checks"]] == [0, 5]
    assert [item["value"] for item in scan_all(one, two)["checks"]] == [0, 0]


def test_what_crashed_is_read_again(log, state):
    log.write(5)
    gone = {"name": "log", "paths": [str(log.path), str(log.folder / "gone.log")], "state": state, "measures": [{"regex": "ERROR"}]}
    assert scan_all(gone)["checks"][0]["status"] == "crashed"
    assert count(log.path, state=state) == 5


@pytest.mark.parametrize(
    "content", ["{", '{"version": 9, "scans": {}}', '{"version": 1, "scans": {"log": {"files": [{"a": 1}]}}}', "[]", "null"]
)
def test_a_broken_file_is_set_aside(log, state, content):
    log.write(5)
    with open(state, "w") as stream:
        stream.write(content)
    said = []
    assert count(log.path, state=state, run=Run(warn=said.append)) == 5
    assert len(said) == 1 and "set aside" in said[0] and "\n" not in said[0]
    with open(f"{state}.broken") as stream:
        assert stream.read() == content
    assert count(log.path, state=state) == 0


def test_one_run_at_a_time(log, state):
    with StateFile(state, Run()), pytest.raises(Refused, match="in use by another run"):
        count(log.path, state=state)
    with pytest.raises(InvalidInput, match="not absolute"):
        count(log.path, state="scan.json")


def test_the_file_holds_no_line(log, state):
    log.write(5)
    count(log.path, state=state)
    with open(state) as stream:
        text = stream.read()
    assert "ERROR" not in text and json.loads(text)["version"] == 1
    assert os.stat(state).st_mode & 0o777 == 0o600
