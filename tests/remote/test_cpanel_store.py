# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cPanel backend against a stateful double of the server: what it does, and what it does when the server does not.

Every test of a fault ends in the same question: what is under the names afterwards, and what was said.
"""

from __future__ import annotations

import io
import itertools
import os
import pathlib
import subprocess
import threading
import time
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.account import account_from_options
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.api import Api
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.mutex import Mutex
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.store import CpanelStore
from ansible_collections.runbook.ops.plugins.module_utils._release.manifest import Manifest
from ansible_collections.runbook.ops.plugins.module_utils._release.walk import Rules, manifest_of
from remote.cpanel_double import Double

TOKEN = "S3CRETTOKEN/+0123456789"
Make = t.Callable[..., t.Tuple[Double, CpanelStore]]


@pytest.fixture(params=[136, 110])
def version(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def make(tmp_path: pathlib.Path) -> t.Iterator[Make]:
    """A double with an account of its own, and a store on the folder ``example.com`` in it."""
    started: list[Double] = []
    numbers = itertools.count()

    def made(version: int = 136, *, waits: list[float] | None = None, timing: dict[str, float] | None = None, **how: t.Any):
        home = tmp_path / f"home{next(numbers)}"
        (home / "example.com").mkdir(parents=True)
        double = Double(home, token=TOKEN, version=version, **how)
        double.port = double.start()
        started.append(double)
        return double, open_store(double, waits, **(timing or {}))

    yield made
    for double in started:
        double.stop()


def open_store(double: Double, waits: list[float] | None = None, **timing: float) -> CpanelStore:
    """Another controller's store on the same folder. It waits a hundredth of what it would."""

    def sleep(seconds: float) -> None:
        if waits is not None:
            waits.append(seconds)
        time.sleep(min(seconds, 1.0) / 100)

    account = account_from_options({"host": "http://127.0.0.1", "port": double.port, "user": "site", "token": TOKEN, "timeout": 5})
    return CpanelStore(Api(account, sleep=sleep), f"{double.home}/example.com", **{"patience": 0.3, **timing})


@pytest.fixture
def source(tmp_path: pathlib.Path) -> tuple[str, Manifest]:
    """A small release: nested, with names and contents of every kind that matters."""
    root = tmp_path / "source"
    for name, data in {
        "index.php": b"<?php echo 'one';\n",
        "wp/deep/er/page.html": "<!DOCTYPE html>\n<html lang='de'><p>Grüße, مرحبا</p></html>".encode(),
        "wp/a,b.txt": b"comma\n",
        "wp/latin.txt": "Grüße".encode("iso-8859-1"),
        "img/logo.png": bytes(range(256)) * 20,
        ".htaccess": b"Deny from none\n",
        "zero": b"",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / "cache").mkdir()
    (root / "bin").mkdir()
    (root / "bin/run.sh").write_text("#!/bin/sh\n")
    (root / "bin/run.sh").chmod(0o755)
    return str(root), manifest_of(str(root), Rules())


def on_disk(double: Double, folder: str) -> Manifest:
    return manifest_of(str(double.home / "example.com" / folder), Rules(keep_all=True))


def site(double: Double) -> pathlib.Path:
    return double.home / "example.com"


def live(double: Double, current: str = "old", new: str = "new") -> None:
    """A site as it is served: current is a folder, the next release lies beside it."""
    for folder, text in (("current", current), ("releases/2", new)):
        (site(double) / folder).mkdir(parents=True)
        (site(double) / folder / "index.php").write_text(text)


def served(double: Double) -> str:
    path = site(double) / "current/index.php"
    return path.read_text() if path.exists() else "MISSING"


# -- what every store does ---------------------------------------------------------------------------------------


def test_names_are_made_read_renamed_and_removed(make: Make, version: int) -> None:
    double, store = make(version)
    assert store.check_base()
    assert store.absolute("releases/1") == f"{double.home}/example.com/releases/1"
    assert store.read("nothing") is None and store.stat("nothing") is None and store.names("nothing") == []
    store.make_folder("releases/1", 0o750)
    assert (site(double) / "releases/1").stat().st_mode & 0o777 == 0o750
    data = bytes(range(256)) + "Grüße مرحبا\n".encode()
    store.write("releases/1/odd", data)
    assert store.read("releases/1/odd") == data == (site(double) / "releases/1/odd").read_bytes()
    assert store.stat("releases/1/odd").kind == "file" and store.stat("releases/1/odd").size == len(data)
    assert store.stat("releases/1").kind == "folder" and store.stat("releases/1").mode == 0o750
    assert store.names("releases/1") == ["odd"] and not store.links and store.read_link("releases/1") is None
    assert store.rename("releases/1", "releases/2") is True
    store.write("releases/1/other", b"x")
    with pytest.raises(FileExistsError):
        store.rename("releases/1", "releases/2")
    store.remove_tree("releases/1")
    assert store.names("releases/2") == ["odd"] and store.names("releases") == ["2"]
    store.write("file", b"1")
    store.write("new", b"2")
    assert store.rename("new", "file") is False and store.read("file") == b"2" and store.stat("new") is None
    store.remove("file")
    store.remove("file")
    store.remove_tree("releases/2")
    store.remove_tree("releases/2")
    assert store.names("") == [".runbook", "releases"] and store.names(".runbook/trash") == []
    with pytest.raises(OSError, match="no such name"):
        store.rename("nothing", "else")
    with pytest.raises(OSError, match="makes no links"):
        store.link("a", "b")
    assert store.exchange("a", "b") is False


def test_lines_are_added_and_torn_ones_are_closed(make: Make, version: int) -> None:
    double, store = make(version)
    store.append(".runbook/history.jsonl", b"one\n")
    with open(site(double) / ".runbook/history.jsonl", "ab") as stream:
        stream.write(b"tor")
    store.append(".runbook/history.jsonl", "zwei é\n".encode())
    assert (site(double) / ".runbook/history.jsonl").read_text() == "one\ntor\nzwei é\n"


