# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who waits for work that can't say how far it is."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.progress import silent
from ansible_collections.runbook.ops.plugins.module_utils._common.ticker import ticking


def test_it_says_that_it_still_runs_and_stops():
    lines, said = [], threading.Event()

    def say(line):
        lines.append(line)
        said.set()

    with pytest.raises(ValueError, match="the work's own"), ticking(say, "import", every=0.01):
        assert said.wait(10)
        raise ValueError("the work's own")
    count = len(lines)
    time.sleep(0.1)
    assert len(lines) == count and lines[0] == "import, 0:00"


def test_short_work_and_work_that_nobody_watches_say_nothing():
    lines = []
    with ticking(lines.append, "import", every=60):
        pass
    before = threading.active_count()
    with ticking(silent, "import", every=0.01):
        assert threading.active_count() == before
    assert lines == []
