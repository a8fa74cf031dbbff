# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules for jobs share, as in ``_jobs/use_cases.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  jobs:
    description:
      - The jobs.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The job's name, of small letters, digits, C(-) and C(_).
        type: str
        required: true
      kind:
        description:
          - V(database) makes a backup, copies it to another place and removes old ones. V(files) does that for a folder, with restic.
            V(command) runs a command of yours.
        type: str
        choices: [database, files, command]
        default: database
      schedule:
        description:
          - When it runs, by the host's clock - V(hourly), V(hourly :30), V(daily 02:00), V(weekly sun 03:00), V(monthly 1 04:00), five
            fields of cron such as V(*/15 * * * *), or an C(OnCalendar) of systemd such as V(Mon..Fri *-*-* 22:00).
          - A job without a schedule runs only when it is asked for.
        type: str
      backup:
        description:
          - Options of M(runbook.ops.db_backup) or M(runbook.ops.files_backup), without secrets.
        type: dict
      offsite:
        description:
          - Options of M(runbook.ops.offsite_copy) for a job of the kind V(database), without secrets. C(dest) and C(name) are the backup's.
            Without it backups stay on the host only.
        type: dict
      retention:
        description:
          - What to keep, as for M(runbook.ops.db_backup_prune) - C(keep_last), C(keep_hourly), C(keep_daily), C(keep_weekly),
            C(keep_monthly), C(keep_yearly), C(min_good). Without it nothing is removed.
        type: dict
      command:
        description:
          - The command of a job of the kind V(command), as a list of arguments or a text that is split as a shell would.
        type: raw
      secrets:
        description:
          - Options that nobody may see, such as C(login_password), C(password) and C(repository_env) of restic, C(config) of a remote.
            They are kept in the job's file, which only root can read.
        type: dict
      timeout:
        description:
          - How long the job may take. After that it is stopped, with all that it started, and has failed.
        type: str
        default: 6h
  name:
    description:
      - The name of the set of jobs, of small letters and digits. Sites that share a host have a set each.
    type: str
    default: backup
  log:
    description:
      - A file that gets a line when a job starts and when it ends.
    type: path
    default: /var/log/runbook/backup.log
  state_dir:
    description:
      - Where locks are, and one C(jobs/<set>/<job>.jsonl) for each job with a line for every attempt.
    type: path
    default: /var/lib/runbook
  alert_command:
    description:
      - A command that is run when a job fails, as a list of arguments or a text that is split as a shell would.
      - It gets E(RUNBOOK_JOB), E(RUNBOOK_HOST), E(RUNBOOK_STATUS), E(RUNBOOK_MESSAGE) and E(RUNBOOK_ENDED), and the same as JSON
        on its standard input.
    type: raw
"""