def test_a_file_that_is_read_short_is_not_written_back_short(make: Make) -> None:
    double, store = make()
    store.append(".runbook/history.jsonl", b"one\n" * 50)
    double.fail("Fileman::get_file_content", "truncate")
    with pytest.raises(RunbookError, match="not given back whole"):
        store.append(".runbook/history.jsonl", b"two\n")
    assert (site(double) / ".runbook/history.jsonl").read_text() == "one\n" * 50


@pytest.mark.parametrize("kind", ["lie", "truncate", "refuse"])
def test_a_write_that_was_not_done_is_no_success(make: Make, kind: str) -> None:
    double, store = make()
    store.write("state", b"before")
    double.fail("Fileman::upload_files", kind)
    with pytest.raises(RunbookError, match="did not|infected"):
        store.write("state", b"after!")


def test_the_base_is_looked_at_and_other_places_are_refused(make: Make) -> None:
    double, _store = make()
    api = Api(account_from_options({"host": "http://127.0.0.1", "port": double.port, "user": "site", "token": TOKEN}))
    assert CpanelStore(api, "example.com").absolute("x") == f"{double.home}/example.com/x"
    assert CpanelStore(api, "~/example.com").absolute("x") == f"{double.home}/example.com/x"
    assert CpanelStore(api, "none").check_base() is False
    for bad, said in (("/etc", "not inside the home folder"), ("a,b", "without commas"), ("a/../b", "can't name"), ("", "empty")):
        with pytest.raises(InvalidInput, match=said):
            CpanelStore(api, bad).check_base()
    site(double).chmod(0o777)
    with pytest.raises(Refused, match="writable by every user"):
        CpanelStore(api, "example.com").check_base()
    (double.home / "file").write_text("")
    with pytest.raises(Refused, match="is a file"):
        CpanelStore(api, "file").check_base()


# -- a release ---------------------------------------------------------------------------------------------------


def test_a_tree_arrives_as_it_is_and_is_proved(make: Make, version: int, source: tuple[str, Manifest]) -> None:
    double, store = make(version)
    put = store.put_tree(*source, "releases/1", {})
    assert on_disk(double, "releases/1").root == source[1].root
    assert put.sent_files == 8 and put.linked == put.resumed == 0 and put.sent_bytes > 0
    assert put.notes == ["every name, size and byte of 8 files was read back and compared"]
    assert set(put.stamps) == set(source[1].files)
    assert store.names(".runbook/incoming") == [], "the archive is of no more use"
    drift, stamp = store.verify("releases/1", source[1])
    assert not drift and stamp == store.stamp("releases/1")
    assert store.manifest_of("releases/1") == source[1]
    assert abs(os.stat(site(double) / "releases/1/index.php").st_mtime - time.time()) < 60, "browsers must see another file"


def test_verify_sees_bytes_names_and_sizes(make: Make, source: tuple[str, Manifest]) -> None:
    double, store = make()
    store.put_tree(*source, "releases/1", {})
    stamp = store.stamp("releases/1")
    path = site(double) / "releases/1/index.php"
    path.write_bytes(path.read_bytes().replace(b"one", b"two"))
    assert store.verify("releases/1", source[1])[0].drifted == ["index.php"]
    path.chmod(0o600)
    assert store.stamp("releases/1") != stamp
    path.unlink()
    (site(double) / "releases/1/more").write_text("")
    drift = store.verify("releases/1", source[1])[0]
    assert (drift.missing, drift.extra, drift.drifted) == (["index.php"], ["more"], [])
    with pytest.raises(FileNotFoundError):
        store.stamp("releases/none")


def test_calls_count_folders_and_not_files(make: Make, tmp_path: pathlib.Path) -> None:
    double, store = make()
    root = tmp_path / "many"
    for folder in range(90):
        (root / f"d{folder}").mkdir(parents=True)
        for file in range(20):
            (root / f"d{folder}/f{file}").write_text(f"{folder} {file}")
    manifest = manifest_of(str(root), Rules())
    store.put_tree(str(root), manifest, "releases/1", {})
    before = store._api.calls
    store.stamp("releases/1")
    assert store._api.calls - before == 4, "one for the root, three for 90 folders"
    before = store._api.calls
    assert not store.verify("releases/1", manifest)[0]
    assert store._api.calls - before <= 4 + 1800 / 25


@pytest.mark.parametrize("how", [{"page_size": 2}, {"published_lists": True}, {"wrapped": False}])
def test_answers_come_in_several_shapes(make: Make, source: tuple[str, Manifest], how: dict[str, t.Any]) -> None:
    double, store = make(**how)
    store.put_tree(*source, "releases/1", {})
    assert on_disk(double, "releases/1").root == source[1].root
    assert store.manifest_of("releases/1") == source[1]


def test_what_the_host_does_not_give_back_is_said(make: Make, source: tuple[str, Manifest]) -> None:
    _double, store = make(content="text")
    note = store.put_tree(*source, "releases/1", {}).notes[-1]
    assert "the contents of 7 of 8 files were read back" in note and "checksum" in note
    _double, store = make(restricted={"Fileman::get_file_content": "You do not have the feature \u201cfilemanager\u201d."})
    with pytest.raises(RunbookError, match="File Manager"):
        store.read("anything")
    _double, store = make(content="utf8")
    note = store.put_tree(*source, "releases/1", {}).notes[-1]
    assert "of 8 files were read back" in note


def test_permissions_are_those_of_the_release(make: Make, version: int, source: tuple[str, Manifest]) -> None:
    double, store = make(version, umask=0o077)
    put = store.put_tree(*source, "releases/1", {})
    assert [note for note in put.notes if "permissions" in note] == [
        "1 names have other permissions than in the source, first wp/a,b.txt: 0600 instead of 0644"
    ], "a comma ends a name in fileop"
    assert (site(double) / "releases/1/bin/run.sh").stat().st_mode & 0o777 == 0o755


