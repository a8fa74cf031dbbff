# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of work on a real host, while one module call runs under become."""

from __future__ import annotations

import json
import pathlib
import re

import driver
import pytest

WATCH = pathlib.Path(__file__).resolve().parents[1] / "watch"
LINE = re.compile(r"^\[web1\] working: (\d+) of (\d+) files$", re.MULTILINE)
# What the task's process tree on the host was started with, as another user's ps would find it.
NAME = "grep -ahoE 'RUNBOOK_PROGRESS=/tmp/.runbook-[0-9a-f]{32}' /proc/[0-9]*/environ 2>/dev/null | head -1 | cut -d= -f2"


def start(**variables):
    words = ["ansible-playbook", str(WATCH / "slow.yml"), "-vvv"]
    return driver.Running([*words, *(word for name, value in variables.items() for word in ("-e", json.dumps({name: value})))], [])


def said(text):
    return [int(done) for done, _all in LINE.findall(text)]


def nothing_stays(host):
    return host("find /tmp -maxdepth 1 -name '.runbook-*' | wc -l") == "0"


@pytest.fixture(autouse=True)
def clean(web1):
    web1("rm -f /tmp/.runbook-*")  # of modules that other tests have killed
    yield
    web1("rm -f /tmp/.runbook-*; rm -rf /srv/faults/secret")


@pytest.mark.parametrize("variables", [{"as_user": "deploy"}, {}, {"as_user": "deploy", "ansible_pipelining": False}])
def test_lines_appear_while_the_work_goes_on(web1, variables):
    running = start(seconds=11, **variables)
    first = driver.until(lambda: said(running.log.read_text()), "a line is said", 30)
    assert running.process.poll() is None, "only said when all was done"
    assert 0 < first[0] < 80
    run = running.wait()
    lines = said(run.output)
    assert run.rc == 0, run
    assert len(lines) >= 2, run
    assert lines == sorted(set(lines)), "each line is said once"
    result = run.result("Work", "web1")
    assert result["left_in_environment"] == ""
    assert (result["uid"] == 0) == ("as_user" not in variables)
    assert nothing_stays(web1)


def test_short_work_costs_no_execution_more(web1):
    run = start(seconds=1, as_user="deploy").wait()
    assert run.rc == 0, run
    assert not said(run.output)
    assert run.commands(web1.address) == 1, run
    assert nothing_stays(web1)


@pytest.mark.parametrize("variables", [{"background": 60}, {"hidden": True}])
def test_where_nobody_is_to_hear_nothing_is_said(web1, variables):
    run = start(seconds=6, **variables).wait()
    assert run.rc == 0, run
    assert not said(run.output)
    assert nothing_stays(web1)


@pytest.mark.parametrize("plant", ["ln -s /srv/faults/secret {path}", "mkfifo {path}", "cp /srv/faults/readable {path}"])
def test_what_somebody_planted_under_the_name_is_neither_written_nor_read(web1, plant):
    running = start(seconds=10)
    path = driver.until(lambda: web1.try_(NAME).stdout.strip(), "the module runs", 30)  # pylint: disable=unnecessary-lambda
    record = f"{pathlib.PurePosixPath(path).name}\\nleaked\\n"
    web1(f"mkdir -p /srv/faults && printf '{record}' | tee /srv/faults/secret > /srv/faults/readable && chmod 600 /srv/faults/secret")
    web1(f"runuser -u deploy -- {plant.format(path=path)}")
    run = running.wait(60)
    assert run.rc == 0, run
    assert "leaked" not in run.output
    assert not said(run.output)
    assert web1("cat /srv/faults/secret").endswith("leaked")
    assert web1(f"stat -c %U {path}") == "deploy", "what was planted is not ours to remove"
