# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups and restores around an engine: what is believed, what is refused, and what a killed run leaves."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database import backup, parts, restore, sidecar
from ansible_collections.runbook.ops.plugins.module_utils._database.choose import choose
from ansible_collections.runbook.ops.plugins.module_utils._database.folder import Folder
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Selection
from ansible_collections.runbook.ops.plugins.module_utils._database.parts import Codec
from ansible_collections.runbook.ops.plugins.module_utils._database.restore_request import Request
from ansible_collections.runbook.ops.plugins.module_utils._database.writers import Writers
from faults.crash_points import every_crash_point
from faults.folder_engine import FolderEngine

LIVE = {"customers": ["Ada", "سلمى", "O'Brien"], "orders": ["1", "2"], "empty": []}
# tests/database runs all of this with zstd and age, on a host that has them.
ZSTD = pytest.mark.skipif(not shutil.which("zstd"), reason="no zstd command")
LATER = {"customers": ["Ada"], "orders": ["1", "2", "3"]}


class Place:
    """An engine with one database, a folder of backups, and a folder of state."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        (root / "databases").mkdir(parents=True)
        self.engine = FolderEngine(root / "databases")
        self.engine.set("shop", LIVE)
        self.dest = str(root / "backups")

    def back_up(self, check_mode: bool = False, **more: t.Any) -> dict[str, t.Any]:
        settings: dict[str, t.Any] = {"tables": Selection(), "codec": Codec("gzip", 1), "check_space": False, **more}
        return backup.back_up(self.engine, backup.Request("shop", self.dest, **settings), Run(check_mode=check_mode))

    def restore(self, src: str = "latest", check_mode: bool = False, warn: t.Any = None, **more: t.Any) -> dict[str, t.Any]:
        folder, made = choose(src, self.dest, "shop", "")
        settings: dict[str, t.Any] = {
            "target": "shop",
            "mode": "swap",
            "state_dir": str(self.root / "state"),
            "check_space": False,
            "keep_previous": 60.0,
            **more,
        }
        return restore.restore(self.engine, Request(folder, made, **settings), Run(check_mode=check_mode))

    @property
    def folder(self) -> Folder:
        return Folder(self.dest, "shop")

    def attempts(self) -> list[str]:
        return [line["status"] for line in sidecar.logged(self.folder.path, sidecar.ATTEMPTS)]

    def side_databases(self) -> list[str]:
        return [name for name in self.engine.names() if name.startswith(("rb_", "gone-"))]

    def open_journals(self) -> list[str]:
        return [path.name for path in (self.root / "state" / "restores").glob("*.json") if "open" in json.loads(path.read_text())]


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    "codec", [pytest.param(Codec(), marks=ZSTD), Codec("gzip", 1), Codec("none"), pytest.param(Codec("zstd", 19, 2), marks=ZSTD)]
)
def test_what_was_backed_up_comes_back(place: Place, codec: Codec, jobs: int) -> None:
    made = place.back_up(codec=codec, jobs=jobs, revision_query="version")
    assert made["backup"]["rows"] == 5
    assert made["backup"]["schema_revision"] == "revision of version"
    assert len(made["backup"]["parts"]) == jobs
    place.engine.set("shop", LATER)
    done = place.restore()
    assert place.engine.content("shop") == LIVE
    assert place.engine.content(done["previous"]) == LATER
    assert place.attempts() == ["started", "ok"]
    assert [line["id"] for line in sidecar.logged(place.folder.path, sidecar.RESTORES)] == [made["id"]]


def test_what_is_stored_is_what_the_sidecar_says(place: Place) -> None:
    made = place.back_up()
    (part,) = place.folder.read(made["id"]).parts
    path = pathlib.Path(place.folder.path, part.file)
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.stat().st_size == part.stored_bytes
    assert part.file == f"{made['id']}.txt.gz"
    parts.stored_as_written(place.folder.path, part)


def test_check_mode_writes_nothing(place: Place) -> None:
    assert place.back_up(check_mode=True)["changed"]
    assert not os.path.exists(place.dest)
    place.back_up()
    before = sorted(map(str, place.root.rglob("*")))
    done = place.restore(check_mode=True, safety_dest=place.dest)
    assert done["changed"]
    assert "5 rows" in done["diff"]["after"]
    assert sorted(map(str, place.root.rglob("*"))) == before


@pytest.mark.parametrize("trouble", ["cut", "fail_dump"])
def test_a_failing_dump_leaves_no_backup_and_says_so(place: Place, trouble: str) -> None:
    good = place.back_up()["id"]
    setattr(place.engine, trouble, True)
    with pytest.raises(RunbookError, match="has no end|gone away"):
        place.back_up()
    assert place.folder.ids() == [good]
    assert place.attempts() == ["started", "ok", "started", "failed"]
    assert not [name for name in os.listdir(place.folder.path) if name.startswith(".partial")]


def _damage(path: pathlib.Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "bit":
        data[len(data) // 2] ^= 1
    elif how == "cut":
        del data[-1:]
    elif how == "longer":
        data += b"\0"
    elif how == "empty":
        data.clear()
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("compression", [pytest.param("zstd", marks=ZSTD), "gzip", "none"])
@pytest.mark.parametrize("how", ["bit", "cut", "longer", "empty"])
def test_a_damaged_backup_is_not_restored(place: Place, how: str, compression: str) -> None:
    made = place.back_up(codec=Codec(compression))
    _damage(pathlib.Path(place.folder.path, made["backup"]["parts"][0]["file"]), how)
    place.engine.set("shop", LATER)
    with pytest.raises(RunbookError, match="use another backup"):
        place.restore()
    assert place.engine.content("shop") == LATER
    assert place.side_databases() == []
    assert place.open_journals() == []


def test_a_part_that_was_exchanged_with_another_backup_s_is_not_restored(place: Place) -> None:
    first, second = place.back_up(codec=Codec("none")), None
    place.engine.set("shop", {**LIVE, "orders": ["2", "1"]})
    second = place.back_up(codec=Codec("none"))
    one, two = (pathlib.Path(place.folder.path, made["backup"]["parts"][0]["file"]) for made in (first, second))
    assert one.stat().st_size == two.stat().st_size
    shutil.copy(two, one)
    with pytest.raises(RunbookError, match="not what was written"):
        place.restore(src=first["id"])


def test_sidecars_that_are_missing_or_exchanged(place: Place) -> None:
    first, second = place.back_up()["id"], place.back_up()["id"]
    one, two = (pathlib.Path(sidecar.sidecar_path(place.folder.path, identity)) for identity in (first, second))
    shutil.copy(one, two)
    with pytest.raises(RunbookError, match="sidecar of another backup"):
        place.restore()
    two.unlink()
    assert place.restore()["id"] == first
    one.write_text("{")
    with pytest.raises(RunbookError, match="is no sidecar"):
        place.restore()


@pytest.mark.parametrize("key, value", [("format", 2), ("parts", []), ("id", "../x"), ("inventory", None)])
def test_a_sidecar_that_can_not_be_believed(place: Place, key: str, value: t.Any) -> None:
    made = place.back_up()
    path = pathlib.Path(made["sidecar"])
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(sidecar.BadSidecar):
        sidecar.read(str(path))


@pytest.mark.parametrize("file", ["../../etc/shadow", "/etc/shadow", "a/../../b"])
def test_a_sidecar_can_not_point_outside_its_folder(place: Place, file: str) -> None:
    path = pathlib.Path(place.back_up()["sidecar"])
    document = json.loads(path.read_text())
    document["parts"][0]["file"] = file
    path.write_text(json.dumps(document))
    with pytest.raises(sidecar.BadSidecar):
        sidecar.read(str(path))


@pytest.mark.parametrize("trouble, message", [("fail_load", "line 7"), ("lose_row", "rows instead of"), ("fail_switch", "went away")])
def test_a_restore_that_fails_leaves_the_live_database(place: Place, trouble: str, message: str) -> None:
    place.back_up()
    place.engine.set("shop", LATER)
    setattr(place.engine, trouble, True)
    with pytest.raises(RunbookError, match=message) as caught:
        place.restore()
    assert "was not touched" in caught.value.message or "serves what it did before" in caught.value.message
    assert place.engine.content("shop") == LATER
    assert place.side_databases() == []
    assert place.open_journals() == []
    assert sidecar.logged(place.folder.path, sidecar.RESTORES) == []


def _writers(root: pathlib.Path) -> Writers:
    flag = str(root / "stopped")
    return Writers(stop_commands=(("touch", flag),), start_commands=(("rm", "-f", flag),))


@pytest.mark.parametrize("trouble", ["", "fail_switch"])
def test_writers_run_again_whatever_happens(place: Place, trouble: str) -> None:
    place.back_up()
    if trouble:
        setattr(place.engine, trouble, True)
    with contextlib.suppress(RunbookError):
        place.restore(writers=_writers(place.root))
    assert not (place.root / "stopped").exists()


def test_a_writer_that_can_not_be_stopped_prevents_the_switch(place: Place) -> None:
    place.back_up()
    place.engine.set("shop", LATER)
    with pytest.raises(RunbookError, match="could not be stopped"):
        place.restore(writers=Writers(stop_commands=(("false",),), start_commands=(("true",),)))
    assert place.engine.content("shop") == LATER
    assert place.side_databases() == []


def test_the_live_database_is_backed_up_before(place: Place) -> None:
    place.back_up()
    place.engine.set("shop", LATER)
    done = place.restore(safety_dest=place.dest, keep_previous=0.0)
    assert not done["previous"]
    assert place.side_databases() == []
    assert place.restore(src=done["safety_backup"])["target"] == "shop"
    assert place.engine.content("shop") == LATER


def test_a_kept_predecessor_goes_when_its_time_has_come(place: Place) -> None:
    place.back_up()
    kept = place.restore(keep_previous=0.001)["previous"]
    assert place.engine.exists(kept)
    again = place.restore()["previous"]
    assert place.engine.exists(again)
    assert place.side_databases() == [again]


def test_scratch_never_touches_what_is_there(place: Place) -> None:
    place.back_up()
    place.engine.set("other", LATER)
    for target, message in (("other", "never touches"), ("shop", "needs a new name")):
        with pytest.raises(Refused, match=message):
            place.restore(target=target, mode="scratch")
    place.restore(target="copy", mode="scratch")
    assert place.engine.content("copy") == LIVE
    assert place.engine.content("other") == LATER


def test_in_place_wants_force_and_reads_all_of_the_backup_first(place: Place) -> None:
    made = place.back_up(codec=Codec("none"))
    place.engine.set("shop", LATER)
    with pytest.raises(Refused, match="force"):
        place.restore(mode="in_place")
    _damage(pathlib.Path(place.folder.path, made["backup"]["parts"][0]["file"]), "bit")
    with pytest.raises(RunbookError, match="not what was written"):
        place.restore(mode="in_place", force=True)
    assert place.engine.content("shop") == LATER


def test_in_place(place: Place) -> None:
    place.back_up()
    place.engine.set("shop", LATER)
    done = place.restore(mode="in_place", force=True, safety_dest=place.dest)
    assert place.engine.content("shop") == LIVE
    assert done["safety_backup"]


def test_a_backup_of_some_tables_replaces_no_database(place: Place) -> None:
    made = place.back_up(tables=Selection(("cust*",), ()))
    assert made["backup"]["tables"] == 1
    with pytest.raises(Refused, match="some of the tables"):
        place.restore()
    place.restore(mode="scratch", target="part")
    assert list(place.engine.content("part")) == ["customers"]
    with pytest.raises(InvalidInput, match="no table fits"):
        place.back_up(tables=Selection(("custommers",), ()))


def test_two_runs_at_once(place: Place) -> None:
    place.back_up()
    with place.folder.locked("another backup"), pytest.raises(Refused, match="in use by another backup"):
        place.back_up()
    journal = restore.Journal(str(place.root / "state"), "folder", "", "shop")
    with journal.locked(), pytest.raises(Refused, match="another restore of shop"):
        place.restore()


def test_no_space(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Folder, "free", lambda self: 1000)
    with pytest.raises(Refused, match="has 0.0 MB free but the backup of shop needs about"):
        place.back_up(check_space=True)
    assert not os.path.exists(place.dest)


def test_fresh_backups_are_enough_when_asked(place: Place) -> None:
    first = place.back_up()
    assert place.back_up(fresh_for=60)["id"] == first["id"]
    assert not place.back_up(fresh_for=60)["changed"]
    assert place.back_up(fresh_for=60, tables=Selection((), ("orders",)))["changed"]


def test_an_empty_database_is_allowed_and_said(place: Place) -> None:
    place.engine.set("shop", {})
    made = place.back_up()
    assert made["notes"] == ["the database is empty"]
    place.engine.set("shop", LATER)
    place.restore()
    assert place.engine.content("shop") == {}


def test_which_backup_is_meant(place: Place) -> None:
    first = place.back_up()
    second = place.back_up()
    assert choose("latest", place.dest, "shop", "")[1].id == second["id"]
    assert choose(first["sidecar"], "", "", "")[1].id == first["id"]
    assert choose(os.path.join(place.folder.path, first["backup"]["parts"][0]["file"]), "", "", "")[1].id == first["id"]
    for src, dest, as_of, error in (
        ("20200101_000000", place.dest, "", Refused),
        ("../x", place.dest, "", InvalidInput),
        ("latest", place.dest, "2020-01-01T00:00:00Z", Refused),
        ("latest", place.dest, "yesterday", InvalidInput),
        ("latest", "", "", InvalidInput),
        ("/etc/passwd", "", "", InvalidInput),
    ):
        with pytest.raises(error):
            choose(src, dest, "shop", as_of)


def test_a_dump_of_a_newer_server_is_refused(place: Place) -> None:
    place.back_up()
    place.engine.version = "1.1"
    with pytest.raises(Refused, match="can't be loaded here"):
        place.restore()


def test_killed_at_any_change_a_backup_is_whole_or_does_not_exist(tmp_path: pathlib.Path) -> None:
    here = Place(tmp_path / "0")
    good = here.back_up(codec=Codec("none"))["id"]

    def check(number: int) -> None:
        for identity in here.folder.ids():
            for part in here.folder.read(identity).parts:
                parts.stored_as_written(here.folder.path, part)
        assert good in here.folder.ids()
        # The next run has nothing to wait for and leaves nothing of the killed one but, at most, data without a sidecar.
        newest = here.back_up(codec=Codec("none"))["id"]
        assert here.folder.ids()[-1] == newest
        assert not [name for name in os.listdir(here.folder.path) if name.startswith(".partial")]

    assert every_crash_point(lambda: None, lambda: here.back_up(codec=Codec("none"), jobs=2), check) > 10


@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_any_change_a_restore_leaves_the_old_or_the_new_database(tmp_path: pathlib.Path, jobs: int) -> None:
    here = Place(tmp_path)
    here.back_up(codec=Codec("none"), jobs=jobs)
    writers = _writers(tmp_path)
    outcomes = set()

    def prepare() -> None:
        shutil.rmtree(tmp_path / "state", ignore_errors=True)
        for name in here.engine.names():
            shutil.rmtree(here.engine.root / name)
        here.engine.set("shop", LATER)

    def check(number: int) -> None:
        if here.engine.exists("shop"):
            assert here.engine.content("shop") in (LATER, LIVE)
        done = here.restore(writers=writers)
        outcomes.add(done["recovered"].rsplit(": ", 1)[-1].split(",")[0])
        assert here.engine.content("shop") == LIVE
        assert not (tmp_path / "stopped").exists()
        assert here.open_journals() == []
        # The side databases are gone, and what was live before is kept.
        assert [here.engine.content(name) for name in here.side_databases()].count(LATER) == 1

    assert every_crash_point(prepare, lambda: here.restore(writers=writers), check) > 10
    assert {"its side database was dropped", "it had been switched already", ""} <= outcomes


def test_a_failed_attempt_keeps_its_reason(place: Place) -> None:
    place.engine.fail_dump = True
    with pytest.raises(RunbookError):
        place.back_up()
    assert "gone away" in sidecar.logged(place.folder.path, sidecar.ATTEMPTS)[-1]["message"]


def test_codecs_that_make_no_sense() -> None:
    for codec in (Codec("zstd", 20), Codec("gzip", 10), Codec("none", 1), Codec(recipients=("nonsense",))):
        with pytest.raises(InvalidInput):
            codec.check()


def test_a_line_that_a_full_disk_has_cut_does_not_swallow_the_next(tmp_path: pathlib.Path) -> None:
    (tmp_path / "attempts.jsonl").write_text('{"status": "sta')
    sidecar.log(str(tmp_path), sidecar.ATTEMPTS, {"status": "ok"})
    assert sidecar.logged(str(tmp_path), sidecar.ATTEMPTS) == [{"status": "ok"}]


def test_requests_do_not_show_secrets() -> None:
    assert "AGE-SECRET" not in repr(dataclasses.replace(Codec(), identity="AGE-SECRET-KEY-1"))
