#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: db_maintain
short_description: Delete old rows in small steps, and look after tables
version_added: 0.1.0
description:
  - Deletes rows by age in batches that commit one by one, in the order of the primary key, so that locks are short and replicas keep
    up. Only the rows of a batch are locked.
  - Then runs the database's own maintenance on named tables.
  - Everything is looked at first. When one deletion would exceed its O(delete_older_than[].max_rows), nothing at all is deleted.
  - A run that was stopped in the middle has deleted whole batches; the next one goes on.
  - Rows that other tables' foreign keys let go with the deleted ones are not counted.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._attributes.actiongroup_database
  - runbook.ops._database
attributes:
  idempotent:
    support: partial
    details:
      - O(actions) are done every time, unless O(fresh_for) says that lately will do.
author:
  - runbook.ops contributors (@runbook-ops)
requirements:
  - The engine's command line client on the host (C(mariadb) or C(mysql), C(psql)); for MongoDB the Python library pymongo.
options:
  name:
    description:
      - The database. For SQLite the path of its file.
    type: str
    required: true
  delete_older_than:
    description:
      - What to delete by age. Not for Redis, where keys expire by themselves.
    type: list
    elements: dict
    default: []
    suboptions:
      table:
        description: The table or collection. It needs a primary key. For PostgreSQL in the schema V(public), or C(schema.table).
        type: str
        required: true
        aliases: [collection]
      column:
        description: The column or field that holds a row's time. A row without one is kept.
        type: str
        required: true
        aliases: [field]
      older_than:
        description:
          - A duration such as V(30d) or V(12h). The server's clock counts, and what is old is decided once, when the run starts.
        type: str
        required: true
      unit:
        description:
          - V(time) for a column of the server's own type for times (SQLite, text as its date functions read it), V(seconds) or
            V(milliseconds) for numbers that count since 1970.
        type: str
        choices: [time, seconds, milliseconds]
        default: time
      time_zone:
        description: Which zone times without a zone are in, V(utc) or the server's own. SQLite's server is this host.
        type: str
        choices: [utc, server]
        default: utc
      where:
        description: Which of the old rows. All conditions must be met. Names and values are never taken for SQL.
        type: list
        elements: dict
        suboptions:
          column:
            description: The column or field.
            type: str
            required: true
            aliases: [field]
          operator:
            description: How it is compared with the value. NULL is found by V(null) only.
            type: str
            choices: [eq, ne, lt, le, gt, ge, in, not_in, 'null', not_null]
            default: eq
          value:
            description: The value, a list for V(in) and V(not_in), none for V(null) and V(not_null).
            type: raw
      batch:
        description: How many rows at a time, 1 to 10000.
        type: int
        default: 1000
      max_rows:
        description: When more rows than this would go, none does and the task fails.
        type: int
        default: 100000
      pause:
        description: Seconds to wait after every batch, for others and for replicas.
        type: float
        default: 0
  tables:
    description:
      - The tables or collections for O(actions), by name or pattern (V(log_*)). One that fits nothing is an error.
    type: list
    elements: str
    default: []
    aliases: [collections]
  actions:
    description:
      - What to do with O(tables), in this order, after O(delete_older_than). One that fails does not keep the others from being done.
      - V(analyze) renews the statistics that queries are planned by (MariaDB, PostgreSQL, SQLite).
      - V(vacuum) makes the room of deleted rows usable again. For PostgreSQL C(VACUUM) of each table; for SQLite the whole file is
        written anew, which needs twice its size and locks it.
      - V(optimize) rebuilds tables (MariaDB), compacts collections (MongoDB), or is C(PRAGMA optimize) of the whole file (SQLite).
      - V(integrity) looks for damage, in check mode too, and changes nothing (MariaDB C(CHECK TABLE), SQLite C(PRAGMA
        integrity_check), MongoDB C(validate)).
    type: list
    elements: str
    choices: [analyze, vacuum, optimize, integrity]
    default: []
  fresh_for:
    description:
      - Tables that had an action within this time are left, where the server remembers (V(analyze) of MariaDB and PostgreSQL,
        V(vacuum) of PostgreSQL). V(0) leaves none. A duration such as V(12h).
    type: str
    default: '0'
  lock_timeout:
    description:
      - How many seconds to wait for locks of others. After that the batch or action fails, and nobody waits behind it.
    type: float
    default: 5
seealso:
  - module: runbook.ops.db_query
"""

EXAMPLES = r"""
- name: Keep the shop's logs for 90 days
  runbook.ops.db_maintain:
    engine: mariadb
    name: shop
    login_unix_socket: /run/mysqld/mysqld.sock
    delete_older_than:
      - table: log_entries
        column: created_at
        older_than: 90d
        where:
          - {column: level, operator: in, value: [debug, info]}
        max_rows: 2000000
        pause: 0.1
      - table: sessions
        column: last_activity
        unit: seconds
        older_than: 7d
    actions: [analyze]
    tables: [log_entries, sessions]

- name: What PostgreSQL's own service did not do today
  runbook.ops.db_maintain:
    engine: postgresql
    name: shop
    actions: [vacuum, analyze]
    tables: ["public.*"]
    fresh_for: 1d

- name: Look for damage, and give room back
  runbook.ops.db_maintain:
    engine: sqlite
    name: /srv/www.example.com/shared/app.db
    actions: [integrity, vacuum]
"""

RETURN = r"""
deleted:
  description: One item for every O(delete_older_than).
  returned: when everything could be looked at
  type: list
  elements: dict
  contains:
    table:
      description: The table.
      type: str
      returned: always
    column:
      description: The column that was compared.
      type: str
      returned: always
    cutoff:
      description: What the column was compared with.
      type: str
      returned: always
    matched:
      description: How many rows were older, which are those that go.
      type: int
      returned: always
    deleted:
      description: How many were deleted. C(0) in check mode.
      type: int
      returned: always
    batches:
      description: In how many steps.
      type: int
      returned: always
actions:
  description:
    - One item for every action on every table, as C(name), C(status) (V(ok), V(failed) or V(skipped)), C(message) and C(duration_ms)
      among others.
  returned: when everything could be looked at
  type: list
  elements: dict
msg:
  description: One line that says what was done, what would be in check mode, or what failed.
  returned: always
  type: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._database.check_options import MAINTAIN
from ansible_collections.runbook.ops.plugins.module_utils._database.maintain import db_maintain


def main() -> None:
    run_module(MAINTAIN, db_maintain)


if __name__ == "__main__":
    main()
