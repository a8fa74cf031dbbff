# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import os

from ansible_collections.runbook.ops.plugins.module_utils._release.options import FINISH
from ansible_collections.runbook.ops.plugins.modules import release_finish
from contract import SiteModule, run
from faults.small_site import listing

GOOD = {"release": "r2"}


class TestContract(SiteModule):
    MODULE, SPEC, GOOD = release_finish, FINISH, GOOD


def test_a_finish(www):
    before = listing(www.base)
    status, result = run(release_finish, True, path=www.base, outcome="deployed", **GOOD)
    assert (status, result["changed"], listing(www.base)) == (0, True, before)
    assert run(release_finish, path=www.base, outcome="deployed", started=1.5, details={"commit": "x"}, **GOOD)[1]["changed"]
    assert www.info()["history"][-1]["commit"] == "x"
    assert run(release_finish, path=www.base, **GOOD)[1]["changed"] is False
    assert os.path.isdir(www.base)
