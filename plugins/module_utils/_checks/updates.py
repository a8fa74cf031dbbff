# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security updates that wait to be installed, as the host's package manager knows them."""

from __future__ import annotations

import os
import re
import shutil
import time

from .._common.errors import RunbookError
from .._common.process import Command, find_program, run
from .._common.times import in_words, parse_duration
from .kind import Check, Kind, Measure, Reading

# What an update would install: name, version in brackets if it is there already, then in parentheses the new one and where from.
_INSTALL = re.compile(r"^Inst (\S+) (?:\[[^]]*\] )?\((\S+) (.*?)(?: \[[^]]*\])?\)")
_LISTS = "/var/lib/apt/lists"
_REBOOT = ("/run/reboot-required", "/var/run/reboot-required")
_STALE = 7 * 86400


def _security_updates(check: Check) -> Reading:
    if shutil.which("apt-get"):
        names = _apt(check)
    elif shutil.which("dnf") or shutil.which("yum"):
        names = _dnf(check)
    else:
        raise RunbookError("neither apt-get nor dnf is on this host, so its updates are not known")
    reboot = any(os.path.exists(path) for path in _REBOOT)
    shown = ", ".join(names[:10]) + (" ..." if len(names) > 10 else "")
    note = "; ".join(part for part in (shown, "the host waits for a restart" if reboot else "") if part)
    return Reading(len(names), note, details={"packages": names, "reboot_required": reboot})


def _apt(check: Check) -> list[str]:
    """Simulated, so nothing is locked. Lists that nobody has fetched for long tell nothing."""
    longest = parse_duration(check.given["max_age"], "max_age") if check.given["max_age"] else _STALE
    if not any(name.endswith(("Release", "Packages")) for name in os.listdir(_LISTS)):
        raise RunbookError("apt has no lists of packages; run apt-get update")
    # The lists have their servers' times; the folder that they are fetched into has ours.
    age = time.time() - os.stat(f"{_LISTS}/partial").st_mtime
    if age > longest:
        raise RunbookError(f"apt's lists of packages are {in_words(age)} old; run apt-get update")
    command = Command((find_program(["apt-get"], "apt"), "-s", "-qq", "-o", "Debug::NoLocking=1", "dist-upgrade"))
    printed = run(command, timeout=check.timeout).decode("utf-8", "replace")
    found = [_INSTALL.match(line) for line in printed.splitlines() if line.startswith("Inst ")]
    if not all(found):
        raise RunbookError("what apt-get would install can't be read; see apt-get -s dist-upgrade")
    return sorted(match[1] for match in found if match and "security" in match[3].lower())


def _dnf(check: Check) -> list[str]:
    """From what was cached if that is fresh, else as fetched now."""
    program = find_program(["dnf", "yum"], "dnf")
    command = Command((program, "-q", "updateinfo", "list", "--security", "--updates"))
    printed = run(command, timeout=check.timeout).decode("utf-8", "replace")
    # An advisory, its severity, and the package that brings it.
    rows = [line.split() for line in printed.splitlines() if line.strip()]
    if any(len(row) < 3 for row in rows):
        raise RunbookError(f"what {program} lists can't be read; see {program} updateinfo list --security")
    return sorted({row[2] for row in rows})


KINDS: dict[str, Kind] = {"security_updates": Kind(_security_updates, {"count": Measure("packages", 0, None)}, (), ("max_age",))}
