# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a server for numbered paths, many at once, until SIGTERM; prints how many, and the numbers of those that were not answered.

The path is the log's line: ``/line/<number>/<filler>/end``. A server that starts anew closes connections; what it has not answered it may
have logged or not, and is not asked for again.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import time

port, rate = int(sys.argv[1]), int(sys.argv[2])
going = True


def stop(*_: object) -> None:
    global going
    going = False


signal.signal(signal.SIGTERM, stop)
number, began = 0, time.monotonic()
BATCH = max(1, min(100, rate // 100))


def connect() -> socket.socket:
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 10)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


connection = connect()
unsure: list[int] = []
while going:
    asked = b"".join(
        b"GET /line/%d/%s/end HTTP/1.1\r\nHost: www.example.com\r\n\r\n" % (one, b"x" * (one % 89)) for one in range(number, number + BATCH)
    )
    answered, buffer = 0, b""
    try:
        connection.sendall(asked)
        while answered < BATCH:
            data = connection.recv(1 << 16)
            if not data:
                raise ConnectionError
            buffer += data
            *heads, buffer = buffer.split(b"\r\n\r\n")
            answered += len(heads)
    except OSError:
        unsure += range(number + answered, number + BATCH)
        connection.close()
        connection = connect()
    number += BATCH
    ahead = began + number / rate - time.monotonic()
    if ahead > 0:
        time.sleep(ahead)
connection.close()
print(json.dumps([number, unsure]))
