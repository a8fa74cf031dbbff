# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of journald, as lines that patterns can be looked for in."""

from __future__ import annotations

import json
import subprocess
import typing as t

from .._common.process import Command, Process, find_program
from .scan_content import BLOCK, lines_of
from .scan_window import Window

_FIELDS = "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_COMM,_PID"


class Journal:
    """``blocks`` of lines ``<priority>seconds identifier[pid]: message``; ``cursor`` is that of the last entry that was read."""

    def __init__(self, units: t.Sequence[str], files: t.Sequence[str], window: Window, cursor: str) -> None:
        words = [find_program(("journalctl",), "systemd"), "--no-pager", "--quiet", "--output=json", f"--output-fields={_FIELDS}"]
        words += [f"--unit={unit}" for unit in units] + [f"--file={file}" for file in files]
        if cursor:
            words.append(f"--after-cursor={cursor}")
        elif window.since is not None:
            words.append(f"--since=@{window.since:.6f}")
        if window.until is not None:
            words.append(f"--until=@{window.until - 0.000001:.6f}")
        self._command = Command(tuple(words))
        self.cursor = cursor

    def blocks(self) -> t.Iterator[bytes]:
        with Process(self._command, stdout=subprocess.PIPE) as process:
            made: list[bytes] = []
            size = 0
            for data, _offset in lines_of(process.stdout.read, 0):
                for line in data.splitlines():
                    made.append(self._line(line))
                    size += len(made[-1])
                    if size > BLOCK:
                        yield b"".join(made)
                        made, size = [], 0
            yield b"".join(made)

    def _line(self, text: bytes) -> bytes:
        entry = json.loads(text)
        self.cursor = entry["__CURSOR"]
        moment = int(entry["__REALTIME_TIMESTAMP"])
        who = _text(entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM") or "unknown")
        pid = entry.get("_PID")
        priority = entry.get("PRIORITY")
        priority = priority if isinstance(priority, str) and len(priority) == 1 else "6"
        begin = f"<{priority}>{moment // 1000000}.{moment % 1000000:06d} {who}{f'[{_text(pid)}]' if pid else ''}: "
        return f"{begin}{_text(entry.get('MESSAGE'))}\n".encode("utf-8", "replace")


def _text(value: t.Any) -> str:
    """A field's value on one line: text, numbers where it is no text, a list where it is there twice, nothing where it is too long."""
    if isinstance(value, list):
        if all(isinstance(item, int) for item in value):
            value = bytes(item & 255 for item in value).decode("utf-8", "replace")
        else:
            value = " ".join(_text(item) for item in value)
    return " ".join(str(value).splitlines()) if value is not None else ""
