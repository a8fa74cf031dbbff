# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import re

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._drill import evidence, report

PHASES = [
    {"name": "fetch", "status": "ok", "value": 10.0},
    {"name": "load", "status": "ok", "value": 50.0, "message": "3 tables"},
    {"name": "drop scratch", "status": "ok", "value": 100.0, "recovery": False},
]


def make(folder, **more):
    return evidence.Report(
        **{
            "scenario": "backup_restore",
            "subject": "shop",
            "folder": str(folder),
            "started": "2026-11-21T10:15:00Z",
            "phases": PHASES,
            **more,
        }
    )


def judged(**more):
    return evidence.judge(make("/tmp", **more))


def named(result):
    return {item["name"]: item["status"] for item in result["checks"]}


def test_only_recovery_counts():
    result = judged(rpo_seconds=100, rto_target=60, rpo_target=100)
    assert (result["rto_seconds"], result["status"]) == (60.0, "ok")
    assert named(result) == {"recovery": "ok", "RTO": "ok", "RPO": "ok"}


def test_targets_that_are_missed():
    assert named(judged(rto_target=59.9)) == {"recovery": "ok", "RTO": "failed", "RPO": "skipped"}
    assert judged(rpo_seconds=101, rpo_target=100)["status"] == "failed"


def test_a_target_that_was_not_measured_is_missed():
    assert named(judged(rpo_target=100))["RPO"] == "failed"
    assert named(judged(error="server gone", rto_target=3600))["RTO"] == "failed"


def test_a_failed_phase_is_no_recovery():
    result = judged(phases=[*PHASES, {"name": "smoke test", "status": "failed", "value": 1, "message": "empty"}])
    assert (result["status"], result["message"]) == ("failed", "recovery: smoke test: empty")


def test_nothing_rehearsed_is_no_success():
    assert judged(phases=[])["status"] == "failed"


def test_further_checks_count():
    assert judged(checks=[{"name": "probe", "status": "failed", "message": "500"}])["status"] == "failed"
    assert judged(checks=[{"name": "probe", "status": "warning", "message": "slow"}])["status"] == "warning"


@pytest.mark.parametrize("bad", [{"name": "x"}, {"name": "x", "value": "soon"}, {"name": "x", "value": 1, "status": "fine"}, {"value": 1}])
def test_phases_have_a_shape(bad):
    with pytest.raises(InvalidInput, match="is no phase"):
        judged(phases=[bad])


def test_evidence_and_trend(tmp_path):
    first = evidence.report_drill(make(tmp_path), Run())
    second = evidence.report_drill(make(tmp_path, started="2026-11-21T10:20:00Z"), Run())
    again = evidence.report_drill(make(tmp_path, started="2026-11-21T10:20:00Z"), Run())
    assert (again["changed"], again["evidence"], again["page"]) == (False, second["evidence"], second["page"])
    other = evidence.report_drill(make(tmp_path, subject="blog"), Run())
    assert re.fullmatch(r".*/\d{8}_\d{6}(_\d+)?_backup_restore\.json", first["evidence"])
    assert len({first["evidence"], second["evidence"], other["evidence"]}) == 3
    assert json.loads(pathlib.Path(second["evidence"]).read_text()) == second["report"]
    assert pathlib.Path(first["page"]).read_text().count("<rect") == 1
    assert pathlib.Path(second["page"]).read_text().count("<rect") == 2
    assert pathlib.Path(other["page"]).read_text().count("<rect") == 1


def test_a_page_escapes_and_needs_nothing_from_elsewhere(tmp_path):
    made = evidence.report_drill(make(tmp_path, subject="<script>alert(1)</script>", error="<b>no</b>", details={"<i>": "&"}), Run())
    text = pathlib.Path(made["page"]).read_text()
    assert "<script" not in text
    assert "<b>" not in text
    assert "<i>" not in text
    assert not re.search(r'(src|href)=(?!"data:,")|url\(|@import', text)


def test_unreadable_evidence_is_passed_over(tmp_path):
    (tmp_path / "20261121_101500_backup_restore.json").write_text("{")
    (tmp_path / "20261121_101501_backup_restore.json").write_text("[]")
    assert evidence.report_drill(make(tmp_path), Run())["status"] == "ok"


def test_the_use_case_fails_after_the_evidence_is_there(tmp_path):
    options = {
        "scenario": "backup_restore",
        "subject": "shop",
        "evidence_dir": str(tmp_path),
        "started": "2026-11-21T10:15:00Z",
        "phases": PHASES,
        "checks": [],
        "rpo_seconds": 10.0,
        "rto_target": "59s",
        "rpo_target": "0",
        "error": "",
        "details": {},
        "fail": True,
    }
    with pytest.raises(RunbookError, match="RTO: the recovery took 1:00, more than 59.00 s") as caught:
        report.drill_report(options, Run())
    assert json.loads(pathlib.Path(caught.value.result["evidence"]).read_text())["status"] == "failed"
    assert report.drill_report({**options, "fail": False}, Run())["status"] == "failed"
    assert report.drill_report({**options, "rto_target": "1m"}, Run())["status"] == "ok"
    assert report.drill_report({**options, "rto_target": "1m", "started": None}, Run(check_mode=True))["evidence"] == ""


@pytest.mark.parametrize(("folder", "scenario", "words"), [("/tmp/x", "../x", "no word"), ("here", "backup_restore", "not absolute")])
def test_refuses(folder, scenario, words):
    with pytest.raises(InvalidInput, match=words):
        evidence.report_drill(make(folder, scenario=scenario), Run())
