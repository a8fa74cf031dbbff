# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``check_run``: what is due of a checklist, in one module execution on the host, with the outcome of each entry remembered."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
import time
import typing as t

from .._common import clock
from .._common.argspec import ArgumentSpec, complete
from .._common.errors import InvalidInput, RunbookError
from .._common.files import write_json
from .._common.outcome import Outcome, name_apart, overall, summary
from .._common.runner import Run, UseCase
from .._database.check_options import QUERY
from .._database.info import INFO, db_backup_info
from .._database.query import db_query
from .._logs.scan import log_scan
from .._logs.scan_options import OPTIONS as LOG_SCAN
from .._release.site import Site
from .._release.store import LocalStore
from .._report import events
from .._report.alerts import SEVERITIES
from .._report.model import Event
from .host_check import host_check
from .options import HOST_CHECK
from .parse import parse_checks

_HOUR = 3600.0
_DAY = 24 * _HOUR
# A little less than the time between two runs: cron is a minute late today and was two minutes late yesterday.
FREQUENCIES: dict[str, float] = {
    "always": 0.0,
    "hourly": _HOUR * 0.8,
    "daily": _DAY * 0.8,
    "weekly": _DAY * 6.5,
    "monthly": _DAY * 27,
    "quarterly": _DAY * 88,
}
# Of one site, and of one folder of drills, the report is told the last so many events.
_EVENTS = 50
Options = t.Mapping[str, t.Any]
Item = dict[str, t.Any]


class _Kind(t.NamedTuple):
    """A module's use case and options. ``together`` names the option that takes all entries of the kind in one call."""

    spec: ArgumentSpec
    use_case: UseCase
    together: str = ""


KINDS: dict[str, _Kind] = {
    "host_check": _Kind(HOST_CHECK, host_check, "checks"),
    "log_scan": _Kind(LOG_SCAN, log_scan, "scans"),
    "db_query": _Kind(QUERY, db_query),
    "db_backup_info": _Kind(INFO, db_backup_info),
}

CHECK_RUN = ArgumentSpec(
    {
        "checklist": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "frequency": {"type": "str", "choices": list(FREQUENCIES), "default": "daily"},
                "severity": {"type": "str", "choices": list(SEVERITIES)},
                "enabled": {"type": "bool", "default": True},
                **{kind: {"type": "dict"} for kind in KINDS},
                "each": {"type": "raw"},
                "secrets": {"type": "dict", "no_log": True},
            },
            "mutually_exclusive": [list(KINDS)],
            "required_one_of": [list(KINDS)],
        },
        "due": {"type": "str", "choices": ["auto", "all"], "default": "auto"},
        "state_dir": {"type": "path", "default": "/var/lib/runbook/checks"},
        "sites": {"type": "list", "elements": "path", "default": []},
        "drill_dirs": {"type": "list", "elements": "path", "default": []},
        "fail": {"type": "bool", "default": False},
    }
)


class _Entry(t.NamedTuple):
    kind: str
    options: dict[str, t.Any]
    frequency: str
    severity: str | None
    key: str


def check_run(options: Options, run: Run) -> dict[str, t.Any]:
    """``{changed, status, msg, checks, due, later, events}``; items also have ``frequency`` and, where it was given, ``severity``.

    Raises ``InvalidInput`` before anything is looked at, also for what is not due.
    """
    entries = _parse(options["checklist"])
    if not options["state_dir"].startswith("/"):
        raise InvalidInput(f"state_dir {options['state_dir']!r} is not absolute")
    path = os.path.join(options["state_dir"], "due.json")
    seen = _read(path, run)
    now = time.time()
    due = [entry for entry in entries if options["due"] == "all" or _is_due(entry, seen.get(entry.key), now)]
    found = _look(due, options["state_dir"], run)
    items = [item for entry in due for item in found[entry.key]]
    name_apart(items)
    if not run.check_mode and due:
        for entry in due:
            # What is held back is not well either: it has to be looked at again to last, or not.
            seen[entry.key] = {"at": now, "status": overall(str(item.get("held") or item["status"]) for item in found[entry.key])}
        kept = {entry.key for entry in entries}
        os.makedirs(options["state_dir"], mode=0o750, exist_ok=True)
        write_json(path, {key: value for key, value in seen.items() if key in kept})
    status = overall(item["status"] for item in items)
    result = {
        "changed": False,
        "status": status,
        "checks": items,
        "due": len(due),
        "later": len(entries) - len(due),
        "events": _events(options, run),
    }
    message = summary([Outcome(item["name"], item["status"], item["message"]) for item in items], "check")
    if options["fail"] and status in ("failed", "crashed"):
        raise RunbookError(message, **result)
    return {**result, "msg": message}


def _parse(checklist: t.Sequence[Options]) -> list[_Entry]:
    entries: list[_Entry] = []
    keys: set[str] = set()
    for number, given in enumerate(checklist, 1):
        for more in _each(number, given) if given["enabled"] else ():
            entry = _entry(number, given, more)
            if entry.key in keys:
                raise InvalidInput(f"entry {number} of the checklist is there twice")
            keys.add(entry.key)
            entries.append(entry)
    for kind in KINDS:
        of_kind = [entry for entry in entries if entry.kind == kind]
        for part in [of_kind] if KINDS[kind].together else [[entry] for entry in of_kind]:
            options = _options(kind, part, "/") if part else {}
            if part and kind == "host_check":  # what is not due today must make sense too
                parse_checks(options["checks"], options["timeout"])
    return entries


