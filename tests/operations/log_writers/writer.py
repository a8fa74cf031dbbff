# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes numbered lines to a log at a rate, with one write each, until SIGTERM; reopens it on USR1; prints how many it wrote."""

from __future__ import annotations

import os
import signal
import sys
import time

path, rate = sys.argv[1], int(sys.argv[2])
log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
going, again = True, False


def stop(*_: object) -> None:
    global going
    going = False


def reopen(*_: object) -> None:
    global again
    again = True


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGUSR1, reopen)
number, began = 0, time.monotonic()
while going:
    if again:
        again = False
        os.close(log)
        log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(log, b"line %d %s end\n" % (number, b"x" * (number % 89)))
    number += 1
    ahead = began + number / rate - time.monotonic()
    if ahead > 0.002:
        time.sleep(ahead)
print(number)
