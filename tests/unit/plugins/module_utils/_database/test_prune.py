# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pruning real files: what goes, in which order, and what a kill between leaves."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database import prune, retention, sidecar
from ansible_collections.runbook.ops.plugins.module_utils._database.folder import Folder
from faults.small_backups import DAY, HOUR, SmallBackups

NONE = {f"keep_{name}": None for name in ("last", "hourly", "daily", "weekly", "monthly", "yearly")}


@pytest.fixture
def backups(tmp_path):
    return SmallBackups(tmp_path)


def go(backups, check=False, warn=lambda message: None, **more):
    options = {**NONE, "min_good": 2, "max_age": "10d", "dest": backups.dest, "name": backups.name, "verify": "checksum"}
    if not any(name.startswith("keep_") for name in more):
        more["keep_last"] = 2
    return prune.db_backup_prune({**options, **more}, Run(check_mode=check, warn=warn))


def listing(backups):
    return sorted(os.path.join(folder, name) for folder, _folders, files in os.walk(backups.dest) for name in files if name != ".lock")


def old(path, age=2 * DAY):
    os.utime(path, (time.time() - age,) * 2)


def test_check_mode_apply_again(backups):
    made = [backups.make(age * DAY) for age in (4, 3, 2, 1)]
    before = listing(backups)
    predicted = go(backups, check=True)
    assert listing(backups) == before
    done = go(backups)
    assert predicted["deleted"] == done["deleted"] == [{"name": "shop", "id": identity} for identity in (made[1], made[0])]
    assert (predicted["changed"], done["changed"]) == (True, True)
    assert predicted["freed_bytes"] == 0
    assert done["freed_bytes"] > 10000
    assert backups.ids() == made[2:]
    assert made[0] not in done["diff"]["after"]
    assert all(row["reason"] for row in done["plan"])
    again = go(backups)
    assert (again["changed"], again["deleted"]) == (False, [])


def test_several_parts(backups):
    first = backups.make(3 * DAY, parts=3)
    for age in (2, 1):
        backups.make(age * DAY, parts=3)
    go(backups)
    assert not os.path.exists(backups.path(first))
    assert len(backups.ids()) == 2


def test_a_damaged_backup_pushes_none_out(backups):
    made = [backups.make(age * DAY) for age in (4, 3, 2, 1)]
    backups.flip(made[2])
    result = go(backups)
    assert backups.ids() == made[1:]
    assert [(row["id"], row["action"]) for row in result["bad"]] == [(made[2], "keep")]
    assert "sha256" in result["bad"][0]["reason"]


def test_without_reading_a_flipped_bit_is_not_seen(backups):
    made = [backups.make(age * DAY) for age in (4, 3, 2, 1)]
    backups.flip(made[2])
    go(backups, verify="sizes")
    assert backups.ids() == made[2:]


def test_the_newest_is_damaged(backups):
    made = [backups.make(age * DAY) for age in (4, 3, 2, 1)]
    backups.cut(made[3], 10)
    said = []
    result = go(backups, warn=said.append)
    assert backups.ids() == made
    assert "is cut" in result["held"]["shop"]
    assert "nothing of shop was deleted" in said[0]
    assert result["changed"] is False
    assert {row["action"] for row in result["plan"]} == {"keep"}


def test_seven_failing_days_keep_the_last_good_ones(backups):
    made = [backups.make(age * DAY) for age in (10, 9, 8, 7)]
    for age in range(6, -1, -1):
        backups.attempt("failed", age * DAY, message="server gone")
        assert "server gone" in go(backups)["held"]["shop"]
    assert backups.ids() == made


def test_seven_days_of_worthless_backups_keep_the_last_good_ones(backups):
    """As above, but the runs called themselves good."""
    made = [backups.make(age * DAY) for age in (9.5, 9, 8)]
    for age in range(7, 0, -1):
        identity = backups.make(age * DAY)
        backups.cut(identity, 0)
        go(backups)
        assert set(made) <= set(backups.ids())
    # A good one at last: still the floor counts only good ones, and the bad ones stay as evidence until two are newer.
    backups.make(0)
    go(backups, keep_last=2)
    assert set(made[2:]) < set(backups.ids())
    assert len(backups.ids()) == 9


def test_a_run_that_was_killed_holds(backups):
    for age in (4, 3, 2, 1):
        backups.make(age * DAY)
    backups.attempt("started", 0)
    assert "never ended" in go(backups)["held"]["shop"]
    assert len(backups.ids()) == 4


@pytest.mark.parametrize("age", [-1 * DAY, -400 * DAY])
def test_the_clock_was_set_back(backups, age):
    for days in (4, 3, 2):
        backups.make(days * DAY)
    backups.make(age)
    for check in (True, False):
        with pytest.raises(Refused, match="a clock was or is wrong"):
            go(backups, check)
    assert len(backups.ids()) == 4


def test_the_clock_jumped_ahead(backups, monkeypatch):
    for days in (4, 3, 2):
        backups.make(days * DAY)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 300 * DAY)
    with pytest.raises(Refused, match="clock jumped"):
        go(backups)
    assert len(backups.ids()) == 3


