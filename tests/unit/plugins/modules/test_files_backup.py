# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and one line for bad input."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._files.options import FILES_BACKUP
from ansible_collections.runbook.ops.plugins.modules import files_backup
from contract import complaints, run


def test_documentation_and_options_agree():
    assert complaints(files_backup, FILES_BACKUP, secrets=("password", "repository_env")) == []


GOOD = {"path": "/srv/www", "repository": "/srv/restic", "password": "a long password"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"path": "/"}, "below /"),
        ({"path": "/nonexistent"}, "does not exist"),
        ({"keep_last": 1}, "below the floor"),
        ({"fresh_for": "soon"}, "soon"),
        ({"password_file": "/x"}, "mutually exclusive"),
        ({"tags": ["a,b"]}, "can't be a tag"),
    ],
)
def test_one_line_for_bad_input(tmp_path, more, message):
    for check in (True, False):
        status, result = run(files_backup, check, **{**GOOD, "path": str(tmp_path), **more})
        assert status == 1
        assert message in result["msg"]
