# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has only so much of: room, memory, processors; and how long it has been up."""

from __future__ import annotations

import os
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.times import in_words
from .kind import Check, Kind, Measure, Reading

# Where the kernel says how it is (proc(5)).
PROC = "/proc"
_LOAD = ("5m", "1m", "15m")


def _disk(check: Check) -> Reading:
    """As df counts: of what users other than root may fill."""
    found = os.statvfs(check.text("path"))
    if not found.f_blocks:
        raise RunbookError(f"the file system of {check.text('path')} has no size; give a path on a disk")
    used, free = (found.f_blocks - found.f_bfree) * found.f_frsize, found.f_bavail * found.f_frsize
    note = f"{_size(free)} of {_size(found.f_blocks * found.f_frsize)} free"
    details = {"free_bytes": free, "used_bytes": used}
    return Reading(free if check.measure == "free" else used * 100 / (used + free), note, details=details)


def _inodes(check: Check) -> Reading:
    found = os.statvfs(check.text("path"))
    if not found.f_files:
        return Reading(None, "this file system makes inodes as it needs them", "skipped")
    used = found.f_files - found.f_ffree
    note = f"{found.f_favail} of {found.f_files} free"
    return Reading(found.f_favail if check.measure == "free" else used * 100 / (used + found.f_favail), note)


def _absolute(given: t.Mapping[str, t.Any]) -> None:
    if not str(given["path"]).startswith("/"):
        raise InvalidInput(f"path {given['path']!r} is not absolute")


def _memory(check: Check) -> Reading:
    """What programs can't have any more: the kernel's own estimate, since what it caches can be had."""
    facts = _meminfo()
    total, free = facts["MemTotal"], facts["MemAvailable"]
    return Reading(free if check.measure == "free" else (total - free) * 100 / total, f"{_size(free)} of {_size(total)} available")


def _swap(check: Check) -> Reading:
    facts = _meminfo()
    total, free = facts["SwapTotal"], facts["SwapFree"]
    if not total:
        return Reading(None, "this host has no swap", "skipped")
    return Reading(free if check.measure == "free" else (total - free) * 100 / total, f"{_size(free)} of {_size(total)} free")


def _meminfo() -> dict[str, int]:
    """Bytes by name."""
    facts = {}
    for line in _kernel("meminfo").splitlines():
        name, _colon, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            facts[name] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    missing = {"MemTotal", "MemAvailable", "SwapTotal", "SwapFree"} - facts.keys()
    if missing or not facts["MemTotal"]:
        raise RunbookError(f"{PROC}/meminfo does not tell {', '.join(sorted(missing)) or 'how much memory there is'}")
    return facts


def _load(check: Check) -> Reading:
    """For each processor, so that the same limits do for all hosts."""
    words = _kernel("loadavg").split()
    try:
        averages = dict(zip(("1m", "5m", "15m"), map(float, words[:3])))
        value = averages[check.measure]
    except (ValueError, KeyError):
        raise RunbookError(f"{PROC}/loadavg is not as proc(5) says") from None
    processors = os.cpu_count() or 1
    return Reading(round(value / processors, 3), f"{value:g} on {processors} processors", details={"load": averages})


def _uptime(check: Check) -> Reading:
    try:
        seconds = float(_kernel("uptime").split()[0])
    except (ValueError, IndexError):
        raise RunbookError(f"{PROC}/uptime is not as proc(5) says") from None
    return Reading(int(seconds), f"up for {in_words(seconds)}")


def _kernel(name: str) -> str:
    with open(f"{PROC}/{name}", encoding="ascii", errors="replace") as stream:
        return stream.read()


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} GiB"


def _share(warn: float, crit: float) -> dict[str, Measure]:
    return {"percent": Measure("%", warn, crit, most=100), "free": Measure("bytes", below=True)}


KINDS: dict[str, Kind] = {
    "disk": Kind(_disk, _share(70, 90), ("path",), refuse=_absolute),
    "inodes": Kind(_inodes, {**_share(70, 90), "free": Measure("inodes", below=True)}, ("path",), refuse=_absolute),
    "memory": Kind(_memory, _share(80, 95)),
    "swap": Kind(_swap, _share(50, 80)),
    "load": Kind(_load, {name: Measure("per processor", 1, 2) for name in _LOAD}),
    "uptime": Kind(_uptime, {"time": Measure("s", 3600, None, below=True)}),
}