def test_what_can_not_be_made_is_refused_before_anything_is_sent(make: Make, tmp_path: pathlib.Path) -> None:
    double, store = make()
    root = tmp_path / "odd"
    root.mkdir()
    (root / os.fsdecode(b"caf\xe9")).write_text("")
    with pytest.raises(RunbookError, match="is not UTF-8"):
        store.put_tree(str(root), manifest_of(str(root), Rules()), "releases/1", {})
    assert double.count("Fileman::upload_files") == 0 and store.names("releases") == []


def test_links_are_unpacked_where_the_host_does_that(make: Make, version: int, tmp_path: pathlib.Path) -> None:
    root = tmp_path / "linked"
    root.mkdir()
    (root / "index.php").write_text("<?php\n")
    (root / "uploads").symlink_to("../shared/uploads")
    manifest = manifest_of(str(root), Rules(keep_all=True))
    double, store = make(version)
    put = store.put_tree(str(root), manifest, "releases/1", {})
    assert os.readlink(site(double) / "releases/1/uploads") == "../shared/uploads"
    assert put.notes[-1].endswith("1 symbolic links are there, where they lead can't be read")
    assert not store.verify("releases/1", manifest)[0]
    assert store.put_tree(str(root), manifest, "releases/1", {}).resumed == 1
    (site(double) / "releases/1/uploads").unlink()
    assert store.verify("releases/1", manifest)[0].missing == ["uploads"]
    double, store = make(version, links=False)
    with pytest.raises(RunbookError, match=r"makes no symbolic links when it unpacks \(first uploads, 1 in all\)"):
        store.put_tree(str(root), manifest, "releases/1", {})
    assert store.names("releases") == []


def test_a_source_that_changes_meanwhile_is_not_sent(make: Make, source: tuple[str, Manifest]) -> None:
    double, store = make()
    path = pathlib.Path(source[0], "index.php")
    path.write_bytes(path.read_bytes().replace(b"one", b"two"))
    with pytest.raises(RunbookError, match="index.php was changed while it was staged"):
        store.put_tree(*source, "releases/1", {})
    assert double.count("Fileman::upload_files") == 0


# -- room --------------------------------------------------------------------------------------------------------


def test_room_is_looked_for_first(make: Make, source: tuple[str, Manifest]) -> None:
    for how, said in (
        ({"quota_mb": 0.01}, "MB left of its quota"),
        ({"inode_limit": 8}, "more files and folders"),
        ({"upload_max": 100}, "takes uploads of at most"),
    ):
        double, store = make(**how)
        with pytest.raises(Refused, match=said):
            store.put_tree(*source, "releases/1", {})
        assert double.count("Fileman::upload_files") == 0 and store.names("releases") == []


def test_a_quota_that_is_met_on_the_way_leaves_nothing_half(make: Make, version: int, source: tuple[str, Manifest]) -> None:
    double, store = make(version, restricted={"Quota::get_quota_info": "You do not have the feature \u201cdiskusageviewer\u201d."})
    double.fail("Fileman::fileop:extract", "error", "/home/site/x: Disk quota exceeded")
    with pytest.raises(RunbookError, match="quota exceeded; free some space"):
        store.put_tree(*source, "releases/1", {})
    assert store.names("releases") == [] and len(store.names(".runbook/archives")) == 1
    (site(double) / ".runbook/archives/other-7.tar.gz").write_text("nothing")
    put = store.put_tree(*source, "releases/1", {})
    assert on_disk(double, "releases/1").root == source[1].root and store.names(".runbook/archives") == []
    assert put.sent_bytes == 0 and put.resumed == 8 and "had sent the archive" in put.notes[0], "what arrived whole is not sent again"


# -- broken connections and lies ---------------------------------------------------------------------------------


def test_an_upload_that_breaks_off_is_sent_again(make: Make, tmp_path: pathlib.Path) -> None:
    double, store = make()
    root = tmp_path / "big"
    root.mkdir()
    (root / "noise").write_bytes(os.urandom(3_000_000))
    manifest = manifest_of(str(root), Rules())
    double.fail("Fileman::upload_files", "cut_upload", 1_000_000, times=2)
    double.fail("Fileman::upload_files", "cut_after")
    put = store.put_tree(str(root), manifest, "releases/1", {})
    assert on_disk(double, "releases/1").root == manifest.root and put.sent_files == 1


@pytest.mark.parametrize("kind", ["lie", "truncate"])
def test_an_archive_that_did_not_arrive_is_no_success(make: Make, source: tuple[str, Manifest], kind: str) -> None:
    double, store = make()
    double.fail("Fileman::upload_files", kind)
    with pytest.raises(RunbookError, match="says that the archive arrived, but"):
        store.put_tree(*source, "releases/1", {})
    assert double.count("Fileman::fileop:extract") == 0 and store.stat("releases/1") is None
    store.put_tree(*source, "releases/1", {})
    assert on_disk(double, "releases/1").root == source[1].root


def test_each_upload_has_its_own_status(make: Make, source: tuple[str, Manifest]) -> None:
    double, store = make()
    double.fail("Fileman::upload_files", "refuse")
    with pytest.raises(RunbookError, match="infected"):
        store.put_tree(*source, "releases/1", {})


@pytest.mark.parametrize("kind", ["lie", "truncate"])
def test_what_was_not_unpacked_is_unpacked_again(make: Make, version: int, source: tuple[str, Manifest], kind: str) -> None:
    double, store = make(version)
    double.fail("Fileman::fileop:extract", kind)
    store.put_tree(*source, "releases/1", {})
    assert on_disk(double, "releases/1").root == source[1].root and double.count("Fileman::fileop:extract") == 2
    double.fail("Fileman::fileop:extract", kind, times=0)
    with pytest.raises(RunbookError, match="says that it unpacked the release, but .* missing"):
        store.put_tree(*source, "releases/2", {})
    assert store.names("releases") == ["1"], "half a release is not left under its name"


