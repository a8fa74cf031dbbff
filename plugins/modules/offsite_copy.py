#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: offsite_copy
short_description: Copy database backups to another place, and prove that they arrived
version_added: 0.1.0
description:
  - Copies backups with their sidecars to any remote that rclone knows (S3 and SFTP, among others), or back from there.
  - Every byte is read back and hashed after it was sent. What a store says about checksums, an ETag for example, is not believed.
  - Data goes first and the sidecar last, so that a copy which was not completed and proven is none. Copies that are missing, cut or
    changed are sent again.
  - A backup that is fetched has its name only after its bytes were compared with its sidecar.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._backup
author:
  - runbook.ops contributors (@runbook-ops)
options:
  direction:
    description:
      - V(push) sends backups of O(dest) to O(remote). V(fetch) brings them from there to O(dest), for a restore, and needs O(name).
    type: str
    choices: [push, fetch]
    default: push
  remote:
    description:
      - V(NAME:path) with the name of an rclone remote, for example V(s3:bucket/backups), or an absolute path (of a mounted disk).
      - Backups lie there as they lie in O(dest).
    type: str
    required: true
  config:
    description:
      - rclone's configuration. Names of remotes with their options, as C(rclone config show) prints them. Passwords are as
        C(rclone obscure) prints them.
      - It reaches rclone in a file that only this user can read.
    type: dict
    default: {}
  config_file:
    description:
      - A configuration file on the host, instead of O(config).
    type: path
  select:
    description:
      - The newest backup, all that are not at the other place (or not good there), or those of O(ids).
    type: str
    choices: [latest, missing, ids]
    default: missing
  ids:
    description:
      - The backups to copy, for O(select=ids), which needs O(name).
    type: list
    elements: str
    default: []
  verify:
    description:
      - Which copies that are there already are read back too. Sizes are compared always.
      - V(latest) reads the newest one of each database.
    type: str
    choices: [new, latest, all]
    default: new
  retries:
    description:
      - How often to send or fetch what does not arrive as it was sent. At least 1.
    type: int
    default: 3
requirements:
  - rclone
seealso:
  - module: runbook.ops.db_backup_info
notes:
  - Give SFTP remotes a C(known_hosts_file), or rclone does not compare the server's key.
"""

EXAMPLES = r"""
- name: Have all backups in S3, and read the newest copies back
  runbook.ops.offsite_copy:
    dest: /var/backups/db
    remote: offsite:example-backups/db1
    config:
      offsite:
        type: s3
        provider: Other
        endpoint: https://s3.example.com
        access_key_id: backup
        secret_access_key: "{{ vault_s3_secret }}"
    verify: latest

- name: Fetch the newest copy for a restore
  runbook.ops.offsite_copy:
    direction: fetch
    select: latest
    dest: /var/restore
    name: shop
    remote: backup:db1
    config:
      backup:
        type: sftp
        host: backup.example.com
        user: backup
        key_file: /etc/backup/key
        known_hosts_file: /etc/ssh/ssh_known_hosts
"""

RETURN = r"""
copied:
  description: The backups that were, or would be, copied, each with C(name) and C(id).
  returned: success
  type: list
  elements: dict
copies:
  description:
    - All that were looked at, with C(name), C(id), C(state) of the copy after this run (V(good), V(bad) or V(missing)), C(trouble),
      C(sent) and C(verified) (whether every byte was read back by this run).
  returned: success
  type: list
  elements: dict
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._offsite.copy import OFFSITE, offsite_copy


def main() -> None:
    run_module(OFFSITE, offsite_copy)


if __name__ == "__main__":
    main()
