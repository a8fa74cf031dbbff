# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs neither a server nor pymongo."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._database import mongodb_client as client
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Login
from ansible_collections.runbook.ops.plugins.module_utils._database.mongodb import MongoDB


def test_names_of_files_are_mongodumps():
    assert client.file_name("orders") == "orders"
    assert client.file_name("odd/name %م") == "odd%2Fname%20%25%D9%85"
    long = client.file_name("م" * 60)
    assert len(long) == 208 + 3 + 28 and long != client.file_name("م" * 61)


def test_without_pymongo_one_line_names_the_package(monkeypatch):
    monkeypatch.setattr(client, "HAVE_PYMONGO", False)
    with pytest.raises(RunbookError, match="install the package python3-pymongo"):
        MongoDB(Login()).server()


@pytest.mark.parametrize("name", ["", "a b", "a.b", "a/b", "a$", 'a"', "a\\b", "admin", "config", "local", "x" * 64, "a\n", "a\0"])
def test_names_that_can_not_be(name):
    with pytest.raises(InvalidInput):
        MongoDB(Login()).check_name(name)


def test_a_side_is_named_after_its_database():
    engine = MongoDB(Login())
    assert engine.side_name("shop", "abcd1234") == "shop/rb_abcd1234"
    engine.check_name("shop/rb_abcd1234")
