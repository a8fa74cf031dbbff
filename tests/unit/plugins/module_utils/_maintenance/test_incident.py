# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An incident keeps maintenance on, on real folders."""

from __future__ import annotations

import json

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.switch import switch

TOKEN = "unit-test-token_0123456789"
NAMES = ("path", "message", "retry_after", "until", "allow_ips", "bypass_token", "by", "owner", "group", "htaccess", "incident", "reason")


@pytest.fixture
def site(tmp_path):
    base = tmp_path / "site"
    base.mkdir()
    said = []

    def run(state, check_mode=False, **options):
        said.clear()
        result = switch(
            {**dict.fromkeys(NAMES), "state": state, "path": str(base), **options}, Run(check_mode=check_mode, warn=said.append)
        )
        flag = base / "maintenance.flag"
        result["now"] = json.loads(flag.read_text()) if flag.is_file() else None
        result["said"] = list(said)
        return result

    run.base = base
    return run


def opened(site, **options):
    return site("present", incident="open", reason="orders are lost", by="operator", **options)


def test_nobody_ends_it_by_the_way(site):
    first = opened(site, bypass_token=TOKEN, allow_ips=["192.0.2.1"])
    assert first["changed"] and first["incident"]["reason"] == "orders are lost" and first["now"]["incident"] == first["incident"]
    again = opened(site)
    assert not again["changed"] and again["incident"] == first["incident"]
    # A deploy switches on and off around its swap, a second incident is opened by another run, an operator forgets.
    on = site("present", message="Deploying", by="deploy")
    assert on["was_active"] and on["now"]["incident"] == first["incident"] and on["now"]["message"] == "Deploying"
    other = site("present", incident="open", reason="another", by="deploy")
    assert other["incident"] == first["incident"]
    for check_mode in (True, False):
        off = site("absent", by="deploy", check_mode=check_mode)
        assert (off["changed"], off["active"], off["token_set"], off["allow_names"]) == (False, True, True, ["192.0.2.1"])
        assert off["now"] == on["now"] and off["flag"] == on["now"] and off["diff"]["before"] == off["diff"]["after"]
        assert off["said"] == [off["msg"]] and "by operator (orders are lost)" in off["msg"] and "incident_state=closed" in off["msg"]


def test_closing_ends_it(site):
    opened(site)
    predicted = site("absent", check_mode=True, incident="closed")
    assert predicted["changed"] and predicted["now"]["incident"]
    closed = site("absent", incident="closed")
    assert closed["changed"] and closed["now"] is None and closed["incident"] is None and list(site.base.iterdir()) == []
    again = site("absent", incident="closed")
    assert not again["changed"] and not again["active"]


def test_closing_may_leave_maintenance_on(site):
    opened(site, message="Back soon")
    closed = site("present", incident="closed")
    assert closed["changed"] and closed["active"] and closed["incident"] is None and closed["now"]["message"] == "Back soon"
    assert not site("present", incident="closed")["changed"]
    assert site("absent")["now"] is None


def test_closing_nothing_leaves_somebody_elses_maintenance(site):
    site("present", by="operator")
    closed = site("absent", incident="closed")
    assert not closed["changed"] and closed["active"] and "no incident is open" in closed["msg"] and closed["now"]


def test_what_stands_in_the_flag_is_input(site):
    site("present")
    flag = site.base / "maintenance.flag"
    for told, reason in (({"reason": "a\nb", "since": 5}, ""), ({"reason": "hold"}, "hold")):
        flag.write_text(json.dumps({"incident": told}))
        kept = site("absent")
        assert kept["active"] and kept["incident"] == {"since": "", "by": "", "reason": reason} and "\n" not in kept["msg"]
    for told in ("yes", None, ["x"]):
        flag.write_text(json.dumps({"incident": told}))
        assert not site("absent")["active"]
        flag.write_text("{}")


@pytest.mark.parametrize(
    ("state", "options", "said"),
    [
        ("absent", {"incident": "open", "reason": "x"}, "state present"),
        ("present", {"incident": "open"}, "reason is missing"),
        ("present", {"incident": "open", "reason": " "}, "reason is missing"),
        ("present", {"incident": "open", "reason": "a\nb"}, "one line"),
        ("present", {"incident": "open", "reason": "x" * 501}, "one line"),
    ],
)
def test_bad_input(site, state, options, said):
    with pytest.raises(InvalidInput, match=said):
        site(state, **options)
    assert list(site.base.iterdir()) == []
