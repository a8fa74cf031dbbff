# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._release.options import STAGE
from ansible_collections.runbook.ops.plugins.modules import release_info, release_stage
from contract import SiteModule, run
from faults.small_site import listing

GOOD = {"src": "/usr/share/doc", "remote_src": True}


class TestContract(SiteModule):
    MODULE, SPEC, GOOD = release_stage, STAGE, GOOD


def test_a_source_on_the_host(www, tmp_path):
    source = www.source("r4", {"a": "1", "b/c": "2"})
    options = {"path": www.base, "src": source, "remote_src": True, "release": "r4", "cache_dir": str(tmp_path / "cache")}
    before = listing(www.base)
    status, predicted = run(release_stage, True, **options)
    assert (status, predicted["changed"], predicted["files"], listing(www.base)) == (0, True, 2, before)
    status, made = run(release_stage, **options)
    assert (status, made["changed"], made["state"], made["files"], made["copied_files"]) == (0, True, "ready", 2, 2)
    assert run(release_stage, **options)[1]["changed"] is False
    www.source("r4", {"a": "changed"})
    status, result = run(release_stage, **options)
    assert (status, "exists with other content" in result["msg"]) == (1, True)
    www.swap("r4")
    assert run(release_stage, **{**options, "release": "r5"})[1]["linked_files"] == 1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "one of the following is required: src, url"),
        ({"src": "/a", "url": "https://www.example.com/a", "checksum": "x"}, "mutually exclusive"),
        ({"url": "https://www.example.com/a"}, "checksum"),
        ({"src": "/a", "checksum": "x"}, "url"),
        ({"src": "/a", "lock_ttl": 60}, "lock_owner"),
        ({"src": "/a"}, "use remote_src: true for a source on the host"),
        ({"src": "/does/not/exist", "remote_src": True}, "does not exist on the host"),
        ({"src": "/a", "compress": "a lot"}, "value of compress must be one of"),
    ],
)
def test_bad_options(www, options, match):
    before = listing(www.base)
    status, result = run(release_stage, path=www.base, **options)
    assert (status, listing(www.base)) == (1, before)
    assert match in result["msg"]
    assert os.path.isdir(www.base)


def test_names_that_are_no_utf_8_do_not_spoil_the_result(www, tmp_path):
    """Ansible refuses a result that holds such a name as Python does."""
    source = www.source("r4", {"caf\udce9": "1"})
    status, result = run(
        release_stage, path=www.base, src=source, remote_src=True, release="r4", cache_dir=str(tmp_path / "cache"), _ansible_diff=True
    )
    assert (status, result["diff"]["after"]) == (0, "+ caf\\udce9\n- index.php\n")
    www.path("releases/r4/caf\udce9").write_text("altered")
    status, result = run(release_info, path=www.base, verify=True)
    assert result["releases"][-1]["drifted"] == ["caf\\udce9"]
