# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._release.options import INFO
from ansible_collections.runbook.ops.plugins.modules import release_info
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
    assert complaints(release_info, INFO, secrets=()) == []


@pytest.mark.parametrize(("path", "match"), [("/", "belongs to the system"), ("www", "is not absolute"), ("/srv/../etc", "climbs with")])
def test_paths_that_are_no_sites(path, match):
    options = {**GOOD, "path": path}
    for check in (True, False):
        status, result = run(release_info, check, **options)
        assert (status, result["failed"]) == (1, True)
        assert match in result["msg"]


def test_path_is_required():
    status, result = run(release_info, **GOOD)
    assert status == 1
    assert "path" in result["msg"]


GOOD = {}


def test_a_look(www):
    before = listing(www.base)
    for check in (True, False):
        status, result = run(release_info, check, path=www.base, verify=True)
        assert (status, result["changed"], result["current"], result["previous"]) == (0, False, "r2", "r1")
    assert listing(www.base) == before


def test_nothing_there(tmp_path):
    assert run(release_info, path=str(tmp_path / "no"))[1]["exists"] is False
    assert os.listdir(tmp_path) == []
