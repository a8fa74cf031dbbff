# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

from ansible_collections.runbook.ops.plugins.module_utils._evidence.bundle import BUNDLE
from ansible_collections.runbook.ops.plugins.modules import evidence_bundle
from contract import complaints, run


def test_documentation_and_options_agree():
    assert complaints(evidence_bundle, BUNDLE, {"scrub_values"}) == []


def test_check_mode_apply_verify(tmp_path):
    (tmp_path / "app.log").write_text("kept\nDB_PASSWORD=Hunter2\n")
    dest = str(tmp_path / "evidence" / "run.zip")
    options = {"dest": dest, "sources": [{"src": str(tmp_path / "app.log"), "name": "logs/app.log"}]}
    status, predicted = run(evidence_bundle, True, **options)
    assert (status, predicted["changed"], sorted(path.name for path in tmp_path.iterdir())) == (0, True, ["app.log"])
    status, made = run(evidence_bundle, **options)
    assert (status, made["changed"], made["sha256"], made["scrubbed"]) == (0, True, predicted["sha256"], 1)
    assert run(evidence_bundle, **options)[1]["changed"] is False
    status, verified = run(evidence_bundle, state="verified", dest=dest)
    assert (status, verified["status"], verified["changed"]) == (0, "ok", False)
    with open(dest, "r+b") as stream:
        stream.seek(40)
        stream.write(b"XX")
    status, verified = run(evidence_bundle, state="verified", dest=dest)
    assert (status, verified["status"]) == (1, "failed")
    assert "is not the bundle that was made" in verified["msg"]


def test_bad_input_is_one_line(tmp_path):
    for options, said in (
        ({"dest": "x.zip", "sources": [{"content": "x", "name": "a"}]}, "not absolute"),
        ({"dest": str(tmp_path / "x.zip")}, "sources is empty"),
        ({"dest": str(tmp_path / "x.zip"), "sources": [{"content": "x"}]}, "content needs a name"),
        ({"dest": str(tmp_path / "x.zip"), "sources": [{"content": "x", "name": "../a"}]}, "climbs"),
        ({"dest": str(tmp_path / "x.zip"), "sources": [{"src": str(tmp_path / "gone")}]}, "does not exist"),
        ({"state": "verified", "dest": str(tmp_path / "x.zip")}, "No such file"),
    ):
        status, result = run(evidence_bundle, **options)
        assert (status, said in result["msg"], "\n" in result["msg"]) == (1, True, False), result
