# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest


@pytest.fixture
def logs(tmp_path):
    """A folder that only this account may write, on a real disk."""
    os.chmod(tmp_path, 0o755)
    return tmp_path
