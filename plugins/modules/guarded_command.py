#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: guarded_command
short_description: Rehearse an operator's command, and run it when that was confirmed
version_added: 0.1.0
description:
  - For commands that change data, such as a queue's runner, putting stuck jobs back, deleting dead letters or taking a batch back.
  - First the dry run, whose output says how many would be touched. When that is more than O(most), or can't be read, nothing is run. When
    it is none, there is nothing to do.
  - Then the command stops, changes nothing, and says which variable has to be set to what. Only with that confirmation the command is run,
    after another dry run.
  - Nobody is asked anything, so it works the same in AWX, where the confirmation is a field of the job's form.
  - There is no shell. One run at a time; the same name on the same host waits for nobody but refuses.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
attributes:
  check_mode:
    support: full
    details:
      - Does the dry run, which O(dry_run) or O(dry_run_command) have to keep from changing anything.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - With O(count) a command that has nothing to do is not run. Else it is run every time it is confirmed.
author:
  - runbook.ops contributors (@runbook-ops)
requirements:
  - The Python library jmespath on the host, for O(count.query) only.
options:
  name:
    description:
      - What is done, in messages, in the history and as the lock's name.
    type: str
    required: true
  command:
    description:
      - The command, as a list of arguments (or a text that is split as a shell would, nothing is expanded), without those that make the
        difference between rehearsal and reality. A value that comes from outside belongs into a list, where it stays one argument.
    type: raw
    required: true
  dry_run:
    description:
      - The arguments that are added for the dry run, such as V(--dry-run).
    type: list
    elements: str
  dry_run_command:
    description:
      - Another command for the dry run, for commands that can't rehearse. For example one that lists or counts.
    type: raw
  arguments:
    description:
      - The arguments that are added when it is run, such as V(-y).
    type: list
    elements: str
    default: []
  count:
    description:
      - How the dry run's output says how many would be touched. One of these. An output that does not say it keeps the command from being
        run.
    type: dict
    suboptions:
      regex:
        description: A regular expression with one group, or one named C(count), around the number. All matches must say the same.
        type: str
      lines:
        description: A regular expression; the lines that it fits are counted.
        type: str
      query:
        description: A JMESPath query for an output that is JSON. What it finds is the number, or a list that is counted.
        type: str
  most:
    description:
      - When the dry run is about more than this, the command is refused, confirmed or not.
    type: int
  confirmation:
    description:
      - What has to be typed to confirm, for example the id of the batch.
    type: str
    required: true
  confirm:
    description:
      - What was typed. Empty means a dry run only. Anything but O(confirmation) is an error, and nothing is run.
    type: str
    default: ''
  confirm_variable:
    description:
      - What the variable behind O(confirm) is called where the user sets it, for the message.
    type: str
    default: confirm
  summary:
    description:
      - A regular expression with named groups, such as C((?P<job>\d+)). Each match in the command's output is one item of RV(jobs).
    type: str
  failures:
    description:
      - A regular expression. A command whose output it fits has failed, whatever it ended with.
    type: str
  chdir:
    description:
      - The folder that both are run in.
    type: path
    default: /
  environment:
    description:
      - Environment variables for both.
    type: dict
    default: {}
  secrets:
    description:
      - Environment variables, too, whose values nobody may see. They are taken out of what is shown.
    type: dict
    default: {}
  dry_run_timeout:
    description:
      - How many seconds the dry run may take.
    type: float
    default: 300
  timeout:
    description:
      - How many seconds the command may take. Then it and all that it started are killed.
    type: float
    default: 3600
  logs:
    description:
      - Where more can be read, named in messages about failures.
    type: list
    elements: str
    default: []
  lock:
    description:
      - Commands with the same lock are not run at once. Defaults to O(name).
    type: str
  state_dir:
    description:
      - Where locks are.
      - The default is C(/var/lib/runbook) for root, C(~/.local/state/runbook) for others.
    type: path
  path:
    description:
      - A site's base folder. When the command was run, well or not, its history gets a line.
    type: path
seealso:
  - module: runbook.ops.job_schedule
  - module: runbook.ops.db_query
