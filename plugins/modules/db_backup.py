#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: db_backup
short_description: Back up a database so that it can be trusted
version_added: 0.1.0
description:
  - Dumps one consistent moment of a database into O(dest), compressed and, if wanted, encrypted, in constant memory.
  - Row counts and checksums of every table are taken in the same moment. The restore is compared with them.
  - A backup exists only when its sidecar does, a JSON file beside it that is written last. Every program's exit status counts, the dump's
    own end is looked for, everything is flushed. A run that fails leaves the backups that were there, and a line in C(attempts.jsonl).
  - The files are C(<dest>/<name>/<id>.…) and C(<dest>/<name>/<id>.json), the id is the UTC time, C(20261121_101500). Characters of a name
    that do not suit a folder are percent-encoded.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._attributes.actiongroup_database
  - runbook.ops._database
attributes:
  idempotent:
    support: partial
    details:
      - Every run makes a backup, unless O(fresh_for) says that a young one will do.
author:
  - runbook.ops contributors (@runbook-ops)
options:
  name:
    description:
      - The database. For SQLite the path of its file; for Redis any name for the whole instance.
    type: str
    required: true
  dest:
    description:
      - The folder for backups on the host, made when it is missing. One for all databases will do.
    type: path
    required: true
  tables:
    description:
      - Only these tables or collections, by name or pattern (V(log_*)). One that fits nothing is an error.
    type: list
    elements: str
    default: []
    aliases: [collections]
  exclude_tables:
    description:
      - All but these tables or collections, by name or pattern.
      - A backup of some tables can only be restored with O(runbook.ops.db_restore#module:mode=scratch).
    type: list
    elements: str
    default: []
    aliases: [exclude_collections]
  compression:
    description:
      - What to compress with. The program has to be on the host.
    type: str
    choices: [zstd, gzip, none]
    default: zstd
  compression_level:
    description:
      - 1 to 19 for zstd, 1 to 9 for gzip. V(0) is 3 for zstd and gzip's own default.
    type: int
    default: 0
  compression_threads:
    description:
      - How many processors one stream may use. V(0) are all, for zstd.
    type: int
    default: 1
  encryption_recipients:
    description:
      - Public keys of C(age) or OpenSSH. The backup can be read with the secret key of any of them.
      - Keep the secret keys off the host; they are needed for a restore only.
    type: list
    elements: str
    default: []
  jobs:
    description:
      - How many parts to dump at a time, in the same moment. More than V(1) makes a folder of several files, which is also restored faster.
    type: int
    default: 1
  counts:
    description:
      - Whether to count the rows of every table.
    type: bool
    default: true
  checksums:
    description:
      - Whether to take checksums of every table's contents. Needs O(counts).
    type: bool
    default: true
  schema_revision_query:
    description:
      - A query whose one value is kept as the schema's revision, such as V(SELECT MAX(version\) FROM schema_migrations).
      - Write one that only reads. MariaDB's and MySQL's servers do not hold it to that.
    type: str
  check_space:
    description:
      - Whether to refuse before anything is written when the backup would not fit, judged by the last one or by the server's estimate.
    type: bool
    default: true
  fresh_for:
    description:
      - When a backup of the same tables is younger than this, none is made. V(0) always makes one.
      - A duration such as V(90s), V(15m), V(26h).
    type: str
    default: '0'
  mode:
    description:
      - The mode of the backup's files, V('0640') unless given.
    type: raw
seealso:
  - module: runbook.ops.db_restore
  - module: runbook.ops.db_backup_info
  - module: runbook.ops.db_backup_prune
"""

EXAMPLES = r"""
- name: Back up the shop's database
  runbook.ops.db_backup:
    engine: mariadb
    name: shop
    dest: /var/backups/databases
    login_unix_socket: /run/mysqld/mysqld.sock

- name: Encrypted, two parts at a time, without what can be made anew
  runbook.ops.db_backup:
    engine: postgresql
    name: shop
    dest: /var/backups/databases
    login_host: db.example.com
    login_user: backup
    login_password: "{{ vault_backup_password }}"
    exclude_tables: ["public.cache_*"]
    encryption_recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
    jobs: 2

- name: Before a deploy, unless there is one from the last quarter of an hour
  runbook.ops.db_backup:
    engine: sqlite
    name: /srv/www.example.com/shared/app.db
    dest: /var/backups/databases
    fresh_for: 15m
"""

RETURN = r"""
id:
  description: The backup's id. V(null) in check mode.
  returned: success
  type: str
  sample: '20261121_101500'
path:
  description: The folder of the database's backups.
  returned: success
  type: str
  sample: /var/backups/databases/shop
sidecar:
  description: The path of the backup's sidecar.
  returned: success, outside check mode
  type: str
backup:
  description:
    - What the sidecar says, but for the list of tables - C(engine), C(server), C(started), C(ended), C(seconds), C(parts) with their
      sizes in bytes and sha256, C(plain_bytes), C(stored_bytes), C(tables) and C(rows) as numbers, C(schema_revision), C(consistent).
  returned: success, outside check mode
  type: dict
notes:
  description: What should be known about the backup, such as tables that could not be held still.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._database.options import BACKUP
from ansible_collections.runbook.ops.plugins.module_utils._database.use_cases import db_backup


def main() -> None:
    run_module(BACKUP, db_backup)


if __name__ == "__main__":
    main()