def _entry(number: int, given: Options, more: Options) -> _Entry:
    kind = next(name for name in KINDS if given[name] is not None)
    plain = {**given[kind], **more}
    spec, together = KINDS[kind].spec, KINDS[kind].together
    known = spec.options[together]["options"] if together else spec.options
    for option in plain:
        if known.get(option, {}).get("no_log") and plain[option] is not None:
            raise InvalidInput(
                f"{option} of entry {number} of the checklist stands under {kind}, where it would be logged; write secrets: {{{option}: …}}"
            )
    # Secrets are no part of what an entry is known by: the state is no place for what they could be guessed from.
    key = hashlib.sha256(json.dumps([kind, plain, given["frequency"]], sort_keys=True, default=str).encode()).hexdigest()[:16]
    return _Entry(kind, {**plain, **(given["secrets"] or {})}, given["frequency"], given["severity"], key)


def _each(number: int, given: Options) -> list[dict[str, t.Any]]:
    """The further options of every check that an entry stands for: one without any, unless it has ``each``."""
    each = given["each"]
    if each is None:
        return [{}]
    if isinstance(each, dict) and len(each) == 1:
        option, values = next(iter(each.items()))
        if isinstance(values, (list, tuple)):
            return [{option: value} for value in values]
    elif isinstance(each, (list, tuple)) and all(isinstance(one, dict) for one in each):
        return list(each)
    raise InvalidInput(
        f"each of entry {number} of the checklist is neither one option with its values, such as path: [/, /srv], nor a list of options"
    )


def _options(kind: str, entries: t.Sequence[_Entry], state_dir: str) -> dict[str, t.Any]:
    """The options of the one call for these entries."""
    together = KINDS[kind].together
    given: dict[str, t.Any] = {together: [entry.options for entry in entries]} if together else entries[0].options
    given = copy.deepcopy(given)  # completing fills in what is inside, too
    if kind == "host_check":
        given["state_file"] = os.path.join(state_dir, "host_check.json")
    return complete(KINDS[kind].spec, {**given, "fail": False}, f"{kind} of the checklist")


def _is_due(entry: _Entry, last: t.Any, now: float) -> bool:
    """Whether it is time, or what was found the last time was not well: nobody waits a month to see that it is well again."""
    if not isinstance(last, dict) or last.get("status") not in ("ok", "skipped"):
        return True
    at = last.get("at")
    # A moment that has not come yet was written by a clock that was wrong.
    return not isinstance(at, (int, float)) or at > now or now - at >= FREQUENCIES[entry.frequency]


def _look(due: t.Sequence[_Entry], state_dir: str, run: Run) -> dict[str, list[Item]]:
    """The items of each entry by its key."""
    found: dict[str, list[Item]] = {entry.key: [] for entry in due}
    for kind in KINDS:
        entries = [entry for entry in due if entry.kind == kind]
        parts = [entries] if KINDS[kind].together else [[entry] for entry in entries]
        for part in filter(None, parts):
            for entry, item in _assigned(kind, part, _call(kind, part, state_dir, run)):
                about = {"frequency": entry.frequency, **({"severity": entry.severity} if entry.severity else {})}
                found[entry.key].append({**item, **about})
    return found


def _call(kind: str, part: t.Sequence[_Entry], state_dir: str, run: Run) -> list[Item]:
    """The items of one call. One that breaks does not keep the others from being made: it is an item that crashed."""
    try:
        result = KINDS[kind].use_case(_options(kind, part, state_dir), run)
    except InvalidInput:
        raise
    except (RunbookError, OSError) as error:
        message = " ".join(str(error).split())
        return [{**Outcome(f"{kind} {number}", "crashed", message).to_dict(), "entry": number} for number in range(len(part))]
    return list(result["checks"])


def _assigned(kind: str, part: t.Sequence[_Entry], items: t.Sequence[Item]) -> t.Iterator[tuple[_Entry, Item]]:
    """Each item with the entry that it comes from."""
    scans = {entry.options.get("name"): entry for entry in part}
    for number, item in enumerate(items):
        if "entry" in item:
            yield part[item["entry"]], {key: value for key, value in item.items() if key != "entry"}
        elif kind == "log_scan":
            yield scans[item["scan"]], item
        else:
            yield part[number if len(part) > 1 else 0], item


def _events(options: Options, run: Run) -> list[dict[str, t.Any]]:
    """What else happened on the host, for the report: deploys of its sites, drills."""
    found: list[Event] = []
    for path in options["sites"]:
        try:
            found += events.from_history(Site(LocalStore(path)).history(_EVENTS), "")
        except (RunbookError, OSError) as error:
            run.warn(f"the history of {path} can't be read: {error}")
    for folder in options["drill_dirs"]:
        found += events.from_folder(folder, run.warn)
    return [dataclasses.asdict(event) for event in found[-_EVENTS:]]


def _read(path: str, run: Run) -> dict[str, t.Any]:
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
        if not isinstance(found, dict):
            raise ValueError("no JSON object")
        return found
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        run.warn(f"{path} can't be read ({error}); everything is due, and the file is written anew ({clock.now()})")
        return {}
