# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site whose every page is a write: ``/mariadb`` and ``/postgresql`` insert a row on the server that ``<engine>.primary`` names."""

import http.server
import os
import subprocess
import sys

FOLDER, NAME, MARIADB, POSTGRESQL = sys.argv[1:]


def command(engine, address):
    if engine == "mariadb":
        words = ["mariadb", f"--host={address}", f"--port={MARIADB}", "--user=rb_app", "-N", "--connect-timeout=3", NAME]
        return [*words, "-e", "INSERT INTO visits (server) VALUES (@@server_id); SELECT COUNT(*) FROM visits"]
    words = ["psql", "-h", address, "-p", POSTGRESQL, "-U", "rb_app", "-At", "-v", "ON_ERROR_STOP=1", "-d", NAME]
    return [*words, "-c", "INSERT INTO visits (server) VALUES (inet_server_addr()::text)", "-c", "SELECT count(*) FROM visits"]


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            with open(f"{FOLDER}/{self.path.strip('/')}.primary") as stream:
                address = stream.read().strip()
            # A password that is no secret: the database is made for this.
            given = {**os.environ, "MYSQL_PWD": "rb_app", "PGPASSWORD": "rb_app", "PGCONNECT_TIMEOUT": "3"}
            done = subprocess.run(
                command(self.path.strip("/"), address), env=given, capture_output=True, text=True, timeout=10, check=False
            )
            status, text = (200, f"written to {address}: {done.stdout}") if done.returncode == 0 else (500, done.stderr)
        except (OSError, subprocess.TimeoutExpired) as error:
            status, text = 500, str(error)
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_words):
        pass


http.server.ThreadingHTTPServer(("0.0.0.0", 8099), Site).serve_forever()
