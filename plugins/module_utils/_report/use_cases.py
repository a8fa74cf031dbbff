# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``check_report``: results into the history, and the history into files for people and machines."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import typing as t

from .._checks import history
from .._common import clock
from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput, RunbookError
from .._common.files import write_atomic
from .._common.outcome import SEVERITY, name_apart, overall
from .._common.runner import Run
from .._common.times import parse_duration, parse_moment
from . import document, events, junit, markdown, nagios, page, prometheus
from .alerts import alerts_of, severity_of, worst
from .collect import Collector
from .model import Event, Report
from .words import ENGLISH

# What each format is called in the folder.
FILES = {
    "html": "index.html",
    "json": "report.json",
    "junit": "junit.xml",
    "markdown": "report.md",
    "nagios": "nagios.txt",
    "prometheus": "checks.prom",
}
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,99}")
_LANG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
# What the history keeps of an item: the schema's own fields, and what the report asks for beside them.
_KEPT = ("name", "status", "value", "unit", "warn", "crit", "message", "duration_ms", "frequency", "severity")
_MESSAGE = 500

REPORT = ArgumentSpec(
    {
        "dest": {"type": "path", "required": True},
        "history": {"type": "path"},
        "results": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "host": {"type": "str", "required": True},
                "checks": {"type": "list", "elements": "dict", "required": True},
                "at": {"type": "str"},
                "events": {"type": "list", "elements": "dict", "default": []},
            },
        },
        "run": {"type": "str"},
        "title": {"type": "str", "default": "Checks"},
        "formats": {"type": "list", "elements": "str", "choices": sorted(FILES), "default": sorted(FILES)},
        "days": {"type": "int", "default": 90},
        "keep": {"type": "str", "default": "400d"},
        "events": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "at": {"type": "str", "required": True},
                "title": {"type": "str", "required": True},
                "kind": {"type": "str", "choices": ["deploy", "rollback", "drill", "other"], "default": "other"},
                "status": {"type": "str", "choices": list(SEVERITY), "default": "ok"},
                "host": {"type": "str", "default": ""},
                "text": {"type": "str", "default": ""},
            },
        },
        "releases": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "host": {"type": "str", "required": True},
                "history": {"type": "list", "elements": "dict", "required": True},
            },
        },
        "drills": {"type": "list", "elements": "dict", "default": []},
        "drill_dirs": {"type": "list", "elements": "path", "default": []},
        "lang": {"type": "str", "default": "en"},
        "direction": {"type": "str", "choices": ["auto", "ltr", "rtl"], "default": "auto"},
        "words": {"type": "dict", "default": {}},
        "mode": {"type": "raw", "default": "0644"},
    }
)


