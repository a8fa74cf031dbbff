# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``db_maintain``: old rows go in small steps, then tables are looked after."""

from __future__ import annotations

import time
import typing as t

from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.outcome import Outcome, summary
from .._common.runner import Run
from .._common.times import parse_duration
from .keepers import keeper_of
from .model import Selection, Table
from .options import engine_of
from .upkeep import Keeper, Planned, Task, check_actions, parse_deletions


def db_maintain(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """``{changed, msg, deleted, actions, diff?}``. Everything is looked at before anything is changed.

    Raises ``Refused`` when a deletion would exceed its ``max_rows``, and ``RunbookError`` with the same structure when a batch or an
    action failed: what was deleted until then stays deleted, and running again continues.
    """
    deletions = parse_deletions(options["delete_older_than"])
    if not deletions and not options["actions"]:
        raise InvalidInput("there is nothing to do; give actions or delete_older_than")
    fresh_for = parse_duration(options["fresh_for"], "fresh_for")
    if not 0 < options["lock_timeout"] <= 3600:
        raise InvalidInput(f"lock_timeout {options['lock_timeout']:g} is not between 0 and 3600 seconds")
    keeper = keeper_of(options)
    try:
        check_actions(options["actions"], keeper, options["engine"], options["tables"])
        planned = [keeper.plan(deletion) for deletion in deletions]
        for plan in planned:
            if plan.matched > plan.deletion.max_rows:
                raise Refused(
                    f"{plan.matched:,} rows of {plan.deletion.table} are older than {plan.cutoff}, more than max_rows"
                    f" ({plan.deletion.max_rows:,}); raise it if they should all go. Nothing was deleted",
                    changed=False,
                    deleted=[each.to_dict() for each in planned],
                )
        tasks = plan_tasks(keeper, options["actions"], options["tables"], fresh_for, lambda: engine_of(options).tables(options["name"]))
        return carry_out(keeper, planned, tasks, run)
    finally:
        keeper.close()


def plan_tasks(
    keeper: Keeper, actions: t.Sequence[str], patterns: t.Sequence[str], fresh_for: float, tables: t.Callable[[], list[Table]]
) -> list[Task]:
    """What to do on which table, in the order of actions; tables that had it lately are marked as fresh."""
    tasks: list[Task] = []
    chosen = [table.name for table in Selection(tuple(patterns)).resolve(tables())] if set(actions) - set(keeper.whole) else []
    for action in dict.fromkeys(actions):
        if action in keeper.whole:
            tasks.append(Task(action))
            continue
        fresh = keeper.fresh(action, chosen, fresh_for) if fresh_for else {}
        tasks += [Task(action, name, fresh.get(name, "")) for name in chosen]
    return tasks


def carry_out(
    keeper: Keeper, planned: t.Sequence[Planned], tasks: t.Sequence[Task], run: Run, sleep: t.Callable[[float], None] = time.sleep
) -> dict[str, t.Any]:
    """Delete and act, or say what would be deleted and done."""
    before = [f"{plan.deletion.table}: {plan.matched} rows older than {plan.cutoff}" for plan in planned]
    error = ""
    if not run.check_mode:
        error = _delete(keeper, planned, run, sleep)
    outcomes = [_act(keeper, task, run) for task in tasks] if not error else []
    gone = sum(plan.matched if run.check_mode else plan.deleted for plan in planned)
    acted = [task for task, outcome in zip(tasks, outcomes) if outcome.status == "ok" and task.action != "integrity"]
    due = [task for task in tasks if not task.fresh and task.action != "integrity"]
    result: dict[str, t.Any] = {
        "changed": bool(gone or (due if run.check_mode else acted)),
        "deleted": [plan.to_dict() for plan in planned],
        "actions": [outcome.to_dict() for outcome in outcomes],
    }
    if run.diff:
        after = [
            f"{plan.deletion.table}: {0 if run.check_mode else plan.matched - plan.deleted} rows older than {plan.cutoff}"
            for plan in planned
        ]
        result["diff"] = {"before": _lines(before), "after": _lines([*after, *(task.name for task in (due if run.check_mode else acted))])}
    if error or any(outcome.status == "failed" for outcome in outcomes):
        raise RunbookError(error or summary(outcomes, "action"), **result)
    return {**result, "msg": _message(planned, tasks, run.check_mode)}


def _delete(keeper: Keeper, planned: t.Sequence[Planned], run: Run, sleep: t.Callable[[float], None]) -> str:
    """Carry out all deletions; what went wrong, empty when nothing did."""
    for plan in planned:
        if not plan.matched:
            continue
        table = plan.deletion.table
        try:
            for count in keeper.delete(plan):
                plan.deleted += count
                plan.batches += 1
                run.say(f"{table}: {plan.deleted:,} of {plan.matched:,} rows deleted")
                sleep(plan.deletion.pause)
        except RunbookError as error:
            return f"{plan.deleted:,} of {plan.matched:,} rows of {table} were deleted, then: {error.message}; run again to continue"
    return ""


def _act(keeper: Keeper, task: Task, run: Run) -> Outcome:
    if task.fresh:
        return Outcome(task.name, "skipped", task.fresh)
    # Looking for damage changes nothing, so it is done in check mode too.
    if run.check_mode and task.action != "integrity":
        return Outcome(task.name, "skipped", "not done in check mode")
    start = time.perf_counter()
    run.say(task.name)
    try:
        outcome = Outcome(task.name, "ok", keeper.act(task))
    except RunbookError as error:
        outcome = Outcome(task.name, "failed", error.message)
    outcome.duration_ms = round((time.perf_counter() - start) * 1000, 3)
    return outcome


def _message(planned: t.Sequence[Planned], tasks: t.Sequence[Task], check_mode: bool) -> str:
    word = "would be deleted" if check_mode else "deleted"
    parts = [f"{plan.matched if check_mode else plan.deleted:,} rows of {plan.deletion.table} {word}" for plan in planned]
    changed = [f"{plan.matched - plan.deleted:,} rows of {plan.deletion.table} changed meanwhile and stay" for plan in planned]
    parts += [text for text, plan in zip(changed, planned) if not check_mode and plan.deleted < plan.matched]
    due = [task.name for task in tasks if not task.fresh]
    if due:
        parts.append(f"{'to do' if check_mode else 'done'}: {', '.join(due[:10])}{f' and {len(due) - 10} more' if len(due) > 10 else ''}")
    return "; ".join(parts) or "everything was done lately"


def _lines(lines: t.Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
