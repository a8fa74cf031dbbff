#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: log_rotate
short_description: Rotate logs without losing a line
version_added: 0.1.0
description:
  - Cuts logs that are due, compresses what was cut when no process writes to it any more, and removes rotated files that are too many,
    too old or too large together. That last part is done also when nothing is due.
  - A rotated file is called C(<log>-<YYYYMMDD-HHMMSS>) (UTC) or C(<log>.<number>), with C(.gz) or C(.zst) when it is compressed. An
    archive is read
    back and compared before what it was made of is removed.
  - A run that is killed at any moment loses nothing; the next one finishes or undoes what it had begun, and says so.
  - Runs at the same time wait for each other.
  - A log that is a symbolic link, has several hard links or is no regular file is refused, and so is a folder that several accounts may
    write. Where it is
    one account, the work is done as that account. The other logs are rotated; then the task fails and says which were not.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
author:
  - runbook.ops contributors (@runbook-ops)
options:
  paths:
    description:
      - The logs, as absolute paths or globs, in which C(**) stands for any folders.
      - Rotated files are not taken for logs. Logs of which only rotated files are left are tidied up too.
    type: list
    elements: path
    required: true
  exclude:
    description:
      - Globs of paths or names that are left alone.
    type: list
    elements: str
    default: []
  allow_missing:
    description:
      - Whether an entry of O(paths) may mean no log at all.
    type: bool
    default: false
  max_size:
    description:
      - A log that is larger is due, in MB of 1,000,000 bytes.
      - Without O(max_size) and O(every), every log is due that is not empty. With both, one of them is enough.
    type: float
  every:
    description:
      - A log is due when so much time has passed since it was last rotated, for example V(1d).
    type: str
  keep:
    description:
      - How many rotated files of a log stay. All if not given.
    type: int
  max_days:
    description:
      - Rotated files that are older are removed, in days. The date in the name counts, with numbers the time of the last line.
    type: float
  max_total_size:
    description:
      - What the rotated files of one log may take together, in MB. The oldest go first, the newest stays in any case.
    type: float
  compress:
    description:
      - How rotated files are compressed, also those that an earlier run had to leave.
      - One that a process still writes to is left for the next run. V(zstd) needs the program of that name.
    type: str
    choices: [none, gzip, zstd]
    default: gzip
  dest:
    description:
      - The folder for rotated files, absolute or relative to each log's own, which is the default. It is made if it is missing.
      - Logs of the same name can't share one.
    type: path
  suffix:
    description:
      - Whether rotated files carry the moment or a number, of which V(1) is the newest.
    type: str
    choices: [date, number]
    default: date
  create:
    description:
      - Whether a log that was renamed is replaced by a new, empty one, in the same step.
    type: bool
    default: true
  owner:
    description:
      - The new log's owner. That of the old one by default.
    type: str
  group:
    description:
      - The new log's group. That of the old one by default.
    type: str
  mode:
    description:
      - The new log's mode, for example V('0640'). That of the old one by default.
    type: raw
  reopen:
    description:
      - How the writers are asked to open their logs anew, once for all logs that were renamed.
      - Exactly one of O(reopen.pid_file), O(reopen.unit) and O(reopen.command). A process that does not run is no error.
    type: dict
    suboptions:
      pid_file:
        description:
          - A file with the number of the process that gets O(reopen.signal). One that is not root's may only name a process of
            its owner's.
        type: path
      unit:
        description:
          - A systemd unit whose main process gets O(reopen.signal).
        type: str
      command:
        description:
          - A command, as a list of arguments or a text that is split as a shell would. Nothing else is done by a shell.
        type: raw
      signal:
        description:
          - The signal. nginx, Apache (graceful) and PHP-FPM reopen their logs on V(USR1), rsyslog on V(HUP).
        type: str
        default: HUP
  wait:
    description:
      - How many seconds the writers are waited for after O(reopen), so that their old files can be compressed now.
    type: float
    default: 5.0
  method:
    description:
      - V(auto) takes V(rename) when O(reopen) is given or nobody has the log open for writing, else V(collapse) where the file system
        can, else
        V(pause) with O(allow_pause), else V(copytruncate) with O(allow_loss), else it refuses.
      - V(rename) gives the log another name. Who has it open goes on writing there until it reopens the log.
      - V(collapse) copies whole blocks and takes them off the log's beginning in one step of the kernel (ext4, xfs), unseen by the
        writers, who must
        write in append mode. Lines stay whole; if no line's end within 16 MB is a block's end too, a line of spaces is left at the log's
        beginning.
      - V(pause) stops the writing processes for some milliseconds, copies the rest and truncates. A log that nobody holds open at that
        moment is renamed instead, which suits those who open it for each line. Logs to which both kinds write need another method.
      - V(copytruncate) copies and truncates while they write. B(Lines that are written meanwhile are lost.)
    type: str
    choices: [auto, rename, collapse, pause, copytruncate]
    default: auto
  allow_pause:
    description:
      - Whether V(auto) may stop the writers for a moment.
    type: bool
    default: false
  allow_loss:
    description:
      - Whether lines that are written meanwhile may be lost, if there is no other way.
    type: bool
    default: false
  user:
    description:
      - The account to work as, for folders that several accounts may write. To name it is to say that the others are trusted with its
        files.
      - Needed, too, where root's folder may be written by a group, as C(/var/log) by C(syslog) on Ubuntu.
    type: str
