# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import os

from ansible_collections.runbook.ops.plugins.module_utils._release.options import SWAP
from ansible_collections.runbook.ops.plugins.modules import release_swap
from contract import SiteModule, run
from faults.small_site import listing

GOOD = {"release": "r3"}


class TestContract(SiteModule):
    MODULE, SPEC, GOOD = release_swap, SWAP, GOOD


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
