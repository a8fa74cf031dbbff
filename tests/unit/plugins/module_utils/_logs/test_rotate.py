# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is due, what is refused, what is kept, and as whom it is done."""

from __future__ import annotations

import gzip
import os
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._logs import rotate_writers
from ansible_collections.runbook.ops.plugins.module_utils._logs.rotate_keep import Limits, too_much
from ansible_collections.runbook.ops.plugins.module_utils._logs.rotate_names import Rotated, log_of
from ansible_collections.runbook.ops.plugins.module_utils._logs.rotate_trust import Trust
from faults.small_logs import content, hidden, lines, rotate, text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("name", "log"),
    [
        ("a.log-20260102-030405", "a.log"),
        ("a.log-20260102-030405.gz", "a.log"),
        ("a.log.1", "a.log"),
        ("a.log.12.zst", "a.log"),
        ("a.log", None),
        ("a.log.0", None),
        ("a.log-20261302-030405", None),
        ("a-2026.log", None),
        (".1", None),
    ],
)
def test_names(name, log):
    assert log_of(name) == log


@pytest.mark.parametrize(("size", "due"), [(None, 1), (0.001, 1), (1, 0)])
def test_due_by_size(logs, size, due):
    (logs / "a.log").write_bytes(text(100))
    assert rotate(paths=[f"{logs}/a.log"], max_size=size)["rotated"] == due


def test_due_by_time(logs):
    (logs / "a.log").write_bytes(text(10))
    yesterday = time.strftime("%Y%m%d-%H%M%S", time.gmtime(time.time() - 86400))
    (logs / f"a.log-{yesterday}").write_bytes(b"old\n")
    assert rotate(paths=[f"{logs}/*.log"], every="2d")["rotated"] == 0
    assert rotate(paths=[f"{logs}/*.log"], every="23h")["rotated"] == 1
    (logs / "a.log").write_bytes(text(10))
    assert rotate(paths=[f"{logs}/*.log"], every="23h")["rotated"] == 0


def test_too_many_too_old_too_large():
    family = [Rotated("/x", "a", f"a.{number}", str(number), number, "", 1e6 - number * 86400, 100) for number in range(1, 6)]
    assert [one.number for one, _why in too_much(family, Limits(keep=3), 1e6)] == [4, 5]
    assert [one.number for one, _why in too_much(family, Limits(max_days=2.5), 1e6)] == [3, 4, 5]
    assert [one.number for one, _why in too_much(family, Limits(max_total=250), 1e6)] == [3, 4, 5]
    assert [one.number for one, _why in too_much(family, Limits(max_total=10), 1e6)] == [2, 3, 4, 5]
    assert too_much(family, Limits(), 1e6) == []


def test_old_files_go_though_nothing_is_rotated_and_the_log_is_gone(logs):
    (logs / "gone.log-20200102-030405.gz").write_bytes(b"")
    (logs / "other-20200102-030405").write_bytes(b"not a log of this glob\n")
    result = rotate(paths=[f"{logs}/*.log"], max_days=10)
    assert (result["changed"], names(logs)) == (True, ["other-20200102-030405"])


def test_numbers_move_up_and_gaps_are_used(logs):
    for count in range(3):
        (logs / "a.log").write_bytes(b"%d\n" % count)
        rotate(paths=[f"{logs}/*.log"], suffix="number")
    assert names(logs) == ["a.log", "a.log.1.gz", "a.log.2.gz", "a.log.3.gz"]
    assert content(logs / "a.log.3.gz") == b"0\n"
    os.unlink(logs / "a.log.2.gz")
    (logs / "a.log").write_bytes(b"3\n")
    rotate(paths=[f"{logs}/*.log"], suffix="number")
    assert names(logs) == ["a.log", "a.log.1.gz", "a.log.2.gz", "a.log.3.gz"]
    assert content(logs / "a.log.2.gz") == b"2\n"