notes:
  - While a log is cut by V(collapse), V(pause) or V(copytruncate), C(.<log>.runbook-cut) and a copy lie beside it.
seealso:
  - module: runbook.ops.backup_schedule
"""

EXAMPLES = r"""
- name: Rotate the logs of nginx above 25 MB, keep two weeks
  runbook.ops.log_rotate:
    paths: [/var/log/nginx/*.log]
    max_size: 25
    max_days: 14
    reopen:
      pid_file: /run/nginx.pid
      signal: USR1

- name: Rotate an application's logs every day, though it can't reopen them
  runbook.ops.log_rotate:
    paths: [/srv/*/shared/storage/logs/*.log]
    every: 1d
    keep: 30
    max_total_size: 500
    compress: zstd
    dest: old
    allow_missing: true

- name: Show what would happen to the log of a program that only a pause helps
  runbook.ops.log_rotate:
    paths: [/var/log/legacy/app.log]
    suffix: number
    keep: 9
    method: pause
  check_mode: true
  diff: true
"""

RETURN = r"""
logs:
  description:
    - Each log, with C(path), C(action) (V(rotated), V(kept) or V(refused)) and C(reason).
    - Of one that was rotated also C(method) and C(method_reason); C(rotated), the path of its rotated file; C(before) and C(after), each
      with C(bytes) and C(lines), of what was cut from the log and of what was read back from the rotated file; C(live_bytes), what is in
      the log now;
      and C(deferred), who still writes to the rotated file, so that C(after) is known after the next run only.
    - C(recovered) says what was made of a run that was killed.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /var/log/nginx/access.log
      action: rotated
      reason: it is larger than 25 MB
      method: rename
      method_reason: its writer can reopen it
      rotated: /var/log/nginx/access.log-20260102-030405.gz
      before: {bytes: 26214500, lines: 131072}
      after: {bytes: 26214500, lines: 131072}
      live_bytes: 0
rotated:
  description: How many logs were, or would be, rotated.
  returned: success
  type: int
archived:
  description:
    - Rotated files that were compressed or moved, with C(source), C(path), C(stored_bytes), and C(before) and C(after) as in RV(logs). In
      check mode only
      where they would be, and without those that would be cut.
  returned: success
  type: list
  elements: dict
deferred:
  description: Rotated files that a process still writes to, with C(path) and C(reason). The next run compresses them.
  returned: success
  type: list
  elements: dict
removed:
  description: Rotated files that were, or would be, removed, with C(path), C(bytes) and C(reason).
  returned: success
  type: list
  elements: dict
freed_bytes:
  description: What their removal freed.
  returned: success
  type: int
missing:
  description: Entries of O(paths) that mean no log.
  returned: success
  type: list
  elements: str
errors:
  description: One line for each log that could not be rotated.
  returned: failure
  type: list
  elements: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._logs.rotate import log_rotate
from ansible_collections.runbook.ops.plugins.module_utils._logs.rotate_options import ROTATE


def main() -> None:
    run_module(ROTATE, log_rotate)


if __name__ == "__main__":
    main()
