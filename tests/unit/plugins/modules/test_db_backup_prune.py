# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._database.prune import PRUNE
from ansible_collections.runbook.ops.plugins.modules import db_backup_prune
from contract import complaints, run
from faults.small_backups import DAY, SmallBackups


def test_documentation_and_options_agree():
    assert complaints(db_backup_prune, PRUNE, secrets=()) == []


def test_check_mode_apply_again(tmp_path):
    backups = SmallBackups(tmp_path)
    for age in (3, 2, 1):
        backups.make(age * DAY)
    options = {"dest": str(tmp_path), "name": "shop", "keep_last": 2}
    status, predicted = run(db_backup_prune, True, **options)
    assert (status, predicted["changed"], len(backups.ids())) == (0, True, 3)
    assert run(db_backup_prune, **options)[1]["changed"] is True
    assert len(backups.ids()) == 2
    for check in (True, False):
        assert run(db_backup_prune, check, **options)[1]["changed"] is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep_last": 1}, "below the floor"),
        ({}, "nothing says what to keep"),
        ({"keep_last": 3, "dest": "/nonexistent"}, "is no folder on this host"),
        ({"keep_last": 3, "name": "nobody"}, "there are no backups of nobody"),
    ],
)
def test_one_line_for_bad_input(tmp_path, options, message):
    status, result = run(db_backup_prune, **{"dest": str(tmp_path), **options})
    assert (status, message in result["msg"]) == (1, True), result["msg"]
