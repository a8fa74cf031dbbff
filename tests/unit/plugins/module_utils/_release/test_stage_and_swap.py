# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A swap that the staging carries leaves and answers what two calls would."""

from __future__ import annotations

import json

import pytest
from ansible_collections.runbook.ops.plugins.plugin_utils._conversation import Lost
from faults.small_site import Host, SmallSite

RUN = {"lock_owner": "run 1", "lock_ttl": 60}
ONE, TWO = {"a": "1", "d/b": "2"}, {"a": "1", "d/b": "3"}


@pytest.fixture
def www(tmp_path):
    site = SmallSite(tmp_path)
    site.deploy("r1", ONE)
    return site


def history(site):
    lines = [json.loads(line) for line in site.path(".runbook/history.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "time"} for line in lines]


def facts(site):
    rows = [json.loads(path.read_text()) for path in sorted(site.path(".runbook/releases").iterdir())]
    for row in rows:
        for name in ("created", "live_since", "retired", "stamp"):
            row[name] = bool(row[name])
    return rows


def test_as_two_calls(www, tmp_path):
    other = SmallSite(tmp_path / "other")
    other.deploy("r1", ONE)
    staged = other.stage("r2", TWO, **RUN)
    swapped = other.swap("r2", reason="why", lock_owner="run 1")
    host = Host(www.base)
    both = www.stage("r2", TWO, host=host, swap=True, reason="why", **RUN)
    assert host.steps == ["offer", "detail", "build"]
    mine = both.pop("swap")
    same = [key for key in staged if key not in ("release_path", "sent_bytes")]
    assert [both[key] for key in same] == [staged[key] for key in same]
    same = [key for key in swapped if key not in ("msg", "diff")]
    assert [mine[key] for key in same] == [swapped[key] for key in same]
    assert (facts(www), history(www)) == (facts(other), history(other))
    assert www.current() == "r2"


def test_a_release_that_was_staged_before_is_proven_before_it_is_made_current(www):
    """Only what this call has hashed itself is not looked at again."""
    www.stage("r2", TWO, **RUN)
    path = www.path("releases/r2", next(iter(TWO)))
    path.chmod(0o644)
    path.write_text("spoilt")
    result = www.stage("r2", TWO, swap=True, **RUN)
    assert result["swap"]["failed"]
    assert "is not what was staged" in result["swap"]["msg"]
    assert www.current() == "r1"


def test_what_is_current_already(www):
    result = www.stage("r2", ONE, swap=True, reuse_current=True, **RUN)
    assert (result["changed"], result["release"], result["state"], result["swap"]["changed"]) == (False, "r1", "live", False)


def test_the_release_is_staged_when_the_swap_is_refused(www):
    www.path("current").unlink()
    www.path("current").mkdir()
    result = www.stage("r2", TWO, swap=True, **RUN)
    assert (result["state"], result["swap"]["failed"], "after" in result["swap"]) == ("ready", True, False)
    assert "adopt_directory" in result["swap"]["msg"]
    assert www.states()["r2"] == "ready"


def test_check_mode_makes_no_swap(www):
    assert "swap" not in www.stage("r2", TWO, check=True, swap=True, **RUN)
    assert www.current() == "r1"


def test_again(www):
    www.stage("r2", TWO, swap=True, **RUN)
    again = www.stage("r2", TWO, swap=True, **RUN)
    assert (again["changed"], again["state"], again["swap"]["changed"]) == (False, "live", False)


@pytest.mark.parametrize(("run", "told"), [("run 1", True), ("run 2", False)])
def test_only_the_run_that_made_it_is_told(www, run, told):
    www.stage("r2", TWO, swap=True, **RUN)
    www.finish(release="r2", lock_owner="run 1")
    result = www.stage("r2", TWO, host=LosesOne(www.base), swap=True, **{**RUN, "lock_owner": run})
    assert (result["changed"], "swap" in result) == (told, told)


class LosesOne(Host):
    def ask(self, message, once=False):
        if once:
            raise Lost(ConnectionError("gone"))
        return super().ask(message)
