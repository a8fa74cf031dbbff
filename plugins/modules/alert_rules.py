#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_rules
short_description: Say which alerts fire, from the stored history of checks
version_added: 0.1.0
description:
  - Reads the results that checks left in a history folder and holds each series, that is one check of one host, against rules with
    windows, such as an error rate above 5 % for 2 minutes.
  - Remembers which alerts fire, since when, and which are over. RV(messages) is made for M(runbook.ops.notify), which tells only what is
    news.
  - A result that could not be evaluated neither breaks nor clears a rule about numbers. A series whose records stopped is V(crashed), an
    alert that fires goes on meanwhile.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
attributes:
  diff_mode:
    support: none
    details:
      - What changed is in RV(alerts).
author:
  - runbook.ops contributors (@runbook-ops)
options:
  rules:
    description:
      - The rules. Each has exactly one of O(rules[].above), O(rules[].below), O(rules[].status) and O(rules[].absent).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The rule's name.
        type: str
        required: true
      alert:
        description:
          - What the alert is called. Rules with the same alert are its degrees; of those that fire at once the most severe counts. Defaults
            to the name.
        type: str
      checks:
        description: The names of the checks, or patterns such as V(p95 *).
        type: list
        elements: str
        required: true
      hosts:
        description: The names of the hosts, or patterns.
        type: list
        elements: str
        default: ['*']
      above:
        description: The rule is broken by a value above this.
        type: float
      below:
        description: The rule is broken by a value below this.
        type: float
      status:
        description: The rule is broken by a result of one of these statuses.
        type: list
        elements: str
        choices: [skipped, ok, warning, failed, crashed]
      absent:
        description:
          - The rule is broken when there is no record for O(rules[].for). It is about hosts and checks that are named without pattern, and
            those that were heard of before.
        type: bool
        default: false
      field:
        description: What of a result is compared, the names of nested fields joined by dots.
        type: str
        default: value
      for:
        description: How long the rule must be broken, by every record, before the alert fires, such as V(2m).
        type: str
        default: '0'
      times:
        description: Instead of O(rules[].for), how often it must be broken within O(rules[].within).
        type: int
      within:
        description: See O(rules[].times).
        type: str
      clear_for:
        description: How long all must be well before the alert is over.
        type: str
        default: '0'
      gap:
        description:
          - A longer pause between two records ends a stretch of records that say the same, and a series whose last record is older is not
            judged. For checks that run daily give V(26h).
        type: str
        default: 15m
      severity:
        description: How bad it is.
        type: str
        choices: [info, warning, error, critical]
        default: warning
      title:
        description: The title of messages. Defaults to the alert, the check and the host.
        type: str
      response:
        description: Which of O(responses) applies. Defaults to the one that is named as the alert, if there is one.
        type: str
      targets:
        description: The names of the targets of M(runbook.ops.notify) that are told. All unless given.
        type: list
        elements: str
  responses:
    description:
      - What to do about an alert, by name. Each is a mapping of C(first) (a list, what to do first), C(escalate) (whom or what next),
        C(escalate_after) (a duration after which a second, critical message is sent), C(escalate_targets) (who gets that one),
        C(playbook) (which is offered) and C(link).
    type: dict
    default: {}
  history:
    description:
      - The folder of the history, one file a day.
    type: path
    default: /var/lib/runbook/history
  state_file:
    description:
      - Where it is remembered which alerts fire. Its folder is made.
    type: path
    default: /var/lib/runbook/alerts.json
  forget_after:
    description:
      - An alert whose series has no records any more is over after this time.
    type: str
    default: 7d
  at:
    description:
      - The moment to judge at, ISO 8601 with its zone, instead of now.
    type: str
  fail:
    description:
      - Whether an alert of severity V(error) or V(critical), or a rule that can't be judged, fails the task.
      - Invalid options always do.
    type: bool
    default: true
seealso:
  - module: runbook.ops.notify
"""

EXAMPLES = r"""
- name: Which alerts fire
  runbook.ops.alert_rules:
    history: /var/lib/runbook/history
    rules:
      - {name: errors, alert: error rate, checks: [error rate], above: 2, for: 5m, severity: error, response: errors}
      - {name: many errors, alert: error rate, checks: [error rate], above: 5, for: 2m, severity: critical, response: errors}
      - {name: slow, checks: [p95], above: 1500, for: 5m}
      - {name: down, checks: [ready], status: [failed, crashed], times: 2, within: 3m, severity: critical}
      - {name: silent, checks: ['*'], hosts: [web1, web2], absent: true, for: 10m}
    responses:
      errors:
        first: [Look at the logs, Look at the last deploys]
        escalate: Roll back
        escalate_after: 15m
        escalate_targets: [on-call]
        playbook: runbook.ops.rollback
    fail: false
  register: alerts

- name: Tell what is news
  runbook.ops.notify:
    targets: "{{ site_notify_targets }}"
    messages: "{{ alerts.messages }}"
"""

RETURN = r"""
status:
  description: The worst status of all rules. V(failed) when an alert of severity V(error) or V(critical) fires, V(warning) for others.
  returned: when the options are valid
  type: str
msg:
  description: One line that names the rules that are not ok.
  returned: always
  type: str
checks:
  description:
    - One result item for each rule. Its value is the number of alerts that fire. V(crashed) means that a series has no fresh record,
      V(skipped) that there is no record at all.
  returned: when the options are valid
  type: list
  elements: dict
alerts:
  description: The alerts that fire, and those that have just ended.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    key:
      description: What the alert is known by.
      type: str
      returned: always
    alert:
      description: The alert's name.
      type: str
      returned: always
    host:
      description: The host.
      type: str
      returned: always
    check:
      description: The check.
      type: str
      returned: always
    state:
      description: V(firing) or V(resolved).
      type: str
      returned: always
    severity:
      description: The severity of the worst rule that is broken.
      type: str
      returned: always
    since:
      description: Since when, UTC.
      type: str
      returned: always
    changed:
      description: Whether this run found something new about it.
      type: bool
      returned: always
    escalated:
      description: Whether it lasts for longer than its response has for it.
      type: bool
      returned: always
    rules:
      description: The rules that are broken.
      type: list
      elements: str
      returned: always
    message:
      description: The last value and why the alert fires, or why it is over.
      type: str
      returned: always
    first:
      description: What to do first.
      type: list
      elements: str
      returned: always
    escalate:
      description: Whom or what next.
      type: str
      returned: always
    playbook:
      description: The playbook that is offered.
      type: str
      returned: always
    link:
      description: Where more is said.
      type: str
      returned: always
messages:
  description: The alerts as O(runbook.ops.notify#module:messages), those that ended within the last day too.
  returned: when the options are valid
  type: list
  elements: dict
"""

from ansible_collections.runbook.ops.plugins.module_utils._checks.alert_rules import ALERT_RULES, alert_rules
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module


def main() -> None:
    run_module(ALERT_RULES, alert_rules)


if __name__ == "__main__":
    main()
