# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts over time: what fires, what is over, what is due to be escalated, and how people are told."""

from __future__ import annotations

import dataclasses
import json
import os
import time
import typing as t

from .._common import clock
from .._common.files import write_json
from .._common.times import in_words
from .._notify.message import SEVERITIES
from .rules import Rule
from .windows import Series, State

# An alert that is over is told so for this long, so that a run that could not tell is made up for.
_REMEMBERED = 86400.0


@dataclasses.dataclass(frozen=True)
class View:
    """One rule's judgement of one series."""

    rule: Rule
    host: str
    check: str
    state: State
    words: str
    series: Series

    @property
    def key(self) -> str:
        return key_of(self.rule.alert, self.host, self.check)


@dataclasses.dataclass
class Alert:
    """One alert as it is remembered. Moments are UTC stamps; ``rules`` are the names of those that make it fire."""

    key: str
    alert: str
    host: str
    check: str
    state: str
    severity: str
    since: str
    changed_at: str
    fresh_at: str
    rules: list[str]
    title: str
    targets: list[str] | None = None
    escalated: bool = False
    escalate_targets: list[str] | None = None
    words: str = ""


@dataclasses.dataclass
class Ledger:
    """All alerts by key, and when each series that may not go silent was last heard of (seconds since 1970)."""

    alerts: dict[str, Alert] = dataclasses.field(default_factory=dict)
    seen: dict[str, float] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, t.Any]:
        return {"format": 1, "alerts": {key: dataclasses.asdict(alert) for key, alert in self.alerts.items()}, "seen": self.seen}


def key_of(alert: str, host: str, check: str) -> str:
    """What an alert is known by, here and at those who are told."""
    return f"{alert}/{host}/{check}"


def load(path: str, warn: t.Callable[[str], None], dry: bool) -> Ledger:
    """The ledger of a state file. A broken one is set aside; what it held is found again from the history."""
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
        alerts = {str(key): Alert(**alert) for key, alert in found["alerts"].items()}
        if any(alert.severity not in SEVERITIES or alert.state not in ("firing", "resolved") for alert in alerts.values()):
            raise ValueError
        return Ledger(alerts, {str(key): float(moment) for key, moment in found["seen"].items()})
    except FileNotFoundError:
        return Ledger()
    except (ValueError, TypeError, KeyError, AttributeError):
        aside = f"{path}.{time.time_ns()}.broken"
        if not dry:
            os.rename(path, aside)
        warn(
            f"{path} is no record of alerts; it {'would be' if dry else 'was'} set aside as {aside}, and alerts begin anew from the history"
        )
        return Ledger()


def save(path: str, ledger: Ledger) -> None:
    """Write the state file."""
    os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
    write_json(path, ledger.to_dict())


def advance(ledger: Ledger, views: t.Sequence[View], rules: t.Sequence[Rule], now: float, forget_after: float) -> list[Alert]:
    """Bring the ledger up to date; the alerts that changed (begun, over, worse or better, escalated)."""
    by_key: dict[str, list[View]] = {}
    for view in views:
        by_key.setdefault(view.key, []).append(view)
    changed = []
    for key in sorted(by_key.keys() | ledger.alerts.keys()):
        known = ledger.alerts.get(key)
        before = None if known is None else (known.state, known.severity, known.escalated)
        alert = _advanced(known, by_key.get(key, []), rules, now, forget_after)
        if alert is None:
            ledger.alerts.pop(key, None)
            continue
        ledger.alerts[key] = alert
        after = (alert.state, alert.severity, alert.escalated)
        if after != before:
            alert.changed_at = clock.stamp(now)
            changed.append(alert)
    ledger.alerts = dict(sorted(ledger.alerts.items()))
    return changed


