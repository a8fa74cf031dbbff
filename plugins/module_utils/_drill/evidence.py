# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill leaves behind: one JSON document, one page for people, and whether it met its targets."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import socket
import typing as t

from .._common import clock
from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.files import write_atomic
from .._common.outcome import SEVERITY, Outcome, overall
from .._common.runner import Run
from . import page

FORMAT = 1
# Of the past, a page shows this many drills.
TREND = 20
_FILE = re.compile(r"(\d{8}_\d{6}(?:_\d+)?)_([a-z0-9_]+)\.json")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,59}")


@dataclasses.dataclass(frozen=True)
class Report:
    """What is known of a drill. Targets in seconds, 0 for none; ``rpo_seconds`` None when it was not learnt."""

    scenario: str
    subject: str
    folder: str
    started: str
    phases: t.Sequence[t.Mapping[str, t.Any]]
    rpo_seconds: float | None = None
    rto_target: float = 0.0
    rpo_target: float = 0.0
    checks: t.Sequence[t.Mapping[str, t.Any]] = ()
    error: str = ""
    details: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


def judge(report: Report) -> dict[str, t.Any]:
    """The evidence of a drill: ``{format, scenario, subject, host, started, ended, status, message, rto_seconds, rpo_seconds,
    targets, phases, checks, details}``, phases and checks as outcomes."""
    phases = [_outcome(item, "phase") for item in report.phases]
    broken = next((item for item in phases if item.status in ("failed", "crashed")), None)
    rto = round(sum(float(item.value or 0) for item in phases if item.details.get("recovery", True)), 3)
    trouble = report.error or (f"{broken.name}: {broken.message}" if broken else "")
    if not phases and not trouble:
        trouble = "the drill has no phases, so nothing was rehearsed"
    checks = [
        Outcome("recovery", "failed" if trouble else "ok", trouble or f"recovered in {page.duration(rto)}"),
        _target("RTO", None if trouble else rto, report.rto_target, "the recovery took"),
        _target("RPO", report.rpo_seconds, report.rpo_target, "the data was as old as"),
        *(_outcome(item, "check") for item in report.checks),
    ]
    status = overall(item.status for item in checks)
    bad = [f"{item.name}: {item.message}" for item in checks if item.status in ("failed", "crashed", "warning")]
    return {
        "format": FORMAT,
        "scenario": report.scenario,
        "subject": report.subject,
        "host": socket.gethostname(),
        "started": report.started,
        "ended": clock.now(),
        "status": status,
        "message": "; ".join(bad) or checks[0].message,
        "rto_seconds": rto,
        "rpo_seconds": report.rpo_seconds,
        "targets": {"rto_seconds": report.rto_target, "rpo_seconds": report.rpo_target},
        "phases": [item.to_dict() for item in phases],
        "checks": [item.to_dict() for item in checks],
        "details": dict(report.details),
    }


def _outcome(item: t.Mapping[str, t.Any], what: str) -> Outcome:
    known = {field.name for field in dataclasses.fields(Outcome)} - {"details"}
    try:
        given = {key: value for key, value in item.items() if key in known}
        found = Outcome(**{"status": "ok", **given}, details={key: value for key, value in item.items() if key not in known})
        if found.status not in SEVERITY:
            raise ValueError(f"its status is {found.status!r}")
        if what == "phase":
            found = dataclasses.replace(found, value=float(found.value), unit="s")
        return found
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{dict(item)!r} is no {what} ({error}); it needs name, status and, in seconds, value") from None


def _target(name: str, value: float | None, limit: float, what: str) -> Outcome:
    """A measure against its limit. One that has a limit and was not measured missed it."""
    if value is None:
        return Outcome(name, "failed" if limit else "skipped", "it was not measured", None, "s", crit=limit or None)
    said = f"{what} {page.duration(value)}"
    if not limit:
        return Outcome(name, "ok", f"{said}, there is no target", value, "s")
    missed = value > limit
    return Outcome(
        name, "failed" if missed else "ok", f"{said}, {'more than' if missed else 'within'} {page.duration(limit)}", value, "s", crit=limit
    )


def past(folder: str, scenario: str, subject: str) -> list[tuple[str, dict[str, t.Any]]]:
    """Earlier evidence of the same scenario and subject with its path, oldest first; what can't be read is passed over."""
    found: list[tuple[str, dict[str, t.Any]]] = []
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(folder)):
            match = _FILE.fullmatch(name)
            if not match or match[2] != scenario:
                continue
            with contextlib.suppress(OSError, ValueError), open(os.path.join(folder, name), encoding="utf-8") as stream:
                item = json.load(stream)
                if isinstance(item, dict) and item.get("format") == FORMAT and item.get("subject") == subject:
                    found.append((os.path.join(folder, name), item))
    return found


def report_drill(report: Report, run: Run) -> dict[str, t.Any]:
    """Write the evidence: ``{changed, evidence, page, report, status, msg}``. Judging the drill is the caller's: see ``status``."""
    if not _WORD.fullmatch(report.scenario):
        raise InvalidInput(f"scenario {report.scenario!r} is no word of small letters, digits and _")
    if not report.folder.startswith("/"):
        raise InvalidInput(f"evidence_dir {report.folder!r} is not absolute")
    evidence = judge(report)
    result = {"changed": True, "report": evidence, "status": evidence["status"], "msg": evidence["message"], "evidence": "", "page": ""}
    earlier = past(report.folder, report.scenario, report.subject)
    # A drill is known by its beginning: told again, it leaves nothing new.
    for path, item in earlier:
        if all(item.get(key) == evidence[key] for key in ("started", "phases", "checks", "details")):
            return {**result, "changed": False, "report": item, "evidence": path, "page": f"{path[:-5]}.html"}
    if run.check_mode:
        return result
    os.makedirs(report.folder, mode=0o750, exist_ok=True)
    base = _free_name(report.folder, evidence["ended"], report.scenario)
    write_atomic(
        f"{base}.json", (json.dumps(evidence, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8", "replace"), 0o640
    )
    write_atomic(f"{base}.html", page.render(evidence, [item for _path, item in earlier[-(TREND - 1) :]]).encode("utf-8", "replace"), 0o640)
    return {**result, "evidence": f"{base}.json", "page": f"{base}.html"}


def _free_name(folder: str, ended: str, scenario: str) -> str:
    """``<folder>/20261121_101500_<scenario>``, with a number when that is taken; the name is reserved by its file."""
    moment = re.sub(r"[-:Z]", "", ended).replace("T", "_")
    for number in range(1, 1000):
        base = os.path.join(folder, f"{moment}{f'_{number}' if number > 1 else ''}_{scenario}")
        try:
            os.close(os.open(f"{base}.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640))
            return base
        except FileExistsError:
            continue
    raise Refused(f"{folder} has a thousand drills of this second; look at its clock")


def fail(result: t.Mapping[str, t.Any]) -> None:
    """Raise when the drill did not recover or missed a target; the evidence is there by then."""
    if result["status"] not in ("ok", "warning"):
        told = {name: value for name, value in result.items() if name != "msg"}
        raise RunbookError(f"the drill {result['report']['scenario']} of {result['report']['subject']} failed: {result['msg']}", **told)
