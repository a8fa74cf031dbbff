# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import json

from ansible_collections.runbook.ops.plugins.module_utils._checks.alert_rules import ALERT_RULES
from ansible_collections.runbook.ops.plugins.module_utils._checks.rules import RULE
from ansible_collections.runbook.ops.plugins.modules import alert_rules
from contract import complaints, run
from yaml import safe_load

RULES = [{"name": "errors", "checks": ["error rate"], "above": 5, "for": "2m", "severity": "critical"}]


def test_documentation_and_options_agree():
    assert complaints(alert_rules, ALERT_RULES) == []
    suboptions = safe_load(alert_rules.DOCUMENTATION)["options"]["rules"]["suboptions"]
    assert suboptions.keys() == RULE.keys()
    for option, said in suboptions.items():
        assert said.get("choices") == RULE[option].get("choices"), option
        assert said.get("default") == RULE[option].get("default"), option


def test_fires_and_fails(tmp_path):
    folder = tmp_path / "history"
    folder.mkdir()
    item = {"name": "error rate", "status": "ok", "value": 7, "unit": "%"}
    lines = [{"at": f"2026-03-01T12:0{minute}:00Z", "run": "r", "host": "web1", "status": "ok", "checks": [item]} for minute in range(3)]
    (folder / "2026-03-01.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    options = {"rules": RULES, "history": str(folder), "state_file": str(tmp_path / "alerts.json"), "at": "2026-03-01T12:02:00Z"}
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        status, result = run(alert_rules, check, **options)
        assert (status, result["status"], result["changed"]) == (1, "failed", changed)
        assert result["alerts"][0]["key"] == "errors/web1/error rate"
    status, result = run(alert_rules, fail=False, **options)
    assert (status, result.get("failed", False)) == (0, False)


def test_one_line_for_bad_input():
    status, result = run(alert_rules, fail=False, rules=[{"name": "x", "checks": ["y"]}])
    assert (status, "exactly one of" in result["msg"]) == (1, True)
