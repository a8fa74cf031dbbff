# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._jobs.scheduled import JOB_SCHEDULE
from ansible_collections.runbook.ops.plugins.modules import job_schedule
from contract import complaints, run


def test_documentation_and_options_agree():
    assert complaints(job_schedule, JOB_SCHEDULE) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": [{"name": "a", "command": "true", "schedule": "nightly"}]}, "'nightly' of a is not understood"),
        ({"jobs": [{"name": "a", "schedule": "daily"}]}, "missing required arguments: command"),
        ({"crontab": "CRON_TZ=UTC"}, "line 1 of the crontab: CRON_TZ is not supported"),
        ({"jobs": [{"name": "a", "command": "true", "schedule": "Mon *-*-* 02:00", "missed_after": "9d"}]}, "cron can't do the schedule"),
        ({"watch": "sometimes"}, "'sometimes' of watch is not understood"),
    ],
)
def test_bad_input_is_one_line(options, message):
    status, failed = run(job_schedule, True, manager="cron", **options)
    assert (status, message in failed["msg"], "\n" in failed["msg"]) == (1, True, False), failed["msg"]