@pytest.mark.parametrize("parts", [1, 3])
def test_killed_between_sidecar_and_data(backups, monkeypatch, parts):
    made = [backups.make(age * DAY, parts=parts) for age in (4, 3, 2, 1)]

    def killed(folder, name):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(prune, "_remove", killed)
        with pytest.raises(KeyboardInterrupt):
            go(backups)
    # The first that was to go has lost its sidecar: it exists no more, its data is a stray.
    assert backups.ids() == [made[0], *made[2:]]
    result = go(backups)
    assert len(result["strays"]) == 1
    assert backups.ids() == made[2:]
    assert not [name for name in os.listdir(backups.folder) if name.startswith((made[0], made[1]))]


def test_strays(backups):
    for age in (2, 1):
        backups.make(age * DAY)
    os.mkdir(backups.path("20260102_000000"))
    for name in ("20260101_000000.sql", "20260102_000000/data", "20260101_000000.json.01ab.partial", "notes.txt"):
        with open(backups.path(name), "w") as stream:
            stream.write("x")
    assert go(backups)["changed"] is False
    for name in ("20260101_000000.sql", "20260102_000000/data", "20260102_000000", "20260101_000000.json.01ab.partial", "notes.txt"):
        old(backups.path(name))
    assert len(go(backups, check=True)["strays"]) == 3
    assert len(go(backups)["strays"]) == 3
    assert [name for name in os.listdir(backups.folder) if "partial" in name or name.startswith("202601")] == []
    assert os.path.exists(backups.path("notes.txt"))


def test_links_are_not_followed(backups, tmp_path):
    for age in (2, 1):
        backups.make(age * DAY)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("x")
    for name, target in (("20260101_000000", elsewhere), ("20260102_000000.sql", elsewhere / "precious")):
        os.symlink(target, backups.path(name))
        os.utime(backups.path(name), (0, 0), follow_symlinks=False)
    os.mkdir(backups.path("20260103_000000"))
    os.symlink(elsewhere, backups.path("20260103_000000/inside"))
    os.utime(backups.path("20260103_000000/inside"), (0, 0), follow_symlinks=False)
    old(backups.path("20260103_000000"))
    go(backups)
    assert (elsewhere / "precious").read_text() == "x"
    assert [name for name in os.listdir(backups.folder) if name.startswith("202601")] == []
    # Nor is a whole database's folder that is a link.
    os.symlink(backups.folder, os.path.join(backups.dest, "linked"))
    with pytest.raises(RunbookError, match="is not a folder"):
        go(backups, name="linked")


def test_a_sidecar_that_names_others_files_deletes_only_its_own(backups):
    made = [backups.make(age * DAY) for age in (5, 4, 3, 2, 1)]
    with open(backups.path(f"{made[0]}.json")) as stream:
        text = stream.read().replace(f"{made[0]}.sql", f"{made[4]}.sql")
    with open(backups.path(f"{made[0]}.json"), "w") as stream:
        stream.write(text)
    go(backups)
    assert backups.ids() == made[3:]
    assert os.path.exists(backups.path(f"{made[4]}.sql"))


def test_backups_of_some_tables_do_not_replace_others(backups):
    whole = [backups.make(age * DAY) for age in (8, 7)]
    some = [backups.make(age * DAY, include=("cart",)) for age in (3, 2, 1)]
    go(backups)
    assert backups.ids() == whole + some[1:]


def test_all_databases(backups):
    other = SmallBackups(backups.dest, "a/b %")
    for one in (backups, other):
        for age in (3, 2, 1):
            one.make(age * DAY)
    other.attempt("failed", message="x")
    result = go(backups, name=None)
    assert (len(backups.ids()), len(other.ids())) == (2, 3)
    assert list(result["held"]) == ["a/b %"]


def test_one_databases_clock_does_not_stop_the_others_but_is_an_error(backups):
    other = SmallBackups(backups.dest, "other")
    for age in (3, 2, 1):
        backups.make(age * DAY)
        other.make(-age * DAY)
    with pytest.raises(Refused, match="other: backup") as refused:
        go(backups, name=None)
    assert (len(backups.ids()), len(other.ids())) == (2, 3)
    assert refused.value.result["changed"] is True


def test_nobody_prunes_while_a_backup_is_made(backups):
    for age in (3, 2, 1):
        backups.make(age * DAY)
    with Folder(backups.dest, "shop").locked("a backup"), pytest.raises(Refused, match="in use by a backup"):
        go(backups)
    assert len(backups.ids()) == 3


def test_no_such_place(backups):
    with pytest.raises(RunbookError, match="there are no backups of nothing"):
        go(backups, name="nothing")
    with pytest.raises(RunbookError, match="is no folder on this host"):
        go(backups, dest="/nonexistent")


def test_ids_that_begin_alike_are_not_mixed_up(backups):
    """20261121_101500 and 20261121_101500_2."""
    first = backups.make(5 * HOUR)
    for suffix in ("", ".sql"):
        assert prune.catalogue.names_of(backups.folder, first) == [f"{first}.sql"]
        open(backups.path(f"{first}_2{suffix}"), "w").close()
    assert sidecar.is_id(f"{first}_2")
    assert retention.SLACK < HOUR
