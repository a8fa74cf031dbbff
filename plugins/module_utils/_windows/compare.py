# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task as ``community.windows.win_scheduled_task_stat`` describes it, compared with the one that is wanted."""

from __future__ import annotations

import re
import typing as t

from .._common.outcome import Outcome, overall, summary
from . import schedule

# Results of a last run that are no failure, as Windows numbers them.
_FINE = {0: "", 267008: "it is ready", 267009: "it is running", 267011: "it has not run yet", 267045: "it waits for its turn"}
_LISTS = ("days_of_week", "days_of_month", "months_of_year")
_SETTINGS = (
    "enabled",
    "execution_time_limit",
    "multiple_instances",
    "start_when_available",
    "disallow_start_if_on_batteries",
    "stop_if_going_on_batteries",
)
_LOGONS = {
    "service_account": "TASK_LOGON_SERVICE_ACCOUNT",
    "password": "TASK_LOGON_PASSWORD",
    "s4u": "TASK_LOGON_S4U",
    "interactive_token": "TASK_LOGON_INTERACTIVE_TOKEN",
}
_LEVELS = {"limited": "TASK_RUNLEVEL_LUA", "highest": "TASK_RUNLEVEL_HIGHEST"}


def compare(results: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """``{status, checks, msg}`` of all tasks: is each there, does it do what is wanted, when and as whom, and how did its last run end.

    ``results`` are what the module returned for each, its documented misspellings included, with the wanted definition as ``item``.
    """
    items = [item for result in results for item in checks(result, result["item"]["arguments"])]
    return {"status": overall(item.status for item in items), "checks": [item.to_dict() for item in items], "msg": summary(items, "check")}


def checks(found: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Any]) -> list[Outcome]:
    """The checks of one task: what the module returned against the arguments of a definition."""
    name = wanted["name"]
    told = _snake({key: value for key, value in found.items() if key != "item"})
    if "task_exists" not in told:
        return [Outcome(f"{name} installed", "crashed", str(found.get("msg") or "the machine did not answer"))]
    if not told["task_exists"]:
        return [Outcome(f"{name} installed", "failed", "there is no such task; install it with windows_tasks_state=installed")]
    principal = told.get("principal") or {}
    return [
        Outcome(f"{name} installed", "ok"),
        _same(f"{name} action", _actions(told.get("actions")), _actions(wanted["actions"])),
        _same(f"{name} schedule", _triggers(told.get("triggers")), _triggers(wanted["triggers"])),
        _same(f"{name} account", _account(principal), _wanted_account(wanted, principal)),
        _same(f"{name} settings", _settings(told.get("settings") or {}), _settings(wanted)),
        _last_run(f"{name} last run", told.get("state") or {}),
    ]


def _same(name: str, found: t.Any, wanted: t.Any) -> Outcome:
    if found == wanted:
        return Outcome(name, "ok")
    return Outcome(
        name, "failed", f"it is {_said(found)} and should be {_said(wanted)}; run windows_tasks with windows_tasks_state=installed"
    )


def _said(value: t.Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(one)}" for key, one in value.items() if one not in (None, "")) or "nothing"
    if isinstance(value, list):
        return "; ".join(_said(one) for one in value) or "nothing"
    return str(value)


def _actions(actions: t.Any) -> list[dict[str, str]]:
    return [{key: str(action.get(key) or "") for key in ("path", "arguments", "working_directory")} for action in actions or []]


def _triggers(triggers: t.Any) -> list[dict[str, t.Any]]:
    return [_trigger(trigger) for trigger in triggers or []]


def _trigger(trigger: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    kind = str(trigger.get("type") or "").lower().replace("task_trigger_", "")
    repetition = trigger.get("repetition") or {}
    made: dict[str, t.Any] = {"type": kind, "enabled": trigger.get("enabled", True) is not False}
    if kind not in ("boot", "logon"):
        # Without the zone, which Windows may add: the machine's own clock is meant.
        made["start_boundary"] = re.sub(r"(Z|[+-]\d\d:\d\d)$", "", str(trigger.get("start_boundary") or ""))
    for key in ("interval", "duration"):
        made[key] = schedule.seconds(repetition.get(key))
    if kind == "daily":
        made["days_interval"] = int(trigger.get("days_interval") or 1)
    if kind == "weekly":
        made["weeks_interval"] = int(trigger.get("weeks_interval") or 1)
    for key in _LISTS:
        if trigger.get(key):
            listed = trigger[key] if isinstance(trigger[key], list) else str(trigger[key]).split(",")
            made[key] = ",".join(sorted(str(one).strip().lower() for one in listed))
    return made


def _account(principal: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {
        "user": str(principal.get("user_id") or "").lower(),
        "logon_type": principal.get("logon_type"),
        "run_level": principal.get("run_level"),
    }


def _wanted_account(wanted: t.Mapping[str, t.Any], principal: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    user, found = wanted["username"].lower(), str(principal.get("user_id") or "").lower()
    # Windows answers with the machine's or the domain's name before the account's; it counts only where it was given.
    bare = re.sub(r"^\.\\", "", user).partition("@")[0]
    same = user == found or ("\\" not in bare and found.rpartition("\\")[2] == bare)
    return {"user": found if same else user, "logon_type": _LOGONS[wanted["logon_type"]], "run_level": _LEVELS[wanted["run_level"]]}


def _settings(settings: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    # The module's documentation calls one of them mulitple_instances.
    known = {"multiple_instances": settings.get("mulitple_instances"), **{key: settings[key] for key in _SETTINGS if key in settings}}
    return {key: schedule.seconds(known.get(key)) if key == "execution_time_limit" else known.get(key) for key in _SETTINGS}


def _last_run(name: str, state: t.Mapping[str, t.Any]) -> Outcome:
    result = state.get("last_task_result")
    if not isinstance(result, int):
        return Outcome(name, "skipped", "nothing is known of it")
    code = result & 0xFFFFFFFF
    if code in _FINE:
        return Outcome(name, "ok", _FINE[code], value=code)
    when = state.get("last_run_time") or "an unknown time"
    return Outcome(name, "warning", f"it ended with {code} (0x{code:08X}) at {when}; look at its log", value=code)


def _snake(value: t.Any) -> t.Any:
    """Keys as the module writes them now; its documentation shows some as Windows does, ``WorkingDirectory``."""
    if isinstance(value, t.Mapping):
        return {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(key)).lower(): _snake(one) for key, one in value.items()}
    return [_snake(one) for one in value] if isinstance(value, list) else value
