# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import os

from ansible_collections.runbook.ops.plugins.module_utils._release.options import LOCK
from ansible_collections.runbook.ops.plugins.modules import release_lock
from contract import SiteModule, run
from faults.small_site import listing

GOOD = {"owner": "one"}


class TestContract(SiteModule):
    MODULE, SPEC, GOOD = release_lock, LOCK, GOOD


def test_a_lock(www):
    before = listing(www.base)
    assert run(release_lock, True, path=www.base, **GOOD)[1]["changed"]
    assert listing(www.base) == before
    assert run(release_lock, path=www.base, **GOOD)[1]["changed"]
    assert run(release_lock, path=www.base, **GOOD)[1]["changed"] is False
    status, result = run(release_lock, path=www.base, owner="two")
    assert (status, result["lock"]["owner"]) == (1, "one")
    assert run(release_lock, path=www.base, owner="two", take_over=True)[1]["taken_from"]["owner"] == "one"
    assert run(release_lock, path=www.base, owner="two", state="released")[1]["changed"]
    assert run(release_lock, path=www.base, owner="two", state="released")[1]["changed"] is False


def test_choices(www):
    status, result = run(release_lock, path=www.base, owner="a", state="open")
    assert (status, "acquired, released" in result["msg"]) == (1, True)
    assert os.path.isdir(www.base)
