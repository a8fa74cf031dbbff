# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks.options import CHECK, HOST_CHECK
from ansible_collections.runbook.ops.plugins.module_utils._checks.registry import KINDS
from ansible_collections.runbook.ops.plugins.modules import host_check
from contract import complaints, run
from yaml import safe_load


def test_documentation_and_options_agree():
    assert complaints(host_check, HOST_CHECK) == []


def test_every_option_of_a_check_is_documented():
    documented = safe_load(host_check.DOCUMENTATION)["options"]["checks"]["suboptions"]
    assert documented.keys() == CHECK.keys()
    for name, option in CHECK.items():
        assert (documented[name]["type"], documented[name].get("choices")) == (option["type"], option.get("choices")), name
    assert [name for name, option in CHECK.items() if option.get("no_log")] == ["login_password"]


def test_every_kind_is_documented_and_shown():
    said = " ".join(safe_load(host_check.DOCUMENTATION)["options"]["checks"]["suboptions"]["kind"]["description"])
    shown = [check["kind"] for task in safe_load(host_check.EXAMPLES) for check in task["runbook.ops.host_check"]["checks"]]
    assert [name for name in KINDS if f"V({name})" not in said or name not in shown] == []


def test_checks_and_failure(tmp_path):
    folder = {"kind": "disk", "path": str(tmp_path), "name": "room", "warn": 99.9}
    for check in (True, False):
        status, result = run(host_check, check, checks=[folder, {"kind": "uptime", "crit": 1}])
        assert (status, result["status"], result["changed"], result["msg"]) == (0, "ok", False, "2 checks ok")
        status, result = run(host_check, check, checks=[folder, {"kind": "heartbeat", "path": "/nowhere", "name": "beat"}])
        assert (status, result["status"]) == (1, "failed")
        assert result["msg"].startswith("1 of 2 checks not ok - beat: /nowhere is not there")
        assert [item["status"] for item in result["checks"]] == ["ok", "failed"]
    status, result = run(host_check, fail=False, checks=[folder, {"kind": "disk", "path": "/nowhere"}])
    assert (status, result["status"]) == (0, "crashed")


def test_a_password_is_never_shown():
    check = {"kind": "redis_ping", "login_host": "127.0.0.1", "login_port": 1, "login_user": "monitor", "login_password": "wordless-42"}
    status, result = run(host_check, checks=[check])
    assert (status, result["status"]) == (1, "crashed")
    assert "wordless-42" not in str(result)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"kind": "disk", "path": "/", "warn": 10, "crit": 5}, "crit 5 is reached before warn 10"),
        ({"kind": "certificates", "path": "/x"}, "did you mean certificate?"),
        ({"kind": "disk"}, "needs path"),
    ],
)
def test_one_line_for_bad_input(check, message):
    # Even without fail, what can never be right is an error.
    status, result = run(host_check, fail=False, checks=[check])
    assert (status, message in result["msg"]) == (1, True), result["msg"]
