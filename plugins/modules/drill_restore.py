#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drill_restore
short_description: Rehearse the recovery of a database
version_added: 0.1.0
description:
  - With O(scenario=backup_restore) the newest backup, or the newest copy off the server, is restored under a random name, compared with
    what the backup recorded, and used. With O(scenario=database_corruption) a copy of the database is made, damaged for real, seen to
    be damaged, and replaced by the backup with writers stopped and started.
  - Every phase is timed. The scratch database is dropped whatever happens. Its name is written down before it is made, and only names
    that are written down are ever dropped. What a killed drill left, the next one drops.
  - The live database is neither read nor changed.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._database
  - runbook.ops._database.writers
attributes:
  diff_mode:
    support: N/A
  idempotent:
    support: none
    details:
      - Every run rehearses. Nothing is left changed.
author:
  - runbook.ops contributors (@runbook-ops)
options:
  scenario:
    description:
      - What to rehearse.
    type: str
    choices: [backup_restore, database_corruption]
    default: backup_restore
  name:
    description:
      - The database that was backed up.
    type: str
    required: true
  dest:
    description:
      - The folder of backups, as given to M(runbook.ops.db_backup).
    type: path
  offsite:
    description:
      - Options of M(runbook.ops.offsite_copy), such as C(remote) and C(config_file). The backup is fetched from there, as in a
        recovery on another host, and never taken from this one.
    type: dict
  offsite_config:
    description:
      - The C(config) for O(offsite), with its secrets.
    type: dict
  src:
    description:
      - The backup, V(latest) or an id such as V(20261121_101500). Without O(offsite) also the absolute path of a sidecar.
    type: str
    default: latest
  as_of:
    description:
      - Instead of the latest backup in O(dest), the newest that had ended by this moment, as V(2026-11-21T10:15:00Z).
    type: str
  encryption_identity:
    description:
      - The secret key of C(age) or OpenSSH that can read an encrypted backup.
    type: str
  encryption_identity_file:
    description:
      - A file on the host with that key.
    type: path
  jobs:
    description:
      - How many parts to load at a time, when the backup has several.
    type: int
    default: 1
  work_dir:
    description:
      - Where fetched backups and, for SQLite, the scratch database lie while the drill lasts.
    type: path
    default: /var/tmp
  smoke_checks:
    description:
      - What the scratch database has to answer, as O(runbook.ops.db_query#module:checks).
    type: list
    elements: dict
    default: []
  smoke_commands:
    description:
      - Commands that have to succeed, each a list of arguments or a text that is split as a shell would. C({scratch}) in them, and
        E(RUNBOOK_SCRATCH), is the scratch database.
    type: list
    elements: raw
    default: []
  smoke_timeout:
    description:
      - How many seconds each of them may take.
    type: float
    default: 600
  state_dir:
    description:
      - Where it is written down what a drill has made. C(/var/lib/runbook) for root, C(~/.local/state/runbook) for others.
    type: path
  check_space:
    description:
      - Whether to refuse when the server's data is on a disk of this host that has no room for a second copy.
    type: bool
    default: true
seealso:
  - module: runbook.ops.drill_report
  - module: runbook.ops.db_restore
"""

EXAMPLES = r"""
- name: Can the copy off the server be restored?
  runbook.ops.drill_restore:
    engine: mariadb
    name: shop
    login_unix_socket: /run/mysqld/mysqld.sock
    offsite:
      remote: "s3:backups.example.com/shop"
      config_file: /etc/runbook/rclone.conf
    smoke_checks:
      - name: customers
        query: SELECT COUNT(*) FROM customers
        crit: 1000
        direction: below
  register: rehearsed
"""

RETURN = r"""
scenario:
  description: As it was asked for.
  returned: always
  type: str
started:
  description: When the drill began, in UTC.
  returned: always
  type: str
phases:
  description:
    - What took how long, each with C(name), C(status), C(value) in seconds, C(message), and C(recovery), whether a real recovery would
      consist of it.
  returned: always
  type: list
  elements: dict
backup:
  description: What the backup's sidecar says, as M(runbook.ops.db_backup) returns it.
  returned: always
  type: dict
rpo_seconds:
  description: How old the restored data was. V(null) when it was not learnt.
  returned: always
  type: int
scratch:
  description: The name of the scratch database, which is gone.
  returned: when one was made
  type: str
left:
  description: Scratch databases of killed drills that were dropped.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._drill.use_cases import DRILL, drill_restore


def main() -> None:
    run_module(DRILL, drill_restore)


if __name__ == "__main__":
    main()
