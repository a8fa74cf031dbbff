# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import concurrent.futures
import errno
import json
import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks import history
from ansible_collections.runbook.ops.plugins.module_utils._checks.history import Record
from ansible_collections.runbook.ops.plugins.module_utils._common import clock
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError


def record(at="2026-01-02T03:04:05Z", host="web1", status="ok", value=1):
    return Record(at, "20260102_030405", host, status, [{"name": "load", "status": status, "value": value, "unit": ""}])


def lines(folder, day="2026-01-02"):
    return (folder / f"{day}.jsonl").read_bytes().splitlines()


def test_what_is_appended_is_read_again(tmp_path):
    folder = tmp_path / "history"
    paths = history.append(str(folder), [record(), record("2026-01-03T00:00:00Z", "قاعدة", "failed", 2.5)])
    assert [os.path.basename(path) for path in paths] == ["2026-01-02.jsonl", "2026-01-03.jsonl"]
    assert list(history.read(str(folder))) == [record(), record("2026-01-03T00:00:00Z", "قاعدة", "failed", 2.5)]
    assert json.loads(lines(folder)[0]) == {
        "at": "2026-01-02T03:04:05Z",
        "run": "20260102_030405",
        "host": "web1",
        "status": "ok",
        "checks": [{"name": "load", "status": "ok", "value": 1, "unit": ""}],
    }


def test_a_window_has_its_beginning_and_not_its_end(tmp_path):
    moments = ["2026-01-01T23:59:59Z", "2026-01-02T00:00:00Z", "2026-01-02T12:00:00Z", "2026-01-03T00:00:00Z"]
    history.append(str(tmp_path), [record(at) for at in moments])
    found = history.read(str(tmp_path), clock.seconds(moments[1]), clock.seconds(moments[3]))
    assert [item.at for item in found] == moments[1:3]


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    assert list(history.read(str(tmp_path / "none"))) == []
    assert history.mend(str(tmp_path / "none")) == []
    assert history.prune(str(tmp_path / "none"), 0) == []


def test_broken_lines_are_passed_over_and_said(tmp_path):
    history.append(str(tmp_path), [record()])
    path = tmp_path / "2026-01-02.jsonl"
    with path.open("ab") as stream:
        stream.write(b'\xff\xfe nonsense\n[1]\n{"at": "2026-01-02T03:04:05Z"}\n')
    history.append(str(tmp_path), [record(host="web2")])
    said = []
    assert [item.host for item in history.read(str(tmp_path), said=said.append)] == ["web1", "web2"]
    assert [message.split(" is passed over: ")[1] for message in said] == [
        "it is no JSON",
        "it is no JSON object",
        "run is missing or no text",
    ]
    assert said[0].startswith(f"line 2 of {path} ")


def test_mending_moves_broken_lines_and_keeps_every_byte(tmp_path):
    history.append(str(tmp_path), [record()])
    path = tmp_path / "2026-01-02.jsonl"
    with path.open("ab") as stream:
        stream.write(b"one\n")
    history.append(str(tmp_path), [record(host="web2")])
    with path.open("ab") as stream:
        stream.write(b'{"at": "2026-01-0')
    before = path.read_bytes()
    assert history.mend(str(tmp_path), dry=True) == [f"2 of 4 lines of {path} can't be read; they would be in {path}.broken"]
    assert path.read_bytes() == before and not (tmp_path / "2026-01-02.jsonl.broken").exists()
    assert history.mend(str(tmp_path)) == [f"2 of 4 lines of {path} can't be read; they are in {path}.broken"]
    assert (tmp_path / "2026-01-02.jsonl.broken").read_bytes() == b'one\n{"at": "2026-01-0\n'
    assert [item.host for item in history.read(str(tmp_path), said=pytest.fail)] == ["web1", "web2"]
    assert history.mend(str(tmp_path)) == []


