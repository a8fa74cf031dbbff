# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small site for every test."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest
from faults.small_site import SmallSite


@pytest.fixture
def quick():
    """A folder in memory where there is one: what is tested flushes every step to the disk."""
    folder = tempfile.mkdtemp(prefix="runbook-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def www(quick):
    """A site that nothing was staged on yet."""
    return SmallSite(quick)


@pytest.fixture
def three(www):
    """Releases r1, r2 and r3, the last one current."""
    for number in (1, 2, 3):
        www.deploy(f"r{number}", {"index.php": f"version {number}\n", "lib/same.php": "same\n"})
        www.age(f"r{number}", 600 - number)
    return www
