# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task as the XML of the Task Scheduler (schema 1.2), as ``schtasks /Create /XML`` reads it."""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree

from .schedule import DAYS, MONTHS

NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
# Well-known accounts are written by their security identifier, which is the same in all languages of Windows.
_SIDS = {"SYSTEM": "S-1-5-18", "LOCAL SERVICE": "S-1-5-19", "NETWORK SERVICE": "S-1-5-20"}
_LOGONS = {"password": "Password", "s4u": "S4U", "interactive_token": "InteractiveToken"}
_LEVELS = {"limited": "LeastPrivilege", "highest": "HighestAvailable"}
_INSTANCES = ("Parallel", "Queue", "IgnoreNew", "StopExisting")
_KINDS = {
    "time": "TimeTrigger",
    "daily": "CalendarTrigger",
    "weekly": "CalendarTrigger",
    "monthly": "CalendarTrigger",
    "boot": "BootTrigger",
    "logon": "LogonTrigger",
}


def document(arguments: t.Mapping[str, t.Any]) -> str:
    """The definition that the module's arguments describe. It never holds a password: that is given when the task is registered."""
    task = ElementTree.Element("Task", {"version": "1.2", "xmlns": NAMESPACE})
    about = _add(task, "RegistrationInfo")
    if arguments["description"]:
        _add(about, "Description", arguments["description"])
    _add(about, "URI", f"{arguments['path'].rstrip(chr(92))}\\{arguments['name']}")
    triggers = _add(task, "Triggers")
    for trigger in arguments["triggers"]:
        _trigger(triggers, trigger)
    principal = _add(_add(task, "Principals"), "Principal", id="Author")
    _add(principal, "UserId", _SIDS.get(arguments["username"], arguments["username"]))
    if arguments["logon_type"] in _LOGONS:
        _add(principal, "LogonType", _LOGONS[arguments["logon_type"]])
    _add(principal, "RunLevel", _LEVELS[arguments["run_level"]])
    settings = _add(task, "Settings")
    _add(settings, "MultipleInstancesPolicy", _INSTANCES[arguments["multiple_instances"]])
    _add(settings, "DisallowStartIfOnBatteries", _word(arguments["disallow_start_if_on_batteries"]))
    _add(settings, "StopIfGoingOnBatteries", _word(arguments["stop_if_going_on_batteries"]))
    _add(settings, "StartWhenAvailable", _word(arguments["start_when_available"]))
    _add(settings, "Enabled", _word(arguments["enabled"]))
    _add(settings, "ExecutionTimeLimit", arguments["execution_time_limit"])
    actions = _add(task, "Actions", Context="Author")
    for action in arguments["actions"]:
        run = _add(actions, "Exec")
        _add(run, "Command", action["path"])
        for key, element in (("arguments", "Arguments"), ("working_directory", "WorkingDirectory")):
            if action.get(key):
                _add(run, element, action[key])
    ElementTree.indent(task)
    # Without an encoding, which would have to be the file's own: UTF-8 then, and right for a text that is handed on as well.
    return f'<?xml version="1.0"?>\n{ElementTree.tostring(task, encoding="unicode")}\n'


def _trigger(parent: ElementTree.Element, trigger: t.Mapping[str, t.Any]) -> None:
    found = _add(parent, _KINDS[trigger["type"]])
    _add(found, "Enabled", "true")
    if "start_boundary" in trigger:
        _add(found, "StartBoundary", trigger["start_boundary"])
    repeated = trigger.get("repetition")
    if repeated:
        repetition = _add(found, "Repetition")
        _add(repetition, "Interval", repeated["interval"])
        if "duration" in repeated:
            _add(repetition, "Duration", repeated["duration"])
        _add(repetition, "StopAtDurationEnd", _word(repeated["stop_at_duration_end"]))
    if trigger["type"] == "daily":
        _add(_add(found, "ScheduleByDay"), "DaysInterval", str(trigger["days_interval"]))
    elif trigger["type"] == "weekly":
        week = _add(found, "ScheduleByWeek")
        _add(week, "WeeksInterval", str(trigger["weeks_interval"]))
        _names(week, "DaysOfWeek", trigger["days_of_week"], DAYS)
    elif trigger["type"] == "monthly":
        month = _add(found, "ScheduleByMonth")
        days = _add(month, "DaysOfMonth")
        for day in trigger["days_of_month"].split(","):
            _add(days, "Day", day)
        _names(month, "Months", trigger["months_of_year"], MONTHS)


def _names(parent: ElementTree.Element, element: str, listed: str, order: t.Sequence[str]) -> None:
    names = _add(parent, element)
    for name in sorted(listed.split(","), key=order.index):
        _add(names, name.capitalize())


def _add(parent: ElementTree.Element, name: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, name, attributes)
    element.text = text
    return element


def _word(yes: bool) -> str:
    return "true" if yes else "false"
