#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: job_schedule
short_description: Let any command run by itself, and tell when it fails or does not run
version_added: 0.1.0
description:
  - Installs commands with systemd timers, or cron entries, in the way of M(runbook.ops.backup_schedule). A run holds a lock, ends within
    its time with all that it started, leaves a line in a log when it starts and ends, its exit status, and a heartbeat file, and runs a
    command when it failed.
  - A watcher of the set notices jobs that did not run at their time, and tells by the same command.
  - The set of jobs is exactly O(jobs) and what is in O(crontab). Those that were installed before and are no longer given are removed.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
author:
  - runbook.ops contributors (@runbook-ops)
notes:
  - Commands, environments and inputs are kept in files of mode 0600, not in units or crontabs, so they may have any characters.
  - A heartbeat is C(<state_dir>/jobs/<set>/<job>.heartbeat), a JSON document with C(job), C(at), C(started), C(status), C(exit),
    C(message). Watch their age from elsewhere, because nothing on a host tells that it is down.
options:
  jobs:
    description:
      - The jobs.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - The job's name, one line. One with other characters than small letters, digits, C(-) and C(_) has files of a similar name.
        type: str
        required: true
      command:
        description: The command, as a list of arguments or a text that is split as a shell would. No shell runs it.
        type: raw
        required: true
      schedule:
        description:
          - When it runs, by the host's clock - V(every 15 minutes), V(hourly :30), V(nightly 02:00), V(weekly sun 03:00),
            V(monthly 1 04:00), V(@daily), V(@reboot), five fields of cron such as V(*/15 * * * *), or an C(OnCalendar) of systemd such
            as V(Mon..Fri *-*-* 22:00).
        type: str
        required: true
      user:
        description: Who runs it. Defaults to O(user).
        type: str
      chdir:
        description: Where it runs. Defaults to the user's home.
        type: path
      environment:
        description: Variables besides E(HOME), E(LOGNAME), E(USER), E(SHELL) and E(PATH).
        type: dict
        default: {}
      secrets:
        description: Variables that nobody may see. They are kept in the job's file, which only root can read.
        type: dict
        default: {}
      stdin:
        description: What it reads.
        type: str
        default: ''
      output:
        description: A file that what it says is appended to. Defaults to O(output).
        type: path
      timeout:
        description: How long it may take. Defaults to O(timeout).
        type: str
      heartbeat:
        description: Its heartbeat file, if that is to be elsewhere.
        type: path
      missed_after:
        description:
          - It counts as missed when its last run is older than this. Without it, when there was none at the time that its schedule names,
            its O(jobs[].timeout) and 5 minutes ago. A schedule that only systemd can say needs it.
        type: str
  crontab:
    description:
      - A crontab. Settings such as E(PATH), E(SHELL) and E(HOME) hold for the lines below them, C(%) begins the input, a line runs in a
        shell.
      - E(MAILTO) is told to O(alert_command) in E(RUNBOOK_MAILTO); an empty one means nothing. What can't be kept to, such as E(CRON_TZ),
        is refused.
      - A comment C(# job:) followed by a name names the job of the next line. Without it its program or script does, with digits.
      - A table in Markdown with schedule and command (in backquotes) in its first two columns, as runbooks have, is fine as well.
    type: str
    default: ''
  crontab_has_users:
    description:
      - Whether the sixth field names the user, as in C(/etc/crontab).
    type: bool
    default: false
  user:
    description:
      - Who runs jobs that name nobody.
    type: str
    default: root
  timeout:
    description:
      - How long a job may take that says nothing. After that it is stopped, with all that it started, and has failed.
    type: str
    default: 1h
  output:
    description:
      - A file that what jobs say is appended to. Others than root may not write its folder. What they said is not kept without it.
    type: path
  name:
    description:
      - The name of the set of jobs, of small letters and digits. Sites that share a host have a set each, and backups another.
    type: str
    default: jobs
  log:
    description:
      - A file that gets a line when a job starts and when it ends.
    type: path
    default: /var/log/runbook/jobs.log
  state_dir:
    description:
      - Where locks and heartbeats are, and one C(jobs/<set>/<job>.jsonl) for each job with a line for every attempt.
    type: path
    default: /var/lib/runbook
  alert_command:
    description:
      - A command that is run when a job fails or was missed, as a list of arguments or a text that is split as a shell would.
      - It gets E(RUNBOOK_JOB), E(RUNBOOK_HOST), E(RUNBOOK_STATUS), E(RUNBOOK_MESSAGE), E(RUNBOOK_EXIT) and E(RUNBOOK_ENDED), and the
        same as JSON on its standard input.
    type: raw
  alert_on:
    description:
      - V(failure) tells every failed run, V(change) the first of a kind, and the first good one after it. What the watcher finds is
        always told by V(change).
    type: str
    choices: [failure, change]
    default: failure
  watch:
    description:
      - When the watcher looks for jobs that did not run. None is installed when it is empty.
    type: str
    default: every 5 minutes
  manager:
    description:
      - What starts the jobs. V(auto) is systemd where it runs, else cron.
    type: str
    choices: [auto, systemd, cron]
    default: auto
seealso:
  - module: runbook.ops.backup_schedule
"""

EXAMPLES = r"""
- name: What a site runs by itself
  runbook.ops.job_schedule:
    name: shop
    user: www-data
    alert_command: [/usr/local/bin/tell-operations]
    jobs:
      - name: reminders
        command: [php, artisan, reminders:send]
        chdir: /srv/www.example.com/current
        schedule: every 15 minutes
        timeout: 10m
        secrets: {MAIL_TOKEN: "{{ vault_mail_token }}"}
      - name: reports
        command: [/srv/www.example.com/current/bin/reports, --all]
        schedule: weekly sun 03:00
        output: /var/log/shop/reports.log

- name: A crontab as it is
  runbook.ops.job_schedule:
    name: legacy
    user: shop
    crontab: |
      PATH=/usr/local/bin:/usr/bin:/bin
      MAILTO=""
      # job: places
      */15 * * * * /home/shop/site/current/tools/ops/cron_places.sh
      0 2 * * *    mysqldump shop > /var/backups/shop_$(date +\%F).sql
      @reboot      /home/shop/bin/warm-up

- name: The table of a runbook
  runbook.ops.job_schedule:
    name: school
    crontab: |
      | Schedule | Command | Purpose |
      | --- | --- | --- |
      | Every 15 minutes | `php /srv/school/bin/reminders.php` | Dispatch due reminders |
      | Nightly 02:15 | `mysqldump school > /var/backups/school_$(date +%F).sql` | Database backup |

- name: No jobs any more
  runbook.ops.job_schedule:
    name: school
"""

RETURN = r"""
manager:
  description: What starts the jobs, V(systemd) or V(cron).
  returned: success
  type: str
scheduled:
  description: The jobs, the watcher (C(heartbeats)) among them, each with C(name), C(schedule) and C(heartbeat), the path of that file.
  returned: success
  type: list
  elements: dict
written:
  description: The files that were, or would be, written.
  returned: success
  type: list
  elements: str
removed:
  description: The files that were, or would be, removed.
  returned: success
  type: list
  elements: str
runner:
  description: The path of what runs the jobs.
  returned: success
  type: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._jobs.scheduled import JOB_SCHEDULE, job_schedule


def main() -> None:
    run_module(JOB_SCHEDULE, job_schedule)


if __name__ == "__main__":
    main()
