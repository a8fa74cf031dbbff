# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what runs by itself did run: heartbeat files, systemd's timers, backups."""

from __future__ import annotations

import calendar
import json
import os
import time
import typing as t

from .._common import clock
from .._common.errors import InvalidInput, RunbookError
from .._common.runner import Run
from .._common.times import in_words
from .files import age_of
from .kind import Check, Kind, Measure, Reading
from .services import properties, refuse_unit

_LARGEST = 64 << 10


def _heartbeat(check: Check) -> Reading:
    """Seconds since the last beat: what the file says if it is a JSON document with ``at``, else when it was changed."""
    path = check.text("path")
    try:
        with open(path, "rb") as stream:
            data, changed = stream.read(_LARGEST), os.fstat(stream.fileno()).st_mtime
    except FileNotFoundError:
        return Reading(None, f"{path} is not there: the job never ended well, or leaves its heartbeat elsewhere", "failed")
    beat, status, said = _beat(data, path, changed)
    age = age_of(path, beat)
    note = f"last beat {in_words(age)} ago"
    if status not in ("", "ok", "skipped"):
        note += f", and that run was {status}{f': {said}' if said else ''}"
        return Reading(int(age), note, "warning" if status == "warning" else "failed")
    return Reading(int(age), note)


def _beat(data: bytes, path: str, changed: float) -> tuple[float, str, str]:
    """When, with which status, and what was said."""
    if not data.lstrip().startswith(b"{"):
        return changed, "", ""
    try:
        document = json.loads(data)
        beat = clock.seconds(document["at"])
        if not beat:
            raise ValueError("its time can't be read")
        return beat, str(document.get("status") or ""), " ".join(str(document.get("message") or "").split())[:200]
    except (ValueError, KeyError, TypeError) as error:
        raise RunbookError(
            f"{path} is no heartbeat ({error}); it is a JSON document with at and status, or any file that is touched"
        ) from None


def _timer(check: Check) -> Reading:
    """Seconds since a timer's unit was last started; whether that ended well."""
    name = check.text("timer") if check.text("timer").endswith(".timer") else f"{check.text('timer')}.timer"
    facts = properties(check, name, "ActiveState", "ActiveEnterTimestamp", "LastTriggerUSec", "Unit")
    if facts["ActiveState"] != "active":
        return Reading(None, f"{name} is {facts['ActiveState']}, so it starts nothing", "failed")
    last = _moment(facts["LastTriggerUSec"])
    since = last or _moment(facts["ActiveEnterTimestamp"])
    if not since:
        raise RunbookError(f"systemd does not tell when {name} last ran")
    age = max(0, int(time.time() - since))
    if not last:
        return Reading(age, f"{facts['Unit']} has not run since {name} was started {in_words(age)} ago")
    job = properties(check, facts["Unit"], "Result", "ActiveState")
    if job["Result"] != "success":
        return Reading(age, f"the last run of {facts['Unit']}, {in_words(age)} ago, ended with {job['Result']}", "failed")
    return Reading(age, f"{facts['Unit']} {'runs since' if job['ActiveState'] == 'activating' else 'last ran'} {in_words(age)} ago")


def _moment(text: str) -> float:
    """Seconds since 1970 of ``Sat 2026-01-31 22:30:00 UTC``; 0 when there was none."""
    if text in ("", "n/a", "0"):
        return 0.0
    try:
        return float(calendar.timegm(time.strptime(text, "%a %Y-%m-%d %H:%M:%S %Z")))
    except ValueError:
        raise RunbookError(f"systemd tells a time that can't be read: {text}") from None


def _backup(check: Check) -> Reading:
    """What ``db_backup_info`` says, and the age of the newest good backup, of the database where it is longest ago."""
    from .._database.info import db_backup_info  # here, because hosts compile what they import anew each time

    crit = check.thresholds.crit
    asked: dict[str, t.Any] = {"dest": check.text("dest"), "name": check.given["database"], "verify": check.given["verify"] or "none"}
    asked.update(max_age=str(crit), max_restore_age=None, trend_last=7, verify_last=1, fail=False)
    found = db_backup_info({**asked, "encryption_identity": None, "encryption_identity_file": None}, Run(check_mode=True))
    ages = [item["value"] for item in found["checks"] if item["name"].endswith("backup age")]
    known = [age for age in ages if age is not None]
    bad = [f"{item['name']}: {item['message']}" for item in found["checks"] if item["status"] != "ok"]
    note = "; ".join(bad) or "; ".join(item["message"] for item in found["checks"] if item["name"].endswith("backup age"))
    age = max(0, *known) if known and len(known) == len(ages) else None
    status = found["status"]
    if age is None and status == "ok":
        raise RunbookError(f"the age of the backups in {check.text('dest')} is not known")
    return Reading(age, note, status, {"backups": len(found["backups"])})


def _need_crit(given: t.Mapping[str, t.Any]) -> None:
    if given["crit"] is None and given["warn"] is not None:
        raise InvalidInput("kind backup needs crit beside warn: what age is a failure")


KINDS: dict[str, Kind] = {
    "heartbeat": Kind(_heartbeat, {"age": Measure("s", None, 300)}, ("path",)),
    "timer": Kind(_timer, {"age": Measure("s", None, 26 * 3600)}, ("timer",), refuse=refuse_unit("timer")),
    "backup": Kind(_backup, {"age": Measure("s", None, 26 * 3600)}, ("dest",), ("database", "verify"), _need_crit),
}
