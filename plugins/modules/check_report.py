#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: check_report
short_description: Store results of checks and report them to people and machines
version_added: 0.1.0
description:
  - Adds the results of a run to a history of one file a day, and makes from that history one HTML page that needs nothing from
    elsewhere, JSON, JUnit XML, a textfile for Prometheus, a line for Nagios, and Markdown.
  - The page shows the overall state, a table of hosts, what changed since yesterday, trends of latencies and sizes, deploys and
    drills along the days, and every check. It is made for phones, dark rooms, paper, keyboards and screen readers.
  - A check that is not looked at in every run counts with its newest result, until it should have been looked at twice again.
  - It does not judge the checks anew and does not fail because of them. See RV(status), RV(exit_code) and RV(turns).
  - Usually it runs once, on the controller (C(delegate_to=localhost), C(run_once=true)).
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
attributes:
  idempotent:
    support: partial
    details:
      - A run is known by O(run). One that is told again with the same name adds nothing.
author:
  - runbook.ops contributors (@runbook-ops)
options:
  dest:
    description:
      - The folder that C(index.html), C(report.json), C(junit.xml), C(report.md), C(nagios.txt) and C(checks.prom) are written to.
      - Each is replaced in one step.
    type: path
    required: true
  history:
    description:
      - The folder of the history, C(<YYYY-MM-DD>.jsonl) for each day. The default is C(<dest>/history).
      - What of it can't be read is set aside as C(<file>.broken) and told, and the report is made of the rest.
    type: path
  results:
    description:
      - What was found in this run. Without any, the report is made anew from the history.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description:
          - The host's name.
        type: str
        required: true
      checks:
        description:
          - Result items as all modules of this collection return them, C(name), C(status), C(value), C(unit), C(warn), C(crit),
            C(message), C(duration_ms). Of equal names the second becomes C(name (2)).
          - C(severity) (V(info), V(warning), V(error), V(critical)) tells how bad it is if the check fails, see RV(severity).
          - C(frequency) (V(hourly), V(daily), V(weekly), V(monthly), V(quarterly)) tells how long a result counts.
        type: list
        elements: dict
        required: true
      at:
        description:
          - When, as V(2026-11-21T06:00:00Z). The default is now.
        type: str
      events:
        description:
          - What happened on the host, as M(runbook.ops.check_run) returns it.
        type: list
        elements: dict
        default: []
  run:
    description:
      - The run's name. The default is the moment.
    type: str
  title:
    description:
      - What the report is called.
    type: str
    default: Checks
  formats:
    description:
      - What to make.
    type: list
    elements: str
    choices: [html, json, junit, markdown, nagios, prometheus]
    default: [html, json, junit, markdown, nagios, prometheus]
  days:
    description:
      - How many days the report looks back, from V(2) to V(730).
    type: int
    default: 90
  keep:
    description:
      - How long the history is kept, such as V(400d). V(0) keeps it for ever.
    type: str
    default: 400d
  events:
    description:
      - What else happened and belongs into the timeline.
    type: list
    elements: dict
    default: []
    suboptions:
      at:
        description:
          - When, as V(2026-11-21T06:00:00Z).
        type: str
        required: true
      title:
        description:
          - What it is called.
        type: str
        required: true
      kind:
        description:
          - What it was.
        type: str
        choices: [deploy, rollback, drill, other]
        default: other
      status:
        description:
          - How it ended.
        type: str
        choices: [skipped, ok, warning, failed, crashed]
        default: ok
      host:
        description:
          - Where.
        type: str
        default: ''
      text:
        description:
          - What else there is to say.
        type: str
        default: ''
  releases:
    description:
      - Histories of sites, for the deploys and rollbacks of the timeline.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description:
          - The host's name.
        type: str
        required: true
      history:
        description:
          - What M(runbook.ops.release_info) returned as C(history).
        type: list
        elements: dict
        required: true
  drills:
    description:
      - Drills' evidence, as M(runbook.ops.drill_report) returns it as C(report).
    type: list
    elements: dict
    default: []
  drill_dirs:
    description:
      - Folders with evidence of drills, on the host that this module runs on. One that does not exist has none.
    type: list
    elements: path
    default: []
  lang:
    description:
      - The language of the page's own words, as a language tag. It speaks V(en) and V(ar); another one is English with the tag's
        direction, see O(words).
    type: str
    default: en
  direction:
    description:
      - Whether the page is read from left to right. V(auto) is as O(lang) is written.
    type: str
    choices: [auto, ltr, rtl]
    default: auto
  words:
    description:
      - Own words for the page's, by name, for example C(hosts=Server).
    type: dict
    default: {}
  mode:
    description:
      - The mode of the files in O(dest), an octal number. Files of the history have V(0640).
    type: raw
    default: '0644'
seealso:
  - module: runbook.ops.db_query
  - module: runbook.ops.http_probe
"""

EXAMPLES = r"""
- name: Ask the site
  runbook.ops.http_probe:
    probes:
      - name: home
        url: https://www.example.com/
    fail: false
  register: probed
  delegate_to: localhost

- name: Store what was found and write the report
  runbook.ops.check_report:
    dest: /var/lib/runbook/reports/www.example.com
    title: www.example.com
    results:
      - host: www.example.com
        checks: "{{ probed.probes }}"
    drill_dirs: [/var/lib/runbook/evidence]
  register: report
  delegate_to: localhost
  run_once: true

- name: Say it as Nagios wants it
  ansible.builtin.debug:
    msg: "{{ report.line }} (exit {{ report.exit_code }})"
"""

RETURN = r"""
status:
  description: The worst status of all checks that count, V(ok), V(warning), V(failed), V(crashed), or V(skipped) without any.
  returned: always
  type: str
  sample: warning
counts:
  description: How many checks have each status.
  returned: always
  type: dict
run:
  description: The run's name.
  returned: always
  type: str
severity:
  description:
    - How bad the worst check of the hosts in O(results) is (of all hosts without any), V(info), V(warning), V(error), V(critical), or
      an empty text when all are well.
    - A warning is a V(warning), what failed or crashed an V(error) unless its C(severity) says otherwise.
  returned: always
  type: str
alerts:
  description:
    - Messages for M(runbook.ops.notify) about each check that is not well, and about each that is well again.
    - They are the same in every run until something changes. M(runbook.ops.notify) remembers what it told whom.
  returned: always
  type: list
  elements: dict
turns:
  description:
    - The checks whose status is another than the last time, each with C(host), C(check), C(before) (empty for a new check),
      C(status), C(message). New checks that are ok and skipped ones are left out.
  returned: always
  type: list
  elements: dict
changes:
  description:
    - What is different from the last day before, each with C(kind) (V(worse), V(new), V(gone), V(value), V(better)), C(host),
      C(check), C(before), C(after), C(message).
  returned: always
  type: list
  elements: dict
files:
  description: The path of each format.
  returned: always
  type: dict
exit_code:
  description: The exit status of a monitoring plugin, 0 for ok, 1 for warning, 2 for failed, 3 for crashed.
  returned: always
  type: int
line:
  description: The line of a monitoring plugin.
  returned: always
  type: str
broken:
  description: What of the history could not be read and was set aside, one message for each file.
  returned: always
  type: list
  elements: str
msg:
  description: How many checks on how many hosts are not well.
  returned: always
  type: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._report.use_cases import REPORT, check_report


def main() -> None:
    run_module(REPORT, check_report)


if __name__ == "__main__":
    main()
