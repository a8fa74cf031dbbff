# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._release.options import SWAP
from ansible_collections.runbook.ops.plugins.modules import release_swap
from contract import complaints, run
from faults.small_site import SmallSite, listing


@pytest.fixture
def www(tmp_path):
    """A site with r1 and r2, the second current, and r3 ready."""
    www = SmallSite(tmp_path)
    www.deploy("r1", {"index.php": "1\n"})
    www.deploy("r2", {"index.php": "2\n"})
    www.stage("r3", {"index.php": "3\n"})
    return www


def test_documentation_and_options_agree():
    assert complaints(release_swap, SWAP, secrets=()) == []


@pytest.mark.parametrize(("path", "match"), [("/", "belongs to the system"), ("www", "is not absolute"), ("/srv/../etc", "climbs with")])
def test_paths_that_are_no_sites(path, match):
    options = {**GOOD, "path": path}
    for check in (True, False):
        status, result = run(release_swap, check, **options)
        assert (status, result["failed"]) == (1, True)
        assert match in result["msg"]


def test_path_is_required():
    status, result = run(release_swap, **GOOD)
    assert status == 1
    assert "path" in result["msg"]


GOOD = {"release": "r3"}


def test_a_swap(www):
    before = listing(www.base)
    status, predicted = run(release_swap, True, path=www.base, **GOOD)
    assert (status, predicted["changed"], listing(www.base)) == (0, True, before)
    status, made = run(release_swap, path=www.base, **GOOD)
    assert (status, made["changed"], made["before"], made["after"]) == (0, True, "r2", "r3")
    assert www.current() == "r3"
    assert run(release_swap, path=www.base, **GOOD)[1]["changed"] is False


def test_a_refusal_is_one_line_with_facts(www):
    www.path("releases/r3/index.php").write_text("altered")
    status, result = run(release_swap, path=www.base, **GOOD)
    assert (status, result["drifted"]) == (1, ["index.php"])


def test_trouble_with_the_disk_is_one_line(www):
    if not os.geteuid():
        os.rename(www.path(".runbook/mutex"), www.path("gone"))
        www.path(".runbook/mutex").mkdir()
    else:
        os.chmod(www.path(".runbook"), 0)
    status, result = run(release_swap, path=www.base, **GOOD)
    assert status == 1
    assert ".runbook" in result["msg"]
