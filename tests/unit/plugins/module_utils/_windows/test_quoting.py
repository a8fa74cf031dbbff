# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import subprocess

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._windows import quoting

CASES = [
    ("plain", "plain"),
    ("", '""'),
    ("two words", '"two words"'),
    ("C:\\Program Files\\PHP\\", '"C:\\Program Files\\PHP\\\\"'),
    ("C:\\sites\\", "C:\\sites\\"),
    ('say "hi"', '"say \\"hi\\""'),
    ('\\"', '"\\\\\\""'),
    ("a&b", '"a&b"'),
    ("--max=5", "--max=5"),
    ("تنبيه", '"تنبيه"'),
]


@pytest.mark.parametrize(("argument", "written"), CASES)
def test_an_argument_as_windows_reads_it(argument, written):
    assert quoting.quoted(argument) == written


def test_what_is_joined_is_split_again_whatever_it_is():
    chance = random.Random(5)
    for _round in range(2000):
        words = ["".join(chance.choice('ab\\" \t&%') for _letter in range(chance.randrange(7))) for _word in range(chance.randrange(1, 5))]
        assert quoting.split(quoting.joined(words), "t") == words
        # Another writer of the same rules.
        assert quoting.split(subprocess.list2cmdline(words), "t") == words


def test_a_quote_that_is_left_open():
    with pytest.raises(InvalidInput, match="not closed"):
        quoting.split('php.exe "run', "places")


def test_a_log_takes_cmd():
    assert quoting.logged("C:\\Program Files\\PHP\\php.exe", ["run.php", "--only=a,b", "x&y"], "C:\\logs\\out.log", "t") == (
        '/d /s /v:off /c ""C:\\Program Files\\PHP\\php.exe" run.php "--only=a,b" "x&y" >> C:\\logs\\out.log 2>&1"'
    )


@pytest.mark.parametrize("bad", ['say "hi"', "%PATH%", "100%"])
def test_what_cmd_would_change_is_refused(bad):
    with pytest.raises(InvalidInput, match="leave log out"):
        quoting.logged("php.exe", [bad], "C:\\out.log", "places")
