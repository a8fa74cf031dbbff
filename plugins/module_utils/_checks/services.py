# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What should be running: systemd's units, and processes."""

from __future__ import annotations

import fnmatch
import os
import pwd
import re
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.process import Command, find_program, run
from .kind import Check, Kind, Measure, Reading

PROC = "/proc"
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+")


def systemctl(check: Check, *words: str) -> str:
    """What systemctl prints, its times in UTC."""
    command = Command((find_program(["systemctl"], "systemd"), "--no-pager", *words), {"TZ": "UTC"})
    return run(command, timeout=check.timeout).decode("utf-8", "replace")


def properties(check: Check, unit: str, *names: str) -> dict[str, str]:
    """A unit's properties; ``RunbookError`` when there is no such unit."""
    printed = systemctl(check, "show", f"--property={','.join(('LoadState', *names))}", "--", unit)
    facts = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
    if facts.get("LoadState") == "not-found":
        raise RunbookError(f"systemd knows no {unit}; correct the name, or install what brings it")
    missing = [name for name in ("LoadState", *names) if name not in facts]
    if missing:
        raise RunbookError(f"systemd does not tell {', '.join(missing)} of {unit}")
    return facts


def refuse_unit(option: str) -> t.Callable[[t.Mapping[str, t.Any]], None]:
    """A check of the option that must name one unit."""

    def refuse(given: t.Mapping[str, t.Any]) -> None:
        if not _UNIT.fullmatch(str(given[option])) or str(given[option]).startswith("-"):
            raise InvalidInput(f"{option} {given[option]!r} is no name of a unit; give one without patterns, for example nginx")

    return refuse


def _service(check: Check) -> Reading:
    facts = properties(check, check.text("service"), "ActiveState", "SubState", "UnitFileState", "NRestarts", "Result")
    active, sub, enabled = facts["ActiveState"], facts["SubState"], facts["UnitFileState"]
    note = f"{active} ({sub})"
    details = {"active": active, "sub": sub, "enabled": enabled}
    restarts = int(facts["NRestarts"]) if facts["NRestarts"].isdigit() else 0
    if facts["LoadState"] not in ("loaded", "masked"):
        raise RunbookError(f"systemd can't load {check.text('service')} ({facts['LoadState']}); see systemctl status")
    if sub == "auto-restart":
        return Reading(restarts, f"it ended ({facts['Result']}) and systemd will start it again", "failed", details)
    if active in ("activating", "reloading", "deactivating", "maintenance"):
        return Reading(restarts, note, "warning", details)
    if active != "active":
        reason = f", {facts['Result']}" if facts["Result"] not in ("", "success") else ""
        return Reading(restarts, f"{'masked, ' if facts['LoadState'] == 'masked' else ''}{note}{reason}", "failed", details)
    if check.given["enabled"] and enabled in ("disabled", "masked"):
        return Reading(restarts, f"{note}, but {enabled}: it will be missing after the next start of the host", "warning", details)
    return Reading(restarts, note, "ok", details)


def _failed_units(check: Check) -> Reading:
    printed = systemctl(check, "list-units", "--state=failed", "--all", "--plain", "--no-legend", "--full")
    names = [line.split()[0] for line in printed.splitlines() if line.split()]
    ignored = [str(pattern) for pattern in check.given["ignore"] or ()]
    names = [name for name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in ignored)]
    return Reading(len(names), ", ".join(names[:10]), details={"units": names})


def _process(check: Check) -> Reading:
    owner = _owner(check.text("user"))
    if not os.access(f"{PROC}/1/stat", os.R_OK):
        raise RunbookError("other users' processes can't be seen here (hidepid); run the task as root")
    found = []
    for entry in os.listdir(PROC):
        if entry.isdigit() and _fits(entry, check, owner):
            found.append(int(entry))
    return Reading(len(found), f"running as {', '.join(map(str, found[:5]))}" if found else "none runs", details={"pids": found[:50]})


def _fits(pid: str, check: Check, owner: int | None) -> bool:
    try:
        with open(f"{PROC}/{pid}/stat", "rb") as stream:
            stat = stream.read().decode("utf-8", "replace")
            uid = os.fstat(stream.fileno()).st_uid
        with open(f"{PROC}/{pid}/cmdline", "rb") as stream:
            words = stream.read().decode("utf-8", "replace").rstrip("\0").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return False  # it has ended meanwhile
    # The name stands in parentheses and may itself hold some; what follows the last begins with the state.
    name, state = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2]
    if state in "ZX" or (owner is not None and uid != owner):
        return False
    # The kernel cuts names after 15 characters, and a script has its interpreter's.
    names = {name, *(os.path.basename(word) for word in words[:2])}
    if not any(fnmatch.fnmatchcase(one, check.text("process")) for one in names):
        return False
    return check.text("arguments") in " ".join(words)


def _owner(user: str) -> int | None:
    if not user:
        return None
    try:
        return int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid
    except KeyError:
        raise RunbookError(f"there is no user {user} on this host") from None


KINDS: dict[str, Kind] = {
    "service": Kind(_service, {"restarts": Measure("restarts")}, ("service",), ("enabled",), refuse_unit("service"), True),
    "failed_units": Kind(_failed_units, {"count": Measure("units", None, 0)}, (), ("ignore",)),
    "process": Kind(_process, {"count": Measure("processes", None, 1, below=True)}, ("process",), ("user", "arguments")),
}
