#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: db_backup_info
short_description: List database backups, verify them, check their age
version_added: 0.1.0
description:
  - Lists the backups of one database or of all in a folder, and says of each whether it is good.
  - What is missing, cut, empty, changed or exchanged is told by name.
  - Checks that the newest good backup is young enough, that a backup was restored and verified lately, and that backups do not
    suddenly shrink.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.info
  - runbook.ops._backup
author:
  - runbook.ops contributors (@runbook-ops)
options:
  verify:
    description:
      - How deep to look. V(none) reads sidecars and compares sizes. V(checksum) reads and hashes the stored bytes.
      - V(deep) also decrypts and decompresses, and hashes what was dumped. These are the bytes whose end was found to be complete
        when the backup was made.
    type: str
    choices: [none, checksum, deep]
    default: none
  verify_last:
    description:
      - How many backups of each database to verify so, the newest ones. V(0) stands for all.
    type: int
    default: 0
  encryption_identity:
    description:
      - The age identity that can read encrypted backups, for O(verify=deep).
    type: str
  encryption_identity_file:
    description:
      - A file on the host that holds it.
    type: path
  max_age:
    description:
      - The newest good backup may be this old, for example V(26h) or V(2d); if it is older, or none is there, the check fails.
      - A newer one whose sidecar can't be read makes the check V(crashed).
      - Backups of a few included tables only do not count where there are others.
    type: str
  max_restore_age:
    description:
      - The last verified restore (a drill, for example) may be this long ago.
    type: str
  trend_last:
    description:
      - The newest backup is compared with the median of as many before it. Less than half of that is a warning.
    type: int
    default: 7
  fail:
    description:
      - Whether a check of status V(failed) or V(crashed) fails the task.
    type: bool
    default: false
seealso:
  - module: runbook.ops.db_backup_prune
"""

EXAMPLES = r"""
- name: Fail when there is no good backup of last night
  runbook.ops.db_backup_info:
    dest: /var/backups/db
    name: shop
    verify: checksum
    verify_last: 1
    max_age: 26h
    max_restore_age: 32d
    fail: true

- name: Read everything back
  runbook.ops.db_backup_info:
    dest: /var/backups/db
    verify: deep
    encryption_identity: "{{ vault_backup_identity }}"
  register: backups # backups.checks, backups.backups
"""

RETURN = r"""
backups:
  description:
    - The backups, of each database newest first, with C(id), C(engine), C(name), C(path), C(age_seconds), C(bytes) as stored,
      C(plain_bytes), C(parts), C(started), C(ended), C(state) (V(good), V(bad), or V(unknown) when nothing could be proven), C(trouble) and
      C(verified) (V(none), V(checksum) or V(deep)).
  returned: always
  type: list
  elements: dict
orphans:
  description: Paths that are no backups but look like a part of one.
  returned: always
  type: list
  elements: str
restores:
  description: The last restore on record of each database.
  returned: always
  type: dict
checks:
  description: Items with C(name), C(status), C(value), C(unit), C(warn), C(crit), C(message) and C(database).
  returned: always
  type: list
  elements: dict
status:
  description: The worst status of all checks, from V(skipped) over V(ok), V(warning) and V(failed) to V(crashed).
  returned: always
  type: str
  sample: ok
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._database.info import INFO, db_backup_info


def main() -> None:
    run_module(INFO, db_backup_info)


if __name__ == "__main__":
    main()