@pytest.mark.parametrize("kind", ["lie", "truncate"])
def test_half_a_release_is_removed_although_what_was_there_is_remembered(
    make: Make, version: int, source: tuple[str, Manifest], kind: str
) -> None:
    double, store = make(version)
    double.fail("Fileman::fileop:extract", kind, times=0)
    with store.mutex():
        with pytest.raises(RunbookError, match="says that it unpacked the release, but .* missing"):
            store.put_tree(*source, ".runbook/incoming/1/tree", {})
        assert os.listdir(site(double) / ".runbook/incoming/1") == os.listdir(site(double) / ".runbook/archives") == []
        double.faults.clear()
        store.put_tree(*source, ".runbook/incoming/1/tree", {})
        assert store.stat(".runbook/incoming/1/tree").kind == "folder"
        (site(double) / ".runbook/incoming/1/tree/index.php").write_bytes(b"<?php echo 'bad';\n")
        assert "were damaged" in store.put_tree(*source, ".runbook/incoming/1/tree", {}).notes[0]
        assert store.stat(".runbook/incoming/1/tree").kind == "folder"
        assert store.rename(".runbook/incoming/1/tree", "1") and on_disk(double, "1").root == source[1].root


def test_bytes_that_differ_are_seen_and_sent_again(make: Make, source: tuple[str, Manifest]) -> None:
    double, store = make()
    extract, spoilt = double._op_extract, []

    def spoil(source_: str, dest: str, metadata: str, act: str) -> None:
        extract(source_, dest, metadata, act)
        if not spoilt:
            spoilt.append(dest)
            pathlib.Path(dest, "index.php").write_bytes(b"<?php echo 'evil'\n")

    double._op_extract = spoil
    put = store.put_tree(*source, "releases/1", {})
    assert on_disk(double, "releases/1").root == source[1].root
    assert "was not what was sent (1 changed of" in put.notes[0]


def test_an_answer_that_is_lost_does_not_unpack_twice(make: Make, version: int, source: tuple[str, Manifest]) -> None:
    double, store = make(version)
    double.fail("Fileman::fileop:extract", "cut_after")
    store.put_tree(*source, "releases/1", {})
    assert double.count("Fileman::fileop:extract") == 1
    double.fail("Fileman::fileop:extract", "cut_before")
    store.put_tree(*source, "releases/2", {})
    assert on_disk(double, "releases/2").root == source[1].root


def test_slow_unpacking_is_waited_for(make: Make, source: tuple[str, Manifest]) -> None:
    double, store = make()
    double.fail("Fileman::fileop:extract", "detach", 0.05)
    store.put_tree(*source, "releases/1", {})
    assert double.count("Fileman::fileop:extract") == 1, "the server was still at it when its connection was gone"


def test_a_folder_that_can_not_be_listed_is_not_empty(make: Make) -> None:
    double, store = make()
    live(double)
    double.fail("Fileman::list_files", "error", "/home/site/x: Permission denied", skip=2, times=2)
    with pytest.raises(RunbookError, match="Permission denied"):
        store.stamp("")


def test_what_a_killed_run_unpacked_is_taken_as_it_is(make: Make, source: tuple[str, Manifest]) -> None:
    double, store = make()
    store.put_tree(*source, "releases/1", {})
    uploads = double.count("Fileman::upload_files")
    put = store.put_tree(*source, "releases/1", {})
    assert put.sent_bytes == 0 and put.resumed == 8 and double.count("Fileman::upload_files") == uploads
    (site(double) / "releases/1/index.php").write_bytes(b"<?php echo 'bad';\n")
    put = store.put_tree(*source, "releases/1", {})
    assert put.sent_files == 8 and on_disk(double, "releases/1").root == source[1].root
    (site(double) / "releases/1/index.php").unlink()
    put = store.put_tree(*source, "releases/1", {})
    assert put.sent_files == 8 and on_disk(double, "releases/1").root == source[1].root


# -- replacing ---------------------------------------------------------------------------------------------------

MOVE = {136: "Fileman::move_file", 110: "Fileman::fileop:move"}


def swap(store: CpanelStore) -> t.Any:
    return store.exchange_folders("current", "releases/1", "releases/2")


def test_a_swap_is_one_call_where_there_is_one(make: Make, version: int) -> None:
    double, store = make(version)
    live(double)
    done = swap(store)
    assert served(double) == "new" and (site(double) / "releases/1/index.php").read_text() == "old"
    assert not done.atomic and done.missing_ms < 2000 and done.calls == (1 if version == 136 else 2)
    assert store.read(".runbook/exchange.json") is None and store.settle() == ""


def test_the_second_step_failing_puts_back_what_was_served(make: Make, version: int) -> None:
    double, store = make(version)
    live(double)
    double.fail(MOVE[version], "error", "/home/site/x: Permission denied", skip=1)
    with pytest.raises(RunbookError, match=r"what was there is back, it was missing for at most \d+ ms"):
        swap(store)
    assert served(double) == "old" and store.names("releases") == ["2"]
    assert store.settle() == "" and swap(store) and served(double) == "new"


def test_the_first_step_failing_changes_nothing(make: Make, version: int) -> None:
    double, store = make(version)
    live(double)
    double.fail(MOVE[version], "error", "/home/site/x: Permission denied")
    with pytest.raises(RunbookError, match="nothing was changed"):
        swap(store)
    assert served(double) == "old" and store.names("releases") == ["2"]


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("kind", ["cut_before", "cut_after"])
def test_a_lost_answer_is_looked_after(make: Make, version: int, kind: str, skip: int) -> None:
    double, store = make(version)
    live(double)
    double.fail(MOVE[version], kind, skip=skip)
    if kind == "cut_before" and skip == 0:
        with pytest.raises(RunbookError, match="nothing was changed"):
            swap(store)
        assert served(double) == "old"
    else:
        swap(store)
        assert served(double) == "new" and (site(double) / "releases/1/index.php").read_text() == "old"


