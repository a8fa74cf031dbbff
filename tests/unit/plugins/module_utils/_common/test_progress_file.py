# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half of progress: one small record, made with care, gone afterwards, and never in the way of the work."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.progress import Progress
from ansible_collections.runbook.ops.plugins.module_utils._common.progress_file import (
    ENVIRONMENT,
    SIZE,
    ProgressFile,
    from_environment,
    newest_line,
    reporting,
)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / ".runbook-0123")


def content(path):
    with open(path, "rb") as stream:
        return stream.read()


def test_the_newest_line_replaces_the_one_before(path):
    file = ProgressFile(path)
    for line in ("a long first line", "short"):
        file.say(line)
        assert newest_line(path, content(path)) == line
        assert len(content(path)) == SIZE
    file.close()
    assert not os.path.exists(path)


@pytest.mark.parametrize("line", ["ü" * SIZE, "x" * 10 * SIZE, "\udcff.txt"])
def test_any_line_fits(path, line):
    file = ProgressFile(path)
    file.say(line)
    assert len(content(path)) == SIZE
    assert newest_line(path, content(path))
    file.close()


def test_the_controller_may_read_it_whatever_the_umask(path):
    old = os.umask(0o077)
    try:
        file = ProgressFile(path)
        file.say("working")
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    file.close()


@pytest.mark.parametrize("kind", ["link", "dangling", "file", "folder"])
def test_what_was_planted_is_neither_followed_nor_removed(path, tmp_path, kind):
    target = tmp_path / "target"
    if kind != "dangling":
        target.write_text("precious")
    if kind == "folder":
        os.mkdir(path)
    elif kind == "file":
        os.link(target, path)
    else:
        os.symlink(target, path)
    file = ProgressFile(path)
    file.say("working")
    file.say("still working")
    file.close()
    assert os.path.lexists(path)
    assert (target.read_text() if target.exists() else None) == (None if kind == "dangling" else "precious")


@pytest.mark.parametrize("path", ["", "/nowhere/.runbook-0123", "/proc/.runbook-0123"])
def test_where_nothing_can_be_written_the_work_goes_on(path):
    file = ProgressFile(path)
    file.say("working")
    file.close()


def test_the_environment_names_the_file_once(path, monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert from_environment() == ""
    monkeypatch.setenv(ENVIRONMENT, path)
    with pytest.raises(ValueError, match="work failed"), reporting(from_environment()) as say:
        assert ENVIRONMENT not in os.environ
        assert not os.path.exists(path), "work that has nothing to say makes no file"
        say("working")
        assert os.path.exists(path)
        raise ValueError("work failed")
    assert not os.path.exists(path)
    with reporting(from_environment()) as say:
        say("nobody listens")
    assert not os.path.exists(path)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b".runbook-0123\nworking", "working"),
        (b".runbook-0123\n\x1b[31mred\x07\r\nmore\n   ", "[31mredmore"),
        (b".runbook-0123\n\xff\xfeodd", "odd"),
        (b".runbook-4567\nanother's", ""),
        (b"root:x:0:0", ""),
        (b"", ""),
    ],
)
def test_only_a_record_of_that_name_is_shown_and_only_what_is_printable(path, data, line):
    assert newest_line(path, data) == line


def test_progress_speaks_after_a_while_and_then_now_and_then():
    clock, said = [0.0], []
    progress = Progress("work", said.append, files=100, size=1_000_000, now=lambda: clock[0])
    for _step in range(100):
        clock[0] += 0.1
        progress.advance(1, 10_000)
    assert len(said) == 3
    assert said[0] == "work: 30 of 100 files, 0.3 MB of 1.0 MB, 0.1 MB/s, 0:07 left"
