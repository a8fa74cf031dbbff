# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import hashlib
import json

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._build.options import VERIFY
from ansible_collections.runbook.ops.plugins.modules import artifact_verify
from contract import complaints, run


@pytest.fixture
def latest(tmp_path):
    (tmp_path / "site.zip").write_bytes(b"zip")
    said = {"version": "1", "sha256": hashlib.sha256(b"zip").hexdigest(), "size": 3, "url": "site.zip"}
    (tmp_path / "latest.json").write_text(json.dumps(said))
    return str(tmp_path / "latest.json")


def test_documentation_and_options_agree():
    assert complaints(artifact_verify, VERIFY, {"url_password", "bearer_token"}) == []


def test_checks_and_failure(latest):
    for check in (True, False):
        status, result = run(artifact_verify, check, documents=[{"path": latest}])
        assert (status, result["status"], result["changed"], result["msg"]) == (0, "ok", False, "7 checks ok")
        status, result = run(artifact_verify, check, documents=[{"path": latest}], version="2")
        assert (status, result["status"]) == (1, "failed")
        assert result["msg"] == "1 of 7 checks not ok - latest.json: version: is 1, not 2"
    status, result = run(artifact_verify, documents=[{"path": latest}], version="2", fail=False)
    assert (status, result["status"]) == (0, "failed")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"documents": []}, "documents is empty"),
        ({"documents": [{}]}, "one of the following is required"),
        ({"max_age": "soon"}, "no duration"),
        ({"url": "site.zip"}, "is relative"),
        ({"url": "https://www.example.com/", "url_password": "geheim"}, "url_password is given without url_username"),
        ({"connect_to": {"port": 1}}, "must have host"),
    ],
)
def test_one_line_for_bad_input(latest, options, message):
    status, result = run(artifact_verify, fail=False, **{"documents": [{"path": latest}], **options})
    assert (status, message in result["msg"], "geheim" in result["msg"]) == (1, True, False), result["msg"]
