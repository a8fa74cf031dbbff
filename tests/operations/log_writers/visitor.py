# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a server for numbered paths over a few connections, many at once on each, until SIGTERM; prints how many were answered.

The path is the log's line: ``/line/<number>/<filler>/end``.
"""

from __future__ import annotations

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


connection, served = connect(), 0
while going:
    asked = b"".join(
        b"GET /line/%d/%s/end HTTP/1.1\r\nHost: www.example.com\r\n\r\n" % (one, b"x" * (one % 89)) for one in range(number, number + BATCH)
    )
    connection.sendall(asked)
    left, buffer = BATCH, b""
    while left:
        data = connection.recv(1 << 16)
        if not data:
            raise SystemExit(f"the server closed the connection with {left} answers to go")
        buffer += data
        left -= buffer.count(b"HTTP/1.1 204")
        # What may be the beginning of another answer.
        buffer = buffer[-11:] if not buffer.endswith(b"HTTP/1.1 204") else b""
    number += BATCH
    ahead = began + number / rate - time.monotonic()
    if ahead > 0:
        time.sleep(ahead)
connection.close()
print(number)
