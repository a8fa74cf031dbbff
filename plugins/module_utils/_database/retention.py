# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups to keep, whatever they are backups of. Nothing here looks at a disk or a clock.

Days, weeks, months and years are those of UTC. Only good backups count: a bad one never pushes a good one out.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._common import clock
from .._common.errors import InvalidInput, Refused
from .._common.times import in_words, parse_duration

# bad: proven not to be what was backed up. unknown: nothing could be proven, so it neither counts nor goes.
State = t.Literal["good", "bad", "unknown"]
# Clocks of a backup's host and of this one may differ this much without anything being wrong.
SLACK = 600.0
_PERIODS = (("hourly", "%Y%m%d%H"), ("daily", "%Y%m%d"), ("weekly", "%G%V"), ("monthly", "%Y%m"), ("yearly", "%Y"))


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A backup to be kept or not. ``ended`` in seconds since the epoch; ``trouble`` says why it is not good.

    Backups of one ``series`` hold the same things; others (of fewer tables, say) do not replace them.
    """

    id: str
    ended: float
    state: State = "good"
    trouble: str = ""
    series: str = ""


@dataclasses.dataclass(frozen=True)
class Policy:
    """How many of the newest good backups to keep, and how many of the newest hours, days … that have one, the newest of each."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    # That many good ones stay whatever the rest says.
    min_good: int = 2
    # A newest good backup that is older, in seconds, means that backups stopped or that a clock jumped; 0 for no limit.
    max_age: float = 0.0

    @classmethod
    def from_options(cls, options: t.Mapping[str, t.Any]) -> Policy:
        """Of ``keep_last`` … ``keep_yearly``, ``min_good`` and ``max_age``; ``InvalidInput`` when it makes no sense."""
        names = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
        counts = {name: int(options[f"keep_{name}"] or 0) for name in names}
        policy = cls(**counts, min_good=options["min_good"], max_age=parse_duration(options["max_age"], "max_age"))
        for name, count in counts.items():
            if count < 0:
                raise InvalidInput(f"keep_{name}: {count} can't be negative")
        if policy.min_good < 1:
            raise InvalidInput(f"min_good: {policy.min_good} would allow that no good backup is left; use 1 or more")
        total = sum(counts.values())
        if not total:
            raise InvalidInput("nothing says what to keep; give keep_last, keep_daily, keep_weekly or another of them")
        if total < policy.min_good:
            given = ", ".join(f"keep_{name}: {count}" for name, count in counts.items() if count)
            raise InvalidInput(f"{given} is below the floor, min_good: {policy.min_good}; keep more, or lower min_good")
        return policy


@dataclasses.dataclass(frozen=True)
class Row:
    """What becomes of a backup, and why."""

    id: str
    action: t.Literal["keep", "delete"]
    reason: str
    state: State = "good"

    def to_dict(self) -> dict[str, str]:
        return dataclasses.asdict(self)


def guard(candidates: t.Sequence[Candidate], policy: Policy, now: float) -> None:
    """Raise ``Refused`` when this host's clock and the backups' times can't both be right: nothing is to be deleted then."""
    for candidate in sorted(candidates, key=_when, reverse=True):
        if candidate.ended > now + SLACK:
            raise Refused(
                f"backup {candidate.id} ended at {clock.stamp(candidate.ended)}, but it is {clock.stamp(now)} now: a clock was or is wrong;"
                " nothing was deleted. Correct the clock, or remove that backup by hand if it was dated by a wrong one"
            )
    newest: dict[str, Candidate] = {}
    for candidate in candidates:
        if candidate.state == "good" and candidate.ended >= newest.get(candidate.series, candidate).ended:
            newest[candidate.series] = candidate
    if not policy.max_age or not newest:
        return
    # One series that goes on shows that the clock is right; the others may have ended.
    last = max(newest.values(), key=_when)
    if now - last.ended > policy.max_age:
        raise Refused(
            f"the newest good backup, {last.id}, is {in_words(now - last.ended)} old, more than max_age: {in_words(policy.max_age)};"
            " backups stopped or the clock jumped, so nothing was deleted. Make a backup first, or raise max_age"
        )


def held(candidates: t.Sequence[Candidate], attempts: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """Why nothing is to be deleted now because of the newest run; empty when that run was good.

    ``attempts`` are the lines ``{id, started, ended, status: started|ok|failed, message}`` of the log of runs, oldest first.
    """
    if attempts:
        last = attempts[-1]
        identity = str(last.get("id") or "")
        if last.get("status") == "started":
            return f"the newest backup run, {identity or 'without an id'}, never ended: it still runs or was killed"
        if last.get("status") != "ok":
            return f"the newest backup run failed ({last.get('ended', 'time unknown')}: {last.get('message') or 'no reason given'})"
        found = {candidate.id: candidate for candidate in candidates}.get(identity)
        if identity and found is None:
            return f"the newest run made backup {identity}, which is not there any more"
    newest = max(candidates, key=_when, default=None)
    if newest and newest.state != "good":
        return f"the newest backup, {newest.id}, is not good ({newest.trouble})"
    return ""


def plan(candidates: t.Sequence[Candidate], policy: Policy) -> list[Row]:
    """What happens to each backup, newest first; every series on its own."""
    rows: dict[str, Row] = {}
    for series in {candidate.series for candidate in candidates}:
        for row in _series([candidate for candidate in candidates if candidate.series == series], policy):
            rows[row.id] = row
    return [rows[candidate.id] for candidate in sorted(candidates, key=_when, reverse=True)]


def _when(candidate: Candidate) -> tuple[float, str]:
    return candidate.ended, candidate.id


def _series(candidates: list[Candidate], policy: Policy) -> t.Iterator[Row]:
    newest_first = sorted(candidates, key=_when, reverse=True)
    good = [candidate for candidate in newest_first if candidate.state == "good"]
    reasons = _reasons(good, policy)
    newer_good = 0
    for candidate in newest_first:
        if candidate.state == "good":
            newer_good += 1
            why = reasons[candidate.id]
            yield Row(candidate.id, "keep" if why else "delete", ", ".join(why) or "beyond all that is kept")
        elif candidate.state == "unknown":
            yield Row(candidate.id, "keep", f"could not be verified: {candidate.trouble}", "unknown")
        elif newer_good >= policy.min_good:
            # As many as the floor: those can't be deleted, whatever is asked for.
            yield Row(candidate.id, "delete", f"bad: {candidate.trouble}; {newer_good} newer ones are good", "bad")
        else:
            there = f"{newer_good or 'none'} of the {policy.min_good} newer good ones that it takes to remove it"
            yield Row(candidate.id, "keep", f"bad: {candidate.trouble}; there {'is' if newer_good == 1 else 'are'} {there}", "bad")


def _reasons(good: list[Candidate], policy: Policy) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {candidate.id: [] for candidate in good}
    for number, candidate in enumerate(good[: policy.last], 1):
        reasons[candidate.id].append(f"last {number} of {policy.last}")
    for name, form in _PERIODS:
        wanted: int = getattr(policy, name)
        seen: set[str] = set()
        for candidate in good:
            period = time.strftime(form, time.gmtime(candidate.ended))
            if period not in seen and len(seen) < wanted:
                seen.add(period)
                reasons[candidate.id].append(f"{name} {len(seen)} of {wanted}")
    short = policy.min_good - sum(1 for why in reasons.values() if why)
    for candidate in good:
        if short > 0 and not reasons[candidate.id]:
            reasons[candidate.id].append(f"the floor of {policy.min_good} good ones")
            short -= 1
    return reasons
