# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People's texts in the files of systemd and cron, where some characters mean something; nowhere else are they written there."""

from __future__ import annotations

import shlex
import typing as t


def systemd_words(words: t.Sequence[str]) -> str:
    """Arguments of ``ExecStart=``, as they are: no specifier (``%``), no variable (``$``), no escape."""
    return " ".join(f'"{_systemd(word)}"' for word in words)


def _systemd(word: str) -> str:
    special = {"\\": "\\\\", '"': '\\"', "%": "%%", "$": "$$", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return "".join(special.get(char, char) for char in word)


def systemd_text(text: str) -> str:
    """One line of plain text, such as a ``Description=``."""
    line = text.replace("%", "%%")
    # A backslash at its end would join the next line to it; a blank behind is not counted.
    return f"{line} " if line.endswith("\\") else line


def cron_words(words: t.Sequence[str]) -> str:
    """A command in a crontab: quoted for the shell that cron starts, and each ``%``, which is a line break for cron, escaped."""
    return shlex.join(words).replace("%", "\\%")
