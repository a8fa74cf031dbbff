# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import json

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._build.options import BUILD
from ansible_collections.runbook.ops.plugins.modules import release_build
from contract import complaints, run


@pytest.fixture
def site(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.php").write_text("<?php\n")
    return tmp_path


def build(site, check=False, **more):
    return run(release_build, check, src=str(site / "site"), dest=str(site / "dist"), **{"version": "1.4.2", **more})


def test_documentation_and_options_agree():
    assert complaints(release_build, BUILD) == []


def test_check_apply_again_check(site):
    status, predicted = build(site, check=True)
    assert (status, predicted["changed"], (site / "dist").exists()) == (0, True, False)
    status, applied = build(site)
    assert (status, applied["changed"], applied["version"]) == (0, True, "1.4.2")
    for check in (False, True):
        status, again = build(site, check=check)
        assert (status, again["changed"], again["sha256"]) == (0, False, applied["sha256"])


def test_a_secret_is_refused_and_not_shown(site):
    (site / "site/config.php").write_text("<?php\n$db_password = 'geheim77';\n")
    for check in (True, False):
        status, result = build(site, check=check)
        assert (status, result["secrets"]) == (1, [{"path": "config.php", "line": 2, "kind": "password or key"}])
        assert "config.php:2" in result["msg"]
        assert "geheim" not in json.dumps(result)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "rar"}, "value of format must be one of"),
        ({"version_file": "VERSION"}, "mutually exclusive"),
        ({"version": None}, "git repository"),
        ({"source_date_epoch": "now"}, "int"),
        ({"exclude": [""]}, "empty pattern"),
    ],
)
def test_one_line_for_bad_input(site, options, message):
    status, result = build(site, **options)
    assert (status, message in result["msg"]) == (1, True), result["msg"]


def test_a_name_that_is_no_text(site):
    with open(f"{site}/site/".encode() + b"\xff.txt", "w"):
        pass
    status, result = build(site)
    assert (status, "is not UTF-8" in result["msg"]) == (1, True), result["msg"]
