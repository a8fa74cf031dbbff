# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import json
import sys

import pytest
import yaml
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import complete
from ansible_collections.runbook.ops.plugins.module_utils._common.jsonquery import OPERATORS
from ansible_collections.runbook.ops.plugins.module_utils._smoke.options import ACCEPTANCE_RUN
from ansible_collections.runbook.ops.plugins.modules import acceptance_run
from contract import complaints, run

SECRETS = ("scrub_values", "proxy_password", "url_password", "bearer_token")


def test_documentation_and_options_agree():
    assert complaints(acceptance_run, ACCEPTANCE_RUN, secrets=SECRETS) == []
    condition = yaml.safe_load(acceptance_run.DOCUMENTATION)["options"]["conditions"]["suboptions"]
    assert condition["operator"]["choices"] == list(OPERATORS)


@pytest.mark.parametrize("task", yaml.safe_load(acceptance_run.EXAMPLES), ids=lambda task: task["name"])
def test_examples_are_valid(task):
    complete(ACCEPTANCE_RUN, task["runbook.ops.acceptance_run"], "example")


def test_accepted_kept_and_refused(tmp_path):
    dest = tmp_path / "results.json"
    options = {"command": [sys.executable, "-c", 'print(\'{"points": 99, "token": "hunter2hunter2"}\')'], "dest": str(dest)}
    few = {"conditions": [{"query": "points", "operator": "ge", "value": 100}]}
    status, result = run(acceptance_run, True, **options, **few)
    assert (status, result["status"], result["changed"], dest.exists()) == (0, "skipped", True, False)
    status, result = run(acceptance_run, **options, **few)
    assert (status, result["status"], result["changed"]) == (1, "failed", True)
    assert result["msg"] == "acceptance run: 1 of 1 condition not ok - points ge 100: points is 99, expected points ge 100"
    assert json.loads(dest.read_text()) == {"points": 99, "token": "[scrubbed]"}
    status, again = run(acceptance_run, **options, conditions=[{"query": "points", "operator": "ge", "value": 99}])
    assert (status, again["status"], again["changed"], again["scrubbed"]) == (0, "ok", False, 1)