def test_a_slow_swap_is_waited_for(make: Make, version: int) -> None:
    double, _store = make(version)
    live(double)
    double.fail("Batch::strict" if version == 136 else MOVE[version], "detach", 0.3, skip=1 if version == 136 else 0)
    swap(open_store(double, patience=5.0))
    assert served(double) == "new"


def test_a_step_that_is_only_said_to_be_taken(make: Make, version: int) -> None:
    double, store = make(version)
    live(double)
    double.fail(MOVE[version], "lie", skip=1)
    swap(store)
    assert served(double) == "new", "the second step was taken again"
    double, store = make(version)
    live(double)
    double.fail(MOVE[version], "lie", times=2)
    with pytest.raises(RunbookError, match="nothing was changed"):
        swap(store)
    assert served(double) == "old"


def test_what_can_not_be_put_back_is_said_loudly_and_put_back_by_the_next_run(make: Make, version: int) -> None:
    double, store = make(version)
    live(double)
    double.fail(MOVE[version], "error", "/home/site/x: Permission denied", skip=1, times=0)
    with pytest.raises(RunbookError, match="current is MISSING .*/releases/1 and could not be renamed back"):
        swap(store)
    assert served(double) == "MISSING"
    double.faults.clear()
    assert open_store(double).settle() == "an interrupted run had moved current away to replace it; it was put back"
    assert served(double) == "old" and store.settle() == ""


def test_a_taken_name_is_not_moved_into(make: Make, version: int) -> None:
    double, store = make(version)
    live(double)
    (site(double) / "releases/1").mkdir()
    with pytest.raises(OSError, match="taken"):
        swap(store)
    assert served(double) == "old" and os.listdir(site(double) / "releases/1") == []
    with pytest.raises(OSError, match="missing"):
        store.exchange_folders("current", "releases/9", "releases/none")
    assert served(double) == "old"


@pytest.mark.parametrize("function", ["Batch::strict", "Fileman::move_file", "Fileman::rename_file", "Fileman::delete_file"])
def test_functions_that_the_host_restricts_have_others(make: Make, source: tuple[str, Manifest], function: str) -> None:
    double, store = make(restricted={function: "You do not have the feature \u201capishell\u201d."})
    live(double)
    swap(store)
    assert served(double) == "new"
    store.put_tree(*source, "releases/3", {})
    assert on_disk(double, "releases/3").root == source[1].root
    store.rename("releases/3", "releases/4")
    store.remove_tree("releases/4")
    assert store.names("releases") == ["1"]


def test_a_folder_that_can_only_be_trashed_is_said(make: Make) -> None:
    double, store = make(110, unlink_folders=False)
    live(double)
    store.remove_tree("releases/2")
    assert store.names("releases") == [] and store.names(".runbook/trash") == [] and "account's trash" in store.notes[0]


def test_a_removal_that_is_only_said_is_seen(make: Make, version: int) -> None:
    double, store = make(version)
    live(double)
    for function in ("Fileman::delete_file", "Fileman::fileop:unlink", "Fileman::fileop:trash"):
        double.fail(function, "lie", times=0)
    with pytest.raises(RunbookError, match="says that it deleted"):
        store.remove_tree("releases/2")
    assert store.names("releases") == [], "out of sight all the same"
    double.faults.clear()
    store.empty_trash()
    assert store.names(".runbook/trash") == []


# -- one controller at a time ------------------------------------------------------------------------------------

QUICK = {"stale_after": 0.8, "beat": 0.1}


def test_controllers_take_turns(make: Make, version: int) -> None:
    double, _store = make(version)
    inside, most, rounds = [0], [0], [0]

    def work() -> None:
        store = open_store(double, stale_after=5.0, beat=0.5)
        for _round in range(4):
            with store.mutex(), store.mutex():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.01)
                inside[0] -= 1
                rounds[0] += 1

    threads = [threading.Thread(target=work) for _each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most[0], rounds[0]) == (1, 16)
    assert sorted(os.listdir(site(double) / ".runbook")) == ["trash"] and os.listdir(site(double) / ".runbook/trash") == []


def dead(double: Double) -> Mutex:
    """A mutex whose holder was killed: nobody moves it any more."""
    store = open_store(double, beat=1000.0)
    store.make_folder(".runbook/trash", 0o700)
    mutex = Mutex(store._mover, store._place.rel(".runbook"), store._changes.destroy, lambda line: None, stale_after=1000.0, beat=1000.0)
    mutex.acquire()
    return mutex


def test_a_dead_holder_is_pushed_aside_and_a_living_one_is_not(make: Make, version: int) -> None:
    double, store = make(version, timing=QUICK)
    dead(double)
    began = time.monotonic()
    with store.mutex():
        assert time.monotonic() - began >= 0.8
        assert store.notes == []
        other, entered = open_store(double, **QUICK), []

        def wait() -> None:
            with other.mutex():
                entered.append(time.monotonic())

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(2.0)
        assert not entered, "it beats, so it lives, however long it takes"
        left = time.monotonic()
    thread.join()
    assert entered[0] >= left
    assert "was pushed aside" in store.notes[0]


