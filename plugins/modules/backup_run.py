#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_run
short_description: Run backup jobs now
version_added: 0.1.0
description:
  - Runs jobs on the host, one after the other, as their schedule would. All are tried; then the task fails and names those that failed.
  - A job of the kind V(database) is M(runbook.ops.db_backup), M(runbook.ops.offsite_copy) and M(runbook.ops.db_backup_prune), one
    of the kind V(files) M(runbook.ops.files_backup). A step is taken only when those before succeeded, so nothing is removed
    after a failed run.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._jobs
attributes:
  idempotent:
    support: none
    details:
      - Every run makes backups.
author:
  - runbook.ops contributors (@runbook-ops)
options:
  only:
    description:
      - The names of the jobs to run. All when it is empty.
    type: list
    elements: str
    default: []
  alert:
    description:
      - Whether O(alert_command) is run when a job fails.
    type: bool
    default: false
seealso:
  - module: runbook.ops.backup_schedule
  - module: runbook.ops.db_backup
"""

EXAMPLES = r"""
- name: Back up the shop now
  runbook.ops.backup_run:
    jobs:
      - name: shop
        backup:
          engine: mariadb
          name: shop
          dest: /var/backups/databases
          login_user: backup
        secrets:
          login_password: "{{ vault_backup_password }}"
        retention:
          keep_daily: 30
"""

RETURN = r"""
jobs:
  description:
    - What became of each job, with C(name), C(status), C(message), C(value) (seconds), C(started), C(ended) and C(steps), each step with
      C(name), C(status), C(seconds), C(message) and C(result), what its module returns.
  returned: always
  type: list
  elements: dict
status:
  description: The worst of them.
  returned: always
  type: str
msg:
  description: How many are well, or which are not and why.
  returned: always
  type: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._jobs.use_cases import RUN, backup_run


def main() -> None:
    run_module(RUN, backup_run)


if __name__ == "__main__":
    main()
