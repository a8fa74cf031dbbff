# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of time servers, the wrong ones above all."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks import sntp, time_skew
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError

NOW = 1_800_000_000.0


def packet(first=0x24, stratum=2, code=b"LOCL", arrived=NOW, left=NOW):
    def stamp(seconds):
        return struct.pack("!II", (int(seconds) + sntp.ERA) & 0xFFFFFFFF, int(seconds % 1 * (1 << 32)))

    return struct.pack("!BBbbII4s", first, stratum, 6, -20, 0, 0, code) + bytes(16) + stamp(arrived) + stamp(left)


def answer(data, sent=NOW, received=NOW):
    return sntp._answer(data, sent, received, "ntp.example.com:123")


def test_offset_and_delay():
    # RFC 4330, section 5: T1 = 0, T2 = 5.25, T3 = 5.75, T4 = 1.5 after NOW.
    found = answer(packet(arrived=NOW + 5.25, left=NOW + 5.75), received=NOW + 1.5)
    assert (found.offset, found.delay, found.stratum) == (pytest.approx(4.75), pytest.approx(1.0), 2)


def test_the_era_after_2036():
    moment = 2_100_000_000.0  # 2036-07-18, when the counter has begun anew
    assert answer(packet(arrived=moment, left=moment), moment, moment).offset == pytest.approx(0)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (packet(first=0xE4), "does not know the time itself"),
        (packet(stratum=16), "does not know the time itself"),
        (packet(stratum=0, code=b"DENY"), "sends us away (DENY)"),
        (packet(first=0x23), "is no time server (mode 3)"),
        (packet(arrived=-sntp.ERA, left=-sntp.ERA), "answers without a time"),
    ],
)
def test_answers_that_tell_no_time(data, said):
    with pytest.raises(RunbookError) as error:
        answer(data)
    assert said in error.value.message


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ntp.example.com", ("ntp.example.com", 123)),
        ("192.0.2.1:1123", ("192.0.2.1", 1123)),
        ("2001:db8::1", ("2001:db8::1", 123)),
        ("[2001:db8::1]:1123", ("2001:db8::1", 1123)),
    ],
)
def test_servers(text, found):
    assert time_skew._server({"server": text}) == found