def test_the_new_log_is_as_it_is_wanted(logs):
    (logs / "a.log").write_bytes(b"1\n")
    os.chmod(logs / "a.log", 0o600)
    rotate(paths=[f"{logs}/*.log"])
    assert (logs / "a.log").stat().st_mode & 0o777 == 0o600
    (logs / "a.log").write_bytes(b"2\n")
    rotate(paths=[f"{logs}/*.log"], mode="0640")
    assert (logs / "a.log").stat().st_mode & 0o777 == 0o640
    (logs / "a.log").write_bytes(b"3\n")
    rotate(paths=[f"{logs}/*.log"], create=False)
    assert not (logs / "a.log").exists()


def test_what_is_still_written_is_compressed_by_the_next_run(logs):
    (logs / "a.log").write_bytes(text(10))
    with open(logs / "a.log", "ab", buffering=0) as writer:
        first = rotate(paths=[f"{logs}/*.log"], method="rename", keep=0)
        assert len(first["deferred"]) == 1
        assert "after" not in first["logs"][0]
        writer.write(b"late\n")
    second = rotate(paths=[f"{logs}/*.log"])
    assert [one["after"]["lines"] for one in second["archived"]] == [11]
    assert lines(logs, "a.log")[b"late"] == 1


def test_collapsed_in_whole_lines(logs):
    (logs / "a.log").write_bytes(text(2000))
    with open(logs / "a.log", "ab", buffering=0) as writer:
        (entry,) = rotate(paths=[f"{logs}/*.log"])["logs"]
        if entry["method"] != "collapse":
            pytest.skip("this file system can't collapse files")
        writer.write(b"after\n")
    assert set(lines(logs, "a.log").values()) == {1}
    assert len(lines(logs, "a.log")) == 2001
    assert hidden(logs) == []


def test_a_writer_that_does_not_append_is_not_cut_from(logs):
    (logs / "a.log").write_bytes(text(2000))
    with open(logs / "a.log", "r+b"), pytest.raises(RunbookError, match="give reopen, or allow_pause, or allow_loss"):
        # This very process is not looked at; its child is.
        pid = os.fork()
        if not pid:
            time.sleep(60)
            os._exit(0)
        try:
            rotate(paths=[f"{logs}/*.log"])
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
    assert names(logs) == ["a.log"]


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe"])
def test_no_regular_file_of_its_own(logs, kind):
    (logs / "b.log").write_bytes(b"1\n")
    (logs / "precious").write_bytes(b"precious\n")
    if kind == "link":
        os.symlink("precious", logs / "a.log")
    elif kind == "hard link":
        os.link(logs / "precious", logs / "a.log")
    else:
        os.mkfifo(logs / "a.log")
    with pytest.raises(RunbookError, match=r"a\.log (is a symbolic link|has 2 hard links|is no regular file)") as caught:
        rotate(paths=[f"{logs}/*.log"])
    assert (logs / "precious").read_bytes() == b"precious\n"
    assert caught.value.result["rotated"] == 1, "the other log is rotated"


