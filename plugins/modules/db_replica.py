#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: db_replica
short_description: Who is primary, and the steps that make another server primary
version_added: 0.1.0
description:
  - Tells a server's part in replication, and does the single steps of a failover, each of which refuses what would be unsafe there.
  - One call sees one server. That never two accept writes is up to the order of the calls - fence the primary, give the position that
    this returned to the promotion of the replica, which waits until it has everything, then let the old primary follow. The role
    P(runbook.ops.dr_drill#role) with its scenario V(failover) keeps that order.
  - MariaDB with GTIDs (not MySQL) and PostgreSQL 12 and newer.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._attributes.actiongroup_database
  - runbook.ops._database
attributes:
  diff_mode:
    support: N/A
  idempotent:
    support: partial
    details:
      - V(mark) and V(unmark) are done every time.
author:
  - runbook.ops contributors (@runbook-ops)
requirements:
  - The engine's command line client on the host (C(mariadb) or C(mysql), C(psql)).
options:
  action:
    description:
      - V(status) tells. V(fence) makes a primary refuse writes and ends all other sessions; what it has written by then is the
        position. V(unfence) takes that back.
      - V(promote) ends replication here and accepts writes.
      - V(follow) makes this server a replica of another one, without copying anything. It is for a former primary that was fenced
        before the other one was promoted, and so has nothing that the other one lacks. A primary that accepts writes is refused.
        PostgreSQL has to be restarted after that (RV(restart_needed)) and is a standby from then on.
      - V(mark) writes a row into a small table of the database O(name), V(unmark) drops the table.
      - MariaDB's C(read_only) does not bind accounts with the privilege C(READ ONLY ADMIN) (before 10.11 C(SUPER)), and is gone with
        a restart unless the server's files say so too. PostgreSQL's C(default_transaction_read_only) does not bind a session
        that overrides it; as a standby, after V(follow) and a restart, the server refuses all writes.
    type: str
    choices: [status, fence, unfence, promote, follow, mark, unmark]
    default: status
  name:
    description:
      - The database that the marker lies in. With V(status), the marker is told when this is given.
    type: str
  marker:
    description:
      - What V(mark) writes.
    type: str
  position:
    description:
      - What V(promote) waits for this server to have applied, RV(state.position) of the fenced primary.
    type: str
  force:
    description:
      - Promote without O(position). What the primary had and this server has not is lost.
    type: bool
    default: false
  timeout:
    description:
      - How many seconds to wait, for V(promote) until the position is reached, for V(follow) until nothing is behind.
    type: float
    default: 60
  upstream_host:
    description:
      - The server to follow, as this host reaches it.
    type: str
  upstream_port:
    description:
      - Its port, when it is not the engine's own.
    type: int
  upstream_user:
    description:
      - The account for replication.
    type: str
  upstream_password:
    description:
      - Its password. PostgreSQL reads it from a file in its data directory that only it can read, MariaDB keeps it itself.
    type: str
  upstream_ssl_mode:
    description:
      - How far replication insists on TLS, as O(ssl_mode). MariaDB knows only whether to, and whether to verify the server.
    type: str
    choices: [disable, prefer, require, verify-ca, verify-full]
    default: prefer
seealso:
  - module: runbook.ops.drill_report
  - module: runbook.ops.db_query
"""

EXAMPLES = r"""
- name: Who is primary
  runbook.ops.db_replica:
    engine: mariadb
    login_unix_socket: /run/mysqld/mysqld.sock
  register: replica

- name: Let the primary accept no more writes
  runbook.ops.db_replica:
    engine: mariadb
    login_unix_socket: /run/mysqld/mysqld.sock
    action: fence
  delegate_to: db1.example.com
  register: fenced

- name: Make the replica primary when it has everything
  runbook.ops.db_replica:
    engine: mariadb
    login_unix_socket: /run/mysqld/mysqld.sock
    action: promote
    position: "{{ fenced.state.position }}"
  delegate_to: db2.example.com
"""

RETURN = r"""
state:
  description: The server after the action.
  returned: when it could be asked
  type: dict
  contains:
    role:
      description: V(primary) or V(replica).
      type: str
      returned: always
    writable:
      description: Whether ordinary users can write.
      type: bool
      returned: always
    position:
      description: What it has applied and written, a GTID position or an LSN.
      type: str
      returned: always
    upstream:
      description: Whom it follows, host and port.
      type: str
      returned: always
    following:
      description: Whether it is connected to that one and applies what comes.
      type: bool
      returned: always
    lag:
      description: How many seconds it is behind, none when that is not known.
      type: float
      returned: always
    error:
      description: Why replication stands still.
      type: str
      returned: always
    replicas:
      description: How many servers are connected to follow it.
      type: int
      returned: always
ended:
  description: How many sessions were ended.
  returned: O(action=fence)
  type: int
untouched:
  description: V(true) when a promotion was refused, so that the server was not told anything.
  returned: when O(action=promote) fails because the position was not reached
  type: bool
restart_needed:
  description: Whether the server has to be restarted before it follows.
  returned: O(action=follow)
  type: bool
marker:
  description: The marker, empty when there is none.
  returned: O(action=mark), and O(action=status) with O(name)
  type: str
msg:
  description: One line about it.
  returned: always
  type: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._database.replica import REPLICA, db_replica


def main() -> None:
    run_module(REPLICA, db_replica)


if __name__ == "__main__":
    main()
