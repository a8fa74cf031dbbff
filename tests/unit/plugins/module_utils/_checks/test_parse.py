# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people write becomes checks, or one line that says what to write instead."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks.kind import Hold
from ansible_collections.runbook.ops.plugins.module_utils._checks.parse import parse_checks
from ansible_collections.runbook.ops.plugins.module_utils._checks.registry import KINDS, kind_of
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput


def parsed(**check):
    (found,) = parse_checks([check], 10)
    return found


def refused(**check):
    with pytest.raises(InvalidInput) as error:
        parse_checks([check], 10)
    assert "\n" not in error.value.message
    return error.value.message


def test_defaults_are_those_that_people_know():
    limits = {
        name: (kind.measures[first].warn, kind.measures[first].crit)
        for name, kind in KINDS.items()
        for first in [next(iter(kind.measures))]
    }
    hour = 3600
    assert limits["disk"] == limits["inodes"] == limits["redis_memory"] == (70, 90)
    assert limits["certificate"] == (30, 14)
    assert limits["backup"] == limits["timer"] == (None, 26 * hour)
    assert limits["heartbeat"] == (None, 300)
    assert limits["redis_ping"] == (None, 1000)
    assert limits["rabbitmq_queue"] == (1000, 5000)


def test_names_and_what_is_not_given():
    check = parsed(kind="disk", path="/srv")
    assert (check.name, check.measure, check.unit, check.timeout, bool(check.hold)) == ("disk /srv", "percent", "%", 10, False)
    assert (check.thresholds.warn, check.thresholds.crit, check.thresholds.below) == (70, 90, False)
    assert check.given["service"] is None
    assert parsed(kind="memory").name == "memory"
    assert parsed(kind="service", service="nginx", enabled=True).name == "service nginx"
    assert parsed(kind="port", port=443).name == "port 443"


def test_limits():
    check = parsed(kind="disk", path="/", measure="free", warn="20G", crit="5G")
    assert (check.thresholds.warn, check.thresholds.crit, check.thresholds.below) == (20 << 30, 5 << 30, True)
    check = parsed(kind="uptime", direction="above", crit="180d")
    assert (check.thresholds.warn, check.thresholds.crit, check.thresholds.below) == (None, 180 * 86400, False)
    check = parsed(kind="disk", path="/", direction="below", crit=5)
    assert (check.thresholds.warn, check.thresholds.crit, check.thresholds.below) == (None, 5, True)
    assert parsed(kind="certificate", path="/x", warn=10, crit=-1).thresholds.crit == -1


def test_holding():
    assert parsed(kind="memory", **{"for": "10m"}).hold == Hold(600, 1)
    assert parsed(kind="memory", **{"for": 90, "times": 3}).hold == Hold(90, 3)
    assert bool(parsed(kind="memory", times=1).hold) is False


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dsk", "did you mean disk?"),
        ("certificates", "did you mean certificate?"),
        ("systemd_service", "did you mean service?"),
        ("redis", "redis_ping"),
        ("rabbit", "rabbitmq_queue"),
        ("xyzzy", "there are backup, certificate"),
        ("", "there are backup, certificate"),
    ],
)
def test_unknown_kinds_offer_the_nearest(name, said):
    with pytest.raises(InvalidInput, match="there is no kind") as error:
        kind_of(name)
    assert said in error.value.message


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"kind": "disk", "path": "/", "warn": 90, "crit": 70}, "crit 70 is reached before warn 90"),
        ({"kind": "disk", "path": "/", "crit": 100}, "crit 100 can never be passed: disk is from 0 to 100 %, and bad above"),
        ({"kind": "disk", "path": "/", "warn": -1}, "warn -1 is always passed: disk is from 0 to 100 %"),
        ({"kind": "disk", "path": "/", "direction": "below", "warn": 101}, "is always passed"),
        ({"kind": "process", "process": "x", "crit": 0}, "crit 0 can never be passed: process is from 0 processes, and bad below"),
        ({"kind": "memory", "warn": "nan"}, "is no number to compare with"),
        ({"kind": "memory", "crit": "much"}, "crit 'much' is no number"),
        ({"kind": "memory", "crit": True}, "crit True is no number"),
        ({"kind": "file_age", "path": "/x", "crit": "soon"}, "is no duration"),
        ({"kind": "file_age", "path": "/x"}, "file_age newest needs warn or crit"),
        ({"kind": "disk", "path": "/", "measure": "free"}, "disk free needs warn or crit; without a limit it would always be ok"),
        ({"kind": "uptime", "direction": "above"}, "uptime time needs warn or crit"),
        ({"kind": "backup", "dest": "/x", "warn": "1d"}, "needs crit beside warn"),
        ({"kind": "disk"}, "kind disk needs path"),
        ({"kind": "disk", "path": "srv"}, "is not absolute"),
        ({"kind": "disk", "path": "/", "port": 1}, "kind disk does not take port; it takes path"),
        ({"kind": "disk", "path": "/", "pth": "/"}, "there is no option 'pth'; did you mean path"),
        ({"kind": "disk", "path": "/", "measure": "bytes"}, "kind disk measures percent or free, not bytes"),
        ({"kind": "memory", "timeout": 0}, "timeout 0 is not between"),
        ({"kind": "memory", "times": 0}, "times 0 is not between"),
        ({"kind": "memory", "for": "a while"}, "is no duration"),
        ({"kind": "service", "service": "php*"}, "is no name of a unit"),
        ({"kind": "service", "service": "--now"}, "is no name of a unit"),
        ({"kind": "timer", "timer": "a b"}, "is no name of a unit"),
        ({"kind": "port", "port": 0}, "port 0 is not between"),
        ({"kind": "port", "port": 1, "address": "localhost"}, "is no address"),
        ({"kind": "time_skew", "server": "a b"}, "is no time server"),
        ({"kind": "time_skew", "server": "ntp.example.com:99999"}, "99999 is no port"),
        ({"kind": "container", "container": "../etc"}, "is no name of a container"),
        ({"kind": "rabbitmq_queue", "queue": "q", "login_user": "x"}, "give its url"),
        ({"kind": "rabbitmq_queue", "queue": "q", "url": "ftp://x"}, "url"),
        ({"kind": "command", "command": "x", "query": "a"}, "needs a condition"),
        ({"kind": "command", "command": "x", "query": "a", "value": 1, "crit": 1}, "either operator and value, or warn and crit"),
        ({"kind": "command", "command": "x", "query": "a[", "value": 1}, "is not valid JMESPath"),
        ({"kind": "command", "command": "x 'y", "query": "a", "value": 1}, "can't be split into words"),
        ({}, "there is no kind ''"),
    ],
)
def test_what_makes_no_sense_is_one_line(check, said):
    assert said in refused(**check)


def test_names_differ_and_some_are_given():
    with pytest.raises(InvalidInput, match="two checks are called 'memory'"):
        parse_checks([{"kind": "memory"}, {"kind": "memory"}], 10)
    with pytest.raises(InvalidInput, match="checks is empty"):
        parse_checks([], 10)
