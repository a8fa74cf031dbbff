# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``log_rotate``: logs cut without losing a line, compressed when nobody writes to them any more, and kept for as long as is wanted."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.runner import Run, describe_os_error
from .rotate_account import Elsewhere, Here
from .rotate_find import find
from .rotate_names import Log, all_families, family
from .rotate_options import Request, dest_of
from .rotate_trust import Trust
from .rotate_work import Work

_LISTS = ("logs", "archived", "deferred", "removed", "errors")


def log_rotate(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """Rotate the logs that are due. ``RunbookError`` when some could not be, with what became of the others as its result."""
    request = Request.of(options)
    logs, missing = find(options["paths"], options["exclude"], dest_of(options))
    if missing and not options["allow_missing"]:
        raise InvalidInput(f"{', '.join(missing)} matches no log; correct paths, or say allow_missing: true")
    answer: dict[str, t.Any] = {"changed": False, **{name: [] for name in _LISTS}}
    before = _listing(logs) if run.diff else {}
    trouble = ""
    parts = _by_account(logs, Trust(options["user"] or ""), answer)
    working = [_start(uid, Work(part, request, run.check_mode)) for uid, part in sorted(parts.items())]
    try:
        wanted = [_guarded(one.first, answer) for one in working]
        if request.reopen and any(wanted) and not run.check_mode:
            try:
                unheard = request.reopen.ask()
            except RunbookError as error:
                trouble = error.message
            else:
                if unheard:
                    run.warn(f"nobody was asked to reopen the logs: {unheard}")
        for one, here in zip(working, wanted):
            part = _guarded(one.rest, answer) if here is not None else None
            if part:
                answer["changed"] = answer["changed"] or part["changed"]
                for name in _LISTS:
                    answer[name] += part[name]
    finally:
        for one in working:
            one.close()
    return _finished(answer, missing, trouble, before, logs, run)


def _by_account(logs: t.Sequence[Log], trust: Trust, answer: dict[str, t.Any]) -> dict[int, list[Log]]:
    """The logs that can be rotated safely, by the account that it takes."""
    parts: dict[int, list[Log]] = {}
    for log in logs:
        try:
            uid = trust.account(log.folder)
            dest = log.dest if os.path.isdir(log.dest) else os.path.dirname(log.dest)
            if log.dest != log.folder and trust.account(dest) not in (uid, os.geteuid()):
                raise Refused(f"{dest} is not as safe as {log.folder}: another account may write there; choose another dest")
        except Refused as refused:
            answer["logs"].append({"path": log.path, "action": "refused", "reason": refused.message})
            answer["errors"].append(f"{log.path}: {refused.message}")
        else:
            parts.setdefault(uid, []).append(log)
    return parts


def _start(uid: int, work: Work) -> Here | Elsewhere:
    return Here(work.steps()) if uid == os.geteuid() else Elsewhere(uid, work.steps())


T = t.TypeVar("T")


def _guarded(do: t.Callable[[], T], answer: dict[str, t.Any]) -> T | None:
    """One account's trouble is not the others'."""
    try:
        return do()
    except RunbookError as error:
        answer["errors"].append(error.message)
    except OSError as error:
        answer["errors"].append(describe_os_error(error))
    return None


def _listing(logs: t.Sequence[Log]) -> dict[str, int]:
    """The logs and their rotated files with their bytes."""
    found = {}
    folders = all_families(logs)
    for log in logs:
        with contextlib.suppress(FileNotFoundError):
            found[log.path] = os.lstat(log.path).st_size
        found.update({one.path: one.size for one in family(log, folders)})
    return found


def _predicted(before: t.Mapping[str, int], answer: t.Mapping[str, t.Any]) -> dict[str, int]:
    """That list as it would be; sizes of what would be written now are not known, and stand as 0."""
    after = dict(before)
    for entry in answer["logs"]:
        if entry["action"] == "rotated":
            after.update({entry["path"]: 0, entry["rotated"]: 0})
    for entry in answer["archived"]:
        after.pop(entry["source"], None)
        after[entry["path"]] = 0
    for entry in answer["removed"]:
        after.pop(entry["path"], None)
    return after


def _text(listing: t.Mapping[str, int]) -> str:
    return "".join(f"{path} {size}\n" for path, size in sorted(listing.items()))


def _finished(
    answer: dict[str, t.Any], missing: t.Sequence[str], trouble: str, before: dict[str, int], logs: t.Sequence[Log], run: Run
) -> dict[str, t.Any]:
    answer["logs"].sort(key=lambda entry: str(entry["path"]))
    answer["missing"] = list(missing)
    answer["rotated"] = sum(entry["action"] == "rotated" for entry in answer["logs"])
    answer["freed_bytes"] = sum(entry["bytes"] for entry in answer["removed"])
    if run.diff:
        after = _predicted(before, answer) if run.check_mode else _listing(logs)
        answer["diff"] = {"before": _text(before), "after": _text(after)}
    errors = answer.pop("errors") + ([trouble] if trouble else [])
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise RunbookError(f"{errors[0]}{more}", errors=errors, **answer)
    lossy = sorted({entry["path"] for entry in answer["logs"] if entry.get("method") == "copytruncate"})
    if lossy and not run.check_mode:
        run.warn(f"copied and truncated, lines written meanwhile are lost: {', '.join(lossy)}")
    return answer
