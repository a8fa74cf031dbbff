#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: smoke_test
short_description: Give a system one job and see it done
version_added: 0.1.0
description:
  - Enqueues a job by a command on the host or by a request, takes the job's id from the answer, and asks a command, a URL or a database
    for its status until it is done, has failed, or the time is up.
  - The result is PASS or FAIL. A failure says where to look, and shows the last lines of logs on the host, without secrets.
  - Commands are argument lists and no shell is involved. A job's id has only letters, digits and C(._:@+=-), is at most 200 characters
    long and does not begin with a sign, or the test is V(crashed). So it can't become an option, a path or a part of a query.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._request
attributes:
  check_mode:
    support: full
    details:
      - Nothing is enqueued or asked. The options are checked, and the message says what would be done.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Every run enqueues a job.
author:
  - runbook.ops contributors (@runbook-ops)
requirements:
  - jmespath, on the host that runs the task, if O(job_id.query) or O(job_status.query) is used.
options:
  name:
    description:
      - What the test is called in results and messages.
    type: str
    default: smoke test
  enqueue:
    description:
      - What enqueues the job, a command or a URL. It is done once, whatever comes of it.
    type: dict
    required: true
    suboptions: &ask
      command:
        description:
          - The program and its arguments. It gets the task's environment and no input.
        type: list
        elements: str
      chdir:
        description:
          - The folder that the command runs in.
        type: path
      rc:
        description:
          - The exit statuses of the command that are no error.
        type: list
        elements: int
        default: [0]
      url:
        description:
          - The URL, absolute or relative to O(base_url).
        type: str
      method:
        description:
          - The request method.
        type: str
        default: GET
      body:
        description:
          - The request body. A mapping or list needs a suitable C(body_format).
        type: raw
      body_format:
        description:
          - How the body is written and which C(Content-Type) is sent with it.
        type: str
        choices: [raw, json, form-urlencoded]
        default: raw
      status_code:
        description:
          - The accepted status codes, each a code (V(200)), a range (V(200-299)) or a class (V(2xx)).
        type: list
        elements: str
        default: [2xx]
  job_id:
    description:
      - Where in the answer the job's id is. It takes the place of C({job_id}) in O(poll).
    type: dict
    suboptions:
      query:
        description:
          - A JMESPath expression, for an answer in JSON.
        type: str
      regex:
        description:
          - A Python regular expression; its first group is the id, or all that matches if it has none.
        type: str
  poll:
    description:
      - What tells the job's status, a command, a URL or a database. C({job_id}) stands for the id.
      - A look that tells nothing is no failure, the next one may.
    type: dict
    required: true
    suboptions:
      <<: *ask
      database:
        description:
          - A database. Nothing can be written, see M(runbook.ops.db_query).
        type: dict
        suboptions:
          engine:
            description:
              - What holds the data.
            type: str
            required: true
            choices: [mariadb, mysql, postgresql, mongodb, sqlite, redis]
          login_host:
            description:
              - The server's name or address. Without it the client's default, usually a local socket.
            type: str
          login_port:
            description:
              - The server's port, when it is not the engine's own.
            type: int
          login_user:
            description:
              - Who to log in as. Without it the client's default.
            type: str
          login_password:
            description:
              - The password.
            type: str
          login_unix_socket:
            description:
              - The path of the server's socket (for PostgreSQL the folder of it).
            type: path
          login_db:
            description:
              - The database to log in to, where that is not the one to ask.
            type: str
          config_file:
            description:
              - A file of the client's own settings, such as C(~/.my.cnf).
            type: path
          ca_cert:
            description:
              - Certificates that the server's must be signed by.
            type: path
          client_cert:
            description:
              - This client's certificate.
            type: path
          client_key:
            description:
              - The key of O(poll.database.client_cert).
            type: path
          ssl_mode:
            description:
              - How far to insist on TLS, in PostgreSQL's words, for all engines.
            type: str
            choices: [disable, prefer, require, verify-ca, verify-full]
            default: prefer
          database:
            description:
              - The database. For SQLite the path of its file, for Redis a number.
            type: str
          query:
            description:
              - What finds the status, as O(runbook.ops.db_query#module:checks[].query). It must answer one value of one row.
              - In SQL C({job_id}) becomes a quoted text, so write C(id = {job_id}) whatever the column's type. For MongoDB and Redis it
                is a text, too. To compare it with a number or an object's id in MongoDB, use C($expr) and C($toString).
            type: raw
            required: true
          column:
            description:
              - Which column of the row is the status, when there are several. For MongoDB the dotted path in the document.
            type: str
  job_status:
    description:
      - Where in the answer to O(poll) the status is. Without this all of the answer is the status.
    type: dict
    suboptions:
      query:
        description:
          - A JMESPath expression, for an answer in JSON.
        type: str
      regex:
        description:
          - A Python regular expression; its first group is the status, or all that matches if it has none.
        type: str
  done:
    description:
      - The statuses of a job that is done, in capitals or not. Add V(processing) where it is enough that somebody works on it.
    type: list
    elements: str
    default: [done, completed, success, succeeded]
  failed:
    description:
      - The statuses of a job that will never be done.
    type: list
    elements: str
    default: [failed, error, dead, cancelled]
  working:
    description:
      - The statuses of a job that may still be done. If there are any, a status that is in none of the lists ends the test as V(crashed).
        If there are none, such a status is waited on.
    type: list
    elements: str
    default: []
  interval:
    description:
      - Seconds from one look to the next.
    type: float
    default: 5
  timeout:
    description:
      - Seconds that the job may take from being enqueued. The last look is at their end.
    type: float
    default: 120
  warn:
    description:
      - Seconds after which a job that was done is a V(warning).
    type: float
  ask_timeout:
    description:
      - Seconds that one command, request or query may take.
    type: float
    default: 10
  look_at:
    description:
      - What to look at when the test fails, such as logs, tables, pages. The message of a failure has them, and RV(look_at) always.
    type: list
    elements: str
    default: []
  log_files:
    description:
      - Logs on the host whose last lines are in RV(logs) when the test fails. They are part of RV(look_at).
    type: list
    elements: path
    default: []
  log_lines:
    description:
      - How many of their lines, 0 to 500.
    type: int
    default: 20
  scrub_values:
    description:
      - Further secrets, of at least 4 characters, that logs and answers may have. What looks like a secret, and those of the options, are
        taken out anyway.
    type: list
    elements: str
    default: []
  fail:
    description:
      - Whether a test of status V(failed) or V(crashed) fails the task.
      - Invalid options always do.
    type: bool
    default: true
seealso:
  - module: runbook.ops.acceptance_run
  - module: runbook.ops.http_probe
"""

EXAMPLES = r"""
- name: A worker takes a job and does it
  runbook.ops.smoke_test:
    name: worker round trip
    enqueue:
      command: [php, tools/ops/enqueue_sample.php]
      chdir: /srv/www.example.com/current
    job_id:
      regex: 'job (\d+)'
    poll:
      database:
        engine: mariadb
        database: shop
        login_unix_socket: /run/mysqld/mysqld.sock
        query: SELECT status FROM jobs WHERE id = {job_id}
    done: [done]
    failed: [failed, dead]
    working: [queued, processing]
    look_at: [worker/.env, 'table job_attempts', 'http://127.0.0.1:4499/status']
    log_files: [/srv/www.example.com/shared/storage/logs/worker/service.log]

- name: The same through the application's own interface, with signed requests
  runbook.ops.smoke_test:
    base_url: https://www.example.com/api/
    hmac:
      secret: "{{ internal_secret }}"
      header: X-Auth-Sign
      timestamp_header: X-Auth-TS
      parts: [method, path_without_query, body_sha256, timestamp]
      separator: "|"
    enqueue:
      url: jobs
      method: POST
      body: {kind: sample}
      body_format: json
    job_id: {query: job.id}
    poll: {url: "jobs/{job_id}"}
    job_status: {query: job.status}
    warn: 30
  delegate_to: localhost

- name: A queue that tells its length only
  runbook.ops.smoke_test:
    name: mail queue
    enqueue: {command: [/usr/local/bin/send-test-mail, probe@example.com]}
    poll: {command: [/usr/local/bin/mail-state, --recipient, probe@example.com]}
    interval: 2
    timeout: 60
"""

RETURN = r"""
status:
  description: V(ok), V(warning) if it took longer than O(warn), V(failed), V(crashed) when nobody could tell, or V(skipped) in check mode.
  returned: when the options are valid
  type: str
  sample: failed
msg:
  description: One line, with where to look when the test failed.
  returned: always
  type: str
  sample: "worker round trip: FAIL: job 4711 is queued after 120 s and 25 looks; look at worker/.env, table job_attempts"
checks:
  description: One item, as other modules' checks.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    name:
      description: The test's name.
      type: str
      returned: always
    status:
      description: As RV(status).
      type: str
      returned: always
    value:
      description: Seconds until the job's last status was known. V(null) when none was enqueued.
      type: float
      returned: always
    unit:
      description: Always V(s).
      type: str
      returned: always
    warn:
      description: The option O(warn).
      type: float
      returned: always
    crit:
      description: The option O(timeout).
      type: float
      returned: always
    message:
      description: Begins with PASS or FAIL.
      type: str
      returned: always
    duration_ms:
      description: How long the test took, in milliseconds.
      type: float
      returned: always
job_id:
  description: The job's id. V(null) when there is none.
  returned: when the options are valid
  type: str
  sample: "4711"
job_status:
  description: The last status that was told.
  returned: when the options are valid
  type: str
  sample: queued
polls:
  description: How often the job was looked at.
  returned: when the options are valid
  type: int
  sample: 25
look_at:
  description: Where to look, O(look_at) and O(log_files).
  returned: when the options are valid
  type: list
  elements: str
logs:
  description: The last lines of O(log_files), without secrets. Empty unless the test failed.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
      returned: always
    lines:
      description: Its last lines.
      type: list
      elements: str
      returned: always
    message:
      description: Why there are no lines.
      type: str
      returned: always
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._smoke.options import SMOKE_TEST
from ansible_collections.runbook.ops.plugins.module_utils._smoke.smoke_test import smoke_test


def main() -> None:
    run_module(SMOKE_TEST, smoke_test)


if __name__ == "__main__":
    main()
