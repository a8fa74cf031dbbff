# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_systemd import read_systemd
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_values import Broken


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b c # d", "b c # d"),
        ("A= b ", "b"),
        ("; c\n# c\nA='b c'", "b c"),
        ('A="b\\"c\\d"', 'b"c\\d'),
        ("A='b\\c'", "b\\c"),
        ("A=b'c\"", "b'c\""),
        ("A='b' \"c\" d ", "bcd"),
        ("A=b\\ \\\\ ", "b \\"),
        ("A=b\\\nc", "bc"),
        ("A=$B${C}", "$B${C}"),
        ('A="one\ntwo"', "one\ntwo"),
        ("A=1\nA=2", "2"),
    ],
)
def test_systemd(text, value):
    assert read_systemd(text).get("A").text == value


@pytest.mark.parametrize("text", ["A", "A='b", 'A="b', "A=b\nMIIEvQ==", "A=b\n1A=c"])
def test_broken(text):
    with pytest.raises(Broken, match=r"^line \d ") as caught:
        read_systemd(text)
    assert "MII" not in caught.value.message
