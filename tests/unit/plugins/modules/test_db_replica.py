# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and one line for bad input."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._database.replica import REPLICA
from ansible_collections.runbook.ops.plugins.modules import db_replica
from contract import complaints, run


def test_documentation_and_options_agree():
    assert complaints(db_replica, REPLICA, secrets=("login_password", "upstream_password")) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "sqlite"}, "replication of sqlite is not known here"),
        ({"engine": "redis", "action": "fence"}, "replication of redis is not known here"),
        ({"action": "follow"}, "upstream_host, upstream_user"),
        ({"action": "mark", "name": "shop"}, "marker"),
        ({"timeout": 0}, "timeout 0 is not between"),
        ({"name": "mysql"}, "belongs to the server"),
        ({"engine": "postgresql", "login_password": "a\nb"}, "line break"),
    ],
)
def test_one_line_for_bad_input(options, message):
    status, result = run(db_replica, **{"engine": "mariadb", **options})
    assert (status, message in result["msg"]) == (1, True), result["msg"]
