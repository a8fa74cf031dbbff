# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was wrong only for a moment does not count yet: a small file remembers since when, and how many times in a row.

A level (``warning``, ``failed``) counts once the check has been at least that bad for so long and so many times. Until then its status
is what already counts, ``ok`` if nothing does, and the result says what is held back. ``crashed`` is never held back: nobody knows what
it hides. Being well again counts at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import typing as t

from .._common import clock
from .._common.files import write_json
from .._common.outcome import SEVERITY, Outcome, Status
from .._common.runner import Run, describe_os_error
from .._common.times import in_words
from .kind import Check, Hold

_LEVELS: tuple[Status, ...] = ("warning", "failed")
_FORMAT = 1
# Seconds after which a check that nobody asked about any more is forgotten.
_FORGOTTEN = 90 * 86400
_LARGEST = 4 << 20

# Of each level: since when (seconds since the epoch), and how many times in a row.
Streaks = t.Dict[str, t.Dict[str, float]]


def holding(path: str, checks: t.Sequence[Check], outcomes: t.Sequence[Outcome], now: float, run: Run) -> None:
    """Change the outcomes of checks that have ``for`` or ``times`` to what counts by now, and remember (not in check mode).

    What can't be remembered is not held back either: the run warns, and statuses stay as they are.
    """
    held = [(check, outcome) for check, outcome in zip(checks, outcomes) if check.hold]
    if not held:
        return
    try:
        with _locked(path, run.check_mode):
            known, trouble = _load(path, run.check_mode)
            for check, outcome in held:
                if trouble:
                    # Nobody knows for how long it was wrong, so it counts.
                    known[check.name] = _confirmed(outcome.status, check.hold, now)
                else:
                    known[check.name] = _apply(check.hold, outcome, known.get(check.name, {}), now)
            if trouble:
                run.warn(trouble)
            if not run.check_mode:
                seen = {check.name for check, _outcome in held}
                write_json(path, {"format": _FORMAT, "checks": _kept(known, seen, now)})
    except OSError as error:
        run.warn(f"what was wrong before can't be remembered, so nothing is held back: {describe_os_error(error)}")


def _apply(hold: Hold, outcome: Outcome, before: t.Mapping[str, t.Any], now: float) -> dict[str, t.Any]:
    """Set the status that counts; what to remember."""
    raw = outcome.status
    streaks: Streaks = {}
    counts: Status = "ok"
    for level in _LEVELS:
        if SEVERITY.index(raw) < SEVERITY.index(level):
            continue
        streak = before.get("streaks", {}).get(level, {"since": now, "times": 0})
        # A clock that was set back must not make anything last longer.
        streaks[level] = {"since": min(streak["since"], now), "times": streak["times"] + 1}
        if now - streaks[level]["since"] >= hold.seconds and streaks[level]["times"] >= hold.times:
            counts = level
    if raw in _LEVELS and counts != raw:
        lasted = streaks[raw]
        outcome.status = counts
        outcome.details["held"] = raw
        wanted = [in_words(hold.seconds)] if hold.seconds else []
        wanted += [f"{hold.times} times in a row"] if hold.times > 1 else []
        so_far = f"{in_words(now - lasted['since'])}, {int(lasted['times'])} time{'' if lasted['times'] == 1 else 's'}"
        outcome.message = f"{outcome.message} ({raw}, but so far {so_far}; counts after {' and '.join(wanted)})"
    return {"streaks": streaks, "at": now}


def _confirmed(status: str, hold: Hold, now: float) -> dict[str, t.Any]:
    levels = [level for level in _LEVELS if SEVERITY.index(t.cast(Status, status)) >= SEVERITY.index(level)]
    return {"streaks": {level: {"since": now - hold.seconds, "times": hold.times} for level in levels}, "at": now}


def _kept(known: t.Mapping[str, dict[str, t.Any]], seen: t.Container[str], now: float) -> dict[str, t.Any]:
    return {name: item for name, item in known.items() if name in seen or now - item["at"] < _FORGOTTEN}


@contextlib.contextmanager
def _locked(path: str, check_mode: bool) -> t.Iterator[None]:
    """Two runs at once must both be counted."""
    if check_mode:
        yield
        return
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _load(path: str, check_mode: bool) -> tuple[dict[str, dict[str, t.Any]], str]:
    """What is remembered, and what is wrong with the file: a damaged one is set aside and begun anew."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}, ""
    with os.fdopen(fd, "rb") as stream:
        data = stream.read(_LARGEST + 1)
    try:
        return _parsed(data), ""
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{' '.join(str(error).split())[:100] or type(error).__name__}"
    if check_mode:
        return {}, f"{path} is damaged ({reason}), nothing is held back; the next real run begins it anew"
    aside = f"{path}.{clock.now().replace(':', '')}.broken"
    os.replace(path, aside)
    return {}, f"{path} was damaged ({reason}): set aside as {aside}, begun anew, and nothing is held back this time"


def _parsed(data: bytes) -> dict[str, dict[str, t.Any]]:
    if len(data) > _LARGEST:
        raise ValueError("it is too large")
    document = json.loads(data)
    if document["format"] != _FORMAT:
        raise ValueError(f"its format is {document['format']!r}")
    return {
        str(name): {
            "at": float(item["at"]),
            "streaks": {
                level: {"since": float(streak["since"]), "times": int(streak["times"])}
                for level, streak in item["streaks"].items()
                if level in _LEVELS
            },
        }
        for name, item in document["checks"].items()
    }
