# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import random
import string
import subprocess

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_shell import read_shell
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_values import Broken

MEANS = [
    "A=b",
    "A=",
    "export A=b",
    "A=b # c",
    "A=b#c",
    "A='b # c'",
    "A=\"b\"'c'd",
    "A='it'\\''s'",
    'A="x\\"y\\\\z\\n"',
    "A=x\\ y\\$B",
    'A="one\ntwo"',
    'A="one\\\ntwo"',
    "B=x; A=$B-${B}y",
    "A=${B:-default}",
    'A="\\$B"',
    "A='$B'",
    "set -a\nA=b\nset +a",
    "A=b; export A",
]


@pytest.mark.parametrize("text", MEANS)
def test_means_what_a_shell_makes_of_it(text, tmp_path):
    assert by_shell(text, tmp_path) == read_shell(text).get("A").text


def by_shell(text, folder):
    pathlib.Path(folder / "x.env").write_text(text)
    words = ["sh", "-c", f'. {folder}/x.env; printf "%s." "$A"']
    return subprocess.run(words, capture_output=True, text=True, check=True, env={}).stdout[:-1]


def test_random_texts_mean_what_a_shell_makes_of_them(tmp_path):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    letters = string.ascii_lowercase + string.digits + " \\'\"#=;.-_/+:,@%^~\n"
    for _round in range(60):
        inner = "".join(chance.choice(letters) for _time in range(chance.randrange(12)))
        single = inner.replace("'", "'\\''")
        double = inner.replace("\\", "\\\\").replace('"', '\\"')
        text = chance.choice([f"A='{single}'", f'A="{double}"', f"A='{single}'x\"{double}\" # c"])
        assert read_shell(text).get("A").text == by_shell(text, tmp_path), (seed, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A=$(date)", "command"),
        ('A="x`date`"', "command"),
        ("A=b c", "for a command"),
        ("A=b | c", "for a command"),
        ("A=b&", "made by a command"),
        ("A=$B", "not set before it"),
        ("A=${B%x}", "only the program"),
    ],
)
def test_what_a_shell_would_compute_is_not_readable(text, words):
    assert words in read_shell(text).get("A").why


@pytest.mark.parametrize("text", ["A=b\nrm -rf /", "A='b", "if true; then", "A = b", "MIIEvQ"])
def test_anything_but_assignments_is_refused(text):
    with pytest.raises(Broken, match=r"^line \d "):
        read_shell(text)
