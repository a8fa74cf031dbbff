# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and one line for bad input."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._offsite.copy import OFFSITE
from ansible_collections.runbook.ops.plugins.modules import offsite_copy
from contract import complaints, run


def test_documentation_and_options_agree():
    assert complaints(offsite_copy, OFFSITE, secrets=("config",)) == []


GOOD = {"dest": "/srv/backups", "remote": "s3:bucket", "config": {"s3": {"type": "s3"}}}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"remote": "bucket"}, "neither NAME:path"),
        ({"remote": "other:bucket"}, "is of other, but config has"),
        ({"config": {}}, "nothing says what s3 is"),
        ({"config": {"s3": {"type": "s3\nx"}}}, "line break"),
        ({"retries": 0}, "would never try"),
        ({"select": "ids", "ids": ["x"], "name": "shop"}, "not all ids"),
        ({"select": "ids", "ids": ["20260101_000000"]}, "missing: name"),
        ({"direction": "fetch"}, "missing: name"),
    ],
)
def test_one_line_for_bad_input(more, message):
    for check in (True, False):
        status, result = run(offsite_copy, check, **{**GOOD, **more})
        assert (status, message in result["msg"]) == (1, True), result["msg"]