"""

EXAMPLES = r"""
- name: Take a batch back, once it is confirmed by its id
  runbook.ops.guarded_command:
    name: roll a batch back
    command: [php, tools/ops/rollback_batch.php, --batch, "{{ batch }}"]
    dry_run: [--dry-run]
    arguments: [-y]
    count:
      regex: 'would delete (\d+) rows'
    most: 50000
    confirmation: "{{ batch }}"
    confirm: "{{ confirm | default('') }}"
    chdir: /srv/www.example.com/current
    path: /srv/www.example.com
  become: true
  become_user: www-data

- name: Run the queue, with what became of every job
  runbook.ops.guarded_command:
    name: places queue
    command: [php, tools/ops/run_places_queue.php, --max, "3"]
    dry_run: [--dry-run]
    count:
      lines: '^job \d+'
    confirmation: run
    confirm: run
    summary: 'job (?P<job>\d+): pages=(?P<pages>\d+) inserted=(?P<inserted>\d+) updated=(?P<updated>\d+) batch_id=(?P<batch_id>\S+)'
    chdir: /srv/www.example.com/current
    logs:
      - storage/logs/ops/places_queue_{{ '%Y%m%d' | strftime }}.log

- name: Put stuck jobs back, which this command can't rehearse
  runbook.ops.guarded_command:
    name: stuck jobs
    command: [php, tools/ops/fix_stuck_jobs.php]
    dry_run_command: [php, tools/ops/list_jobs.php, --stuck, --json]
    count:
      query: jobs
    most: 100
    confirmation: stuck jobs
    confirm: "{{ confirm | default('') }}"
    chdir: /srv/www.example.com/current
"""

RETURN = r"""
msg:
  description: One line; without the confirmation it says which variable to set to what.
  returned: always
  type: str
name:
  description: What was asked for.
  returned: when the options are valid
  type: str
status:
  description: The worst status of RV(steps).
  returned: when the dry run was done
  type: str
confirmed:
  description: Whether it was confirmed and allowed.
  returned: when the dry run was done
  type: bool
count:
  description: How many the dry run is about, V(null) without O(count).
  returned: when the dry run was done
  type: int
steps:
  description: The dry run and the run, each in the form that all checks have. A run that was not done is V(skipped).
  returned: when the dry run was done
  type: list
  elements: dict
  contains:
    name: {description: "V(dry run) or V(run).", type: str, returned: always}
    status: {description: "V(ok), V(failed), V(crashed) or V(skipped).", type: str, returned: always}
    value: {description: How many the dry run is about; how many items the run told., type: int, returned: always}
    unit: {description: Always empty., type: str, returned: always}
    warn: {description: Always null., type: int, returned: always}
    crit: {description: O(most)., type: int, returned: always}
    message: {description: What happened., type: str, returned: always}
    duration_ms: {description: "How long it took, in milliseconds.", type: float, returned: always}
    rc: {description: "What it ended with, 124 after a timeout, null when it was not run.", type: int, returned: always}
rc:
  description: What the command ended with.
  returned: when it was run
  type: int
jobs:
  description: What the command said of each job, by the groups of O(summary). At most 1000.
  returned: when the dry run was done
  type: list
  elements: dict
  sample: [{job: 17, pages: 3, inserted: 52, updated: 8, batch_id: b_20261121}]
totals:
  description: The sums of those that are numbers in all items.
  returned: when the dry run was done
  type: dict
stdout:
  description: The end of what the command printed, without secrets.
  returned: when the dry run was done
  type: str
stderr:
  description: The end of its errors, without secrets.
  returned: when the dry run was done
  type: str
dry_run_stdout:
  description: The end of what the dry run printed, without secrets.
  returned: when the dry run was done
  type: str
dry_run_stderr:
  description: The end of its errors, without secrets.
  returned: when the dry run was done
  type: str
logs:
  description: Where more can be read.
  returned: when the dry run was done
  type: list
  elements: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._jobs.guarded import GUARDED, guarded_command


def main() -> None:
    run_module(GUARDED, guarded_command)


if __name__ == "__main__":
    main()