def _advanced(known: Alert | None, views: t.Sequence[View], rules: t.Sequence[Rule], now: float, forget_after: float) -> Alert | None:
    was = set(known.rules) if known and known.state == "firing" else set()
    firing = [view for view in views if view.state == "broken" or (view.state != "clear" and view.rule.name in was)]
    if firing:
        return _firing(known, firing, now, forget_after)
    if known is None:
        return None
    if known.state == "resolved":
        return known if now - clock.seconds(known.changed_at) < _REMEMBERED else None
    if not views:  # nothing was heard in the windows of its rules
        here = [rule for rule in rules if rule.name in was and rule.alert == known.alert and rule.matches(known.host, known.check)]
        if not here:
            return dataclasses.replace(known, state="resolved", words="its rule is gone")
        if now - clock.seconds(known.fresh_at) < forget_after:
            return dataclasses.replace(known, words="no record to judge by")
        return dataclasses.replace(known, state="resolved", words=f"given up, no record for {in_words(forget_after)}")
    return dataclasses.replace(known, state="resolved", rules=[], words=views[0].words)


def _firing(known: Alert | None, views: t.Sequence[View], now: float, forget_after: float) -> Alert:
    worst = max(views, key=lambda view: (SEVERITIES.index(view.rule.severity), view.state == "broken"))
    going_on = known is not None and known.state == "firing"
    begun = min((view.series.since for view in views if view.state == "broken" and view.series.since), default=now)
    since = t.cast(Alert, known).since if going_on else clock.stamp(begun)
    fresh = any(view.state != "stale" for view in views)
    response, lasted = worst.rule.response, now - clock.seconds(since)
    alert = Alert(
        key=worst.key,
        alert=worst.rule.alert,
        host=worst.host,
        check=worst.check,
        state="firing",
        severity=worst.rule.severity,
        since=since,
        changed_at=known.changed_at if known else clock.stamp(now),
        fresh_at=clock.stamp(now) if fresh or known is None else known.fresh_at,
        rules=sorted(view.rule.name for view in views),
        title=_title(worst),
        targets=None if worst.rule.targets is None else list(worst.rule.targets),
        escalated=response.escalate_after is not None and lasted >= response.escalate_after,
        escalate_targets=None if response.escalate_targets is None else list(response.escalate_targets),
        words=_words(worst),
    )
    if known is not None and going_on:
        alert.escalated = alert.escalated or known.escalated
    if not fresh and known is not None and now - clock.seconds(known.fresh_at) >= forget_after:
        return dataclasses.replace(alert, state="resolved", words=f"given up, no record for {in_words(forget_after)}")
    return alert


def _title(view: View) -> str:
    return view.rule.title or (
        f"{view.check} of {view.host}" if view.rule.alert == view.check else f"{view.rule.alert}: {view.check} of {view.host}"
    )


def _words(view: View) -> str:
    value = "" if view.series.value is None else f"{view.series.value:g} {view.series.unit}".strip()
    parts = [value, view.rule.condition, view.words, view.series.said]
    return ", ".join(dict.fromkeys(part for part in parts if part))


def messages_of(ledger: Ledger, rules: t.Sequence[Rule]) -> list[dict[str, t.Any]]:
    """Every alert as an item of the option ``messages`` of ``notify``, which tells only what is news."""
    by_name = {rule.name: rule for rule in rules}
    found = []
    for alert in ledger.alerts.values():
        response = next((by_name[name].response for name in alert.rules if name in by_name), None)
        fields = {"check": alert.check, "since": alert.since}
        message: dict[str, t.Any] = {
            "key": alert.key,
            "state": alert.state,
            "severity": alert.severity,
            "title": alert.title,
            "text": alert.words,
        }
        message.update(source=alert.host, fields=fields)
        if response and alert.state == "firing":
            offered = {"first": "\n".join(response.first), "escalation": response.escalate, "playbook": response.playbook}
            fields.update({name: text for name, text in offered.items() if text})
            if response.link:
                message["link"] = response.link
        if alert.targets is not None:
            message["targets"] = alert.targets
        found.append(message)
        if alert.escalated:
            second = {
                **message,
                "key": f"{alert.key}/escalated",
                "severity": "critical",
                "title": f"Not over since {alert.since}: {alert.title}",
            }
            if alert.escalate_targets is not None:
                second["targets"] = alert.escalate_targets
            found.append(second)
    return found
