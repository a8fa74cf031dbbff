# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import json

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_rules import ENV
from ansible_collections.runbook.ops.plugins.modules import env_check
from contract import complaints, run


@pytest.fixture
def env(tmp_path):
    path = tmp_path / ".env"
    path.write_text("APP_ENV=prod\nAUTH_SECRET=geheimgeheimgeheim\n")
    path.chmod(0o640)
    return str(path)


def test_documentation_and_options_agree():
    assert complaints(env_check, ENV) == []


def test_checks_and_failure(env):
    for check in (True, False):
        status, result = run(env_check, check, path=env, required=["APP_ENV", "AUTH_SECRET"], mode="0640")
        assert (status, result["status"], result["changed"]) == (0, "ok", False)
        assert result["names"] == ["APP_ENV", "AUTH_SECRET"]
        status, result = run(env_check, check, path=env, required=["APP_KEY"], rules=[{"name": "AUTH_SECRET", "min_length": 32}])
        assert (status, result["status"]) == (1, "failed")
        assert result["msg"].endswith("not ok - .env: APP_KEY: is not set; .env: AUTH_SECRET: is shorter than 32 characters")
        assert "geheim" not in json.dumps(result)
    status, result = run(env_check, path=env, required=["APP_KEY"], fail=False)
    assert (status, result["status"]) == (0, "failed")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": 416}, "in quotes"),
        ({"mode": "rw"}, "in quotes"),
        ({"rules": [{"name": "A", "min_length": -1}]}, "less than nothing"),
        ({"rules": [{"name": "A"}, {"name": "A"}]}, "two rules for A"),
        ({"rules": [{"name": "A", "allowed": []}]}, "allows no value"),
        ({"rules": [{"name": "A", "allowed": ["x"], "min_length": 3}]}, "min_length 3"),
        ({"rules": [{"name": "A", "computed": True, "min_length": 3}]}, "not looked at"),
        ({"any_of": [["A"]]}, "fewer than two"),
        ({"required": [" "]}, "empty text"),
        ({"parity": {}}, "one of the following is required"),
        ({"format": "yaml"}, "value of format must be one of"),
    ],
)
def test_one_line_for_bad_input(env, options, message):
    status, result = run(env_check, path=env, fail=False, **options)
    assert (status, message in result["msg"], "\n" in result["msg"]) == (1, True, False), result["msg"]
