# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``db_maintain`` with a keeper that remembers what it was told."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database.check_options import DELETION
from ansible_collections.runbook.ops.plugins.module_utils._database.maintain import carry_out, plan_tasks
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Table
from ansible_collections.runbook.ops.plugins.module_utils._database.upkeep import Deletion, Planned, check_actions, parse_deletions


class Keeper:
    actions = ("analyze", "vacuum", "integrity")
    whole = ("vacuum",)

    def __init__(self, batches=(), broken=()):
        self.batches, self.broken, self.done, self.slept = batches, broken, [], []

    def delete(self, planned):
        for batch in self.batches:
            if isinstance(batch, Exception):
                raise batch
            self.done.append(batch)
            yield batch

    def fresh(self, action, tables, seconds):
        return {"b": "done lately"}

    def act(self, task):
        if task.name in self.broken:
            raise RunbookError("it is locked")
        self.done.append(task.name)
        return ""


def tables():
    return [Table("a"), Table("b"), Table("c")]


def planned(matched=5):
    return [Planned(Deletion("logs", "made", 60.0, pause=0.5), "2030-01-01", matched)]


def test_check_mode_counts_and_does_nothing():
    keeper = Keeper([3, 2])
    result = carry_out(keeper, planned(), plan_tasks(keeper, ["analyze"], ["a"], 0, tables), Run(check_mode=True, diff=True))
    assert (result["changed"], keeper.done) == (True, [])
    assert result["msg"] == "5 rows of logs would be deleted; to do: analyze a"
    assert result["diff"] == {"before": "logs: 5 rows older than 2030-01-01\n", "after": "logs: 0 rows older than 2030-01-01\nanalyze a\n"}


def test_batches_and_pauses():
    keeper, slept, said = Keeper([3, 2]), [], []
    result = carry_out(keeper, planned(), [], Run(say=said.append), slept.append)
    assert result["deleted"][0] == {"table": "logs", "column": "made", "cutoff": "2030-01-01", "matched": 5, "deleted": 5, "batches": 2}
    assert (slept, said[-1]) == ([0.5, 0.5], "logs: 5 of 5 rows deleted")


def test_nothing_old_is_no_change():
    assert carry_out(Keeper(), planned(0), [], Run())["changed"] is False


def test_a_failing_batch_keeps_what_was_done_and_stops():
    keeper = Keeper([3, RunbookError("lock wait timeout")])
    tasks = plan_tasks(keeper, ["vacuum"], [], 0, tables)
    with pytest.raises(RunbookError, match="3 of 5 rows of logs were deleted, then: lock wait timeout; run again") as failed:
        carry_out(keeper, planned(), tasks, Run(), lambda seconds: None)
    assert failed.value.result["changed"] is True
    assert keeper.done == [3]


def test_a_failing_action_does_not_stop_the_others():
    keeper = Keeper(broken=["analyze a"])
    tasks = plan_tasks(keeper, ["analyze", "vacuum"], ["*"], 0, tables)
    with pytest.raises(RunbookError, match="1 of 4 actions not ok - analyze a: it is locked") as failed:
        carry_out(keeper, [], tasks, Run())
    assert keeper.done == ["analyze b", "analyze c", "vacuum"]
    assert [item["status"] for item in failed.value.result["actions"]] == ["failed", "ok", "ok", "ok"]


def test_what_is_fresh_is_left():
    keeper = Keeper()
    result = carry_out(keeper, [], plan_tasks(keeper, ["analyze"], ["b"], 3600, tables), Run())
    assert (result["changed"], keeper.done, result["msg"]) == (False, [], "everything was done lately")


def test_looking_for_damage_changes_nothing_and_runs_in_check_mode():
    keeper = Keeper()
    result = carry_out(keeper, [], plan_tasks(keeper, ["integrity"], ["a"], 0, tables), Run(check_mode=True))
    assert (result["changed"], keeper.done) == (False, ["integrity a"])


def test_actions_that_make_no_sense():
    with pytest.raises(InvalidInput, match="mariadb has no optimize; it has analyze, integrity, vacuum"):
        check_actions(["optimize"], Keeper(), "mariadb", ["a"])
    with pytest.raises(InvalidInput, match="analyze needs tables"):
        check_actions(["vacuum", "analyze"], Keeper(), "mariadb", [])
    with pytest.raises(InvalidInput, match="no table fits 'x'"):
        plan_tasks(Keeper(), ["analyze"], ["x"], 0, tables)


@pytest.mark.parametrize(
    "wrong",
    [
        {"older_than": "0"},
        {"older_than": "x"},
        {"batch": 0},
        {"batch": 10001},
        {"max_rows": 0},
        {"pause": -1},
        {"pause": 61},
        {"where": [{"column": "a", "operator": "eq", "value": None}]},
    ],
)
def test_deletions_that_make_no_sense(wrong):
    good = {**{name: option.get("default") for name, option in DELETION.items()}, "table": "t", "column": "c", "older_than": "1d"}
    assert parse_deletions([good])[0].seconds == 86400
    with pytest.raises(InvalidInput, match="table 't': "):
        parse_deletions([{**good, **wrong}])
