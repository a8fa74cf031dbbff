# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache: one builder, no half entries, nothing removed that is in use, nobody else's folder."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import stat
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._source import cache as cache_module
from ansible_collections.runbook.ops.plugins.module_utils._source.cache import Cache, default_root

FORK = multiprocessing.get_context("fork")
DAY = 86400


def build_text(text, files=1):
    def build(tree):
        os.mkdir(tree)
        with open(os.path.join(tree, "file"), "w", encoding="utf-8") as stream:
            stream.write(text)
        return {"files": files}

    return build


def never(tree):
    raise AssertionError("built again")


def age(cache, part, key, days):
    path = os.path.join(cache.root, part, key)
    record = os.path.join(path, "entry.json")
    then = time.time() - days * DAY
    os.utime(record if os.path.exists(record) else path, (then, then))


@pytest.fixture
def cache(tmp_path):
    made = Cache(str(tmp_path / "cache"))
    yield made
    made.close()


def test_an_entry_is_built_once(cache):
    first = cache.entry("a-1", build_text("one", files=7))
    assert (first.created, first.data) == (True, {"files": 7})
    with open(os.path.join(first.path, "file"), encoding="utf-8") as stream:
        assert stream.read() == "one"
    again = Cache(cache.root).entry("a-1", never)
    assert (again.created, again.data, again.path) == (False, {"files": 7}, first.path)


def test_a_failed_build_leaves_nothing(cache):
    def broken(tree):
        os.mkdir(tree)
        raise RunbookError("no")

    with pytest.raises(RunbookError):
        cache.entry("a-1", broken)
    assert os.listdir(os.path.join(cache.root, "entries")) == []
    assert cache.entry("a-1", build_text("one")).created


def _killed(root):
    def suicide(tree):
        os.mkdir(tree)
        open(os.path.join(tree, "half"), "w", encoding="utf-8").close()
        os.kill(os.getpid(), signal.SIGKILL)

    Cache(root).entry("a-1", suicide)


