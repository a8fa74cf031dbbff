# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_ini import read_ini
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_values import Broken

TEXT = """; comment
top = 1
[client]
user=shop
password = "a;b#c" ; comment
host = db.example.com # comment
skip-networking
!includedir /etc/mysql/conf.d/

[php]
memory_limit = 512M
list[] = a
list[] = b
long = one
  two
single = 'x\\y'
"""


def test_names_are_those_of_their_section():
    settings = read_ini(TEXT)
    found = {name: settings.get(name).text for name in settings.names()}
    assert found == {
        "top": "1",
        "client.user": "shop",
        "client.password": "a;b#c",
        "client.host": "db.example.com",
        "client.skip-networking": "true",
        "php.memory_limit": "512M",
        "php.list.0": "a",
        "php.list.1": "b",
        "php.long": "one\ntwo",
        "php.single": "x\\y",
    }


@pytest.mark.parametrize(
    ("text", "words"), [("a=${HOME}", "environment"), ("a=b;c", "has a ;"), ('a="b', "not closed"), ('a="b" c', "not")]
)
def test_not_readable(text, words):
    assert words in read_ini(text).get("a").why


@pytest.mark.parametrize("text", ["a=b\nMIIEvQ==", "[x\na=b", "a=1\n+++"])
def test_broken(text):
    with pytest.raises(Broken, match="line") as caught:
        read_ini(text)
    assert "MII" not in caught.value.message
