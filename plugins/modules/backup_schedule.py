#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_schedule
short_description: Let backup jobs run by themselves
version_added: 0.1.0
description:
  - Installs jobs with systemd timers, or cron entries, that run without Ansible. What they run is this collection's own code in one file,
    C(/usr/local/lib/runbook/jobs.pyz), with one file of mode 0600 for each job, C(/etc/runbook/jobs/<set>/<job>.json).
  - A job runs once at a time, within its time. It writes lines into a log when it starts and ends, a line for every attempt, ends with an
    exit status that tells the truth, and runs a command when it failed.
  - The set of jobs is exactly O(jobs). Those that were installed before and are no longer given are removed.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._jobs
author:
  - runbook.ops contributors (@runbook-ops)
options:
  manager:
    description:
      - What starts the jobs. V(auto) is systemd where it runs, else cron.
    type: str
    choices: [auto, systemd, cron]
    default: auto
  watch:
    description:
      - When a watcher looks for jobs that did not run at their time, such as V(every 5 minutes), and tells of them by O(alert_command).
        Without it there is none.
    type: str
    default: ''
seealso:
  - module: runbook.ops.job_schedule
  - module: runbook.ops.backup_run
"""

EXAMPLES = r"""
- name: Every night at two, kept for a month
  runbook.ops.backup_schedule:
    alert_command: [/usr/local/bin/tell-operations]
    jobs:
      - name: shop
        schedule: daily 02:00
        backup:
          engine: postgresql
          name: shop
          dest: /var/backups/databases
          login_user: backup
        secrets:
          login_password: "{{ vault_backup_password }}"
        retention:
          keep_daily: 30
          min_good: 3

- name: No schedule any more
  runbook.ops.backup_schedule:
    jobs: []
"""

RETURN = r"""
manager:
  description: What starts the jobs, V(systemd) or V(cron).
  returned: success
  type: str
scheduled:
  description:
    - The jobs with a schedule, each with C(name), C(schedule) and C(heartbeat), the path of a file that says how the last run ended.
  returned: success
  type: list
  elements: dict
written:
  description: The files that were, or would be, written.
  returned: success
  type: list
  elements: str
removed:
  description: The files that were, or would be, removed.
  returned: success
  type: list
  elements: str
runner:
  description: The path of what runs the jobs.
  returned: success
  type: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._jobs.install import SCHEDULE, backup_schedule


def main() -> None:
    run_module(SCHEDULE, backup_schedule)


if __name__ == "__main__":
    main()
