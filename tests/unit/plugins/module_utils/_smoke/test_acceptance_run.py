# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that answer with JSON, by a real process and a real server: what holds, what does not, what nobody can tell, and what is kept."""

from __future__ import annotations

import json
import os
import stat
import sys
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError

ACCURACY = {"name": "accuracy", "query": "accuracy", "operator": "ge", "value": 0.98}
GEO = [
    ACCURACY,
    {"name": "median time", "query": "p50_ms", "operator": "le", "value": 50, "unit": "ms"},
    {"name": "enough points", "query": "points", "operator": "ge", "value": "100"},
]


def results(system, accuracy=0.99, rc=0):
    return system.program("results", str(accuracy), str(rc))


def printing(text):
    return [sys.executable, "-c", f"print({text!r})"]


def test_all_conditions_hold(system, server):
    for options in ({"command": results(system)}, {"url": f"{server.url}results"}):
        result = system.accept(conditions=GEO, **options)
        assert (result["status"], result["msg"], result["changed"]) == ("ok", "acceptance run: 3 conditions ok", False)
        assert [item["value"] for item in result["checks"]] == [0.99, 12.5, 120]
        assert [item["crit"] for item in result["checks"]] == [0.98, 50, 100]
        assert result["checks"][1]["message"] == "p50_ms is 12.5 ms"
        assert result["checks"][0]["duration_ms"] == result["duration_ms"] > 0


def test_one_does_not_hold_and_the_answer_is_kept(system, tmp_path):
    dest = tmp_path / "acceptance_results.json"
    with pytest.raises(RunbookError) as caught:
        system.accept(command=results(system, 0.97, 1), rc=[0, 1], conditions=GEO, dest=str(dest), fail=True)
    result = caught.value.result
    assert caught.value.message == ("acceptance run: 1 of 3 conditions not ok - accuracy: accuracy is 0.97, expected accuracy ge 0.98")
    assert ([item["status"] for item in result["checks"]], result["changed"]) == (["failed", "ok", "ok"], True)
    kept = json.loads(dest.read_text())
    assert (kept["accuracy"], kept["api_key"], result["scrubbed"]) == (0.97, "[scrubbed]", 1)
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["acceptance_results.json", "jobs"]


def test_kept_once(system, tmp_path):
    dest = tmp_path / "results.json"
    options = {"command": results(system), "conditions": [ACCURACY], "dest": str(dest)}
    assert system.accept(**options)["changed"]
    before = dest.stat()
    assert not system.accept(**options)["changed"]
    assert dest.stat().st_ino == before.st_ino
    assert system.accept(**options, mode="0640")["changed"] and stat.S_IMODE(dest.stat().st_mode) == 0o640
    changed = system.accept(**{**options, "command": results(system, 0.985)}, mode=0o640, diff=True)
    assert (changed["changed"], "0.985" in changed["diff"]["after"], "0.99" in changed["diff"]["before"]) == (True, True, True)
    assert "k3y-of" not in str(changed)


def test_check_mode(system, tmp_path):
    dest = tmp_path / "results.json"
    options = {"conditions": GEO, "dest": str(dest), "check_mode": True}
    marker = [sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')"]
    result = system.accept(command=marker, **options)
    assert (result["status"], result["changed"], (tmp_path / "ran").exists(), dest.exists()) == ("skipped", True, False, False)
    assert result["msg"].startswith("acceptance run: not run in check mode; would run ")
    result = system.accept(command=results(system), run_in_check_mode=True, diff=True, **options)
    assert (result["status"], result["changed"], dest.exists()) == ("ok", True, False)
    assert '"points": 120' in result["diff"]["after"]


@pytest.mark.parametrize(
    ("document", "condition", "message"),
    [
        ({}, ACCURACY, "the answer has no accuracy, expected accuracy ge 0.98"),
        ({"accuracy": None}, ACCURACY, "the answer has no accuracy"),
        ({"accuracy": "0.99"}, ACCURACY, "accuracy is a text and can't be compared"),
        ({"accuracy": True}, ACCURACY, "accuracy is true or false and can't be compared"),
        ({"accuracy": [0.99, 1]}, ACCURACY, "accuracy is a list of 2 and can't be compared"),
        ({"n": {}}, {"query": "n.errors", "operator": "ne", "value": 5}, "the answer has no n.errors"),
        ({}, {"query": "errors", "operator": "not_contains", "value": "x"}, "the answer has no errors"),
        ({}, {"query": "errors", "operator": "not_in", "value": ["x"]}, "the answer has no errors"),
        ({}, {"query": "errors", "value": None}, "the answer has no errors"),
        ({"samples": []}, {"query": "avg(samples)", "operator": "le", "value": 50}, "the answer has no avg(samples)"),
        ({"samples": []}, {"query": "max(samples)", "operator": "le", "value": 50}, "the answer has no max(samples)"),
        ({"points": 3}, {"query": "length(points)", "operator": "ge", "value": 1}, "can't be evaluated"),
        ([], ACCURACY, "the answer has no accuracy"),
    ],
)
def test_what_is_not_there_is_never_ok(system, document, condition, message):
    result = system.accept(command=printing(json.dumps(document)), conditions=[condition])
    assert (result["status"], message in result["msg"]) == ("crashed", True), result["msg"]


@pytest.mark.parametrize(
    ("document", "condition", "status"),
    [
        ({"samples": []}, {"query": "length(samples)", "operator": "ge", "value": 100}, "failed"),
        ({}, {"query": "errors", "operator": "exists"}, "failed"),
        ({}, {"query": "errors", "operator": "absent"}, "ok"),
        ({"version": "2.10"}, {"query": "version", "operator": "ge", "value": "v1"}, "failed"),
        ({"ok": True}, {"query": "ok", "value": 1}, "failed"),
    ],
)
def test_other_conditions(system, document, condition, status):
    assert system.accept(command=printing(json.dumps(document)), conditions=[condition])["status"] == status


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"command": printing("")}, "the answer is empty, not JSON"),
        ({"command": printing("PHP Warning: token=hunter2hunter2\n{}")}, "the answer is not JSON"),
        ({"command": printing('{"accuracy": NaN}')}, "NaN is no JSON number"),
        ({"command": printing("[" * 100000)}, "the answer is not JSON"),
        (
            {"command": [sys.executable, "-c", "import sys; print('{}'); sys.exit('Fatal error: password=hunter2hunter2')"]},
            "Fatal error: password=[scr",
        ),
        ({"command": ["no-such-program-at-all"]}, "is not installed on this host"),
        ({"url": "http://127.0.0.1:1/"}, "connection refused"),
    ],
)
def test_no_result_to_judge(system, tmp_path, options, message):
    dest = tmp_path / "results.json"
    dest.write_text("earlier")
    result = system.accept(conditions=GEO, dest=str(dest), **options)
    assert [item["status"] for item in result["checks"]] == ["crashed"] * 3
    assert "gave no result to judge: " in result["msg"] and message in result["msg"], result["msg"]
    assert (dest.read_text(), result["changed"], "hunter2" in str(result)) == ("earlier", False, False)


