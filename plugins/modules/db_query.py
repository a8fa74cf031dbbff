#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: db_query
short_description: Ask a database whether it is well
version_added: 0.1.0
description:
  - Asks many questions of one server in one task and compares every answer with its limits. There are ready-made questions about
    connections, replication, queues and the like, and free queries.
  - A check that fails or can't be evaluated fails the task, unless O(fail=false). It does not keep the others from being asked.
  - Nothing can be written. Free queries run in a read-only transaction (MariaDB, PostgreSQL), with a connection that may only read
    (SQLite), and only as commands that read (MongoDB, Redis). They can't hold a second statement. A role without the right to write is
    still the better choice, because functions that an administrator may call can do anything.
  - A value that is NULL, no number or not there is V(crashed), never V(ok).
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.info
  - runbook.ops._attributes.actiongroup_database
  - runbook.ops._database
author:
  - runbook.ops contributors (@runbook-ops)
requirements:
  - The engine's command line client on the host (C(mariadb) or C(mysql), C(psql)); for MongoDB the Python library pymongo. SQLite and
    Redis need nothing.
notes:
  - What other sessions do has to be visible to the log-in, for V(slow_queries) and V(replication_lag). MariaDB needs the privileges
    C(PROCESS) and C(REPLICA MONITOR), PostgreSQL the role C(pg_monitor), MongoDB C(clusterMonitor). Without them these checks are
    V(crashed).
  - V(ping) measures what a client has to do, including its start and the log-in.
options:
  checks:
    description:
      - The checks, asked one after the other. Results keep their order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the check is called in results and messages. Names must differ. Defaults to the kind.
        type: str
      kind:
        description:
          - What is asked. Which O(checks[].measure) it has, the limits it gets when O(checks[].warn) and O(checks[].crit) are both
            left out, and what else it takes is said here.
          - V(query), the one value (V(value)) or the number (V(rows)) of the rows that O(checks[].query) answers.
          - V(ping), milliseconds until the simplest question is answered; V(1000).
          - V(connections), as V(percent) of what the server allows (V(70) and V(90)), or their V(count) (V(50) and V(100)). Not for
            SQLite.
          - V(slow_queries), how many are V(running) for longer than O(checks[].longer_than) (warning above V(0)), or their V(rate) per
            hour, for MariaDB since the server's start, for Redis those of the last hour in its slow log. V(running) not for Redis,
            V(rate) not for PostgreSQL and MongoDB. Not for SQLite.
          - V(replication_lag), seconds; V(30) and V(300). A replication that is stopped, or a server without one, fails whatever the
            limits. Ask a replica of MariaDB; a standby or the primary of PostgreSQL; any member of MongoDB's set; either side of
            Redis. Not for SQLite.
          - V(analyze_age) and V(vacuum_age), seconds since O(checks[].tables) were last looked after, of the one where it is longest ago;
            warning above 7 days. A table that never was fails. V(analyze_age) for MariaDB (InnoDB) and PostgreSQL, V(vacuum_age) for
            PostgreSQL.
          - V(table_size), bytes of O(checks[].table) with its indexes, or of the whole database. Not for Redis.
          - V(queue_depth), the V(count) of rows in O(checks[].table), or the V(age) in seconds of the oldest by
            O(checks[].age_column), which finds stuck jobs. For Redis the length of a list, set, sorted set, hash or stream; no such
            key is an empty queue.
          - V(dead_letters), the same, and one is a failure.
          - V(memory), what Redis uses, in V(percent) of C(maxmemory) (V(70) and V(90)), or its V(size) in bytes.
        type: str
        choices: [query, ping, connections, slow_queries, replication_lag, analyze_age, vacuum_age, table_size, queue_depth,
          dead_letters, memory]
        default: query
      measure:
        description: What of it is measured, see O(checks[].kind). Defaults to the first that is named there.
        type: str
        choices: [age, count, percent, rate, rows, running, size, time, value]
      database:
        description: The database. Defaults to O(database).
        type: str
      query:
        description:
          - For SQL one statement that reads. For Redis one command, as text or as a list of words.
          - For MongoDB a mapping of C(find), C(aggregate), C(count) or C(distinct) to a collection, with that command's own fields
            such as C(filter), C(sort), C(pipeline), C(query), C(key). A date is written as in its extended JSON, a mapping of C($date)
            to the ISO 8601 text.
        type: raw
      column:
        description:
          - Which column of the row is the value, when there are several. For MongoDB the dotted path in the document, for C(INFO) of
            Redis the name of the line.
        type: str
        aliases: [path]
      max_rows:
        description: A query that answers more rows than this is V(crashed), V(1000) unless given.
        type: int
      table:
        description: The table, collection or key. For PostgreSQL in the schema V(public), or C(schema.table).
        type: str
        aliases: [collection, key]
      where:
        description: Which rows count. All conditions must be met. Names and values are never taken for SQL.
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
      age_column:
        description: The column or field that says since when a row waits.
        type: str
        aliases: [age_field]
      age_unit:
        description:
          - V(time) for a column of the server's own type for times (SQLite, text as its date functions read it), V(seconds) or
            V(milliseconds) for numbers that count since 1970. V(time) unless given.
        type: str
        choices: [time, seconds, milliseconds]
      time_zone:
        description: Which zone times without a zone are in, V(utc) or the server's own. SQLite's server is this host.
        type: str
        choices: [utc, server]
        default: utc
      tables:
        description: Which tables, by name or pattern (V(public.log_*)). All unless given. One that fits nothing is V(crashed).
        type: list
        elements: str
      min_rows:
        description: Tables with fewer rows are not looked at, V(1000) unless given, because servers leave small tables alone.
        type: int
      longer_than:
        description: What slow is, a duration such as V(10s), which is the default.
        type: str
      replicas:
        description: How many replicas a primary must have, V(1) unless given.
        type: int
      warn:
        description: Above this the check has status V(warning). Times may be written as V(5m), sizes as V(500M).
        type: raw
      crit:
        description: Above this the check fails. Must not be reached before O(checks[].warn).
        type: raw
      direction:
        description: With V(below) values under O(checks[].warn) and O(checks[].crit) are the bad ones.
        type: str
        choices: [above, below]
        default: above
      unit:
        description: What the value is called in results, such as V(orders). Defaults to what the kind measures.
        type: str
      timeout:
        description: Defaults to O(timeout).
        type: float
  database:
    description:
      - The database of checks that name none. For SQLite the path of its file, for Redis a number. PostgreSQL's is O(login_db) without it.
    type: str
  timeout:
    description:
      - Seconds that one check may take. The server ends a query then, and a check that took longer is V(crashed).
    type: float
    default: 10
  fail:
    description:
      - Whether a check of status V(failed) or V(crashed) fails the task.
      - Invalid options always do.
    type: bool
    default: true
