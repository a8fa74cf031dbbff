# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How rclone is told what a remote is. What it does with that is shown with real servers, in tests/database and tests/offsite."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._common.process import ProgramFailed
from ansible_collections.runbook.ops.plugins.module_utils._offsite.rclone import Rclone, Remote

S3 = {"s3": {"type": "s3", "force_path_style": True, "secret_access_key": "a # b ; c"}}


def test_the_configuration():
    assert Remote("s3:bucket", S3).text() == "[s3]\ntype = s3\nforce_path_style = true\nsecret_access_key = a # b ; c\n"
    assert "a # b" not in repr(Remote("s3:bucket", S3))


@pytest.mark.parametrize(
    ("where", "config", "message"),
    [
        ("bucket", S3, "neither NAME:path"),
        ("-x:bucket", S3, "begins with a dash"),
        ("s3:bucket\n", S3, "neither"),
        (":s3,env_auth:bucket", S3, "neither"),
        ("other:bucket", S3, "is of other"),
        ("s3:bucket", {}, "nothing says what s3 is"),
        ("s3:bucket", {"s3": {"type": "s3\n[other]"}}, "line break"),
        ("s3:bucket", {"s3]\n[x": {}, **S3}, "no name"),
        ("s3:bucket", {"s3": "text"}, "no name with a mapping"),
    ],
)
def test_what_is_no_remote(where, config, message):
    with pytest.raises(InvalidInput, match=message):
        Remote(where, config).check()


def test_paths_and_remotes_that_are_fine():
    for where, config in (("/mnt/disk/backups", {}), ("s3:", S3), ("s3:bucket/folder", S3)):
        Remote(where, config).check()


def test_a_host_whose_key_nobody_compares():
    assert Remote("a:x", {"a": {"type": "sftp"}}).unchecked_host == "a"
    assert Remote("a:x", {"a": {"type": "sftp", "known_hosts_file": "/etc/ssh/ssh_known_hosts"}}).unchecked_host == ""


@pytest.mark.parametrize(
    ("where", "name", "path"), [("s3:", "a/b", "s3:a/b"), ("s3:x", "a", "s3:x/a"), ("/x/", "a", "/x/a"), ("s3:x", "", "s3:x")]
)
def test_names(where, name, path):
    assert Rclone("rclone", Remote(where, S3), "").path(name) == path


def test_a_reason_without_its_date():
    failed = ProgramFailed("rclone ended with 1: 2026/11/22 01:36:57 ERROR : Attempt 1/1 failed with 1 errors and: no", 1, "")
    assert (
        Rclone("rclone", Remote("s3:x", S3), "")._explain(failed).message
        == "s3:x: rclone ended with 1: Attempt 1/1 failed with 1 errors and: no"
    )
