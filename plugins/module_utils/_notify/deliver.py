# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling one target: first what waited, then what is new, within a budget of time."""

from __future__ import annotations

import dataclasses
import os
import random
import time
import typing as t

from .._common import clock
from .._common.outcome import Outcome
from .._http.retry import Backoff
from .memory import Memory, for_target, why_not
from .message import Message
from .spool import Entry, Folder
from .target import Target, Verdict

# A run that is told to stop must not be waited for longer than a request takes.
_LEAST = 0.2


@dataclasses.dataclass(frozen=True)
class Effort:
    """How hard to try. Times in seconds; ``budget`` is for everything together, waits included."""

    budget: float = 60.0
    timeout: float = 10.0
    repeat: float = 4 * 3600.0
    backoff: Backoff = dataclasses.field(default_factory=lambda: Backoff(4, 1.0, 30.0))
    sleep: t.Callable[[float], None] = time.sleep
    rand: t.Callable[[], float] = random.random
    now: t.Callable[[], float] = time.time
    monotonic: t.Callable[[], float] = time.monotonic


def foresee(target: Target, folder: Folder, messages: t.Sequence[Message], effort: Effort) -> list[Outcome]:
    """What ``tell`` would do with the same messages if the target took them all. Nothing is sent or written."""
    memory, now = folder.memory(), effort.now()
    outcomes = []
    for entry in [*folder.read(), *(Entry(message, "") for message in messages)]:
        message, reason = _as_told(target, entry, memory, now, effort.repeat)
        if reason:
            outcomes += [] if entry.earlier else [_outcome(target, entry, "suppressed", reason)]
            continue
        memory.told(message, entry.identity, now)
        outcomes.append(_outcome(target, entry, "predicted", "would be sent"))
    return outcomes


def tell(target: Target, folder: Folder, messages: t.Sequence[Message], effort: Effort) -> list[Outcome]:
    """One outcome for each new message and each that waited and was news."""
    end = effort.monotonic() + effort.budget
    new = folder.add(messages)
    with folder.locked(max(0.0, min(effort.budget, effort.timeout))) as mine:
        if not mine:
            return [_kept(target, entry, "another run is telling it just now") for entry in new]
        drain = _Drain(target, folder, effort, end)
        mine_now = {entry.identity for entry in new}
        written = folder.read()
        for entry in written:
            entry.earlier = entry.identity not in mine_now
        found = {entry.identity for entry in written}
        # The run that had the lock before this one told what it found, ours too.
        gone = [entry for entry in new if entry.identity not in found and entry.path and not os.path.lexists(entry.path)]
        unwritten = [entry for entry in new if entry.identity not in found and entry not in gone]
        told = [_outcome(target, entry, "suppressed", "dealt with by another run") for entry in gone]
        return [*told, *drain.run([*written, *unwritten])]


