# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import complete
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._report.use_cases import FILES, REPORT, check_report
from operations.reports import item

MORNINGS = ["2026-11-20T06:00:00Z", "2026-11-21T06:00:00Z", "2026-11-22T06:00:00Z"]


def told(folder, *hosts, morning=2, check_mode=False, warn=None, **more):
    results = [{"host": host, "checks": checks, "at": MORNINGS[morning]} for host, checks in hosts]
    options = complete(REPORT, {"dest": str(folder), "results": results, "run": f"run-{morning}", **more}, "test")
    return check_report(options, Run(check_mode=check_mode, diff=True, warn=warn or pytest.fail))


def tree(folder):
    return {
        os.path.relpath(os.path.join(base, name), folder): os.stat(os.path.join(base, name)).st_mtime_ns
        for base, _dirs, names in os.walk(folder)
        for name in names
    }


def test_check_mode_predicts_and_the_second_time_nothing_changes(tmp_path):
    folder = tmp_path / "reports"
    hosts = ("web1", [item("disk /", "failed", 95, "%")]), ("web2", [item("disk /")])
    predicted = told(folder, *hosts, check_mode=True)
    assert not folder.exists()
    applied = told(folder, *hosts)
    assert predicted == applied and applied["changed"]
    before = tree(folder)
    assert {*FILES.values(), "history/2026-11-22.jsonl", "history/.lock"} == before.keys()
    again = told(folder, *hosts)
    assert not again["changed"] and tree(folder) == before
    assert again["turns"] == applied["turns"]
    assert (applied["status"], applied["exit_code"], applied["line"][:9]) == ("failed", 2, "CRITICAL:")


def test_turns_are_against_the_run_before(tmp_path):
    def turns(morning, **statuses):
        found = told(tmp_path, ("web1", [item(name, status) for name, status in statuses.items()]), morning=morning)
        return [(turn["check"], turn["before"], turn["status"]) for turn in found["turns"]]

    assert turns(0, a="ok", b="failed", c="skipped", d="warning") == [("b", "", "failed"), ("d", "", "warning")]
    assert turns(1, a="failed", b="failed", c="ok", d="failed") == [("a", "ok", "failed"), ("d", "warning", "failed")]
    assert turns(2, a="ok", b="ok", c="skipped", d="failed") == [("a", "failed", "ok"), ("b", "failed", "ok")]


def test_a_broken_history_is_set_aside_said_and_rebuilt(tmp_path):
    told(tmp_path, ("web1", [item("a", "failed")]), morning=1)
    path = tmp_path / "history" / "2026-11-21.jsonl"
    good = path.read_bytes()
    path.write_bytes(good + b"\x00\xff nonsense\n")
    said = []
    predicted = told(tmp_path, ("web1", [item("a")]), check_mode=True, warn=said.append)
    assert "they would be in" in predicted["broken"][0] and path.read_bytes() != good
    found = told(tmp_path, ("web1", [item("a")]), warn=said.append)
    assert found["broken"] == [f"1 of 2 lines of {path} can't be read; they are in {path}.broken"] == said[1:]
    assert path.read_bytes() == good and (tmp_path / "history" / "2026-11-21.jsonl.broken").read_bytes() == b"\x00\xff nonsense\n"
    assert found["turns"][0]["before"] == "failed"
    assert "they are in" in (tmp_path / "index.html").read_text()


def test_the_history_is_kept_as_long_as_is_said(tmp_path):
    told(tmp_path, ("web1", [item("a")]), morning=0)
    told(tmp_path, ("web1", [item("a")]), morning=2, keep="2d", days=2)
    assert sorted(os.listdir(tmp_path / "history")) == [".lock", "2026-11-20.jsonl", "2026-11-22.jsonl"]
    options = complete(
        REPORT,
        {
            "dest": str(tmp_path),
            "results": [{"host": "web1", "checks": [item("a")], "at": "2026-11-24T06:00:00Z"}],
            "keep": "2d",
            "days": 2,
        },
        "test",
    )
    assert check_report(options, Run())["changed"]
    assert sorted(os.listdir(tmp_path / "history")) == [".lock", "2026-11-22.jsonl", "2026-11-24.jsonl"]


