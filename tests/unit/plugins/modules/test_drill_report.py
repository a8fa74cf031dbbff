# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

from ansible_collections.runbook.ops.plugins.module_utils._drill.report import REPORT
from ansible_collections.runbook.ops.plugins.modules import drill_report
from contract import complaints, run

PHASES = [{"name": "load", "status": "ok", "value": 2}]


def test_documentation_and_options_agree():
    assert complaints(drill_report, REPORT) == []


def test_check_mode_and_apply(tmp_path):
    options = {"scenario": "backup_restore", "subject": "shop", "evidence_dir": str(tmp_path / "evidence"), "phases": PHASES}
    status, predicted = run(drill_report, True, **options)
    assert (status, predicted["changed"], predicted["status"], list(tmp_path.iterdir())) == (0, True, "ok", [])
    assert run(drill_report, **options)[1]["evidence"].endswith("_backup_restore.json")
    status, failed = run(drill_report, **options, rto_target="1s")
    assert (status, failed["status"]) == (1, "failed")
    assert "the drill backup_restore of shop failed: RTO" in failed["msg"]