def test_a_file_without_any_record_is_set_aside(tmp_path):
    path = tmp_path / "2026-01-02.jsonl"
    path.write_bytes(os.urandom(5000))
    whole = path.read_bytes()
    assert len(history.mend(str(tmp_path))) == 1
    assert not path.exists()
    assert (tmp_path / "2026-01-02.jsonl.broken").read_bytes().rstrip(b"\n") == whole.rstrip(b"\n")
    assert sorted(os.listdir(tmp_path)) == [".lock", "2026-01-02.jsonl.broken"]


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_is_no_file_is_set_aside(tmp_path, kind):
    folder, path = tmp_path / "history", tmp_path / "history" / "2026-01-02.jsonl"
    folder.mkdir()
    (tmp_path / "elsewhere").write_text("mine\n")
    path.mkdir() if kind == "folder" else path.symlink_to(tmp_path / "elsewhere")
    said = []
    assert list(history.read(str(folder), said=said.append)) == [] and len(said) == 1
    with pytest.raises(OSError, match=r"(Is a directory|Too many levels)"):
        history.append(str(folder), [record()])
    assert len(history.mend(str(folder))) == 1
    history.append(str(folder), [record()])
    assert list(history.read(str(folder))) == [record()]
    assert (tmp_path / "elsewhere").read_text() == "mine\n"


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path):
    path = tmp_path / "2026-01-02.jsonl"
    path.write_bytes(record().to_line() + record(host="web2").to_line()[:30])
    # It may be being written at this moment: nothing is said of it yet.
    assert [item.host for item in history.read(str(tmp_path), said=pytest.fail)] == ["web1"]
    history.append(str(tmp_path), [record(host="web3")])
    assert [item.host for item in history.read(str(tmp_path))] == ["web1", "web3"]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    history.append(str(tmp_path), [record()])
    before = lines(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full_once(os.write))
        with pytest.raises(RunbookError, match=r"No space left on device\); free some space"):
            history.append(str(tmp_path), [record(host="web2")])
    assert lines(tmp_path) == before


def full_once(real):
    """A write that takes 20 bytes and then no more."""
    taken = []

    def write(fd, data):
        if taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken.append(real(fd, data[:20]))
        return taken[0]

    return write


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (record(at="yesterday"), "at 'yesterday' is no moment"),
        (record(status="fine"), "a status is none of"),
        (record(host=""), "host is empty"),
        (record(value=float("nan")), "can't be stored as JSON"),
        (record(value={1, 2}), "can't be stored as JSON"),
    ],
)
def test_what_could_not_be_read_again_is_refused(tmp_path, bad, message):
    with pytest.raises(InvalidInput, match=message):
        history.append(str(tmp_path / "history"), [record(), bad])
    assert not (tmp_path / "history").exists()


def _write_many(folder, name):
    for number in range(40):
        history.append(folder, [record(host=f"{name}-{number}", value="x" * 5000)])


def test_nothing_is_lost_when_many_write_while_one_mends(tmp_path):
    (tmp_path / "2026-01-02.jsonl").write_bytes(b"broken\n")
    with concurrent.futures.ProcessPoolExecutor(4) as pool:
        work = [pool.submit(_write_many, str(tmp_path), f"w{number}") for number in range(3)]
        for _round in range(20):
            with (
                (tmp_path / "2026-01-02.jsonl").open("ab") if (tmp_path / "2026-01-02.jsonl").exists() else open(os.devnull, "wb") as stream
            ):
                stream.write(b"broken again\n")
            history.mend(str(tmp_path))
        for one in work:
            one.result()
    history.mend(str(tmp_path))
    hosts = [item.host for item in history.read(str(tmp_path), said=pytest.fail)]
    assert sorted(hosts) == sorted(f"w{one}-{number}" for one in range(3) for number in range(40))


def test_days_that_are_over_are_pruned(tmp_path):
    history.append(str(tmp_path), [record(f"2026-01-0{day}T12:00:00Z") for day in (1, 2, 3)])
    before = clock.seconds("2026-01-03T00:00:00Z")
    assert len(history.prune(str(tmp_path), before, dry=True)) == 2
    assert history.days_of(str(tmp_path)) == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert [os.path.basename(path) for path in history.prune(str(tmp_path), before)] == ["2026-01-01.jsonl", "2026-01-02.jsonl"]
    assert history.days_of(str(tmp_path)) == ["2026-01-03"]


def test_reading_holds_one_record_at_a_time(tmp_path):
    import tracemalloc

    for _block in range(20):
        history.append(str(tmp_path), [record(value="x" * 2000) for _number in range(500)])
    tracemalloc.start()
    assert sum(1 for _item in history.read(str(tmp_path))) == 10000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000, f"{peak} bytes for a file of {(tmp_path / '2026-01-02.jsonl').stat().st_size}"
