# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._release.options import PRUNE
from ansible_collections.runbook.ops.plugins.modules import release_prune
from contract import SiteModule, run
from faults.small_site import listing

GOOD = {"keep": 2}


class TestContract(SiteModule):
    MODULE, SPEC, GOOD = release_prune, PRUNE, GOOD


def test_a_prune(www):
    www.swap("r3")
    before = listing(www.base)
    status, predicted = run(release_prune, True, path=www.base, **GOOD)
    assert (status, predicted["removed"], listing(www.base)) == (0, ["r1"], before)
    assert run(release_prune, path=www.base, **GOOD)[1]["removed"] == ["r1"]
    assert run(release_prune, path=www.base, **GOOD)[1]["changed"] is False


@pytest.mark.parametrize("keep", [1, 0, -5])
def test_keep_1(www, keep):
    status, result = run(release_prune, path=www.base, keep=keep)
    assert (status, "use 2 or more" in result["msg"]) == (1, True)
    assert os.listdir(www.path("releases"))
