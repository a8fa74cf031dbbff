# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs that globs mean; also those of which only rotated files are left."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import typing as t

from .._common.errors import InvalidInput
from .rotate_names import Log, families, is_own, log_of


def find(patterns: t.Sequence[str], exclude: t.Sequence[str], dest: str) -> tuple[list[Log], list[str]]:
    """Logs in the order of their paths, and the patterns that mean none. ``dest`` may be relative to a log's folder."""
    found: dict[str, Log] = {}
    missing = []
    listings: dict[str, list[str]] = {}
    for pattern in patterns:
        _check(pattern)
        folder, wanted = os.path.split(pattern)
        folders = sorted(glob.glob(folder, recursive=True)) if glob.has_magic(folder) else [folder]
        before, any_here = len(found), False
        for place in dict.fromkeys(os.path.realpath(one) for one in folders if os.path.isdir(one)):
            target = os.path.realpath(os.path.join(place, dest)) if dest else place
            for name in _names(place, target, wanted, listings):
                path = os.path.join(place, name)
                any_here = True
                if not any(fnmatch.fnmatchcase(path, rule) or fnmatch.fnmatchcase(name, rule) for rule in exclude):
                    found.setdefault(path, Log(place, name, target))
        if len(found) == before and not any_here:
            missing.append(pattern)
    _no_namesakes(found.values())
    return [found[path] for path in sorted(found)], missing


def _check(pattern: str) -> None:
    if not pattern.startswith("/"):
        raise InvalidInput(f"paths: {pattern!r} is not absolute; give for example /var/log/nginx/*.log")
    if "\0" in pattern or "\n" in pattern:
        raise InvalidInput("paths: a path contains a line break or NUL byte")
    if pattern.endswith("/") or os.path.isdir(pattern):
        raise InvalidInput(f"paths: {pattern} is a folder; give its logs, for example {pattern.rstrip('/')}/*.log")


def _names(folder: str, dest: str, wanted: str, listings: dict[str, list[str]]) -> list[str]:
    if not glob.has_magic(wanted):
        here = os.path.lexists(os.path.join(folder, wanted)) or wanted in families(folder) or wanted in families(dest)
        return [wanted] if here else []
    match = re.compile(fnmatch.translate(wanted)).match
    names = _listed(folder, listings)
    # A rotated file stands for its log, which may be gone.
    logs = {log_of(name) or name for name in names}
    if dest.startswith(folder + "/"):
        # A folder for one log's folder: what is in it belongs there.
        logs |= {log for log in map(log_of, _listed(dest, listings)) if log}
    hidden = wanted.startswith(".")
    chosen = [name for name in logs if match(name) and (hidden or not name.startswith(".")) and not is_own(name)]
    return [name for name in chosen if not os.path.isdir(os.path.join(folder, name))]


def _listed(folder: str, listings: dict[str, list[str]]) -> list[str]:
    if folder not in listings:
        try:
            listings[folder] = os.listdir(folder)
        except FileNotFoundError:
            listings[folder] = []
    return listings[folder]


def _no_namesakes(logs: t.Iterable[Log]) -> None:
    """Two logs whose rotated files would have the same names can't share a folder for them."""
    taken: dict[tuple[str, str], str] = {}
    for log in logs:
        other = taken.setdefault((log.dest, log.name), log.path)
        if other != log.path:
            raise InvalidInput(f"{other} and {log.path} would both be rotated into {log.dest}; give a dest relative to each log's folder")
