# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import sys

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database import backup, restore
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Login, Selection
from ansible_collections.runbook.ops.plugins.module_utils._database.parts import Codec
from ansible_collections.runbook.ops.plugins.module_utils._database.writers import Writers
from ansible_collections.runbook.ops.plugins.module_utils._drill.corrupt import corrupt
from ansible_collections.runbook.ops.plugins.module_utils._drill.rehearse import Drill, rehearse
from ansible_collections.runbook.ops.plugins.module_utils._drill.scratch import PREFIX, Scratches
from faults.folder_engine import FolderEngine

LIVE = {"customers": ["Ada", "O'Brien"], "orders": ["1", "2"]}


class Killed(BaseException):
    pass


@pytest.fixture
def place(tmp_path):
    (tmp_path / "databases").mkdir()
    engine = FolderEngine(tmp_path / "databases")
    engine.set("shop", LIVE)
    request = backup.Request("shop", str(tmp_path / "backups"), Selection(), Codec("gzip", 1), check_space=False)
    backup.back_up(engine, request, Run())
    # What is live has moved on; a drill must not care.
    engine.set("shop", {"customers": ["Ada"]})
    return engine, tmp_path


def drill(root, **more):
    return Drill("shop", str(root / "backups"), str(root / "state"), Login(), folder=str(root), check_space=False, **more)


def damage(engine, _login, name):
    content = engine.content(name)
    content.pop("orders")
    engine.drop(name)
    engine.set(name, content)
    return "orders were dropped"


def phases(result):
    return [item["name"] for item in result["phases"]]


@pytest.mark.parametrize("scenario", ["backup_restore", "database_corruption"])
def test_recovers_and_leaves_nothing(place, scenario):
    engine, root = place
    result = rehearse(engine, drill(root), scenario, Run(), damage)
    assert engine.names() == ["shop"]
    assert engine.content("shop") == {"customers": ["Ada"]}
    assert result["scratch"].startswith(PREFIX)
    assert result["rpo_seconds"] >= 0
    assert phases(result)[0] == "choose backup"
    assert phases(result)[-1] == "drop scratch"
    assert {item["status"] for item in result["phases"]} == {"ok"}
    if scenario == "database_corruption":
        counted = [item["name"] for item in result["phases"] if item["recovery"]]
        assert {"load", "verify", "stop writers", "switch", "verify integrity"} <= set(counted)
        assert not {"corrupt", "detect", "copy: load", "drop scratch"} & set(counted)


def test_damage_that_is_not_noticed_fails(place):
    engine, root = place
    with pytest.raises(RunbookError, match="not noticed") as caught:
        rehearse(engine, drill(root), "database_corruption", Run(), lambda *_: "nothing really")
    assert engine.names() == ["shop"]
    assert phases(caught.value.result)[-2:] == ["detect", "drop scratch"]


def test_a_smoke_test_that_fails_fails_the_drill(place):
    engine, root = place
    look = [sys.executable, "-c", "import os, sys; sys.exit('empty' if sys.argv[1] == os.environ['RUNBOOK_SCRATCH'] else 0)", "{scratch}"]
    with pytest.raises(RunbookError, match="ended with 1: empty") as caught:
        rehearse(engine, drill(root, commands=(tuple(look),)), "backup_restore", Run())
    assert engine.names() == ["shop"]
    assert caught.value.result["phases"][-2]["status"] == "failed"
    assert caught.value.result["backup"]["name"] == "shop"


def test_a_damaged_backup_fails_and_leaves_nothing(place):
    engine, root = place
    sidecar = next((root / "backups" / "shop").glob("*.json"))
    made = json.loads(sidecar.read_text())
    made["inventory"]["tables"]["orders"]["rows"] += 1
    sidecar.write_text(json.dumps(made))
    with pytest.raises(RunbookError, match="not what was backed up"):
        rehearse(engine, drill(root), "backup_restore", Run())
    assert engine.names() == ["shop"]


def test_the_copy_off_the_server_is_used_and_its_files_are_gone_afterwards(place):
    engine, root = place
    seen = []

    def fetch(folder):
        seen.append(folder)
        (root / "backups").rename(root / "gone")
        __import__("shutil").copytree(root / "gone" / "shop", f"{folder}/shop")
        return {"copies": [{"id": "20261121_101500"}]}

    result = rehearse(engine, drill(root, fetch=fetch), "backup_restore", Run())
    assert phases(result)[:2] == ["fetch", "choose backup"]
    assert not __import__("os").path.exists(seen[0])


def test_what_a_killed_drill_left_is_dropped_by_the_next(place, monkeypatch):
    engine, root = place

    def dies(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Scratches, "_drop", dies)
        with pytest.raises(Killed):
            rehearse(engine, drill(root, ask=dies), "backup_restore", Run())
    assert len(engine.names()) == 2
    result = rehearse(engine, drill(root), "backup_restore", Run())
    assert len(result["left"]) == 1
    assert engine.names() == ["shop"]


def test_what_a_killed_drill_had_fetched_is_removed_by_the_next(place, monkeypatch):
    engine, root = place

    def dies(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Scratches, "_remove_folder", dies)
        with pytest.raises(Killed):
            rehearse(engine, drill(root, fetch=dies), "backup_restore", Run())
    assert len(list(root.glob(f"{PREFIX}*"))) == 1
    rehearse(engine, drill(root), "backup_restore", Run())
    assert not list(root.glob(f"{PREFIX}*"))


def test_what_a_drill_killed_in_its_switch_left_is_dropped_by_the_next(place, monkeypatch):
    engine, root = place

    def dies(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Scratches, "_drop", dies)
        patched.setattr(restore._Restore, "_switch", dies)
        patched.setattr(restore._Restore, "_take_back", lambda *_: None)
        with pytest.raises(Killed):
            rehearse(engine, drill(root), "database_corruption", Run(), damage)
    assert len(engine.names()) == 3
    rehearse(engine, drill(root), "backup_restore", Run())
    assert engine.names() == ["shop"]


def test_only_what_a_drill_made_is_dropped_or_damaged(place):
    engine, root = place
    scratches = Scratches(str(root / "state"), engine, Login().where, Writers())
    with scratches.locked():
        for name in ("shop", f"{PREFIX}0123456789ab"):
            with pytest.raises(Refused, match="no drill drops it"):
                scratches._drop(name)
        scratches._write([scratches._entry("shop")])
        with pytest.raises(Refused):
            scratches.drop_left()
    with pytest.raises(Refused, match="no drill damages it"):
        corrupt(engine, Login(), "shop")
    assert engine.exists("shop")


def test_two_drills_at_once(place):
    engine, root = place
    with Scratches(str(root / "state"), engine, Login().where, Writers()).locked(), pytest.raises(RunbookError, match="another drill"):
        rehearse(engine, drill(root), "backup_restore", Run())


def test_check_mode_makes_nothing(place):
    engine, root = place
    assert rehearse(engine, drill(root), "backup_restore", Run(check_mode=True))["phases"] == []
    assert engine.names() == ["shop"]
    assert not (root / "state").exists()


def test_results_are_json(place):
    engine, root = place
    json.dumps(rehearse(engine, drill(root), "backup_restore", Run()))
