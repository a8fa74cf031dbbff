# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks import checklist
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import complete
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run

DISK = {"host_check": {"kind": "disk", "path": "/", "warn": 99.8, "crit": 99.9}}


def beat(path, **more):
    return {"host_check": {"name": "beat", "kind": "heartbeat", "path": str(path)}, **more}


def go(folder, *entries, check_mode=False, warn=pytest.fail, **more):
    options = complete(
        checklist.CHECK_RUN, {"checklist": json.loads(json.dumps(entries)), "state_dir": str(folder / "state"), **more}, "test"
    )
    return checklist.check_run(options, Run(check_mode=check_mode, warn=warn))


def names(result):
    return [item["name"] for item in result["checks"]]


def later(monkeypatch, hours):
    now = time.time()
    monkeypatch.setattr(checklist.time, "time", lambda: now + hours * 3600)


def test_only_what_is_due_is_done(tmp_path, monkeypatch):
    log = tmp_path / "app.log"
    log.write_text("all is well\n")
    entries = [
        DISK,
        {"frequency": "weekly", "severity": "critical", "host_check": {"kind": "inodes", "path": "/", "warn": 99.8, "crit": 99.9}},
        {"frequency": "always", "log_scan": {"name": "app", "paths": [str(log)], "format": "plain"}},
    ]
    first = go(tmp_path, *entries)
    assert names(first) == ["disk /", "inodes /", "app errors"] and (first["due"], first["later"]) == (3, 0)
    assert [(item["frequency"], item.get("severity")) for item in first["checks"]] == [
        ("daily", None),
        ("weekly", "critical"),
        ("always", None),
    ]
    assert names(go(tmp_path, *entries)) == ["app errors"]
    assert names(go(tmp_path, *entries, due="all")) == names(first)
    later(monkeypatch, 23)
    assert names(go(tmp_path, *entries)) == ["disk /", "app errors"]
    later(monkeypatch, 7 * 24)
    assert names(go(tmp_path, *entries)) == names(first)


def test_what_was_not_well_is_due_until_it_is(tmp_path):
    path = tmp_path / "beat"
    assert go(tmp_path, beat(path, frequency="monthly"))["status"] in ("failed", "crashed")
    path.touch()
    assert go(tmp_path, beat(path, frequency="monthly"))["status"] == "ok"
    assert go(tmp_path, beat(path, frequency="monthly"))["due"] == 0


def test_what_is_held_back_is_due_until_it_counts(tmp_path):
    def held():
        entry = {"frequency": "weekly", "host_check": {"kind": "heartbeat", "path": str(tmp_path / "none"), "times": 3}}
        return [(item["status"], item.get("held")) for item in go(tmp_path, entry)["checks"]]

    assert [held(), held(), held()] == [[("ok", "failed")], [("ok", "failed")], [("failed", None)]]


def test_an_entry_that_changed_is_due_at_once(tmp_path):
    assert go(tmp_path, DISK)["due"] == 1
    assert go(tmp_path, {"host_check": {**DISK["host_check"], "warn": 99}})["due"] == 1
    assert next(iter(json.loads((tmp_path / "state" / "due.json").read_text()).values()))["status"] == "ok"
    assert len(json.loads((tmp_path / "state" / "due.json").read_text())) == 1


def test_check_mode_remembers_nothing(tmp_path):
    assert go(tmp_path, DISK, check_mode=True)["due"] == 1
    assert not (tmp_path / "state").exists()


def test_a_damaged_memory_makes_everything_due(tmp_path):
    go(tmp_path, DISK)
    (tmp_path / "state" / "due.json").write_text("[")
    said = []
    assert go(tmp_path, DISK, warn=said.append)["due"] == 1 and "everything is due" in said[0]
    assert go(tmp_path, DISK)["due"] == 0


def test_a_clock_that_was_wrong_keeps_nothing_from_being_due(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        later(patched, 10_000)
        go(tmp_path, DISK)
    assert go(tmp_path, DISK)["due"] == 1


def test_equal_names_are_told_apart(tmp_path):
    log = tmp_path / "app.log"
    log.write_text("all is well\n")
    entries = [
        {"host_check": {**DISK["host_check"], "name": "app errors"}},
        {"log_scan": {"name": "app", "paths": [str(log)], "format": "plain"}},
    ]
    assert names(go(tmp_path, *entries)) == ["app errors", "app errors (2)"]


def test_what_is_not_enabled_is_not_made(tmp_path):
    assert go(tmp_path, {**DISK, "enabled": False})["checks"] == []


def test_a_module_that_breaks_is_a_check_that_crashed(tmp_path, monkeypatch):
    def broken(options, run):
        raise RunbookError("no\nway")

    monkeypatch.setitem(checklist.KINDS, "log_scan", checklist.KINDS["log_scan"]._replace(use_case=broken))
    result = go(tmp_path, DISK, {"log_scan": {"name": "app", "paths": ["/x"]}})
    assert [(item["name"], item["status"], item["message"]) for item in result["checks"]][1] == ("log_scan 0", "crashed", "no way")
    assert result["status"] == "crashed"


def test_fail(tmp_path):
    with pytest.raises(RunbookError, match="1 of 1 check not ok - beat"):
        go(tmp_path, beat(tmp_path / "none"), fail=True)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"host_check": {"kind": "dsik", "path": "/"}}], "did you mean"),
        ([{"host_check": {"kind": "redis_ping", "login_password": "x"}}], "login_password of entry 1 .* write secrets: {login_password"),
        ([{"db_query": {"engine": "mariadb", "login_password": "x", "checks": []}}], "login_password of entry 1"),
        ([{"log_scan": {"paths": ["/x"]}}], "log_scan of the checklist: missing required arguments: name"),
        ([{"host_check": {"kind": "disk", "path": "/", "pth": 1}}], "pth"),
        ([beat("/a"), beat("/b", frequency="weekly")], "two checks are called 'beat'"),
        ([DISK, DISK], "entry 2 of the checklist is there twice"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_looked_at(tmp_path, entries, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        go(tmp_path, *entries)
    assert "\n" not in caught.value.message and not (tmp_path / "state").exists()


def test_an_entry_makes_one_check_for_each_value(tmp_path):
    limits = {"warn": 99.8, "crit": 99.9}
    folders = {"host_check": {"kind": "disk", **limits}, "each": {"path": ["/", str(tmp_path)]}}
    own = {"host_check": {"kind": "inodes"}, "each": [{"path": "/", **limits}, {"name": "mine", "path": str(tmp_path), **limits}]}
    none = {"host_check": {"kind": "service"}, "each": {"service": []}}
    assert names(go(tmp_path, folders, own, none)) == ["disk /", f"disk {tmp_path}", "inodes /", "mine"]


@pytest.mark.parametrize("each", ["/", {"path": "/"}, {"path": ["/"], "warn": [80]}, ["/"]])
def test_what_each_can_not_be_is_refused(tmp_path, each):
    with pytest.raises(InvalidInput, match="each of entry 1 of the checklist is neither"):
        go(tmp_path, {"host_check": {"kind": "disk"}, "each": each})


def test_the_same_value_twice_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="entry 1 of the checklist is there twice"):
        go(tmp_path, {"host_check": {"kind": "disk"}, "each": {"path": ["/", "/"]}})
