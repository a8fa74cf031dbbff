#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: check_run
short_description: Do what is due of a checklist
version_added: 0.1.0
description:
  - Does the checks of a list that are due on the host - services and resources, logs, databases, backups - in one task, and
    remembers when each was done and how it ended.
  - What was not well is due in every run until it is well again. A check that is changed in the list is due at once.
  - Every result says how often it is due and how severe it is, for M(runbook.ops.check_report).
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.info
attributes:
  check_mode:
    details:
      - Checks are made as ever, and nothing is remembered.
  idempotent:
    support: partial
    details:
      - Nothing but the memory of the checks is changed on the host. In a second run only what is due again is done.
author:
  - runbook.ops contributors (@runbook-ops)
options:
  checklist:
    description:
      - The checks. Each has the options of one module.
    type: list
    elements: dict
    required: true
    suboptions:
      frequency:
        description:
          - How often it is due. V(always) in every run.
        type: str
        choices: [always, hourly, daily, weekly, monthly, quarterly]
        default: daily
      severity:
        description:
          - How bad it is if it fails or can't be made. V(error) unless given. A warning is never worse than V(warning).
        type: str
        choices: [info, warning, error, critical]
      enabled:
        description:
          - Whether to make it at all, for conditions.
        type: bool
        default: true
      host_check:
        description:
          - One of the checks of M(runbook.ops.host_check). All are made at the same time.
        type: dict
      log_scan:
        description:
          - One of the scans of M(runbook.ops.log_scan).
        type: dict
      db_query:
        description:
          - Options of M(runbook.ops.db_query), with C(checks).
        type: dict
      db_backup_info:
        description:
          - Options of M(runbook.ops.db_backup_info).
        type: dict
      each:
        description:
          - Makes one check for every value. It is an option of the check with a list of values, or a list of further options. An empty list
            makes no check.
        type: raw
      secrets:
        description:
          - Further options of the same check that nobody may see, such as C(login_password).
        type: dict
  due:
    description:
      - V(all) makes every check, whenever it was made before.
    type: str
    choices: [auto, all]
    default: auto
  state_dir:
    description:
      - The folder on the host where it is remembered.
    type: path
    default: /var/lib/runbook/checks
  sites:
    description:
      - Base folders of sites on the host, whose last deploys are returned as RV(events).
    type: list
    elements: path
    default: []
  drill_dirs:
    description:
      - Folders with evidence of drills on the host, which are returned as RV(events).
    type: list
    elements: path
    default: []
  fail:
    description:
      - Whether a check of status V(failed) or V(crashed) fails the task. Invalid options always do.
    type: bool
    default: false
seealso:
  - module: runbook.ops.host_check
  - module: runbook.ops.log_scan
  - module: runbook.ops.check_report
"""

EXAMPLES = r"""
- name: The morning's checks
  runbook.ops.check_run:
    checklist:
      - host_check: {kind: disk, path: /}
        severity: critical
      - host_check: {kind: service}
        each: {service: [nginx, php8.2-fpm]}
      - log_scan:
          name: nginx
          paths: [/var/log/nginx/error.log]
          since: 24h
          measures: [{pattern: errors, warn: 10, crit: 100}]
      - frequency: weekly
        host_check: {kind: security_updates}
      - frequency: monthly
        db_backup_info: {dest: /var/backups/databases, verify: deep, verify_last: 1}
      - db_query:
          engine: mariadb
          login_user: monitor
          checks: [{kind: connections, warn: 50, crit: 100}]
        secrets: {login_password: "{{ vault_monitor_password }}"}
  register: morning
"""

RETURN = r"""
status:
  description: The worst status of what was done, V(ok), V(warning), V(failed), V(crashed), or V(skipped) when nothing was due.
  returned: when the options are valid
  type: str
msg:
  description: One line that names every check that is not ok, or counts them.
  returned: always
  type: str
checks:
  description: The results, as the modules return them, with C(frequency) and, where it was given, C(severity).
  returned: when the options are valid
  type: list
  elements: dict
due:
  description: How many entries of the list were due.
  returned: when the options are valid
  type: int
events:
  description: What else happened on the host, each with C(at), C(kind), C(title), C(status), C(host) and C(message).
  returned: when the options are valid
  type: list
  elements: dict
later:
  description: How many were not.
  returned: when the options are valid
  type: int
"""

from ansible_collections.runbook.ops.plugins.module_utils._checks.checklist import CHECK_RUN, check_run
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module


def main() -> None:
    run_module(CHECK_RUN, check_run)


if __name__ == "__main__":
    main()
