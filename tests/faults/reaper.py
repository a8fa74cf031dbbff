# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills a module that Ansible runs on this host: ``reaper.py INTERPRETER NTH DELAY SECONDS``.

Waits for the NTH process that was started under the name INTERPRETER, kills it DELAY seconds after it was seen and
prints ``killed``, ``gone`` (it had ended by then) or ``never`` (after SECONDS).
"""

from __future__ import annotations

import os
import signal
import sys
import time


def running(interpreter):
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as stream:
                    words = stream.read().split(b"\0")
            except OSError:
                continue
            if words[0].decode() == interpreter:
                yield int(name)


def main(interpreter, nth, delay, seconds):
    seen = set()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for pid in running(interpreter):
            if pid not in seen:
                seen.add(pid)
                if len(seen) == nth:
                    time.sleep(delay)
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        return "gone"
                    return "killed"
        time.sleep(0.002)
    return "never"


if __name__ == "__main__":
    print("watching", flush=True)
    print(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
