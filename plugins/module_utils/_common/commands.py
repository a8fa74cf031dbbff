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
    cut: bool = False  # whether stdout is only the end of what was printed


def _tail(stream: t.IO[bytes], begin: int = 0, most: int = TAIL) -> tuple[str, bool]:
    size = stream.seek(0, os.SEEK_END) - begin
    stream.seek(begin + max(0, size - most))
    text = stream.read().decode("utf-8", "replace")
    return (f"... {text}", True) if size > most else (text, False)


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a command finds besides its arguments: who it is (ids, ``None``: who this process is), its input, where its output goes.

    ``output`` gets both streams, and the result has its end twice. ``inherit``: whether this process's environment is there too.
    ``keep``: how many bytes of what it prints go into the result.
    """

    user: int | None = None
    group: int | None = None
    groups: t.Sequence[int] | None = None
    stdin: bytes = b""
    output: t.IO[bytes] | None = None
    inherit: bool = True
    keep: int = TAIL


def run_one(words: list[str], folder: str, env: t.Mapping[str, str], timeout: float, around: Surroundings | None = None) -> Ran:
    """Run one command to its end; it and all its children are killed when ``timeout`` seconds have passed."""
    around = around or Surroundings()
    began = time.monotonic()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as own, tempfile.TemporaryFile() as err:
        given.write(around.stdin)
        given.seek(0)
        out = around.output or own
        begin = out.seek(0, os.SEEK_END)
        ids: dict[str, t.Any] = {"user": around.user, "group": around.group, "extra_groups": around.groups}
        try:
            process = subprocess.Popen(
                words,
                cwd=folder,
                env={**(os.environ if around.inherit else {}), **env},
                stdin=given if around.stdin else subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT if around.output else err,
                start_new_session=True,
                **{name: value for name, value in ids.items() if value is not None},
            )
        except OSError as error:
            return Ran(shlex.join(words), 127, "", f"{error.strerror}: {error.filename or words[0]}", 0.0)
        except ValueError as error:  # a name or value that no environment can hold
            return Ran(shlex.join(words), 127, "", f"the environment can't be used: {error}", 0.0)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            (around.output or err).write(f"\nkilled after {timeout:g} s".encode())
            code = 124
        said, cut = _tail(out, begin, around.keep)
        stderr = said if around.output else _tail(err)[0]
        took = round((time.monotonic() - began) * 1000, 1)
        return Ran(shlex.join(words), 128 - code if code < 0 else code, said, stderr, took, cut)
