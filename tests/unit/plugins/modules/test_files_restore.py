# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and one line for bad input."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._files.options import FILES_RESTORE
from ansible_collections.runbook.ops.plugins.modules import files_restore
from contract import complaints, run


def test_documentation_and_options_agree():
    assert complaints(files_restore, FILES_RESTORE, secrets=("password", "repository_env")) == []


GOOD = {"path": "/srv/uploads", "repository": "/srv/restic", "password": "a long password"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"target": "/etc"}, "belongs to the system"),
        ({"target": "/nonexistent/x"}, "does not exist"),
        ({"mode": "scratch"}, "give target"),
        ({"keep_previous": 0}, "use 1 or more"),
        ({"src": "0123456", "as_of": "0"}, "leave src out"),
    ],
)
def test_one_line_for_bad_input(more, message):
    for check in (True, False):
        status, result = run(files_restore, check, **{**GOOD, **more})
        assert (status, message in result["msg"]) == (1, True), result["msg"]
