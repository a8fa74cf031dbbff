# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._jobs.due import last_due


def at(text):
    return datetime.datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("cron", "now", "due"),
    [
        ("0 2 * * *", "2026-03-10T02:00:00", "2026-03-10T02:00:00"),
        ("0 2 * * *", "2026-03-10T01:59:59", "2026-03-09T02:00:00"),
        ("*/15 * * * *", "2026-03-10T10:44:00", "2026-03-10T10:30:00"),
        ("0 3 * * 0", "2026-03-10T10:00:00", "2026-03-08T03:00:00"),
        ("0 3 * * 7", "2026-03-10T10:00:00", "2026-03-08T03:00:00"),
        ("0 0 1 1 *", "2026-03-10T10:00:00", "2026-01-01T00:00:00"),
        ("0 0 29 2 *", "2026-03-10T10:00:00", "2024-02-29T00:00:00"),
        # Either day counts, but not when one begins with a star: the second day that is odd and a Monday.
        ("0 5 9 * 5", "2026-03-12T10:00:00", "2026-03-09T05:00:00"),
        ("0 5 */2 * 1", "2026-03-12T10:00:00", "2026-03-09T05:00:00"),
        ("0 5 */2 * 2", "2026-03-12T10:00:00", "2026-03-03T05:00:00"),
        ("59 23 31 12 *", "2026-01-01T00:00:00", "2025-12-31T23:59:00"),
    ],
)
def test_last_due(cron, now, due):
    assert last_due(cron, at(now)) == at(due)


def test_never():
    assert last_due("0 0 30 2 *", at("2026-03-10T10:00:00")) is None
