# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contents as blocks of whole lines, and files that had better not be read."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import subprocess

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._logs import scan_content
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_content import lines_of

from .scanning import count, scan


@pytest.mark.parametrize("seed", range(20))
def test_blocks_are_whole_lines_and_nothing_is_lost(monkeypatch, seed):
    choice = random.Random(seed)
    monkeypatch.setattr(scan_content, "BLOCK", choice.choice([1, 7, 64, 1000]))
    data = b"".join(b"x" * choice.choice([0, 1, 5, 300]) + b"\n" for _line in range(50)) + choice.choice([b"", b"rest"])
    offset = choice.randrange(5)
    blocks = list(lines_of(io.BytesIO(data).read, offset))
    assert b"".join(block for block, _end in blocks) == data
    assert all(block.endswith(b"\n") for block, _end in blocks[:-1])
    ends = [end for _block, end in blocks]
    assert ends == sorted(ends) and ends[-1] == offset + len(data)


def test_of_a_line_without_end_only_the_beginning_is_kept(monkeypatch):
    monkeypatch.setattr(scan_content, "BLOCK", 10)
    monkeypatch.setattr(scan_content, "LONGEST_LINE", 25)
    data = b"one\n" + b"y" * 1000 + b"\ntwo\n"
    blocks = list(lines_of(io.BytesIO(data).read, 0))
    assert b"".join(block for block, _end in blocks).split(b"\n")[::2] == [b"one", b"two"]
    assert max(len(block) for block, _end in blocks) < 50
    assert blocks[-1][1] == len(data)


ERRORS = b"ERROR\n" * 1000


@pytest.mark.parametrize("cut", [0, 5, 40])
def test_damaged_files_are_never_ok(tmp_path, cut):
    path = tmp_path / "app.log.1.gz"
    whole = gzip.compress(bytes(random.Random(1).randbytes(9000)) + ERRORS)
    path.write_bytes(whole)
    assert count(path) == 1000
    path.write_bytes(whole[: len(whole) - cut] if cut else whole[:500] + b"\0\0\0\0" + whole[504:])
    item = scan(path)
    assert (item["status"], item["value"]) == ("crashed", None)
    assert "damaged or not finished" in item["message"] and str(path) in item["message"]


@pytest.mark.skipif(not shutil.which("zstd"), reason="zstd is not installed")
def test_damaged_zstd(tmp_path):
    path = tmp_path / "app.log.1.zst"
    whole = subprocess.run(["zstd", "-qc"], input=random.Random(1).randbytes(9000) + ERRORS, capture_output=True, check=True).stdout
    path.write_bytes(whole)
    assert count(path) == 1000
    path.write_bytes(whole[:-40])
    assert "damaged or not finished" in scan(path)["message"]


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.log")
    for path in ("pipe.log", "."):
        item = scan(tmp_path / path)
        assert (item["status"], "is no file" in item["message"]) == ("crashed", True)
    assert scan("/dev/zero")["status"] == "crashed"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs files of several users")
def test_somebody_elses_link_is_not_followed(tmp_path):
    target, link = tmp_path / "secret", tmp_path / "app.log"
    target.write_bytes(ERRORS)
    link.symlink_to(target)
    assert count(link) == 1000  # root's own
    os.chown(link, 1234, 1234, follow_symlinks=False)
    assert "is a link of user 1234 to a file of user 0" in scan(link)["message"]
    os.chown(target, 1234, 1234)
    assert count(link) == 1000


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root's rights")
def test_a_log_that_may_not_be_read(tmp_path):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "app.log"
    path.write_bytes(ERRORS)
    path.chmod(0o000)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder not in (folder.parent, *map(type(folder), ("/", "/tmp"))):
            folder.chmod(0o755)
    (tmp_path / "in").chmod(0o755)
    os.seteuid(1234)
    try:
        file = scan(path)
        os.seteuid(0)
        (tmp_path / "in").chmod(0o000)
        os.seteuid(1234)
        folder = [scan(tmp_path / "in" / name, allow_missing=True) for name in ("app.log", "*.log")]
    finally:
        os.seteuid(0)
        (tmp_path / "in").chmod(0o755)
    for item in (file, *folder):
        assert (item["status"], "can't be read" in item["message"]) == ("crashed", True), item["message"]