def test_the_history_keeps_no_more_of_an_item_than_is_needed(tmp_path):
    told(tmp_path, ("web1", [item("a", "failed", {"many": ["things"]}, message="x" * 2000, body="a whole page")]))
    (line,) = (tmp_path / "history" / "2026-11-22.jsonl").read_text().splitlines()
    (kept,) = json.loads(line)["checks"]
    assert (
        set(kept) == {"name", "status", "value", "message", "duration_ms"}
        and len(kept["message"]) == 500
        and kept["value"] == "{'many': ['things']}"
    )


def test_only_the_formats_that_are_wanted(tmp_path):
    assert told(tmp_path, ("web1", [item("a")]), formats=["nagios"])["files"] == {"nagios": str(tmp_path / "nagios.txt")}
    assert sorted(os.listdir(tmp_path)) == ["history", "nagios.txt"]


def test_events_from_everywhere(tmp_path):
    evidence = {"scenario": "restore", "subject": "shop", "host": "db1", "ended": "2026-11-21T10:15:00Z", "status": "ok"}
    (tmp_path / "drills").mkdir()
    (tmp_path / "drills" / "1.json").write_text(json.dumps(evidence))
    told(
        tmp_path,
        ("web1", [item("a")]),
        events=[{"at": "2026-11-21T11:00:00Z", "title": "moved"}],
        releases=[
            {"host": "web1", "history": [{"event": "deploy", "time": "2026-11-21T09:00:00Z", "release": "r1", "outcome": "deployed"}]}
        ],
        drills=[evidence],
        drill_dirs=[str(tmp_path / "drills"), str(tmp_path / "none")],
    )
    found = json.loads((tmp_path / "report.json").read_text())["events"]
    assert [(event["kind"], event["title"]) for event in found] == [("other", "moved"), ("drill", "restore: shop"), ("deploy", "r1")]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"results": [{"host": "web1", "checks": [{"name": "a", "status": "fine"}]}]},
            "check 'a' of web1 has status 'fine'; there are skipped, ok",
        ),
        ({"results": [{"host": "web1", "checks": [{"status": "ok"}]}]}, "a check of web1 has no name"),
        ({"results": [{"host": "web1", "checks": [], "events": [{"at": "today", "title": "x"}]}]}, "events: at 'today' is no moment"),
        ({"results": [{"host": "web1", "checks": []}, {"host": "web1", "checks": []}]}, "host 'web1' is there twice"),
        ({"results": [{"host": "web1", "checks": [item()], "at": "today"}]}, "at 'today' is not a moment"),
        ({"days": 1}, "days 1 is not between 2 and 730"),
        ({"keep": "5d"}, "keep 5d is less than the 90 days of the report"),
        ({"keep": "long"}, "keep 'long' is no duration"),
        ({"run": "../x"}, "run '../x' is no name"),
        ({"lang": "<b>"}, "lang '<b>' is no language tag"),
        ({"words": {"host_": "x"}}, "the page has no word 'host_', did you mean host?"),
        ({"dest": "reports"}, "dest 'reports' is not absolute"),
        ({"results": [{"host": "web1", "checks": [item()]}], "mode": "rw"}, "mode 'rw' is no octal mode"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, more, message):
    options = complete(REPORT, {"dest": str(tmp_path / "reports"), **more}, "test")
    with pytest.raises(InvalidInput) as caught:
        check_report(options, Run())
    assert message in caught.value.message and "\n" not in caught.value.message
    assert os.listdir(tmp_path) == []


def test_a_folder_in_the_way_is_named(tmp_path):
    (tmp_path / "index.html").mkdir()
    with pytest.raises(RunbookError, match=r"index\.html is a folder"):
        told(tmp_path, ("web1", [item("a")]))
