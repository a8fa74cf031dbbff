# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file, and the command behind it: rehearsed, counted, confirmed, run once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._jobs.guarded import GUARDED
from ansible_collections.runbook.ops.plugins.modules import guarded_command
from contract import complaints, run

TOOL = """
import os, sys, time
rows = open("rows").read().split()
if "--list" in sys.argv:
    print("[" + ", ".join(rows) + "]")
elif "--dry-run" in sys.argv:
    print(f"would delete {len(rows):,} rows of {sys.argv[2]}, token", os.environ.get("TOKEN"))
    print("\\n".join(f"row {row}" for row in rows))
elif "-y" in sys.argv:
    time.sleep(float(os.environ.get("SLOW", "0")))
    open("ran", "a").write("x")
    for row in rows:
        print(f"job {row}: pages=2 inserted={row} note={os.environ.get('TOKEN')}")
    if "--bad" in sys.argv:
        print("could not reach the queue with", os.environ.get("TOKEN"), file=sys.stderr)
        sys.exit(3)
    open("rows", "w").close()
    print("done, but ERROR 5" if "--odd" in sys.argv else "done")
else:
    sys.exit("neither")
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "tool.py").write_text(textwrap.dedent(TOOL))
    (tmp_path / "rows").write_text("7 8 9")
    (tmp_path / "site").mkdir()
    return tmp_path


def options(place, **more):
    usual = {
        "name": "roll a batch back",
        "command": [sys.executable, "tool.py", "--batch", "b 7; touch broken"],
        "dry_run": ["--dry-run"],
        "arguments": ["-y"],
        "count": {"regex": r"would delete ([\d,]+) rows"},
        "confirmation": "b7",
        "confirm_variable": "guarded_command_confirm",
        "summary": r"job (?P<job>\d+): pages=(?P<pages>\d+) inserted=(?P<inserted>\d+) note=(?P<note>\S+)",
        "secrets": {"TOKEN": "geheim-geheim"},
        "chdir": str(place),
        "logs": ["storage/logs/ops.log"],
        "state_dir": str(place / "state"),
        "path": str(place / "site"),
    }
    return {key: value for key, value in {**usual, **more}.items() if value is not None}


def history(place):
    path = place / "site" / ".runbook" / "history.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_documentation_and_options_agree():
    assert complaints(guarded_command, GUARDED, secrets=("secrets",)) == []


def test_without_the_confirmation_it_stops_and_says_what_to_set(place):
    status, result = run(guarded_command, **options(place))
    assert (status, result["changed"], result["count"], result["confirmed"], "rc" in result) == (0, False, 3, False, False)
    assert result["msg"].endswith(
        "nothing was changed. The dry run is about 3. To run it, set the variable guarded_command_confirm to 'b7'"
    )
    assert [(step["name"], step["status"], step["value"]) for step in result["steps"]] == [("dry run", "ok", 3), ("run", "skipped", None)]
    assert "would delete 3 rows of b 7; touch broken" in result["dry_run_stdout"] and "geheim" not in json.dumps(result)
    assert (os.path.exists(place / "ran"), os.path.exists(place / "broken"), history(place)) == (False, False, [])


def test_confirmed_it_runs_once_and_then_has_nothing_to_do(place):
    status, result = run(guarded_command, True, **options(place, confirm="b7"))
    assert (status, result["changed"], result["confirmed"], os.path.exists(place / "ran")) == (0, True, True, False)
    assert not (place / "state").exists()
    status, result = run(guarded_command, **options(place, confirm="b7"))
    assert (status, result["changed"], result["rc"], result["status"]) == (0, True, 0, "ok"), result
    assert result["jobs"][0] == {"job": 7, "pages": 2, "inserted": 7, "note": "[scrubbed]"}
    assert result["totals"] == {"job": 24, "pages": 6, "inserted": 24}
    assert "geheim" not in json.dumps(result)
    (line,) = history(place)
    assert (line["event"], line["name"], line["status"], line["count"], line["rc"]) == ("command", "roll a batch back", "ok", 3, 0)
    for check in (False, True):
        status, result = run(guarded_command, check, **options(place, confirm="b7"))
        assert (status, result["changed"], result["msg"]) == (0, False, "roll a batch back: the dry run found nothing to do")
    assert ((place / "ran").read_text(), len(history(place))) == ("x", 1)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"confirm": "B7"}, "guarded_command_confirm is 'B7', which does not confirm roll a batch back; nothing was run"),
        ({"most": 2}, "it would touch 3, more than most (2); look at storage/logs/ops.log"),
        ({"count": {"regex": r"will remove (\d+)"}}, "what it printed does not fit count.regex"),
        ({"count": {"regex": r"row (\d+)"}}, "count.regex fits 3 different numbers (7, 8, 9)"),
        ({"count": {"regex": r"delete (\d) (rows)"}}, "needs one group"),
        ({"count": {"regex": r"(", "lines": None}}, "is not valid"),
        ({"count": {"regex": "(x)", "lines": "x"}}, "count takes one of"),
        ({"count": {}}, "count is empty"),
        ({"count": None}, "most is a number from 0 and needs count"),
        ({"count": {"query": "jobs"}}, "can't be asked by count.query"),
        ({"dry_run": []}, "dry_run is empty"),
        ({"dry_run": ["-y"]}, "the dry run is the command itself"),
        ({"dry_run": ["--nothing"]}, "the dry run ended with 1: neither"),
        ({"dry_run": None, "dry_run_command": ["/nowhere/x"]}, "the dry run ended with 127"),
        ({"confirmation": " "}, "confirmation is empty"),
        ({"summary": "job"}, "has no named groups"),
        ({"command": "tool 'x"}, "can't be split"),
        ({"timeout": 0}, "above 0"),
        ({"environment": {"A=B": 1}}, "can't be a variable"),
        ({"path": "/nowhere/site"}, "/nowhere/site does not exist"),
    ],
)
def test_what_is_not_allowed_runs_nothing(place, more, message):
    given = {"confirm": "b7", "most": 1000, **more}
    status, result = run(guarded_command, **options(place, **given))
    assert (status, message in result["msg"], "\n" in result["msg"]) == (1, True, False), result["msg"]
    assert not (place / "ran").exists()
    assert result.get("changed", False) is False


def test_other_ways_to_count(place):
    ways = [({"lines": r"^row \d"}, ["--dry-run"]), ({"query": "length(@)"}, ["--list"]), ({"query": "@"}, ["--list"])]
    for count, dry_run in ways:
        status, result = run(guarded_command, **options(place, count=count, dry_run=dry_run))
        assert (status, result.get("count")) == (0, 3), result["msg"]
    status, result = run(guarded_command, **options(place, count=None))
    assert (status, result["count"], "The dry run is about" in result["msg"]) == (0, None, False)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"arguments": ["-y", "--bad"]}, "it ended with 3: could not reach the queue with [scrubbed]; look at storage/logs/ops.log"),
        ({"arguments": ["-y", "--odd"], "failures": r"ERROR \d+"}, "it ended well but said: ERROR 5"),
        ({"environment": {"SLOW": "30"}, "timeout": 0.5}, "it ended with 124: killed after 0.5 s"),
    ],
)
def test_a_command_that_fails(place, more, message):
    status, result = run(guarded_command, **options(place, confirm="b7", **more))
    assert (status, message in result["msg"], result["changed"], result["status"]) == (1, True, True, "failed"), result["msg"]
    assert [(line["status"], line["rc"]) for line in history(place)] == [("failed", result["rc"])]
    assert "geheim" not in json.dumps(result)


def test_two_do_not_run_at_once(place):
    given = options(place, confirm="b7")
    code = "import fcntl, sys, time; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)"
    run(guarded_command, **options(place))
    (lock,) = (place / "state" / "commands").iterdir()
    other = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        status, result = run(guarded_command, **given)
        assert (status, "was not started: it is still running" in result["msg"]) == (1, True)
        status, result = run(guarded_command, **{**given, "lock": "another"})
        assert status == 0
    finally:
        other.kill()
        other.wait()
    assert (place / "ran").read_text() == "x"


def test_a_history_that_can_not_be_written_hides_nothing(place):
    (place / "site" / ".runbook").mkdir()
    (place / "site" / ".runbook" / "history.jsonl").mkdir()
    status, result = run(guarded_command, **options(place, confirm="b7"))
    assert (status, result["changed"], result["rc"]) == (0, True, 0), result
    assert "history could not be written" in json.dumps(result)
