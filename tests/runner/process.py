# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes with a log and a time limit, all of which end when the run ends."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import threading
import time
import typing as t

from .places import ROOT

_running: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()
_stopping = threading.Event()


class Stopped(Exception):
    """The run is being ended; nothing new is started."""


class TimeLimit(Exception):
    """A command ran longer than it may."""


def run(
    argv: t.Sequence[str | os.PathLike[str]],
    log: pathlib.Path,
    *,
    cwd: pathlib.Path = ROOT,
    env: t.Mapping[str, str] | None = None,
    seconds: float = 1200,
) -> int:
    """Run ``argv`` with its output appended to ``log``; return its exit status.

    ``env`` is added to the caller's environment. The command gets a process group of its own, and the whole group is
    killed when ``seconds`` are over (``TimeLimit``) or the run is stopped (``Stopped``).
    """
    words = [os.fspath(word) for word in argv]
    with open(log, "ab") as stream:
        stream.write(("$ " + " ".join(words) + "\n").encode())
        stream.flush()
        with _lock:
            if _stopping.is_set():
                raise Stopped
            process = subprocess.Popen(
                words,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            _running.add(process)
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            stream.write(f"stopped after {seconds:.0f} s, its time limit\n".encode())
            raise TimeLimit(f"{words[0]} ran longer than {seconds:.0f} s") from None
        finally:
            with _lock:
                _running.discard(process)
    if _stopping.is_set():
        raise Stopped
    return process.returncode


def stop_all() -> None:
    """End every running command and let none start."""
    with _lock:
        _stopping.set()
        processes = list(_running)
    for process in processes:
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            time.sleep(0.05)
