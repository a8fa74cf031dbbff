# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import shlex

from ansible_collections.runbook.ops.plugins.module_utils._jobs.escape import cron_words, systemd_text, systemd_words

ODD = ["100%", "$HOME", 'say "x"', "it's", "back\\slash", "a b", "!", "%i", "~", "*", "ü"]


def as_cron(line):
    """What a shell that cron starts would make of it: an unescaped % would have ended it."""
    assert "%" not in line.replace("\\%", "")
    return shlex.split(line.replace("\\%", "%"))


def test_cron():
    assert as_cron(cron_words(ODD)) == ODD
    chance = random.Random(7)
    for _round in range(200):
        words = ["".join(chance.choice("a%\\'\" $!") for _letter in range(8)) for _word in range(3)]
        if not any("\\%" in word for word in words):
            assert as_cron(cron_words(words)) == words


def test_systemd():
    assert systemd_words(["a b", "100%", "$X", 'x"y\\z\n']) == '"a b" "100%%" "$$X" "x\\"y\\\\z\\n"'
    assert systemd_text("100% of it") == "100%% of it"
    # Without the blank the next line would be part of this one.
    assert systemd_text("x\\") == "x\\ "
