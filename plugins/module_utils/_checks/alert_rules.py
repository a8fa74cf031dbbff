# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``alert_rules``: rules over the stored history, and what changed since the last time."""

from __future__ import annotations

import os
import time
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput, RunbookError
from .._common.outcome import Outcome, Status, overall, summary
from .._common.runner import Run
from .._common.times import parse_duration, parse_moment
from . import history
from .alerts import Alert, Ledger, View, advance, load, messages_of, save
from .rules import RULE, Rule, literal, parse_rules
from .windows import Series

ALERT_RULES = ArgumentSpec(
    {
        "rules": {"type": "list", "elements": "dict", "required": True, "options": RULE},
        "responses": {"type": "dict", "default": {}},
        "history": {"type": "path", "default": "/var/lib/runbook/history"},
        "state_file": {"type": "path", "default": "/var/lib/runbook/alerts.json"},
        "forget_after": {"type": "str", "default": "7d"},
        "at": {"type": "str"},
        "fail": {"type": "bool", "default": True},
    }
)

# (rule's name, host, check)
_Place = t.Tuple[str, str, str]


def alert_rules(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """``{changed, status, msg, checks, alerts, messages}`` for the options of ``alert_rules``; check mode writes no state.

    Raises ``InvalidInput`` before anything is read, and ``RunbookError`` with the same structure when an alert of severity error or
    critical fires, or a rule could not be judged, and the option ``fail`` is not false.
    """
    rules = parse_rules(options["rules"], options["responses"])
    forget_after = parse_duration(options["forget_after"], "forget_after")
    now = time.time() if options.get("at") is None else parse_moment(options["at"], "at").timestamp()
    folder, path = options["history"], options["state_file"]
    if not os.path.isdir(folder):
        raise InvalidInput(f"there is no history folder {folder}; let the daily checks store one, or name theirs")
    ledger = load(path, run.warn, run.check_mode)
    views = _views(rules, _read(rules, folder, now, run.warn), ledger, now, forget_after)
    changed = advance(ledger, views, rules, now, forget_after)
    if not run.check_mode:
        save(path, ledger)
    outcomes = [_outcome(rule, views, ledger) for rule in rules]
    status = overall(outcome.status for outcome in outcomes)
    result = {
        "changed": bool(changed),
        "status": status,
        "checks": [outcome.to_dict() for outcome in outcomes],
        "alerts": [_shown(alert, changed, rules) for alert in ledger.alerts.values() if alert.state == "firing" or alert in changed],
        "messages": messages_of(ledger, rules),
    }
    message = summary(outcomes, "rule")
    if status in ("failed", "crashed") and options["fail"]:
        raise RunbookError(message, **result)
    return {**result, "msg": message}


def _read(rules: t.Sequence[Rule], folder: str, now: float, said: t.Callable[[str], None]) -> dict[_Place, Series]:
    """What the records say to each rule; nothing after ``now`` counts."""
    found: dict[_Place, Series] = {}
    # Patterns are asked once for each series, not for each record.
    concerned: dict[tuple[str, str], list[Rule]] = {}
    windows = {rule.name: now - rule.window for rule in rules}
    for record in history.read(folder, min(windows.values()), now + 1, said):
        moment = record.moment
        for item in record.checks:
            check = str(item["name"])
            place = (record.host, check)
            if place not in concerned:
                concerned[place] = [rule for rule in rules if rule.matches(*place)]
            for rule in concerned[place]:
                if moment >= windows[rule.name]:
                    series = found.setdefault((rule.name, *place), Series(rule))
                    series.add(moment, item)
    return found


def _views(rules: t.Sequence[Rule], found: dict[_Place, Series], ledger: Ledger, now: float, forget_after: float) -> list[View]:
    by_name = {rule.name: rule for rule in rules}
    for rule in rules:
        if rule.absent:
            _await(rule, found, ledger, now, forget_after)
    views = []
    for (name, host, check), series in sorted(found.items(), key=lambda pair: pair[0]):
        state, words = series.judge(now)
        views.append(View(by_name[name], host, check, state, words, series))
    return views


def _await(rule: Rule, found: dict[_Place, Series], ledger: Ledger, now: float, forget_after: float) -> None:
    """Series that should be there: those that are named, and those that were heard of before."""
    for host in filter(literal, rule.hosts):
        for check in filter(literal, rule.checks):
            found.setdefault((rule.name, host, check), Series(rule))
    for (name, host, check), series in list(found.items()):
        place = f"{host}\n{check}"
        if name == rule.name and series.last is not None:
            ledger.seen[place] = max(series.last, ledger.seen.get(place, 0.0))
    for place, moment in list(ledger.seen.items()):
        host, _break, check = place.partition("\n")
        if not rule.matches(host, check):
            continue
        named = host in rule.hosts and check in rule.checks
        if now - moment > forget_after + rule.lasting and not named:
            del ledger.seen[place]
            continue
        series = found.setdefault((rule.name, host, check), Series(rule))
        series.last = max(moment, series.last or 0.0)


def _outcome(rule: Rule, views: t.Sequence[View], ledger: Ledger) -> Outcome:
    """One rule's result item: how many series break it, and which."""
    mine = [view for view in views if view.rule is rule]
    firing = [alert for alert in ledger.alerts.values() if alert.state == "firing" and rule.name in alert.rules]
    stale = [view for view in mine if view.state == "stale"]
    pending = [view for view in mine if view.state == "pending" and not any(alert.key == view.key for alert in firing)]
    status: Status = "ok"
    if firing:
        status = "failed" if rule.severity in ("error", "critical") else "warning"
        message = "; ".join(f"{alert.check} of {alert.host}: {alert.words}" for alert in firing[:5])
        message += f"; and {len(firing) - 5} more" if len(firing) > 5 else ""
    elif stale:
        status, message = "crashed", "; ".join(f"{view.check} of {view.host}: {view.words}" for view in stale[:5])
    elif not mine:
        status, message = "skipped", "the history has no record of it"
    else:
        message = f"{len(mine)} series well" + (f", {len(pending)} of them broken, not for long enough" if pending else "")
    details = {"alert": rule.alert, "severity": rule.severity, "condition": rule.condition, "pending": len(pending), "stale": len(stale)}
    return Outcome(
        rule.name, status, message, len(firing), "alerts", crit=0 if rule.severity in ("error", "critical") else None, details=details
    )


def _shown(alert: Alert, changed: t.Sequence[Alert], rules: t.Sequence[Rule]) -> dict[str, t.Any]:
    response = next((rule.response for rule in rules if rule.name in alert.rules), None)
    return {
        "key": alert.key,
        "alert": alert.alert,
        "host": alert.host,
        "check": alert.check,
        "state": alert.state,
        "severity": alert.severity,
        "since": alert.since,
        "changed": alert in changed,
        "escalated": alert.escalated,
        "rules": alert.rules,
        "message": alert.words,
        "first": list(response.first) if response else [],
        "escalate": response.escalate if response else "",
        "playbook": response.playbook if response else "",
        "link": response.link if response else "",
    }
