# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._logs.rotate_options import ROTATE
from ansible_collections.runbook.ops.plugins.modules import log_rotate
from contract import complaints, run


def test_documentation_and_options_agree():
    assert complaints(log_rotate, ROTATE) == []


def test_check_mode_apply_again(tmp_path):
    (tmp_path / "a.log").write_bytes(b"line\n" * 10)
    options = {"paths": [f"{tmp_path}/*.log"], "keep": 3}
    status, predicted = run(log_rotate, True, **options)
    assert (status, predicted["changed"], predicted["rotated"]) == (0, True, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]
    applied = run(log_rotate, **options)[1]
    assert applied["changed"] is True
    assert applied["logs"][0]["before"] == applied["logs"][0]["after"] == {"bytes": 50, "lines": 10}
    for check in (True, False):
        assert run(log_rotate, check, **options)[1]["changed"] is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"paths": ["/nonexistent/*.log"]}, "matches no log; correct paths, or say allow_missing: true"),
        ({"paths": ["a.log"]}, "is not absolute"),
        ({"paths": ["/etc"]}, "is a folder"),
        ({"paths": []}, "names no log"),
        ({"method": "copytruncate"}, "allow_loss"),
        ({"max_size": -1}, "max_size -1.0 is not a number from 0 on"),
        ({"every": "often"}, "every 'often' is no duration"),
        ({"mode": "0666"}, "does not suit a log"),
        ({"owner": "nobody-at-all"}, "owner 'nobody-at-all' does not exist"),
        ({"user": "nobody-at-all"}, "user 'nobody-at-all' does not exist"),
        ({"reopen": {"signal": "HUP"}}, "exactly one of pid_file, unit and command"),
        ({"reopen": {"unit": "nginx", "signal": "KILL"}}, "ends or stops a program"),
        ({"reopen": {"unit": "nginx", "signal": "NONE"}}, "is no signal"),
        ({"reopen": {"unit": "nginx"}, "method": "pause"}, "needs no reopen"),
        ({"dest": "../old"}, "climbs with"),
    ],
)
def test_one_line_for_bad_input(tmp_path, options, message):
    (tmp_path / "a.log").write_bytes(b"line\n" * 10)
    for check in (True, False):
        status, result = run(log_rotate, check, **{"paths": [f"{tmp_path}/*.log"], **options})
        assert (status, message in result["msg"]) == (1, True), result["msg"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]