def test_a_folder_for_everybody_is_refused(logs):
    (logs / "a.log").write_bytes(b"1\n")
    os.chmod(logs, 0o777)
    with pytest.raises(RunbookError, match="may be written by everybody"):
        rotate(paths=[f"{logs}/*.log"])
    os.chmod(logs, 0o1777)
    with pytest.raises(RunbookError, match="may be written by everybody"):
        rotate(paths=[f"{logs}/*.log"])
    assert names(logs) == ["a.log"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others")
def test_as_whom(logs):
    assert Trust().account(str(logs)) == 0
    os.chown(logs, 65534, -1)
    assert Trust().account(str(logs)) == 65534
    (logs / "below").mkdir()
    os.chown(logs / "below", 12345, -1)
    with pytest.raises(Refused, match="could lead this into other files"):
        Trust().account(str(logs / "below"))
    assert Trust("nobody").account(str(logs / "below")) == 65534


def test_namesakes_do_not_share_a_folder(logs):
    for folder in ("one", "two"):
        (logs / folder).mkdir()
        (logs / folder / "a.log").write_bytes(b"1\n")
    with pytest.raises(InvalidInput, match="would both be rotated into"):
        rotate(paths=[f"{logs}/*/a.log"], dest=f"{logs}/old")
    assert rotate(paths=[f"{logs}/*/a.log"], dest="old")["rotated"] == 2
    assert sorted(path.parent.parent.name for path in logs.rglob("*.gz")) == ["one", "two"]


def test_a_command_that_fails_is_told_and_costs_nothing(logs):
    (logs / "a.log").write_bytes(text(10))
    with pytest.raises(RunbookError, match="reopen: false ended with 1") as caught:
        rotate(paths=[f"{logs}/*.log"], reopen={"command": ["false"]}, wait=0)
    assert caught.value.result["rotated"] == 1
    assert len(lines(logs, "a.log")) == 10


def test_reopening_is_asked_for_again_when_a_killed_run_did_not(logs):
    marker = logs / "asked"
    (logs / "a.log").write_bytes(text(10))
    with open(logs / "a.log", "ab"):
        rotate(paths=[f"{logs}/*.log"], method="rename")
        rotate(paths=[f"{logs}/*.log"], reopen={"command": ["touch", str(marker)]}, wait=0)
    assert marker.exists()


def test_writers_are_seen(logs):
    (logs / "a.log").write_bytes(b"1\n")
    fd = os.open(logs / "a.log", os.O_RDONLY)
    try:
        assert not rotate_writers.being_written(fd)
        with open(logs / "a.log", "ab"):
            assert rotate_writers.being_written(fd)
        with open(logs / "a.log", "rb"):
            assert not rotate_writers.being_written(fd)
    finally:
        os.close(fd)


def test_a_rotated_file_with_more_names_is_compressed_and_kept_there(logs):
    (logs / "a.log-20260102-030405").write_bytes(text(10))
    os.link(logs / "a.log-20260102-030405", logs / "snapshot")
    assert rotate(paths=[f"{logs}/*.log"])["archived"][0]["after"]["lines"] == 10
    assert names(logs) == ["a.log-20260102-030405.gz", "snapshot"]
    assert (logs / "snapshot").read_bytes() == text(10)


def test_an_archive_of_another_content_is_not_replaced(logs):
    (logs / "a.log-20260102-030405").write_bytes(text(10))
    (logs / "a.log-20260102-030405.gz").write_bytes(gzip.compress(b"something else\n"))
    with pytest.raises(RunbookError, match="holds something else"):
        rotate(paths=[f"{logs}/*.log"])
    assert (logs / "a.log-20260102-030405").read_bytes() == text(10)


def test_the_same_archive_from_a_killed_run_is_finished(logs):
    (logs / "a.log-20260102-030405").write_bytes(text(10))
    (logs / "a.log-20260102-030405.gz").write_bytes(gzip.compress(text(10)))
    rotate(paths=[f"{logs}/*.log"])
    assert set(lines(logs, "a.log").values()) == {1}


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "may"),
    [
        (0o644, 33, 33, False),
        (0o666, 33, 33, True),
        (0o664, 33, 4, True),
        (0o644, 1000, 4, True),
        (0o600, 0, 0, True),
        (0o444, 1000, 4, False),
    ],
)
def test_who_may_write_though_it_can_not_be_seen(logs, monkeypatch, mode, uid, gid, may):
    """The processes of workers that have given up root can't be looked into by root without more rights, as in a container."""
    path = logs / "a.log"
    path.write_bytes(b"")
    status = {"PPid": [1], "Uid": [uid] * 4, "Gid": [gid] * 4, "Groups": []}
    monkeypatch.setattr(rotate_writers, "_status", lambda pid: status)
    file = os.stat_result((0o100000 | mode, 1, 1, 1, 1000, 4, 0, 0, 0, 0))
    monkeypatch.setattr(rotate_writers.os, "fstat", lambda fd: file)
    kin, strangers = rotate_writers.suspects(0, [], [os.getpid()])
    assert (kin, bool(strangers)) == ([], may)


def test_children_of_a_writer_are_paused_with_it(logs, monkeypatch):
    monkeypatch.setattr(rotate_writers, "_status", lambda pid: {"PPid": [4711], "Uid": [33], "Gid": [33], "Groups": []})
    with open(logs / "a.log", "wb") as log:
        kin, strangers = rotate_writers.suspects(log.fileno(), [rotate_writers.Holder(4711, 1, "nginx", True)], [os.getpid()])
    assert ([one.pid for one in kin], strangers) == ([os.getpid()], [])
