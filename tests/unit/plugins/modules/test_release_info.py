# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import os

from ansible_collections.runbook.ops.plugins.module_utils._release.options import INFO
from ansible_collections.runbook.ops.plugins.modules import release_info
from contract import SiteModule, run
from faults.small_site import listing

GOOD = {}


class TestContract(SiteModule):
    MODULE, SPEC, GOOD = release_info, INFO, GOOD


def test_a_look(www):
    before = listing(www.base)
    for check in (True, False):
        status, result = run(release_info, check, path=www.base, verify=True)
        assert (status, result["changed"], result["current"], result["previous"]) == (0, False, "r2", "r1")
    assert listing(www.base) == before


def test_nothing_there(tmp_path):
    assert run(release_info, path=str(tmp_path / "no"))[1]["exists"] is False
    assert os.listdir(tmp_path) == []
