# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._release.options import RUN
from ansible_collections.runbook.ops.plugins.modules import release_run
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
    assert complaints(release_run, RUN, secrets=("environment_secrets",)) == []


@pytest.mark.parametrize(("path", "match"), [("/", "belongs to the system"), ("www", "is not absolute"), ("/srv/../etc", "climbs with")])
def test_paths_that_are_no_sites(path, match):
    options = {**GOOD, "path": path}
    for check in (True, False):
        status, result = run(release_run, check, **options)
        assert (status, result["failed"]) == (1, True)
        assert match in result["msg"]


def test_path_is_required():
    status, result = run(release_run, **GOOD)
    assert status == 1
    assert "path" in result["msg"]


GOOD = {"release": "r3", "commands": ["touch built"]}


def test_a_run(www):
    before = listing(www.base)
    status, result = run(release_run, True, path=www.base, **GOOD)
    assert (status, result["changed"], listing(www.base)) == (0, True, before)
    status, result = run(release_run, path=www.base, **GOOD)
    assert (status, result["sealed"], os.path.exists(www.path("releases/r3/built"))) == (0, True, True)


def test_secrets_are_not_in_the_result(www):
    command = ["sh", "-c", "echo $TOKEN; echo $TOKEN >&2; exit 1"]
    status, result = run(release_run, path=www.base, release="r3", commands=[command], environment_secrets={"TOKEN": "s3cret-value"})
    assert status == 1
    assert "s3cret-value" not in str(result)
