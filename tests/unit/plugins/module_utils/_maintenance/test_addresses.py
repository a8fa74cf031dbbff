# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses become the names that the snippets ask for."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.addresses import MOST_NAMES, allow_names


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ("203.0.113.7", ["203.0.113.7"]),
        ("203.0.113.7/32", ["203.0.113.7"]),
        ("203.0.113.0/24", ["203.0.113"]),
        ("203.0.113.64/30", ["203.0.113.64", "203.0.113.65", "203.0.113.66", "203.0.113.67"]),
        ("198.51.100.0/22", ["198.51.100", "198.51.101", "198.51.102", "198.51.103"]),
        ("198.18.0.0/15", ["198.18", "198.19"]),
        ("10.0.0.0/8", ["10"]),
        ("192.0.0.0/7", ["192", "193"]),
        ("2001:DB8:0::7", ["2001:db8::7"]),
        ("2001:db8:1:2::/64", ["2001:db8:1:2"]),
        ("2001:db8::/63", ["2001:db8:0:0", "2001:db8:0:1"]),
        ("2001:db8:a::/48", ["2001:db8:a"]),
        ("2001:db8::/32", ["2001:db8"]),
        ("2001:db8::8/127", ["2001:db8::8", "2001:db8::9"]),
        ("::1", ["::1"]),
        ("::ffff:203.0.113.7", ["203.0.113.7"]),
        ("::ffff:203.0.113.0/120", ["203.0.113"]),
        ("203.0.113.7, 203.0.113.9\n203.0.113.8", ["203.0.113.7", "203.0.113.8", "203.0.113.9"]),
        ("", []),
    ],
)
def test_names(entry: str, names: list[str]) -> None:
    assert allow_names([entry]) == names


@pytest.mark.parametrize("length", range(1, 33))
def test_every_ipv4_length_has_few_names(length: int) -> None:
    assert 1 <= len(allow_names([f"0.0.0.0/{length}"])) <= 128


def test_many_ipv6_names_are_still_few() -> None:
    assert len(allow_names(["2001:db8::/56"])) == MOST_NAMES


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("0.0.0.0/0", "everybody"),
        ("::/0", "everybody"),
        ("2001:db8::/55", "IPv6 lengths"),
        ("2001:db8::/96", "IPv6 lengths"),
        ("203.0.113.7/24", "did you mean 203.0.113.0/24 or 203.0.113.7"),
        ("fe80::1%eth0", "interface"),
        ("www.example.com", "neither"),
        ("203.0.113.007", "neither"),
        ("../../etc", "neither"),
        ("203.0.113.7/33", "neither"),
    ],
)
def test_what_cannot_be(entry: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        allow_names([entry])
