# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that runs jobs on a host without Ansible: ``python3 jobs.pyz /etc/runbook/jobs/NAME.json``.

It ends with 0 when the job succeeded, 1 when it failed, 2 when the job could not be read.
"""

from __future__ import annotations

import sys

from .._common.errors import RunbookError
from .._common.runner import Run
from .plan import read
from .work import run_job


def main(arguments: list[str] | None = None) -> int:
    """Run the one job that is named."""
    given = sys.argv[1:] if arguments is None else arguments
    if len(given) != 1 or given[0].startswith("-"):
        sys.stderr.write("usage: jobs.pyz JOBFILE, such as /etc/runbook/jobs/database.json\n")
        return 2
    try:
        job = read(given[0])
    except RunbookError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2
    outcome = run_job(job, Run(warn=lambda text: _say(f"warning: {text}")), alert=True)
    _say(f"{job.called}: {outcome.status} after {outcome.value:.1f} s{f': {outcome.message}' if outcome.message else ''}")
    return 0 if outcome.status == "ok" else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
