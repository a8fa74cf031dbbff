#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: db_backup_prune
short_description: Remove old database backups, never the last good ones
version_added: 0.1.0
description:
  - Keeps the newest good backups by number and by hours, days, weeks, months and years, and removes the others.
  - Only backups that are proven to be good count. A bad one never pushes a good one out. It is listed, and removed only when as many
    newer good ones exist as O(min_good).
  - Deletes nothing after a backup run that failed, when the newest backup is not good, when backups are dated in the future, and when
    the newest good one is older than O(max_age). The first two are a warning and RV(held), the others an error.
  - A sidecar is removed before its data. What a run that was killed in between leaves is no backup, and is removed by a later run
    once it is older than a day; so are partial files. Younger ones, names that are not a backup's, and whatever links point to
    are left alone.
  - Backups of other tables, or by another engine, are counted apart.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._backup
  - runbook.ops._backup.retention
author:
  - runbook.ops contributors (@runbook-ops)
options:
  verify:
    description:
      - What a backup has to stand to be kept as a good one.
      - With V(checksum) its stored bytes are read and hashed. With V(sizes) its sidecar is read, and files have to be of the right size.
    type: str
    choices: [sizes, checksum]
    default: checksum
seealso:
  - module: runbook.ops.db_backup_info
"""

EXAMPLES = r"""
- name: Keep a week of days, a month of weeks and half a year of months, of all databases
  runbook.ops.db_backup_prune:
    dest: /var/backups/db
    keep_daily: 7
    keep_weekly: 4
    keep_monthly: 6
    min_good: 3

- name: See what would be removed, and why
  runbook.ops.db_backup_prune:
    dest: /var/backups/db
    name: shop
    keep_last: 10
  check_mode: true
  diff: true
"""

RETURN = r"""
plan:
  description:
    - Each backup, newest first, with C(name), C(id), C(action) (V(keep) or V(delete)), C(reason) and C(state) (V(good), V(bad) or
      V(unknown)).
  returned: success
  type: list
  elements: dict
deleted:
  description: The backups that were, or would be, deleted, each with C(name) and C(id).
  returned: success
  type: list
  elements: dict
kept:
  description: The backups that stay, each with C(name) and C(id).
  returned: success
  type: list
  elements: dict
bad:
  description: The rows of RV(plan) of backups that are not good.
  returned: success
  type: list
  elements: dict
held:
  description: For each database of which nothing is deleted now, why.
  returned: success
  type: dict
strays:
  description: Partial files and data without a sidecar, older than a day, that were, or would be, removed.
  returned: success
  type: list
  elements: str
freed_bytes:
  description: What was freed.
  returned: success
  type: int
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._database.prune import PRUNE, db_backup_prune


def main() -> None:
    run_module(PRUNE, db_backup_prune)


if __name__ == "__main__":
    main()
