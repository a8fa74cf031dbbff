# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios share. They drive the collection as a user would and look at the hosts."""

from __future__ import annotations

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))

import driver


def _host(name):
    @pytest.fixture(scope="session", name=name)
    def host():
        return driver.Host(name)

    return host


web1, web2, web3, db1 = (_host(name) for name in ("web1", "web2", "web3", "db1"))


@pytest.fixture(scope="session")
def webs(web1, web2):
    return [web1, web2]