def check_report(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """``{changed, status, run, counts, severity, alerts, turns, changes, files, exit_code, line, broken, msg}``.

    ``turns`` are the checks whose status is another than in the run before, ``broken`` what of the history was set aside.
    Raises ``InvalidInput`` before anything is written.
    """
    folder, now, days, keep = _settings(options)
    mode = _mode(options["mode"])
    name = options["run"] or clock.stamp(now)
    records = _records(options["results"], name, now)
    said: list[str] = []
    happened = _events(options, said.append)
    broken = history.mend(folder, dry=run.check_mode)
    collector = Collector(now, days)
    known: set[str] = set()
    told = {record.host for record in records}
    for record in history.read(folder, collector.since):
        collector.add(record)
        if record.run == name:
            known.add(record.host)
    # The same run told again adds nothing: a play that was repeated, or only the folder was lost.
    records = [record for record in records if record.host not in known]
    for record in records:
        collector.add(record)
    for message in [*broken, *said]:
        run.warn(message)
    old = history.prune(folder, now - keep, dry=run.check_mode) if keep else []
    if not run.check_mode:
        history.append(folder, records)
    report = collector.report(options["title"], happened, [*broken, *said])
    code, line = nagios.render(report)
    written, diff = _write(options["dest"], mode, _rendered(report, options, line), run)
    return {
        "changed": bool(records or broken or old or written),
        "status": report.status,
        "run": name,
        "counts": report.counts(),
        "severity": worst(severity_of(check) for host, check in report.checks() if not told or host.name in told),
        "alerts": alerts_of(report),
        "turns": [turn.to_dict() for turn in collector.turns(name)],
        "changes": [dataclasses.asdict(change) for change in report.changes],
        "files": {kind: os.path.join(options["dest"], FILES[kind]) for kind in options["formats"]},
        "exit_code": code,
        "line": line,
        "broken": broken,
        "msg": report.summary(),
        **({"diff": diff} if run.diff else {}),
    }


def _settings(options: t.Mapping[str, t.Any]) -> tuple[str, float, int, float]:
    """The folder of the history, the present, the days of the report, and how many seconds the history is kept (0: forever)."""
    for name in ("dest", "history"):
        if options[name] and not options[name].startswith("/"):
            raise InvalidInput(f"{name} {options[name]!r} is not absolute; give the whole path of a folder")
    if not 2 <= options["days"] <= 730:
        raise InvalidInput(f"days {options['days']} is not between 2 and 730")
    keep = parse_duration(options["keep"], "keep")
    if keep and keep < options["days"] * 86400:
        raise InvalidInput(
            f"keep {options['keep']} is less than the {options['days']} days of the report; keep the history longer, or show fewer days"
        )
    if options["run"] and not _RUN.fullmatch(options["run"]):
        raise InvalidInput(f"run {options['run']!r} is no name of letters, digits and _.:+-, 100 at most")
    if not _LANG.fullmatch(options["lang"]):
        raise InvalidInput(f"lang {options['lang']!r} is no language tag such as en or ar-EG")
    for word in options["words"]:
        if word not in ENGLISH:
            near = difflib.get_close_matches(str(word), ENGLISH, 1)
            raise InvalidInput(f"words: the page has no word {word!r}{f', did you mean {near[0]}?' if near else ''}")
    moments = [parse_moment(item["at"], "at").timestamp() for item in options["results"] if item["at"]]
    now = max(moments) if moments and len(moments) == len(options["results"]) else clock.seconds(clock.now())
    return options["history"] or os.path.join(options["dest"], "history"), now, options["days"], keep


def _records(results: t.Sequence[t.Mapping[str, t.Any]], run: str, now: float) -> list[history.Record]:
    records, hosts = [], set()
    for given in results:
        host = given["host"]
        if not host or host in hosts:
            raise InvalidInput(
                f"results: host {host!r} is there twice; give all of its checks together" if host else "results: a host has no name"
            )
        hosts.add(host)
        at = clock.stamp(parse_moment(given["at"], "at").timestamp()) if given["at"] else clock.stamp(now)
        checks = []
        for item in given["checks"]:
            name, status = item.get("name"), item.get("status")
            if not isinstance(name, str) or not name:
                raise InvalidInput(f"results: a check of {host} has no name")
            if status not in SEVERITY:
                raise InvalidInput(f"results: check {name!r} of {host} has status {status!r}; there are {', '.join(SEVERITY)}")
            checks.append(_slim(item))
        name_apart(checks)
        if checks:
            records.append(history.Record(at, run, host, overall(item["status"] for item in checks), checks))
    return records


def _slim(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    kept = {key: item[key] for key in _KEPT if item.get(key) not in (None, "")}
    message = str(kept.get("message", ""))
    if len(message) > _MESSAGE:
        kept["message"] = f"{message[: _MESSAGE - 3]}..."
    if isinstance(kept.get("value"), (dict, list)):
        kept["value"] = str(kept["value"])[:_MESSAGE]
    return kept


def _events(options: t.Mapping[str, t.Any], said: t.Callable[[str], None]) -> list[Event]:
    found = [events.given({**item, "message": item["text"]}) for item in options["events"]]
    for result in options["results"]:
        found += [events.given({**item, "host": result["host"]}) for item in result["events"]]
    for site in options["releases"]:
        found += events.from_history(site["history"], site["host"])
    found += [event for event in map(events.from_evidence, options["drills"]) if event]
    for folder in options["drill_dirs"]:
        found += events.from_folder(folder, said)
    return list(dict.fromkeys(found))


def _rendered(report: Report, options: t.Mapping[str, t.Any], line: str) -> dict[str, str]:
    direction = "" if options["direction"] == "auto" else options["direction"]
    makers: dict[str, t.Callable[[], str]] = {
        "html": lambda: page.render(report, lang=options["lang"], direction=direction, words=options["words"]),
        "json": lambda: document.render(report),
        "junit": lambda: junit.render(report),
        "markdown": lambda: markdown.render(report),
        "nagios": lambda: f"{line}\n",
        "prometheus": lambda: prometheus.render(report),
    }
    return {FILES[kind]: makers[kind]() for kind in options["formats"]}


def _write(dest: str, mode: int, texts: t.Mapping[str, str], run: Run) -> tuple[list[str], list[dict[str, str]]]:
    """The paths of files that were not so already, each replaced in one step; and their difference."""
    written, diff = [], []
    for name, text in texts.items():
        path, data = os.path.join(dest, name), text.encode("utf-8", "replace")
        before = _content(path)
        if before == data:
            continue
        if not run.check_mode:
            os.makedirs(dest, mode=0o755, exist_ok=True)
            write_atomic(path, data, mode)
        written.append(path)
        if name == FILES["markdown"]:  # the others say the same at greater length
            was = (before or b"").decode("utf-8", "replace")
            diff.append({"before_header": path, "after_header": path, "before": was, "after": text})
    return written, diff


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise RunbookError(f"{path} is a folder; move it away, or choose another dest") from None


def _mode(given: t.Any) -> int:
    try:
        mode = given if isinstance(given, int) else int(str(given), 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise InvalidInput(f"mode {given!r} is no octal mode such as '0644'")
    return mode
