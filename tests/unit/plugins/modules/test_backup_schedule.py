# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._jobs.install import SCHEDULE
from ansible_collections.runbook.ops.plugins.modules import backup_schedule
from contract import complaints, run


def test_documentation_and_options_agree():
    assert complaints(backup_schedule, SCHEDULE) == []


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ({"name": "a", "kind": "command", "command": "true", "schedule": "nightly"}, "'nightly' of a is not understood"),
        ({"name": "a", "kind": "command", "schedule": "daily"}, "give command"),
        ({"name": "a", "kind": "tape"}, "value of kind must be one of"),
    ],
)
def test_bad_input_is_one_line(job, message, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    status, failed = run(backup_schedule, True, jobs=[job], manager="cron")
    assert (status, message in failed["msg"], "\n" in failed["msg"]) == (1, True, False)
