#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: files_restore
short_description: Restore a folder from a restic repository, beside the live one and then in its place
version_added: 0.1.0
description:
  - Restores into a new folder beside the target, verifies every file there, and then exchanges the two in one step. What was live is
    kept as C(.NAME.previous-TIME) beside it.
  - A run that was killed leaves the whole old or the whole new folder. The next run finishes or undoes what the other began, and
    says which.
  - A target that already is what the snapshot holds is left alone.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._files
author:
  - runbook.ops contributors (@runbook-ops)
options:
  src:
    description:
      - V(latest) for the newest verified snapshot, or the id of one.
    type: str
    default: latest
  as_of:
    description:
      - The newest verified snapshot that was taken by then. ISO 8601 with its time zone, or seconds since 1970.
    type: str
  path:
    description:
      - The path that was backed up.
    type: path
    required: true
  target:
    description:
      - Where to restore to. By default O(path).
    type: path
  mode:
    description:
      - V(swap) replaces what is at O(target), with O(force) if that holds other data. V(scratch) refuses a target that exists.
    type: str
    choices: [swap, scratch]
    default: swap
  force:
    description:
      - Whether a target that is neither empty nor equal to the snapshot is replaced.
    type: bool
    default: false
  allow_unverified:
    description:
      - Whether a snapshot named by O(src) may be one that was never verified.
    type: bool
    default: false
  keep_previous:
    description:
      - How many of the replaced folders to keep, the newest ones. At least 1.
    type: int
    default: 1
requirements:
  - restic 0.14 or later
seealso:
  - module: runbook.ops.files_backup
"""

EXAMPLES = r"""
- name: Return to the uploads of yesterday noon
  runbook.ops.files_restore:
    path: /srv/www.example.com/shared/uploads
    repository: /srv/restic
    password: "{{ vault_restic_password }}"
    tags: [site=www.example.com, kind=uploads]
    as_of: "2030-01-31T12:00:00+01:00"
    force: true

- name: Look at another host's newest snapshot
  runbook.ops.files_restore:
    path: /srv/www.example.com/shared/uploads
    target: /srv/scratch/uploads
    mode: scratch
    host: web1.example.com
    repository: sftp:backup@backup.example.com:/srv/restic
    password_file: /etc/backup/restic
"""

RETURN = r"""
snapshot:
  description: The snapshot that was restored, with C(id), C(time), C(paths), C(host), C(tags) and C(verified).
  returned: success
  type: dict
target:
  description: Where it was restored to.
  returned: success
  type: str
files:
  description: How many files the snapshot has.
  returned: success
  type: int
bytes:
  description: How large they are.
  returned: success
  type: int
previous:
  description: Where what was live before is kept.
  returned: when something was replaced
  type: str
recovered:
  description: What an interrupted earlier run had left and how it was put right.
  returned: success
  type: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._files.options import FILES_RESTORE
from ansible_collections.runbook.ops.plugins.module_utils._files.restore import files_restore


def main() -> None:
    run_module(FILES_RESTORE, files_restore)


if __name__ == "__main__":
    main()
