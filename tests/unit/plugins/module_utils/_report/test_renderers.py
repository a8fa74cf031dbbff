# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What machines read: each is read back here by something else than what wrote it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._report import document, junit, markdown, nagios, prometheus
from operations.reports import NASTY, item, many, record, report

ODD = f"{NASTY}\nnext\x00\x1b line \\ 'one' = ; \ud800 مرحبا"


@pytest.fixture
def mixed():
    items = [
        item("disk /", "failed", 95.5, "%", warn=70, crit=90, message="95.5 %, above crit 90", duration_ms=12),
        item("home", "warning", 800, "ms", warn=500, message="slow"),
        item("redis", "crashed", message="no answer"),
        item("swap", "skipped", message="there is none"),
        item("load", "ok", 0.25),
    ]
    return report(record("web1", *items), record("web2", item("disk /", "ok", 5, "%")))


@pytest.fixture
def nasty():
    return report(
        record(f"web {ODD}", item(f"check {ODD}", "failed", f"value {ODD}", f"unit {ODD}", message=ODD)), title=f"title {ODD}", notes=[ODD]
    )


def test_json(mixed):
    found = json.loads(document.render(mixed))
    assert (found["status"], found["counts"]["failed"], [host["name"] for host in found["hosts"]]) == ("crashed", 1, ["web1", "web2"])
    assert found["hosts"][0]["checks"][1] == {
        "name": "disk /",
        "status": "failed",
        "message": "95.5 %, above crit 90",
        "value": 95.5,
        "unit": "%",
        "warn": 70,
        "crit": 90,
        "duration_ms": 12,
        "at": "2026-11-22T06:00:00Z",
        "severity": "",
    }


def test_junit_has_one_case_for_each_check(mixed):
    root = ET.fromstring(junit.render(mixed).encode("utf-8"))
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    cases = {case.get("name"): case for case in root.findall("testsuite[@name='web1']/testcase")}
    assert cases["disk /"].find("failure").get("message") == "95.5 %, above crit 90"
    assert cases["disk /"].get("time") == "0.012"
    assert cases["redis"].find("error") is not None and cases["swap"].find("skipped") is not None
    assert cases["home"].find("system-out").text == "warning: slow"
    assert [child.tag for child in cases["load"]] == ["system-out"]


def test_junit_of_anything_is_xml(nasty):
    root = ET.fromstring(junit.render(nasty).encode("utf-8"))
    assert root.find("testsuite/testcase/failure").text.startswith("<script>alert")


SAMPLE = re.compile(r'[a-z_]+(\{([a-z]+="(\\\\|\\"|\\n|[^"\\\n])*",?)+\})? -?[0-9.e+-]+')


def test_prometheus(mixed):
    lines = prometheus.render(mixed).splitlines()
    assert 'runbook_check_status{host="web1",check="disk /"} 2' in lines
    assert 'runbook_check_value{host="web1",check="disk /",unit="%"} 95.5' in lines
    assert 'runbook_check_status{host="web1",check="redis"} 3' in lines and 'runbook_check_status{host="web1",check="swap"} -1' in lines
    assert "runbook_status 3" in lines and 'runbook_host_status{host="web2"} 0' in lines
    assert not [line for line in lines if 'check="redis"' in line and line.startswith("runbook_check_value")]


@pytest.mark.parametrize("which", ["mixed", "nasty"])
def test_prometheus_can_be_read(request, which):
    seen, families = set(), []
    for line in prometheus.render(request.getfixturevalue(which)).split("\n")[:-1]:
        if line.startswith("# TYPE"):
            families.append(line.split()[2])
        elif not line.startswith("#"):
            assert SAMPLE.fullmatch(line), line
            assert line.split("{")[0].split(" ")[0] == families[-1]
            assert line.rpartition(" ")[0] not in seen
            seen.add(line.rpartition(" ")[0])
    assert len(families) == len(set(families))


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [("ok", 0, "OK"), ("skipped", 0, "OK"), ("warning", 1, "WARNING"), ("failed", 2, "CRITICAL"), ("crashed", 3, "UNKNOWN")],
)
def test_nagios_status(status, code, word):
    found, line = nagios.render(report(record("web1", item("load", status, 1, "ms", message="so it is"))))
    assert (found, line.split(":", maxsplit=1)[0]) == (code, word)


def test_nagios_line(mixed):
    line = nagios.render(mixed)[1]
    assert line.startswith("UNKNOWN: 1 crashed, 1 failed, 1 warning, 6 checks on 2 hosts - web1 redis: no answer; web1 disk /: 95.5 %")
    assert line.partition(" | ")[2] == "'web1 disk /'=95.5%;70;90 'web1 home'=800ms;500 'web1 load'=0.25 'web2 disk /'=5%"


def test_nagios_line_is_one_line_with_one_pipe_of_bearable_length(nasty):
    long = report(*many(40, 30, 1))
    for one in (nasty, long):
        line = nagios.render(one)[1]
        assert "\n" not in line and line.count("|") <= 1 and len(line) < 4000, line


def test_markdown(mixed):
    text = markdown.render(mixed)
    assert text.startswith("# Checks: crashed\n\n2026-11-22T06:00:00Z, 1 crashed, 1 failed, 1 warning, 6 checks on 2 hosts\n")
    assert "| web1 | disk / | failed | 95.5% | 95.5 %, above crit 90 |" in text


def test_markdown_keeps_what_it_is_told_as_text(nasty):
    text = markdown.render(nasty)
    for row in text.splitlines():
        if row.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", row)) in (6, 9), row
    assert not re.findall(r"(?<!\\)[<>`]", re.sub(r"^> ", "", text, flags=re.M))
