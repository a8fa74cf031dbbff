# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._report.changes import Look, changes_of


def kinds(before, after):
    return [change.kind for change in changes_of({("web1", "a"): (before, after), ("web1", "other"): (look(), look())})]


def look(status="ok", value=None, unit=""):
    return Look(status, value, unit, "")


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (look(), look("warning"), ["worse"]),
        (look("failed"), look("crashed"), ["worse"]),
        (look("crashed"), look("warning"), ["better"]),
        (look("skipped"), look("ok"), []),
        (look("ok"), look("skipped"), []),
        (None, look("ok"), ["new"]),
        (look("ok"), None, ["gone"]),
        (look(value=100, unit="ms"), look(value=151, unit="ms"), ["value"]),
        (look(value=100, unit="ms"), look(value=140, unit="ms"), []),
        (look(value=100, unit="GB"), look(value=50, unit="GB"), ["value"]),
        (look(value=1, unit="ms"), look(value=4, unit="ms"), []),
        (look(value=100, unit="s"), look(value=900, unit="s"), []),
        (look(value="100", unit="ms"), look(value=900, unit="ms"), []),
        (look(value=0, unit="ms"), look(value=900, unit="ms"), []),
    ],
)
def test_kinds(before, after, kind):
    assert kinds(before, after) == kind


def test_on_the_first_day_nothing_is_new():
    assert changes_of({("web1", "a"): (None, look("failed"))}) == []
