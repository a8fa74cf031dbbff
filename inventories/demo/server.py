# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's web server: runs whatever release is current, with a SQLite file that outlives releases.

usage: server.py SITE PORT LOGS

It writes LOGS/access.log, opens that anew when it is told to (SIGHUP), and says in LOGS/server.pid whom to tell.
"""

from __future__ import annotations

import http.server
import os
import runpy
import signal
import sys
import threading
import time
import traceback

SITE, PORT, LOGS = sys.argv[1], int(sys.argv[2]), sys.argv[3]


class AccessLog:
    """One line a request, as nginx and Apache write it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stream = open(f"{LOGS}/access.log", "a", encoding="utf-8")  # noqa: SIM115 - for as long as the server runs

    def reopen(self, *_signal: object) -> None:
        # In a thread of its own: a signal must not wait for the lock of what it interrupts.
        threading.Thread(target=self._reopen).start()

    def _reopen(self) -> None:
        with self._lock:
            self._stream.close()
            self._stream = open(f"{LOGS}/access.log", "a", encoding="utf-8")  # noqa: SIM115

    def write(self, line: str) -> None:
        with self._lock:
            self._stream.write(f"{line}\n")
            self._stream.flush()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if os.path.exists(f"{SITE}/maintenance.flag"):
            self.answer(503, "text/plain", "Down for maintenance.\n")
            return
        try:
            # The link is resolved once for each request: a swap in between changes the next request, not this one.
            release = os.path.realpath(f"{SITE}/current")
            page = runpy.run_path(f"{release}/page.py")
            kind, body = page["render"](self.path, f"{release}/data/visits.sqlite")
            self.answer(200, kind, body)
        except FileNotFoundError:
            self.answer(404, "text/plain", "Nothing is deployed here yet.\n")
        except Exception:
            traceback.print_exc()
            self.answer(500, "text/plain", "Internal error.\n")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        agent = self.headers.get("User-Agent", "-").replace('"', "'")
        LOG.write(f'{self.client_address[0]} - - [{when}] "{self.requestline}" {int(code)} {size} "-" "{agent}"')

    def answer(self, status: int, kind: str, body: str) -> None:
        data = body.encode()
        self.log_request(status, len(data))
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    LOG = AccessLog()
    signal.signal(signal.SIGHUP, LOG.reopen)
    with open(f"{LOGS}/server.pid", "w", encoding="utf-8") as pid:
        pid.write(f"{os.getpid()}\n")
    http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
