# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._database.info import INFO
from ansible_collections.runbook.ops.plugins.modules import db_backup_info
from contract import complaints, run
from faults.small_backups import DAY, SmallBackups


def test_documentation_and_options_agree():
    assert complaints(db_backup_info, INFO, secrets=("encryption_identity",)) == []


def test_checks_and_failure(tmp_path):
    backups = SmallBackups(tmp_path)
    backups.make(2 * DAY)
    options = {"dest": str(tmp_path), "max_age": "26h"}
    status, result = run(db_backup_info, **options)
    assert (status, result["status"], result["changed"]) == (0, "failed", False)
    status, result = run(db_backup_info, True, **options, fail=True)
    assert (status, result["status"], "more than 26 hours" in result["msg"]) == (1, "failed", True)
    assert result["backups"][0]["state"] == "good"


@pytest.mark.parametrize(("options", "message"), [({"max_age": "x"}, "26h"), ({"dest": "/nonexistent"}, "is no folder on this host")])
def test_one_line_for_bad_input(tmp_path, options, message):
    status, result = run(db_backup_info, **{"dest": str(tmp_path), **options})
    assert (status, message in result["msg"]) == (1, True), result["msg"]