def test_several_waiters_for_a_dead_holder_enter_one_by_one(make: Make, version: int) -> None:
    double, _store = make(version)
    inside, most, rounds = [0], [0], [0]

    def work() -> None:
        with open_store(double, **QUICK).mutex():
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.05)
            inside[0] -= 1
            rounds[0] += 1

    for _round in range(3):
        dead(double)
        threads = [threading.Thread(target=work) for _each in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (most[0], rounds[0]) == (1, 9)


def test_a_waiter_that_slept_does_not_push_aside_a_new_holder(make: Make, version: int) -> None:
    double, store = make(version)
    first = dead(double)
    waiter = dead_waiter(store)
    stale = waiter._files.names(waiter._name)
    first.release()
    second = dead(double)
    waiter._take_over(stale)
    assert f"owner-{second._token}" in os.listdir(site(double) / ".runbook/mutex") and waiter.notes == []
    assert sorted(os.listdir(site(double) / ".runbook/mutex")) == [f"owner-{second._token}"], "and leaves no claim behind"
    second.release()


def test_a_holder_that_was_kept_from_beating_looks_before_it_goes_on(make: Make) -> None:
    _double, store = make(timing={"stale_after": 0.3, "beat": 1000.0})
    with store.mutex():
        time.sleep(0.4)
        store.write("state", b"x")
        assert not store._mutex._overdue(), "nobody had taken it over, and now it was moved"


def test_somebody_elses_claim_is_respected(make: Make, version: int) -> None:
    double, store = make(version)
    holder = dead(double)
    waiter = dead_waiter(store)
    stale = waiter._files.names(waiter._name)
    (site(double) / ".runbook/mutex/next").mkdir()
    (site(double) / ".runbook/mutex/next/by-other").write_text("")
    waiter._take_over(stale)
    assert waiter.notes == [] and sorted(os.listdir(site(double) / ".runbook/mutex")) == ["next", f"owner-{holder._token}"]
    waiter._take_over(waiter._files.names(waiter._name))
    assert "was pushed aside" in waiter.notes[0], "a claim that has not moved either is removed"


def test_a_lying_mutex_is_not_believed(make: Make, version: int) -> None:
    double, store = make(version)
    double.fail({136: "Fileman::rename_file", 110: "Fileman::fileop:rename"}[version], "lie", times=2)
    with store.mutex():
        assert (site(double) / ".runbook/mutex").is_dir()


def dead_waiter(store: CpanelStore) -> Mutex:
    return Mutex(store._mover, store._place.rel(".runbook"), store._changes.destroy, lambda line: None)


def test_who_lost_the_mutex_changes_nothing_more(make: Make) -> None:
    double, store = make(timing=QUICK)
    with store.mutex():
        os.rename(site(double) / ".runbook/mutex", site(double) / ".runbook/taken")
        deadline = time.monotonic() + 5
        while not store._mutex.lost and time.monotonic() < deadline:
            time.sleep(0.02)
        with pytest.raises(RunbookError, match="nothing more is changed"):
            store.write("state", b"x")
        os.rename(site(double) / ".runbook/taken", site(double) / ".runbook/mutex")


# -- what is remembered while the mutex is held -----------------------------------------------------------------


def test_what_is_asked_once_is_not_asked_again_and_forgotten_at_the_end(make: Make, version: int) -> None:
    double, store = make(version)
    large = b"x" * 300_000 + b"y"
    store.write(".runbook/swap.json", b"one")
    store.write(".runbook/releases/1.json", b"record")
    with store.mutex():
        before = store._api.calls
        for _again in range(2):
            assert store.check_base() and store.names(".runbook/releases") == ["1.json"] and store.stat("current") is None
            assert store.read_each([".runbook/swap.json", ".runbook/releases/1.json", "none", ".runbook/lock/owner.json"]) == [
                b"one",
                b"record",
                None,
                None,
            ]
        assert store._api.calls == before, "all that was asked in the call that proved that the mutex is ours"
        store.write(".runbook/swap.json", b"two")
        store.make_folder("releases/2", 0o755)
        before = store._api.calls
        assert store.read(".runbook/swap.json") == b"two" and store.names("releases") == ["2"]
        assert store.stat("releases/2").kind == "folder" and store.names("releases/2") == []
        assert store._api.calls == before, "what this run did itself is known too"
        store.write(".runbook/large", large)
        (site(double) / ".runbook/large").write_bytes(large[::-1])
        assert store.read(".runbook/large") == large[::-1], "only its size was seen"
        store.remove(".runbook/swap.json")
        assert store.read(".runbook/swap.json") is None and store.names(".runbook/releases") == ["1.json"]
    (site(double) / ".runbook/swap.json").write_text("of another")
    (site(double) / ".runbook/releases/3.json").write_text("of another")
    assert store.read(".runbook/swap.json") == b"of another"
    with store.mutex():
        assert store.read(".runbook/swap.json") == b"of another" and store.names(".runbook/releases") == ["1.json", "3.json"]


def test_nothing_is_known_before_the_mutex_is_ours(make: Make, version: int) -> None:
    """What is asked together with the first try, which fails here, was asked while the site was another's."""
    double, store = make(version)
    store.write(".runbook/swap.json", b"of the one before")
    double.fail({136: "Fileman::rename_file", 110: "Fileman::fileop:rename"}[version], "lie")
    store._api.sleep = lambda _seconds: (site(double) / ".runbook/swap.json").write_text("of the one before, at its end") and None
    with store.mutex():
        assert store.read(".runbook/swap.json") == b"of the one before, at its end"


def test_a_mutex_is_waited_for_although_nobody_was_seen_to_hold_it(make: Make, version: int) -> None:
    double, store = make(version)
    assert store.check_base()
    holder = dead(double)
    entered: list[bytes | None] = []

    def wait() -> None:
        with store.mutex():
            entered.append(store.read("state"))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    assert entered == []
    (site(double) / "state").write_text("as the holder left it")
    holder.release()
    thread.join(20)
    assert entered == [b"as the holder left it"]


@pytest.mark.parametrize("kind", ["lie", "truncate", "refuse"])
def test_writing_is_looked_at_also_while_the_mutex_is_held(make: Make, version: int, kind: str) -> None:
    double, store = make(version)
    with store.mutex():
        store.write("state", b"before")
        double.fail("Fileman::upload_files", kind)
        with pytest.raises(RunbookError, match="did not|infected"):
            store.write("state", b"after!")
        assert store.read("state") == (site(double) / "state").read_bytes(), "and nothing is believed of what failed"
        with pytest.raises(RunbookError, match="did not"):
            double.fail("Fileman::upload_files", "lie", skip=1)
            store.write_each({"one": b"1", "two": "zwei é".encode()})
        store.write_each({"one": b"1", "two": "zwei é".encode()})
        assert store.read("two") == "zwei é".encode() == (site(double) / "two").read_bytes()


def test_steps_are_looked_at_also_while_the_mutex_is_held(make: Make, version: int) -> None:
    double, store = make(version)
    live(double)
    moves = {136: ["Fileman::move_file", "Fileman::rename_file"], 110: ["Fileman::fileop:move", "Fileman::fileop:rename"]}[version]
    with store.mutex():
        assert store.names("releases") == ["2"]
        for function in moves:
            double.fail(function, "lie", times=0)
        for new in ("releases/3", "aside"):
            with pytest.raises(RunbookError, match="says that .* was renamed to .*, but it was not"):
                store.rename("releases/2", new)
        with pytest.raises(RunbookError, match="but it was not"):
            store.remove_tree("releases/2")
        with pytest.raises(RunbookError, match="nothing was changed"):
            swap(store)
        double.faults.clear()
        assert store.names("releases") == ["2"] and served(double) == "old"
        store.write("state", b"x")
        for function in ("Fileman::delete_file", "Fileman::fileop:unlink", "Fileman::fileop:trash"):
            double.fail(function, "lie", times=0)
        with pytest.raises(RunbookError, match="says that it deleted"):
            store.remove("state")
        double.faults.clear()
        assert store.read("state") == b"x"
        assert store.read("current/index.php") == b"old"
        swap(store)
        assert store.read("current/index.php") == b"new" and store.read("releases/1/index.php") == b"old"
        store.rename("releases/1", "releases/4")
        assert store.read("releases/1/index.php") is None and store.read("releases/4/index.php") == b"old"


def test_names_that_somebody_else_took_are_seen_although_the_mutex_is_held(make: Make, version: int) -> None:
    """A file manager asks for no mutex."""
    double, store = make(version)
    live(double)
    with store.mutex():
        assert store.names("releases") == ["2"] and store.stat("releases/1") is None
        (site(double) / "releases/1").mkdir()
        with pytest.raises(FileExistsError):
            store.rename("releases/2", "releases/1")
        with pytest.raises(OSError, match="taken"):
            swap(store)
    assert served(double) == "old" and os.listdir(site(double) / "releases/1") == []


def test_a_history_that_was_read_short_with_the_mutex_is_not_written_back_short(make: Make, version: int) -> None:
    double, store = make(version)
    store.append(".runbook/history.jsonl", b"one\n" * 50)
    double.fail("Fileman::get_file_content", "truncate")
    with store.mutex(), pytest.raises(RunbookError, match="not given back whole"):
        store.append(".runbook/history.jsonl", b"two\n")
    assert (site(double) / ".runbook/history.jsonl").read_text() == "one\n" * 50
    with store.mutex():
        store.append(".runbook/history.jsonl", "zwei é\n".encode())
        before = store._api.calls
        store.append(".runbook/history.jsonl", b"three\n")
        assert store._api.calls - before <= 3, "it is not read again to be added to"
    assert (site(double) / ".runbook/history.jsonl").read_text() == "one\n" * 50 + "zwei é\nthree\n"


def test_a_mutex_that_is_another_s_by_now_is_not_removed(make: Make, version: int) -> None:
    double, store = make(version, timing={"stale_after": 1000.0, "beat": 1000.0})
    mutex = site(double) / ".runbook/mutex"
    with store.mutex():
        os.rename(mutex, site(double) / ".runbook/taken")
        mutex.mkdir()
        (mutex / "owner-other").write_text("1")
    assert os.listdir(mutex) == ["owner-other"]


def test_a_mutex_is_given_back_whatever_the_host_allows(make: Make, version: int) -> None:
    for trouble in ({"Batch::strict": "You do not have the feature \u201capishell\u201d."}, {"Fileman::delete_file": "It is disabled."}):
        double, store = make(version, restricted=trouble)
        for _round in range(2):
            with store.mutex():
                store.write("state", b"x")
        assert os.listdir(site(double) / ".runbook") == ["trash"] and os.listdir(site(double) / ".runbook/trash") == []
        assert store.notes == []


@pytest.mark.parametrize("how", [{"page_size": 2}, {"published_lists": True}, {"wrapped": False}, {"content": "utf8"}])
def test_what_is_asked_with_the_mutex_comes_in_several_shapes(make: Make, how: dict[str, t.Any]) -> None:
    _double, store = make(**how)
    for number in range(5):
        store.write(f".runbook/releases/{number}.json", f"é {number}".encode())
    with store.mutex():
        names = store.names(".runbook/releases")
        assert names == [f"{number}.json" for number in range(5)]
        assert store.read_each([f".runbook/releases/{name}" for name in names]) == [f"é {number}".encode() for number in range(5)]


def test_a_release_that_is_damaged_after_it_was_proved_shows(make: Make, source: tuple[str, Manifest]) -> None:
    """The stamp of a staging is what was seen before the contents were read back."""
    double, store = make()
    with store.mutex():
        put = store.put_tree(*source, "releases/1", {})
        assert put.stamp == store.stamp("releases/1")
    double_read = double.uapi_fileman_get_file_content

    def damaging(params: dict[str, str], act: str) -> dict[str, t.Any]:
        answer = double_read(params, act)
        if params["file"] == "index.php":
            (site(double) / "releases/2/index.php").write_text("damaged a moment after it was read")
        return answer

    double.uapi_fileman_get_file_content = damaging
    with store.mutex():
        put = store.put_tree(*source, "releases/2", {})
        assert put.stamp != store.stamp("releases/2")


# -- the connection ----------------------------------------------------------------------------------------------


def test_busy_servers_are_asked_again_as_they_wish(make: Make) -> None:
    waits: list[float] = []
    double, store = make(waits=waits)
    double.fail("Variables::get_user_information", "http", 429, retry_after="7")
    double.fail("Fileman::list_files", "http", 503, times=2)
    assert store.names("") == []
    assert waits[0] == 7.0 and 0.3 < waits[1] < waits[2] < 2
    double.fail("Fileman::list_files", "http", 503, times=0)
    with pytest.raises(RunbookError, match="HTTP 503, 6 times"):
        store.names("")


def test_a_rename_is_not_repeated_blindly(make: Make) -> None:
    double, store = make()
    live(double)
    store.stat("")
    calls = len(double.calls)
    double.fail("Batch::strict", "http", 503, skip=1)  # the first one only looks
    with pytest.raises(RunbookError, match="nothing was changed"):
        swap(store)
    assert "Fileman::move_file" not in double.calls[calls:]
    double.fail("Batch::strict", "http", 429, skip=1)
    swap(store)
    assert served(double) == "new", "429 says that nothing was done"


def test_wrong_tokens_hosts_and_ports(make: Make) -> None:
    double, _store = make()

    def said(**remote: t.Any) -> str:
        options = {"host": "http://127.0.0.1", "port": double.port, "user": "site", "token": TOKEN, "timeout": 2, **remote}
        store = CpanelStore(Api(account_from_options(options), sleep=lambda seconds: None), "example.com")
        with pytest.raises(RunbookError) as error:
            store.check_base()
        assert "\n" not in error.value.message and TOKEN not in error.value.message
        return error.value.message

    assert "does not accept the token of site (HTTP 401)" in said(token="wrong")
    assert "does not accept the token of other" in said(user="other")
    assert "there is no host named" in said(host="cpanel.invalid", port=2083)
    assert "the connection was refused" in said(port=1)
    double.fail("Variables::get_user_information", "http", 200)
    assert "something that is not cPanel's API" in said()
    double.fail("Variables::get_user_information", "http", 404)
    assert "check remote.host and remote.port" in said()
    double.fail("Variables::get_user_information", "error", f"no such {TOKEN}")
    assert "no such ***" in said()


def test_a_redirect_never_takes_the_token_along(make: Make) -> None:
    double, store = make()
    other, _store = make()
    double.fail("Variables::get_user_information", "redirect", f"http://localhost:{other.port}/execute/x/y")
    with pytest.raises(RunbookError, match="sends .* on to localhost"):
        store.check_base()
    assert other.authorizations == []


def test_the_token_is_in_no_text(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    _double, store = make()
    store.write("state", b"x")
    assert TOKEN not in repr(store._api) + repr(store._api.account) + repr(vars(store)) + caplog.text


def test_restricted_functions_are_named_with_what_to_do(make: Make, source: tuple[str, Manifest]) -> None:
    _double, store = make(restricted={"Fileman::fileop:extract": "You do not have the feature \u201cfilemanager\u201d."})
    with pytest.raises(
        RunbookError,
        match="Fileman::fileop failed .* ask that the account gets the feature File Manager and .* or deploy with backend: sftp",
    ):
        store.put_tree(*source, "releases/1", {})
    _double, store = make(restricted={"Variables::get_user_information": "This function is disabled by the administrator."})
    assert store.check_base(), "the home folder is known from elsewhere"


def test_certificates_are_verified(tmp_path: pathlib.Path) -> None:
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert),
        ],
        check=True,
        capture_output=True,
    )
    (tmp_path / "home/example.com").mkdir(parents=True)
    double = Double(tmp_path / "home", token=TOKEN)
    port = double.start(cert=cert, key=key)
    options = {"host": "localhost", "port": port, "user": "site", "token": TOKEN}
    try:
        with pytest.raises(RunbookError, match="is not trusted"):
            CpanelStore.from_options(options, "example.com").check_base()
        with pytest.raises(RunbookError, match="is not trusted"):
            CpanelStore.from_options({**options, "host": "127.0.0.1", "ca_path": cert}, "example.com").check_base()
        assert double.authorizations == []
        assert CpanelStore.from_options({**options, "ca_path": cert}, "example.com").check_base()
        assert CpanelStore.from_options({**options, "host": "127.0.0.1", "validate_certs": False}, "example.com").check_base()
    finally:
        double.stop()


