# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records, ids, the way back, and a history that survives torn lines."""

from __future__ import annotations

import json

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.files import site_base
from ansible_collections.runbook.ops.plugins.module_utils._release.site import Record, release_id
from ansible_collections.runbook.ops.plugins.module_utils._release.store import LocalStore


@pytest.mark.parametrize("path", ["/", "//", "/etc", "/var/www", "/srv/", "/home", "/usr/local", "/tmp/", "/./var/./lib"])
def test_folders_of_the_system_are_no_sites(path):
    with pytest.raises(InvalidInput, match="belongs to the system; give a folder of the site's own below it"):
        LocalStore(path)


@pytest.mark.parametrize("path", ["", "www", "./www", "www/.."])
def test_relative_paths_are_refused(path):
    with pytest.raises(InvalidInput, match="is not absolute"):
        LocalStore(path)


@pytest.mark.parametrize("path", ["/srv/www/..", "/srv/../etc", "/srv/www/../../etc"])
def test_climbing_paths_are_refused(path):
    with pytest.raises(InvalidInput, match=r"climbs with '\.\.'"):
        LocalStore(path)


@pytest.mark.parametrize("path", ["/srv/a\nb", "/srv/a\0b"])
def test_paths_that_break_lines_are_refused(path):
    with pytest.raises(InvalidInput, match="line break or NUL"):
        LocalStore(path)


def test_paths_are_normalised():
    assert site_base("//srv//www.example.com/./") == "/srv/www.example.com"


@pytest.mark.parametrize("good", ["20261121_101500", "v1.4.2", "a", "A-b_c.d", "x" * 64])
def test_release_ids(good):
    assert release_id(good) == good


def test_a_torn_line_of_the_history_is_left_out_and_closed(three):
    path = three.path(".runbook/history.jsonl")
    events = len(three.info(history=0)["history"])
    whole = path.read_bytes()
    for cut in (1, 2, 20):
        path.write_bytes(whole[:-cut])
        three.swap("r2")
        three.swap("r3")
        history = three.info(history=0)["history"]
        # What was cut is lost unless only its line end was; the two that follow are not.
        assert [event["event"] for event in history[-2:]] == ["rolled_back", "swapped"]
        assert len(history) == events + 2 - (cut > 1)
    path.write_bytes(whole + b"\xff\xfe\n[1]\n\n")
    assert len(three.info(history=0)["history"]) == events


def test_history_is_cut_to_the_last(three):
    assert [event["event"] for event in three.info(history=2)["history"]] == ["staged", "swapped"]


def test_history_takes_any_text(www):
    www.deploy("r1", {"a": "1"})
    www.site.note("x", text="مرحبا\n\udcff\u2028{")
    assert www.info()["history"][-1]["text"] == "مرحبا\n\udcff\u2028{"
    assert len(www.path(".runbook/history.jsonl").read_bytes().splitlines()) == 3


@pytest.mark.parametrize("data", ["", "{", "[]", "{}", "null"])
def test_a_damaged_record_is_a_clear_error(three, data):
    three.path(".runbook/releases/r1.json").write_text(data)
    with pytest.raises(
        RunbookError, match=r"the record of release r1 can't be read .*look at .*r1\.json, remove it to give the release up"
    ):
        three.swap("r2")


def test_a_record_of_a_later_version_is_read(three):
    path = three.path(".runbook/releases/r1.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "green"}))
    assert three.swap("r1")["after"] == "r1"


def test_the_link_decides_which_release_is_live(three):
    three.path("current").unlink()
    three.path("current").symlink_to("releases/r1")
    assert three.states() == {"r1": "live", "r2": "retired", "r3": "retired"}


def test_a_loop_of_previous_ones_ends(three):
    records = {name: Record(name, "retired", "", previous=before) for name, before in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "d"))}
    assert three.site.ancestors("a", records) == ["b", "c"]
    assert three.site.ancestors("d", records) == []