seealso:
  - module: runbook.ops.db_maintain
  - module: runbook.ops.http_probe
"""

EXAMPLES = r"""
- name: The shop's database is well
  runbook.ops.db_query:
    engine: mariadb
    database: shop
    login_unix_socket: /run/mysqld/mysqld.sock
    checks:
      - kind: ping
      - kind: connections
      - kind: slow_queries
        longer_than: 30s
      - name: jobs that wait
        kind: queue_depth
        table: jobs
        where:
          - {column: reserved_at, operator: 'null'}
        warn: 500
        crit: 5000
      - name: stuck jobs
        kind: queue_depth
        table: jobs
        age_column: created_at
        warn: 5m
        crit: 1h
      - kind: dead_letters
        table: failed_jobs
      - name: orders of the last hour
        query: SELECT COUNT(*) FROM orders WHERE created_at > UTC_TIMESTAMP() - INTERVAL 1 HOUR
        direction: below
        warn: 10
        crit: 1
        unit: orders

- name: The standby keeps up
  runbook.ops.db_query:
    engine: postgresql
    login_host: standby.example.com
    login_user: monitor
    login_password: "{{ vault_monitor_password }}"
    database: shop
    checks:
      - kind: replication_lag
        warn: 10s
        crit: 1m
      - kind: vacuum_age
        tables: [public.orders, "public.log_*"]

- name: Failed payments, for a report that decides itself
  runbook.ops.db_query:
    engine: mongodb
    database: shop
    fail: false
    checks:
      - name: failed payments
        query: {count: payments, query: {state: failed}}
        crit: 10
  register: payments

- name: The cache and its queue
  runbook.ops.db_query:
    engine: redis
    checks:
      - kind: memory
      - name: mail
        kind: queue_depth
        key: queues:mail
        warn: 100
"""

RETURN = r"""
status:
  description: The worst status of all checks, V(ok), V(warning), V(failed), V(crashed) or V(skipped).
  returned: when the options are valid
  type: str
msg:
  description: One line that names every check that is not ok, or counts them.
  returned: always
  type: str
checks:
  description: One item for every check, in their order.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    name:
      description: The check's name.
      type: str
      returned: always
    status:
      description:
        - V(ok), V(warning), V(failed), V(crashed) when it could not be evaluated, or V(skipped) when there was nothing to look at.
      type: str
      returned: always
    value:
      description: The value, a number. V(null) when there is none.
      type: float
      returned: always
    unit:
      description: The value's unit.
      type: str
      returned: always
    warn:
      description: The limit of a warning.
      type: float
      returned: always
    crit:
      description: The limit of a failure.
      type: float
      returned: always
    message:
      description: What was found, or why nothing could be.
      type: str
      returned: always
    duration_ms:
      description: How long the check took, in milliseconds.
      type: float
      returned: always
    kind:
      description: What was asked.
      type: str
      returned: always
    measure:
      description: What was measured.
      type: str
      returned: always
    database:
      description: The database.
      type: str
      returned: always
  sample:
    - {name: connections, status: ok, value: 12, unit: '%', warn: 70, crit: 90, message: '12 %, 18 of 151', duration_ms: 31.4, kind:
      connections,
       measure: percent, database: shop}
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._database.check_options import QUERY
from ansible_collections.runbook.ops.plugins.module_utils._database.query import db_query


def main() -> None:
    run_module(QUERY, db_query)


if __name__ == "__main__":
    main()
