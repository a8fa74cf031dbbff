# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's web server: runs whatever release is current, with a SQLite file that outlives releases.

usage: server.py SITE PORT
"""

from __future__ import annotations

import http.server
import os
import runpy
import sys
import traceback

SITE, PORT = sys.argv[1], int(sys.argv[2])


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

    def answer(self, status: int, kind: str, body: str) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