def test_a_run_that_does_not_end_is_killed_with_its_children(system, tmp_path):
    child = f"import time; time.sleep(1); open({str(tmp_path / 'late')!r}, 'w')"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    result = system.accept(command=[sys.executable, "-c", script], conditions=GEO, timeout=0.4)
    assert "was still running after 0.4 s and was stopped" in result["msg"]
    time.sleep(1.2)
    assert not (tmp_path / "late").exists()


def test_secrets_are_not_shown(system, tmp_path):
    dest = tmp_path / "results.json"
    document = {
        "api_key": "k3y-of-the-geocoder",
        "note": "uses my-own-secret",
        "rows": [{"name": "DB_PASSWORD", "value": "hunter2hunter2"}],
    }
    conditions = [{"query": "api_key", "value": "x"}, {"query": "note", "value": "x"}, {"query": "rows[0].value", "value": "x"}]
    result = system.accept(command=printing(json.dumps(document)), conditions=conditions, dest=str(dest), scrub_values=["my-own-secret"])
    assert [item["status"] for item in result["checks"]] == ["failed"] * 3
    for secret in ("k3y-of-the-geocoder", "my-own-secret", "hunter2hunter2"):
        assert secret not in str(result) and secret not in dest.read_text()
    # The condition itself is judged by what was really there.
    assert (
        system.accept(command=printing(json.dumps(document)), conditions=[{"query": "api_key", "value": "k3y-of-the-geocoder"}])["status"]
        == "ok"
    )


BAD = [
    ({"conditions": []}, "conditions is empty"),
    ({"conditions": [{"query": "a["}]}, "condition 1: json query 'a\\[' is not valid"),
    ({"conditions": [{"name": "n", "query": "a", "operator": "ge", "value": [1]}]}, "condition n: json query 'a': value"),
    ({"conditions": [ACCURACY, ACCURACY]}, "two conditions are called 'accuracy'"),
    ({"timeout": 0}, "timeout 0"),
    ({"mode": "0666"}, "mode 0666 does not suit"),
    ({"mode": "rw"}, "octal mode"),
    ({"dest": "results.json"}, "is not the absolute path"),
    ({"dest": "/nowhere/at/all/results.json"}, "there is no folder /nowhere/at/all"),
    ({"dest": "/tmp"}, "is no ordinary file"),
    ({"url": "http://www.example.com/"}, "mutually exclusive"),
    ({"scrub_values": ["abc"]}, "fewer than 4"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_input_runs_nothing(system, tmp_path, options, message):
    marker = [sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')"]
    for check_mode in (True, False):
        with pytest.raises(InvalidInput, match=message) as caught:
            system.accept(check_mode=check_mode, **{"command": marker, "conditions": GEO, **options})
        assert "\n" not in caught.value.message
    assert not (tmp_path / "ran").exists()


def test_dest_is_no_link(system, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match="is no ordinary file"):
        system.accept(command=results(system), conditions=GEO, dest=str(tmp_path / "link"))


def test_somebody_who_waits_is_told(system, monkeypatch):
    from ansible_collections.runbook.ops.plugins.module_utils._smoke import acceptance_run as use_case

    monkeypatch.setattr(use_case, "ticking", lambda say, what, real=use_case.ticking: real(say, what, every=0.1))
    slow = [sys.executable, "-c", "import time; time.sleep(0.5); print('{}')"]
    system.accept(name="geo", command=slow, conditions=[{"query": "a", "operator": "absent"}])
    assert len(system.lines) >= 2 and all(line.startswith("geo: ") and line.endswith("is still running, 0:00") for line in system.lines)
