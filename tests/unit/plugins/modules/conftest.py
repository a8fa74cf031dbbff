# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from faults.small_site import SmallSite


@pytest.fixture
def www(tmp_path):
    """A site with r1 and r2, the second current, and r3 ready."""
    www = SmallSite(tmp_path)
    www.deploy("r1", {"index.php": "1\n"})
    www.deploy("r2", {"index.php": "2\n"})
    www.stage("r3", {"index.php": "3\n"})
    return www
