# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import os

from ansible_collections.runbook.ops.plugins.module_utils._release.options import RUN
from ansible_collections.runbook.ops.plugins.modules import release_run
from contract import SiteModule, run
from faults.small_site import listing

GOOD = {"release": "r3", "commands": ["touch built"]}


class TestContract(SiteModule):
    MODULE, SPEC, GOOD = release_run, RUN, GOOD
    SECRETS = ("environment_secrets",)


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
