#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_check
short_description: Check services, room, files, queues and more of a host in one task
version_added: 0.1.0
description:
  - Looks at many things on a host in one task, at the same time where it has to wait, and compares each with its limits.
  - A check that fails or can't be evaluated fails the task, unless O(fail=false). It does not keep the others from being looked at.
  - What can't be evaluated is V(crashed), never V(ok).
  - Nothing is changed on the host. Only checks with O(checks[].for) or O(checks[].times) are remembered, in O(state_file), and not in
    check mode.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.info
author:
  - runbook.ops contributors (@runbook-ops)
requirements:
  - What is looked at with its own tools (C(systemctl), C(apt-get) or C(dnf), C(docker) or C(podman), C(rabbitmqctl)); for V(command) the
    Python library jmespath on the host.
options:
  checks:
    description:
      - The checks. Results keep their order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the check is called in results and messages. Names must differ. Defaults to the kind and what it looks at.
        type: str
      kind:
        description:
          - What is looked at. Its O(checks[].measure), the limits that it has when O(checks[].warn) and O(checks[].crit) are both left
            out, and what it takes are said here.
          - V(service), whether systemd's unit O(checks[].service) runs. One that starts, stops or reloads is a warning; with
            O(checks[].enabled=true) so is one that will not be started with the host. The value is how often systemd had to start it
            again.
          - V(process), how many processes O(checks[].process) there are; fails below V(1).
          - V(failed_units), how many of systemd's units failed, without those in O(checks[].ignore); fails above V(0).
          - V(timer), seconds since systemd's O(checks[].timer) last started its unit; fails above 26 hours, or when that run failed.
          - V(heartbeat), seconds since a job left its mark in the file O(checks[].path), by that file's time, or what it says when it is
            a JSON document with C(at) and C(status); fails above 5 minutes, or when the status was V(failed).
          - V(disk) and V(inodes), V(percent) of the file system of O(checks[].path) that is used (V(70) and V(90)), or what is V(free)
            (bad below its limits).
          - V(memory), V(percent) that is not available to programs (V(80) and V(95)), or the V(free) bytes. V(swap), the same (V(50) and
            V(80)).
          - V(load), the load average of V(5m), V(1m) or V(15m), for each processor (V(1) and V(2)).
          - V(uptime), seconds; a warning below one hour, since somebody or something has restarted the host.
          - V(time_skew), seconds between the host's clock and that of the time server O(checks[].server), which is asked by SNTP (V(1) and
            V(10)).
          - V(security_updates), how many wait (a warning above V(0)), as C(apt-get) or C(dnf) know. Lists of C(apt-get) that are older than
            O(checks[].max_age) tell nothing.
          - V(certificate), days until the first certificate in the files O(checks[].path) expires (V(30) and V(14)).
          - V(file_age), seconds since the V(newest) or V(oldest) of the files O(checks[].path) was changed. No V(newest) is a failure, no
            V(oldest) is fine. Needs a limit.
          - V(file_contents), how many files below O(checks[].path) are missing or not as O(checks[].manifest) says; fails above V(0).
          - V(port), whether a program listens on O(checks[].port), and where. With a loopback O(checks[].address) listening on others too
            is a warning.
          - V(container), whether Docker's or Podman's O(checks[].container) runs and is healthy. The value is how often it was started
            again.
          - V(redis_ping), milliseconds until Redis answers; fails above V(1000).
          - V(redis_memory), V(percent) of C(maxmemory) (V(70) and V(90)), or its V(size) in bytes.
          - V(redis_length), items in the list O(checks[].key) (V(1000) and V(5000)). No such list is an empty one.
          - V(rabbitmq_queue), V(messages), those V(ready) or V(unacknowledged) in O(checks[].queue) (V(1000) and V(5000)), or its
            V(consumers) (fails below V(1)), from C(rabbitmqctl) or from the management interface at O(checks[].url).
          - V(backup), seconds since the newest good backup in O(checks[].dest) ended, with all that M(runbook.ops.db_backup_info) finds;
            fails above 26 hours.
          - V(command), what O(checks[].query) finds in the JSON that O(checks[].command) prints, as a number with limits or with
            O(checks[].operator) and O(checks[].value).
        type: str
        required: true
      measure:
        description: What of it is measured, see O(checks[].kind). Defaults to the first that is named there.
        type: str
      warn:
        description: Beyond this the check has status V(warning). Times may be written as V(5m), sizes as V(500M).
        type: raw
      crit:
        description: Beyond this the check fails. Must not be reached before O(checks[].warn).
        type: raw
      direction:
        description: On which side of the limits values are bad, where it is not what O(checks[].kind) says.
        type: str
        choices: [above, below]
      unit:
        description: What the value is called in results. Defaults to what the kind measures.
        type: str
      timeout:
        description: Defaults to O(timeout).
        type: float
      for:
        description:
          - The check counts as V(warning) or V(failed) only after it was at least that bad for so long, for example V(10m), in every run.
          - Until then it has the status that counts already, and C(held) names the one that is held back. V(crashed) is not held back.
        type: str
      times:
        description: The check counts as V(warning) or V(failed) only after it was at least that bad in so many runs in a row.
        type: int
      service:
        description: The unit's name, for V(service).
        type: str
      enabled:
        description: Whether a unit that does not start with the host is a warning.
        type: bool
      ignore:
        description: Names or patterns of units that may fail, for V(failed_units).
        type: list
        elements: str
      process:
        description: The program's or script's name, or a pattern such as V(python3*).
        type: str
      user:
        description: Only this user's processes count.
        type: str
      arguments:
        description: Only processes whose command line contains this text count.
        type: str
      path:
        description:
          - An absolute path. For V(disk) and V(inodes) anything on the file system, for V(certificate) and V(file_age) also a pattern
            such as V(/etc/letsencrypt/live/*/fullchain.pem), for V(file_contents) the folder that the manifest's names are relative to.
        type: str
      manifest:
        description: A file on the host as C(sha256sum) or C(sha512sum) print it.
        type: path
      exact:
        description: Whether files that the manifest does not name are a warning.
        type: bool
      server:
        description: A time server, with C(:port) if it is not 123.
        type: str
      max_age:
        description: How old the lists of C(apt-get) may be, V(7d) unless given. C(dnf) fetches its own.
        type: str
      port:
        description: The port's number.
        type: int
      address:
        description: The address that it must be reachable at on the host.
        type: str
      protocol:
        description: The protocol, V(tcp) unless given.
        type: str
        choices: [tcp, udp]
      timer:
        description: The timer's name.
        type: str
      dest:
        description: The folder of O(checks[].kind=backup), as given to M(runbook.ops.db_backup).
        type: path
      database:
        description: Only this database's backups. Otherwise all, and the one counts whose backup is the oldest.
        type: str
      verify:
        description: How deep to look into the newest backup, see M(runbook.ops.db_backup_info). V(none) unless given.
        type: str
        choices: [none, checksum, deep]
      container:
        description: The container's name.
        type: str
      socket:
        description:
          - The container engine's socket. Without it C(/var/run/docker.sock) is used if it is there, else the command line C(docker) or
            C(podman).
        type: path
      key:
        description: The list's key.
        type: str
      queue:
        description: The queue's name.
        type: str
      vhost:
        description: The queue's virtual host, V(/) unless given.
        type: str
      url:
        description: RabbitMQ's management interface, for example V(http://127.0.0.1:15672).
        type: str
      login_host:
        description: Where Redis is, this host unless given.
        type: str
      login_port:
        description: Its port.
        type: int
      login_user:
        description: The user, of Redis or of RabbitMQ's management interface.
        type: str
      login_password:
        description: The user's password.
        type: str
      login_unix_socket:
        description: The socket of Redis, instead of a host and port.
        type: path
      login_db:
        description: The number of the Redis database, V(0) unless given.
        type: str
      ca_cert:
        description: Certificates of the authorities that the server's must come from.
        type: path
      ssl_mode:
        description: Whether Redis is spoken to by TLS, V(prefer) unless given, which does where O(checks[].ca_cert) is given.
        type: str
        choices: [disable, prefer, require, verify-ca, verify-full]
      command:
        description: The command, as a list of words or as text that is split into words. There is no shell.
        type: raw
      query:
        description: A JMESPath query of what the command prints.
        type: str
      operator:
        description: How what was found is compared with O(checks[].value), V(eq) unless given.
        type: str
        choices: [eq, ne, lt, le, gt, ge, contains, not_contains, in, not_in, matches, exists, absent]
      value:
        description: What is expected.
        type: raw
      rc:
        description: The exit statuses with which the command's output is an answer, V([0]) unless given.
        type: list
        elements: int
  timeout:
    description:
      - Seconds that one check may take. What takes longer is V(crashed).
    type: float
    default: 10
  state_file:
    description:
      - Where what was wrong before is remembered for checks with O(checks[].for) or O(checks[].times), by their names. Give lists of
        checks with equal names files of their own.
      - A damaged one is set aside beside it with a warning, and nothing is held back in that run.
    type: path
    default: /var/lib/runbook/host_check.json
  fail:
    description:
      - Whether a check of status V(failed) or V(crashed) fails the task.
      - Invalid options always do.
    type: bool
    default: true
seealso:
  - module: runbook.ops.db_query
  - module: runbook.ops.http_probe
"""

EXAMPLES = r"""
- name: The web server is well this morning
  runbook.ops.host_check:
    checks:
      - {kind: service, service: nginx, enabled: true}
      - {kind: service, service: php8.2-fpm}
      - {kind: process, process: php*, arguments: artisan horizon, user: www-data}
      - {kind: failed_units}
      - {kind: disk, path: /}
      - {kind: disk, path: /var/lib/mysql, measure: free, warn: 20G, crit: 5G}
      - {kind: inodes, path: /}
      - {kind: memory, for: 10m}
      - {kind: load, times: 3}
      - {kind: swap}
      - {kind: uptime}
      - {kind: time_skew, server: ntp.example.com}
      - {kind: security_updates}
      - {kind: certificate, path: /etc/letsencrypt/live/*/fullchain.pem}
      - {kind: port, port: 443}
      - {name: Redis is not open to others, kind: port, port: 6379, address: 127.0.0.1}

