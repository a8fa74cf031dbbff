#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: db_restore
short_description: Restore a database without risking the live one
version_added: 0.1.0
description:
  - Loads a backup into a side database, compares row counts, checksums and definitions with what the backup recorded, and only then gives
    it the live name, in one journaled step. What was live is kept under another name for O(keep_previous).
  - Any failure before that leaves the live database untouched and says so. A run that was killed is finished or undone by the next one,
    which says which.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._attributes.actiongroup_database
  - runbook.ops._database
  - runbook.ops._database.writers
attributes:
  idempotent:
    support: none
    details:
      - Every run restores.
author:
  - runbook.ops contributors (@runbook-ops)
options:
  src:
    description:
      - The backup - V(latest), an id such as V(20261121_101500), or the absolute path of its sidecar or file.
    type: str
    default: latest
  as_of:
    description:
      - Instead of the latest backup, the newest that had ended by this moment, as V(2026-11-21T10:15:00Z).
    type: str
  dest:
    description:
      - The folder of backups, as given to M(runbook.ops.db_backup). Needed unless O(src) is a path.
    type: path
  name:
    description:
      - The database that was backed up. O(target) when it is not given.
    type: str
  target:
    description:
      - The database to restore to. O(name) when it is not given.
    type: str
  mode:
    description:
      - V(swap) replaces O(target) by a verified copy of the backup.
      - V(scratch) makes O(target), which must be a new name and not the database that was backed up.
      - V(in_place) empties O(target) and fills it, for servers without room for a second copy. Only with O(force), and only after the
        whole backup was read.
    type: str
    choices: [swap, scratch, in_place]
    default: swap
  force:
    description:
      - Whether O(mode=in_place) may empty a database before it is filled.
    type: bool
    default: false
  jobs:
    description:
      - How many parts to load at a time, when the backup has several.
    type: int
    default: 1
  encryption_identity:
    description:
      - The secret key of C(age) or OpenSSH that can read an encrypted backup.
    type: str
  encryption_identity_file:
    description:
      - A file on the host with that key.
    type: path
  safety_backup:
    description:
      - Whether to back up O(target) before it is replaced.
    type: bool
    default: true
  safety_dest:
    description:
      - The folder for that backup. O(dest), or the folder of O(src), when it is not given.
    type: path
  keep_previous:
    description:
      - How long to keep the database that was replaced. It is dropped by the first restore after that. V(0) drops it at once.
    type: str
    default: 7d
  state_dir:
    description:
      - Where the journal is. C(/var/lib/runbook) for root, C(~/.local/state/runbook) for others.
    type: path
  check_space:
    description:
      - Whether to refuse when the server's data is on a disk of this host that has no room for a second copy.
    type: bool
    default: true
seealso:
  - module: runbook.ops.db_backup
  - module: runbook.ops.db_backup_info
"""

EXAMPLES = r"""
- name: Bring the shop's database back to the latest backup
  runbook.ops.db_restore:
    engine: mariadb
    name: shop
    dest: /var/backups/databases
    login_unix_socket: /run/mysqld/mysqld.sock
    writer_services: [php8.2-fpm.service, shop-worker.service]

- name: As it was before the mistake
  runbook.ops.db_restore:
    engine: postgresql
    name: shop
    dest: /var/backups/databases
    as_of: "2026-11-21T09:30:00Z"
    encryption_identity: "{{ vault_backup_identity }}"

- name: Beside it, to look something up
  runbook.ops.db_restore:
    engine: postgresql
    name: shop
    dest: /var/backups/databases
    target: shop_yesterday
    mode: scratch
"""

RETURN = r"""
target:
  description: The database that was restored to.
  returned: success
  type: str
mode:
  description: As it was asked for.
  returned: success
  type: str
id:
  description: The backup's id.
  returned: success
  type: str
backup:
  description: What its sidecar says, as M(runbook.ops.db_backup) returns it.
  returned: success
  type: dict
age_seconds:
  description: How old the restored data is, counted from the beginning of the backup.
  returned: success
  type: int
tables:
  description: How many tables or collections were compared with the backup's record.
  returned: success
  type: int
rows:
  description: How many rows they have.
  returned: success
  type: int
phases:
  description: What took how long, a list of C(name) and C(seconds).
  returned: success
  type: list
  elements: dict
seconds:
  description: All phases together.
  returned: success
  type: float
previous:
  description: The name under which the replaced database is kept. Empty when it is not.
  returned: success
  type: str
safety_backup:
  description: The sidecar of the backup that was taken before. Empty when none was.
  returned: success
  type: str
recovered:
  description: What an interrupted restore had left, and what was done about it. Empty when there was none.
  returned: success
  type: str
notes:
  description: What was noted when the backup was made.
  returned: success
  type: list
  elements: str
differences:
  description: What is not as it was backed up.
  returned: when the comparison failed
  type: list
  elements: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._database.options import RESTORE
from ansible_collections.runbook.ops.plugins.module_utils._database.use_cases import db_restore


def main() -> None:
    run_module(RESTORE, db_restore)


if __name__ == "__main__":
    main()
