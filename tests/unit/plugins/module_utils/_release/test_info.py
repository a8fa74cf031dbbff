# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a site, also of one that is in a bad way."""

from __future__ import annotations

import os

from ansible_collections.runbook.ops.plugins.module_utils._release import journal
from faults.small_site import listing, write_tree


def test_no_site(www):
    assert www.info() == {
        "changed": False,
        "exists": False,
        "current": None,
        "previous": None,
        "releases": [],
        "unknown": [],
        "lock": None,
        "history": [],
        "interrupted": None,
        "problem": "",
    }
    assert not os.path.exists(www.base)


def test_a_site(three):
    three.lock("one")
    write_tree(three.path("releases"), {"theirs/a": "a"})
    before = listing(three.base)
    facts = three.info(verify=True)
    assert listing(three.base) == before, "looking changes nothing"
    assert (facts["current"], facts["previous"], facts["unknown"], facts["problem"]) == ("r3", "r2", ["theirs"], "")
    assert [row["id"] for row in facts["releases"]] == ["r1", "r2", "r3"]
    assert [row["state"] for row in facts["releases"]] == ["retired", "retired", "live"]
    assert all(row["verified"] and not row["drifted"] + row["missing"] + row["extra"] for row in facts["releases"])
    assert facts["releases"][0]["age_seconds"] >= 599
    assert facts["releases"][2]["path"] == f"{three.base}/releases/r3"
    assert facts["lock"]["owner"] == "one"


def test_drift_is_listed(three):
    root = three.path("releases/r1")
    (root / "index.php").write_text("hacked")
    (root / "lib/same.php").unlink()
    (root / "shell.php").write_text("<?php")
    row = three.info(verify=True)["releases"][0]
    assert (row["verified"], row["drifted"], row["missing"], row["extra"]) == (False, ["index.php"], ["lib/same.php"], ["shell.php"])
    assert "verified" not in three.info()["releases"][0]


def test_manifests_that_are_damaged_or_gone_are_told_of(three):
    three.path(".runbook/manifests/r1.json").write_text("{}")
    three.path(".runbook/manifests/r2.json").unlink()
    one, two, good = three.info(verify=True)["releases"]
    assert (one["verified"], two["verified"], good["verified"]) == (False, False, True)
    assert "its manifest can't be used" in one["problem"]
    assert two["problem"] == "it has no manifest"


def test_a_current_that_cannot_be_used_is_told_of(three):
    three.path("current").unlink()
    three.path("current").mkdir()
    facts = three.info()
    assert facts["current"] is None
    assert "real folder" in facts["problem"]
    three.path("current").rmdir()
    three.path("current").symlink_to("releases/theirs")
    assert "of which there is no record" in three.info()["problem"]


def test_an_interrupted_swap_is_told_of_and_left_alone(three):
    journal.begin(three.site, journal.Step("r2", "r3", by="sam"))
    before = listing(three.base)
    assert three.info()["interrupted"]["to"] == "r2"
    assert listing(three.base) == before
    three.path(".runbook/swap.json").write_text("{")
    assert "unreadable" in three.info()["interrupted"]


def test_a_release_without_its_folder_is_not_complete(three):
    os.rename(three.path("releases/r1"), three.path("gone"))
    assert [row["complete"] for row in three.info(verify=True)["releases"]] == [False, True, True]
