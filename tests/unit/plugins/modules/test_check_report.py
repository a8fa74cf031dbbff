# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

from ansible_collections.runbook.ops.plugins.module_utils._report.use_cases import REPORT
from ansible_collections.runbook.ops.plugins.modules import check_report
from contract import complaints, run

CHECKS = [{"name": "disk /", "status": "warning", "value": 75, "unit": "%", "message": "75 %, above warn 70"}]


def test_documentation_and_options_agree():
    assert complaints(check_report, REPORT) == []


def test_check_mode_and_apply(tmp_path):
    options = {"dest": str(tmp_path / "reports"), "results": [{"host": "web1", "checks": CHECKS}], "run": "one"}
    status, predicted = run(check_report, True, **options)
    assert (status, predicted["changed"], predicted["status"], list(tmp_path.iterdir())) == (0, True, "warning", [])
    status, applied = run(check_report, **options)
    assert (status, applied["exit_code"], applied["msg"]) == (0, 1, "1 warning, 1 check on 1 host")
    assert (tmp_path / "reports" / "index.html").read_text().startswith("<!doctype html>")
    status, again = run(check_report, **options)
    assert (status, again["changed"]) == (0, False)


def test_bad_input_is_one_line(tmp_path):
    status, failed = run(check_report, dest=str(tmp_path), results=[{"host": "web1", "checks": [{"name": "a"}]}])
    assert status == 1 and failed["msg"] == "results: check 'a' of web1 has status None; there are skipped, ok, warning, failed, crashed"
