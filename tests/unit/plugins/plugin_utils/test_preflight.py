# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.plugin_utils._preflight import document


def python(*numbers):
    return {"ansible_facts": {"ansible_python": {"version": dict(zip(("major", "minor", "micro"), numbers))}}}


FACTS = python(3, 11, 2)
NO_NAME = {"item": "www.example.com", "ansible_facts": {"getent_ahosts": {"www.example.com": None}}}
HOST = {"checks": [{"name": "room", "status": "ok", "value": 41, "unit": "%", "warn": 70, "crit": 90, "message": "41 %", "duration_ms": 1}]}
GOOD = {"facts": FACTS, "host": HOST}


def test_of_a_host_without_a_shell_its_releases_and_probes_tell():
    asked = {"backend": "sftp", "facts": {"skipped": True}, "host": {"skipped": True}, "dns": {"results": []}}
    there = {**asked, "releases": {"exists": True, "current": "one"}, "probes": {"probes": [{"name": "home", "status": "ok"}]}}
    found = document({"shop": there})
    assert (found["ready"], [item["name"] for item in found["hosts"]["shop"]["checks"]]) == (True, ["releases", "home"])
    for bad in ({**there, "releases": {"failed": True, "msg": "the key has changed"}}, asked):
        assert not document({"shop": bad})["ready"]


def test_a_host_that_is_ready():
    found = document({"web1": GOOD})
    assert (found["status"], found["ready"], found["msg"]) == ("ok", True, "ready, 3 checks on 1 host")
    assert [item["name"] for item in found["hosts"]["web1"]["checks"]] == ["reachable", "python", "room"]
    assert found["hosts"]["web1"]["checks"][2]["crit"] == 90


@pytest.mark.parametrize(
    ("results", "status", "said"),
    [
        ({}, "crashed", "reachable: it could not be asked"),
        ({"facts": {"unreachable": True, "msg": "Connection refused"}}, "crashed", "reachable: Connection refused"),
        ({"facts": FACTS}, "crashed", "host checks: it gave no answer"),
        ({**GOOD, "host": {"failed": True, "msg": "check 1: unknown kind"}}, "crashed", "host checks: check 1: unknown kind"),
        ({**GOOD, "facts": python(3, 8, 20)}, "failed", "Python 3.9 or newer"),
        ({**GOOD, "facts": {"ansible_facts": {}}}, "crashed", "python: its version"),
        ({**GOOD, "releases": {"failed": True, "msg": "path is not absolute"}}, "crashed", "releases: path is not absolute"),
        ({**GOOD, "releases": {"exists": True, "problem": "current is a folder"}}, "failed", "releases: current is a folder"),
        ({**GOOD, "dns": {"results": [NO_NAME]}}, "failed", "DNS"),
        ({**GOOD, "dns": {"results": [{"item": "www.example.com", "failed": True, "msg": "no getent"}]}}, "crashed", "no getent"),
        ({**GOOD, "env": {"results": [{"item": {"path": "/x"}, "failed": True, "msg": "no"}]}}, "crashed", "configuration /x: no"),
        ({**GOOD, "env": {"failed": True, "msg": "no loop"}}, "crashed", "no loop"),
        ({**GOOD, "dns": {"failed": True, "msg": "no loop"}}, "crashed", "no loop"),
        ({**GOOD, "probes": {"failed": True, "msg": "not run"}}, "crashed", "probes: not run"),
        ({**GOOD, "probes": {"probes": [{"name": "home", "status": "failed", "message": "got 500"}]}}, "failed", "home: got 500"),
        ({**GOOD, "database": {"checks": [{"name": "ping", "status": "fine"}]}}, "crashed", "ping"),
    ],
)  # fmt: skip
def test_a_host_that_is_not(results, status, said):
    found = document({"web1": GOOD, "web2": results})
    assert (found["status"], found["ready"]) == (status, False)
    assert found["msg"].startswith("web2: ") and said in found["msg"]


@pytest.mark.parametrize(
    ("releases", "said"),
    [
        ({"exists": False, "current": None}, "does not exist yet"),
        ({"exists": True, "lock": {"owner": "bob"}}, "locked by bob"),
        ({"exists": True, "interrupted": {"to": "r2"}}, "interrupted"),
    ],
)
def test_what_a_deploy_puts_right_is_a_warning(releases, said):
    found = document({"web1": {**GOOD, "releases": releases}})
    assert (found["status"], found["ready"]) == ("warning", True)
    assert said in found["hosts"]["web1"]["checks"][2]["message"]


def test_a_name_that_has_addresses():
    answer = {"item": "www.example.com", "ansible_facts": {"getent_ahosts": {"192.0.2.11": ["STREAM", "www.example.com"]}}}
    item = document({"web1": {**GOOD, "dns": {"results": [answer]}}})["hosts"]["web1"]["checks"][2]
    assert (item["name"], item["status"], item["message"]) == ("name www.example.com", "ok", "192.0.2.11")


def test_what_was_skipped_is_not_asked_for_and_nothing_at_all_is_not_ready():
    skipped = {name: {"skipped": True} for name in ("releases", "database", "probes", "dns", "env")}
    assert document({"web1": {**GOOD, **skipped}})["ready"] is True
    assert document({})["ready"] is False
