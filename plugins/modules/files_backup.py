#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: files_backup
short_description: Back up a folder with restic, and prove that it worked
version_added: 0.1.0
description:
  - Makes a snapshot of a folder in a restic repository, on a disk, over SFTP or in S3. It is incremental, deduplicated and encrypted.
  - A snapshot counts when it lists all that the folder holds, in the size and of the time that it has, when restic's own figures agree,
    and when the repository has passed restic's check. Until then it is marked as pending, and neither retention nor
    M(runbook.ops.files_restore) take it for a backup.
  - A restic that stands still, nothing that it counts having changed for 5 minutes (20 where the repository is reached by network), is
    stopped, and the task fails.
  - Old snapshots are forgotten after a good backup only, by the same rules as M(runbook.ops.db_backup_prune).
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._files
  - runbook.ops._backup.retention
author:
  - runbook.ops contributors (@runbook-ops)
attributes:
  idempotent:
    support: partial
    details:
      - Every run makes a snapshot, unless O(fresh_for) says that a young one will do.
options:
  path:
    description:
      - The folder (or file) to back up, absolute.
    type: path
    required: true
  exclude:
    description:
      - What to leave out, as restic's patterns, for example V(*.tmp) or V(/srv/www/shared/uploads/cache).
    type: list
    elements: str
    default: []
  one_file_system:
    description:
      - Whether other file systems that are mounted within O(path) are left out.
    type: bool
    default: false
  init:
    description:
      - Whether a repository is made when none is there. Leave it off where the repository is on a disk that may not be mounted.
    type: bool
    default: false
  allow_unreadable:
    description:
      - Whether a snapshot counts that lacks files which could not be read. They are told in a warning.
    type: bool
    default: false
  check:
    description:
      - Whether the repository is checked after the backup.
    type: bool
    default: true
  check_data:
    description:
      - How much of the stored data that check reads back, for example V(5%), V(2G), V(1/7) or V(100%). V(0%) reads the structure alone.
    type: str
    default: 5%
  fresh_for:
    description:
      - When the newest verified snapshot is younger than this, for example V(15m), no other is made.
    type: str
    default: "0"
  keep_last:
    description:
      - How many of the newest good snapshots to keep. Without any of the C(keep_) options nothing is forgotten.
    type: int
requirements:
  - restic 0.14 or later
seealso:
  - module: runbook.ops.files_restore
"""

EXAMPLES = r"""
- name: Back up uploads every night, keep a week and four weeks
  runbook.ops.files_backup:
    path: /srv/www.example.com/shared/uploads
    repository: s3:https://s3.example.com/backups/www
    password: "{{ vault_restic_password }}"
    repository_env:
      AWS_ACCESS_KEY_ID: backup
      AWS_SECRET_ACCESS_KEY: "{{ vault_s3_secret }}"
    tags: [site=www.example.com, kind=uploads]
    init: true
    keep_daily: 7
    keep_weekly: 4
"""

RETURN = r"""
snapshot:
  description: The new snapshot (or the young one that will do), with C(id), C(time), C(paths), C(host), C(tags) and C(verified).
  returned: when there is one
  type: dict
files:
  description: How many files it has.
  returned: when one was made or predicted
  type: int
bytes:
  description: How large they are.
  returned: when one was made or predicted
  type: int
files_new:
  description: Files that the snapshot before did not have.
  returned: when one was made or predicted
  type: int
files_changed:
  description: Files that have changed since.
  returned: when one was made or predicted
  type: int
bytes_added:
  description: What had to be stored, before compression.
  returned: when one was made or predicted
  type: int
excluded_files:
  description: Files and folders in O(path) that O(exclude) keeps out. What is in such a folder is not counted.
  returned: when one was made
  type: int
plan:
  description: Each snapshot, newest first, with C(id), C(action) (V(keep) or V(delete)), C(reason) and C(state).
  returned: success
  type: list
  elements: dict
forgotten:
  description: Ids of snapshots that were removed.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._files.backup import files_backup
from ansible_collections.runbook.ops.plugins.module_utils._files.options import FILES_BACKUP


def main() -> None:
    run_module(FILES_BACKUP, files_backup)


if __name__ == "__main__":
    main()
