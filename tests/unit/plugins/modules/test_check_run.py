# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

from ansible_collections.runbook.ops.plugins.module_utils._checks.checklist import CHECK_RUN
from ansible_collections.runbook.ops.plugins.modules import check_run
from contract import complaints, run

DISK = {"host_check": {"kind": "disk", "path": "/", "warn": 99.8, "crit": 99.9}}


def test_documentation_and_options_agree():
    assert complaints(check_run, CHECK_RUN) == []


def test_check_mode_and_apply(tmp_path):
    options = {"checklist": [DISK], "state_dir": str(tmp_path / "state")}
    status, predicted = run(check_run, True, **options)
    assert (status, predicted["changed"], predicted["status"], list(tmp_path.iterdir())) == (0, False, "ok", [])
    assert run(check_run, **options)[1]["due"] == 1
    status, again = run(check_run, **options)
    assert (status, again["due"], again["later"], again["status"]) == (0, 0, 1, "skipped")


def test_secrets_are_not_shown(tmp_path):
    secret = "s3cret-of-the-test"
    entry = {"host_check": {"kind": "redis_ping", "login_port": 1}, "secrets": {"login_password": secret}}
    status, result = run(check_run, checklist=[entry], state_dir=str(tmp_path))
    assert result["status"] == "crashed" and secret not in str(result)