def test_an_upload_needs_no_memory(make: Make, tmp_path: pathlib.Path) -> None:
    import tracemalloc

    double, store = make()
    store.check_base()
    size = 40_000_000
    with open(tmp_path / "large", "w+b") as stream:
        stream.truncate(size)
        uapi = double.uapi
        double.uapi = lambda *about: (  # the double is in this process, its memory is not the question
            {"status": 1, "data": {"uploads": [{"status": 1, "size": size}]}} if "upload_files" in about else uapi(*about)
        )
        double_body, peaks = [], []
        tracemalloc.start()
        store._files.put("example.com/large", t.cast(t.BinaryIO, stream), size, 0o600, advance=lambda files, sent: double_body.append(sent))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert sum(double_body) == size and peaks[0] < 5_000_000, peaks


def test_a_limit_of_bandwidth_is_kept() -> None:
    from ansible_collections.runbook.ops.plugins.module_utils._cpanel.upload import Upload

    clock = [0.0]
    upload = Upload(
        {},
        "x",
        io.BytesIO(bytes(1_000_000)),
        1_000_000,
        limit=100,
        now=lambda: clock[0],
        sleep=lambda s: clock.__setitem__(0, clock[0] + s),
    )
    assert len(b"".join(upload)) == len(upload) and clock[0] == pytest.approx(10.0, rel=0.02)