def test_a_killed_build_does_not_count(cache):
    process = FORK.Process(target=_killed, args=(cache.root,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert os.listdir(os.path.join(cache.root, "entries")) == ["a-1.building"]
    entry = cache.entry("a-1", build_text("whole"))
    assert os.listdir(entry.path) == ["file"]
    assert os.listdir(os.path.join(cache.root, "entries")) == ["a-1"]


def _slow(root, counter):
    def build(tree):
        os.mkdir(tree)
        with counter.get_lock():
            counter.value += 1
        time.sleep(0.3)
        return {}

    assert os.path.isdir(Cache(root).entry("a-1", build).path)


def test_twenty_processes_share_one_build(cache):
    counter = FORK.Value("i", 0)
    processes = [FORK.Process(target=_slow, args=(cache.root, counter)) for _number in range(20)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 20
    assert counter.value == 1


def test_an_entry_of_an_earlier_start_of_the_machine_is_built_again(cache, monkeypatch):
    cache.entry("a-1", build_text("one"))
    cache.close()
    monkeypatch.setattr(cache_module, "_boot", lambda: "another start")
    assert cache.entry("a-1", build_text("two")).created
    assert not cache.entry("a-1", never).created


@pytest.mark.parametrize("record", ["", "{", "[]", '{"boot": null}', '{"data": 3}'])
def test_a_damaged_record_is_no_entry(cache, record):
    entry = cache.entry("a-1", build_text("one"))
    cache.close()
    with open(os.path.join(os.path.dirname(entry.path), "entry.json"), "w", encoding="utf-8") as stream:
        stream.write(record)
    assert cache.entry("a-1", build_text("two")).created


def test_old_entries_are_removed_but_not_those_in_use(cache):
    for key in ("old", "held", "fresh"):
        cache.entry(key, build_text(key))
    cache.close()
    holder = Cache(cache.root)
    holder.entry("held", never)
    age(cache, "entries", "old", 15)
    age(cache, "entries", "held", 15)
    assert cache.prune() == ["old"]
    assert sorted(os.listdir(os.path.join(cache.root, "entries"))) == ["fresh", "held"]
    holder.close()
    assert cache.prune() == ["held"]
    assert not os.path.exists(os.path.join(cache.root, "locks", "held"))


def test_only_the_newest_entries_are_kept_but_those_of_the_last_day_always(tmp_path):
    cache = Cache(str(tmp_path / "cache"), keep_newest=3)
    for number in range(6):
        cache.entry(f"e{number}", build_text("x"))
    cache.close()
    assert cache.prune() == [], "a play may still be using them"
    for number in range(6):
        age(cache, "entries", f"e{number}", 2 + number)
    assert sorted(cache.prune()) == ["e3", "e4", "e5"]


def test_using_an_entry_keeps_it(cache):
    cache.entry("a-1", build_text("x"))
    cache.close()
    age(cache, "entries", "a-1", 20)
    cache.entry("a-1", never)
    cache.close()
    assert cache.prune() == []


def test_leftovers_and_other_parts_are_removed_too(cache):
    os.mkdir(os.path.join(cache.root, "entries", "dead.building"))
    os.mkdir(cache.repository("git-1"))
    for path in (cache.partial("download-1"), cache.digests("digest-1")):
        open(path, "w", encoding="utf-8").close()
    for part, key in (("entries", "dead.building"), ("git", "git-1"), ("partial", "download-1"), ("digests", "digest-1")):
        age(cache, part, key, 20)
    with cache.locked("git-1"):
        assert sorted(cache.prune()) == ["dead", "digest-1", "download-1"]
    assert cache.prune() == ["git-1"]


def test_waiting_for_another_process_ends_with_a_name(cache, monkeypatch):
    monkeypatch.setattr(cache_module, "_WAIT", 0.1)
    with cache.locked("a-1"), pytest.raises(RunbookError, match=r"cache entry a-1 .*fuser"):
        Cache(cache.root).entry("a-1", never)


def test_a_lock_on_a_removed_file_is_not_relied_on(cache, monkeypatch):
    """Somebody prunes between our opening and our locking: two processes must not hold 'the' lock on two files of one name."""
    path = os.path.join(cache.root, "locks", "a-1")
    real = cache_module.fcntl.flock
    removed = []

    def flock(fd, kind):
        if not removed:
            removed.append(path)
            os.unlink(path)
        real(fd, kind)

    monkeypatch.setattr(cache_module.fcntl, "flock", flock)
    with cache.locked("a-1") as fd:
        assert removed
        assert os.fstat(fd).st_ino == os.stat(path).st_ino


def test_who_waited_for_another_build_looks_again(cache, monkeypatch):
    real = Cache._lock
    other = Cache(cache.root)

    def lock(self, key, kind):
        if self is cache and kind == cache_module.fcntl.LOCK_EX:
            other.entry(key, build_text("theirs"))
            other.close()
        return real(self, key, kind)

    monkeypatch.setattr(Cache, "_lock", lock)
    assert not cache.entry("a-1", never).created


def test_the_default_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/deploy")
    for value, root in [("/var/cache/x", "/var/cache/x/runbook.ops"), ("relative", "/home/deploy/.cache/runbook.ops")]:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert default_root() == root
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_root() == "/home/deploy/.cache/runbook.ops"


def test_the_folder_is_private(cache):
    for folder, _folders, _files in os.walk(cache.root):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


def test_a_folder_that_others_may_write_to_is_refused(tmp_path):
    root = tmp_path / "cache"
    root.mkdir()
    root.chmod(0o770)
    with pytest.raises(Refused, match="chmod 700"):
        Cache(str(root))
    (tmp_path / "link").symlink_to("cache")
    with pytest.raises(Refused, match="chmod 700"):
        Cache(str(tmp_path / "link"))


def test_somebody_elses_folder_is_refused(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir(mode=0o700)
    monkeypatch.setattr(cache_module.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(Refused, match="belongs to user"):
        Cache(str(tmp_path / "cache"))


def test_a_folder_that_can_not_be(tmp_path):
    with pytest.raises(InvalidInput, match="not absolute"):
        Cache("relative/cache")
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "cache"):
        with pytest.raises(RunbookError, match="set cache_dir"):
            Cache(str(path))


@pytest.mark.parametrize("key", ["", "../x", "a/b", ".", "A", "a.building", "a" * 200])
def test_keys_can_not_leave_the_folder(cache, key):
    with pytest.raises(ValueError, match="not a cache key"):
        cache.entry(key, never)


def test_the_record_is_written_last(cache):
    entry = cache.entry("a-1", build_text("one"))
    with open(os.path.join(os.path.dirname(entry.path), "entry.json"), encoding="utf-8") as stream:
        assert json.load(stream)["data"] == {"files": 1}