- name: Its jobs ran and its queues are short
  runbook.ops.host_check:
    checks:
      - {kind: timer, timer: certbot}
      - {kind: heartbeat, path: /var/lib/runbook/cleanup.heartbeat, crit: 26h}
      - {kind: backup, dest: /var/backups/databases, database: shop}
      - {kind: file_age, path: /srv/export/*.csv, warn: 25h, crit: 49h}
      - {name: stuck mail, kind: file_age, path: /var/spool/mail-out/*, measure: oldest, warn: 10m, crit: 1h}
      - {kind: file_contents, path: /srv/www.example.com/current, manifest: /srv/www.example.com/shared/SHA256SUMS}
      - {kind: redis_ping}
      - {kind: redis_memory, login_unix_socket: /run/redis/redis-server.sock}
      - {kind: redis_length, key: queues:mail, warn: 100, crit: 1000}
      - {kind: rabbitmq_queue, queue: orders}
      - {kind: rabbitmq_queue, queue: orders, name: orders are worked on, measure: consumers}
      - {kind: container, container: api}

- name: An application's own health check, for a report that decides itself
  runbook.ops.host_check:
    fail: false
    checks:
      - name: queue workers
        kind: command
        command: [/srv/www.example.com/current/bin/health, --json]
        query: workers.active
        direction: below
        warn: 4
        crit: 1
      - name: database of the application
        kind: command
        command: /srv/www.example.com/current/bin/health --json
        query: database.status
        operator: eq
        value: connected
  register: application
"""

RETURN = r"""
status:
  description: The worst status of all checks, V(ok), V(warning), V(failed), V(crashed) or V(skipped).
  returned: when the options are valid
  type: str
  sample: ok
msg:
  description: One line that names every check that is not ok, or counts them.
  returned: always
  type: str
  sample: '1 of 2 checks not ok - disk /: 93.1 %, above crit 90, 1.2 GiB of 17.4 GiB free'
checks:
  description: One item for every check, in their order. Some kinds add facts of their own, such as C(pids) or C(not_after).
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
    held:
      description: The status that is held back because it has not yet lasted as long, or come as often, as it must to count.
      type: str
      returned: when a status is held back
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
      description: What was looked at.
      type: str
      returned: always
    measure:
      description: What was measured.
      type: str
      returned: always
  sample:
    - {name: disk /, status: ok, value: 41.2, unit: '%', warn: 70, crit: 90, message: '41.2 %, 10.2 GiB of 17.4 GiB free', duration_ms: 0.1,
       kind: disk, measure: percent}
"""

from ansible_collections.runbook.ops.plugins.module_utils._checks.host_check import host_check
from ansible_collections.runbook.ops.plugins.module_utils._checks.options import HOST_CHECK
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module


def main() -> None:
    run_module(HOST_CHECK, host_check)


if __name__ == "__main__":
    main()
