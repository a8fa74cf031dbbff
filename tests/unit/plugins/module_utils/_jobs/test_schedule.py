# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._jobs.schedule import parse


@pytest.mark.parametrize(
    ("text", "cron", "calendar"),
    [
        ("hourly", "0 * * * *", ("*-*-* *:00:00",)),
        ("hourly :30", "30 * * * *", ("*-*-* *:30:00",)),
        ("daily", "0 0 * * *", ("*-*-* 00:00:00",)),
        ("Daily 02:00", "0 2 * * *", ("*-*-* 02:00:00",)),
        ("weekly", "0 0 * * 1", ("Mon *-*-* 00:00:00",)),
        ("weekly sunday 3:05", "5 3 * * 0", ("Sun *-*-* 03:05:00",)),
        ("monthly", "0 0 1 * *", ("*-*-01 00:00:00",)),
        ("monthly 15 04:00", "0 4 15 * *", ("*-*-15 04:00:00",)),
        ("*/15 8-10 * jan,3 *", "*/15 8-10 * jan,3 *", ("*-01,03-* 08,09,10:00,15,30,45:00",)),
        ("0 5 1 * 7", "0 5 1 * 7", ("*-*-01 05:00:00", "Sun *-*-* 05:00:00")),
        ("Mon..Fri *-*-* 22:00", "", ("Mon..Fri *-*-* 22:00",)),
    ],
)
def test_means(text, cron, calendar):
    found = parse(text, "shop")
    assert (found.cron, found.calendar) == (cron, calendar)


@pytest.mark.parametrize(
    "text",
    ["", "nightly", "daily 25:00", "daily 02:60", "daily sun", "hourly 02:30", "daily :30", "weekly moon", "monthly 31", "60 * * * *",
     "5-2 * * * *", "*/0 * * * *", "0 0 * * blue", "*-3 * * * *", "*-*-* 02:00\nExecStart=/bin/sh", "daily 02:00; rm"],
)  # fmt: skip
def test_refuses(text):
    with pytest.raises(InvalidInput, match="shop"):
        parse(text, "shop")
