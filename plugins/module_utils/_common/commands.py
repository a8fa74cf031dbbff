# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that users give: as argument lists or as text, run to their end, without a shell unless they name one."""

from __future__ import annotations

import dataclasses
import os
import shlex
import signal
import subprocess
import tempfile
import time
import typing as t

from .errors import InvalidInput

# What of a command's output goes into a result; the end is where errors are.
TAIL = 4000


def parse(commands: t.Sequence[t.Any]) -> list[list[str]]:
    """Commands as argument lists: given as such, or as text that is split as a shell splits words (nothing is expanded)."""
    parsed = []
    for command in commands:
        try:
            if isinstance(command, t.Mapping):
                raise TypeError("it is a mapping")
            words = shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
            if any("\0" in word for word in words):
                raise ValueError("it contains a NUL byte")
        except (ValueError, TypeError) as error:
            raise InvalidInput(f"command {command!r} can't be split into words ({error}); give it as a list of arguments") from None
        if not words:
            raise InvalidInput("a command is empty; remove it from the list")
        parsed.append(words)
    return parsed


@dataclasses.dataclass
class Ran:
    """One command's end. ``rc`` as a shell reports it (128 + signal), 124 after a timeout, 127 when not found."""

    command: str
    rc: int
    stdout: str
    stderr: str
    duration_ms: float


def _tail(stream: t.IO[bytes]) -> str:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - TAIL))
    text = stream.read().decode("utf-8", "replace")
    return f"... {text}" if size > TAIL else text


def run_one(words: list[str], folder: str, env: t.Mapping[str, str], timeout: float) -> Ran:
    """Run one command to its end; it and all its children are killed when ``timeout`` seconds have passed."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                words, cwd=folder, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
        except OSError as error:
            return Ran(shlex.join(words), 127, "", f"{error.strerror}: {words[0]}", 0.0)
        except ValueError as error:  # a name or value that no environment can hold
            return Ran(shlex.join(words), 127, "", f"the environment can't be used: {error}", 0.0)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            err.write(f"\nkilled after {timeout:g} s".encode())
            code = 124
        return Ran(shlex.join(words), 128 - code if code < 0 else code, _tail(out), _tail(err), round((time.monotonic() - began) * 1000, 1))