class _Drain:
    def __init__(self, target: Target, folder: Folder, effort: Effort, end: float) -> None:
        self.target, self.folder, self.effort, self.end = target, folder, effort, end
        self.memory = folder.memory()
        self.last_sent: float | None = None

    def run(self, entries: t.Sequence[Entry]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        blocked = ""
        thought: Memory | None = None
        for entry in entries:
            if entry.identity in self.memory.delivered:  # told by a run that was killed before it could forget
                self.folder.forget(entry)
                continue
            message, reason = _as_told(self.target, entry, thought or self.memory, self.effort.now(), self.effort.repeat)
            if reason:
                self.folder.forget(entry)
                if thought and not _as_told(self.target, entry, self.memory, self.effort.now(), self.effort.repeat)[1]:
                    reason = "the same waits to be delivered already"
                outcomes += [] if entry.earlier else [_outcome(self.target, entry, "suppressed", reason)]
                continue
            if blocked:
                outcomes.append(_kept(self.target, entry, f"behind another that was not delivered: {blocked}"))
            else:
                outcome, blocked = self._deliver(entry, message)
                outcomes.append(outcome)
            if blocked:
                # As if it had been told: what repeats it need not wait beside it.
                thought = thought or self.memory.copy()
                thought.told(message, entry.identity, self.effort.now())
        return outcomes

    def _deliver(self, entry: Entry, message: Message) -> tuple[Outcome, str]:
        """The outcome, and what keeps the following messages back."""
        start, attempts = self.effort.monotonic(), 0
        noted = dataclasses.replace(message, note=_note(entry))
        while True:
            self._keep_pace()
            left = self.end - self.effort.monotonic()
            if left < _LEAST and (attempts or not self.effort.budget):
                return self._keep(entry, Verdict("later", "no time was left"), attempts, start)
            attempts += 1
            self._begin(entry)
            verdict = self.target.send(noted, entry.identity, max(_LEAST, min(self.effort.timeout, left)))
            self.last_sent = self.effort.monotonic()
            if verdict.kind == "delivered":
                return self._delivered(entry, message, verdict, attempts, start), ""
            if verdict.kind == "rejected":
                return self._rejected(entry, verdict, attempts, start), ""
            if verdict.kind == "unknown":
                return self._keep(entry, verdict, attempts, start)
            self.folder.put_back(entry)
            if verdict.kind == "misconfigured" or attempts > self.effort.backoff.retries:
                return self._keep(entry, verdict, attempts, start)
            wait = self.effort.backoff.wait(attempts, verdict.retry_after, self.effort.rand)
            if wait >= self.end - self.effort.monotonic():
                asked = f", which asks to wait {verdict.retry_after:g} s" if verdict.retry_after else ""
                return self._keep(entry, dataclasses.replace(verdict, reason=verdict.reason + asked), attempts, start)
            self.effort.sleep(wait)

    def _begin(self, entry: Entry) -> None:
        try:
            self.folder.begin(entry)
        except OSError:
            entry.path = None  # gone with its disk: it is still told, as one that could not be written down

    def _keep_pace(self) -> None:
        if self.last_sent is not None and self.target.pace:
            wait = self.last_sent + self.target.pace - self.effort.monotonic()
            if 0 < wait < self.end - self.effort.monotonic():
                self.effort.sleep(wait)

    def _delivered(self, entry: Entry, message: Message, verdict: Verdict, attempts: int, start: float) -> Outcome:
        self.memory.told(message, entry.identity, self.effort.now())
        self.folder.remember(self.memory)
        self.folder.forget(entry)
        outcome = _outcome(self.target, entry, "delivered", f"delivered, {verdict.reason}" if verdict.reason else "delivered")
        outcome.status = "warning" if verdict.reason else "ok"
        return self._timed(outcome, attempts, start)

    def _rejected(self, entry: Entry, verdict: Verdict, attempts: int, start: float) -> Outcome:
        kept = self.folder.reject(entry)
        where = f"kept as {kept}, " if kept else ""
        outcome = _outcome(self.target, entry, "rejected", f"refused for good ({verdict.reason}); {where}never sent again")
        return self._timed(outcome, attempts, start)

    def _keep(self, entry: Entry, verdict: Verdict, attempts: int, start: float) -> tuple[Outcome, str]:
        reason = verdict.reason
        if verdict.kind == "unknown":
            reason += ", so it may have arrived"
        if verdict.kind == "misconfigured":
            reason += "; put the target's options right"
        return self._timed(_kept(self.target, entry, reason), attempts, start), reason

    def _timed(self, outcome: Outcome, attempts: int, start: float) -> Outcome:
        outcome.duration_ms = round((self.effort.monotonic() - start) * 1000, 3)
        outcome.details["attempts"] = attempts
        return outcome


def _as_told(target: Target, entry: Entry, memory: Memory, now: float, repeat: float) -> tuple[Message, str]:
    """The message as this target is told it, and why it is not (empty when it is)."""
    if entry.message.state == "event" and not target.takes_events:
        return entry.message, f"{target.kind} takes alerts, not events"
    message = for_target(entry.message, memory, target.least)
    if message is None:
        return entry.message, f"{entry.message.severity} is below {target.least}"
    return message, why_not(message, memory, now, repeat)


def _note(entry: Entry) -> str:
    if entry.uncertain:
        return "sent again, because the first attempt was not confirmed"
    return f"delivered late, at {clock.now()}" if entry.earlier else ""


_STATUS: dict[str, t.Any] = {"delivered": "ok", "suppressed": "skipped", "predicted": "skipped", "kept": "failed", "rejected": "failed"}


def _outcome(target: Target, entry: Entry, result: str, message: str) -> Outcome:
    about = entry.message
    details = {
        "kind": target.kind,
        "result": result,
        "key": about.key,
        "state": about.state,
        "title": about.title,
        "earlier": entry.earlier,
    }
    return Outcome(target.name, _STATUS[result], message, details={**details, "attempts": 0})


def _kept(target: Target, entry: Entry, reason: str) -> Outcome:
    fate = "kept, and sent first next time" if entry.path else "and it could not be kept"
    return _outcome(target, entry, "kept", f"not delivered ({reason}); {fate}")
