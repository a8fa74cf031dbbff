# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A system with jobs, as a command and as a web server, whose jobs take the course that they were enqueued with.

job_system.py enqueue FOLDER STATUS...   a job that has these statuses, one more at each look, the last for good
job_system.py status FOLDER ID           its status
job_system.py results ACCURACY RC        what an acceptance test prints, and the exit status RC
job_system.py serve FOLDER PORT_FILE     the same over HTTP, on a free port of the loopback
"""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import os
import sys
import threading
import time
import urllib.parse

SECRET = "s3cret-key"


def enqueue(folder: str, course: list[str]) -> int:
    number = len([name for name in os.listdir(folder) if name.startswith("job-")]) + 1
    with open(os.path.join(folder, f"job-{number}"), "w", encoding="utf-8") as stream:
        json.dump(course, stream)
    return number


def status(folder: str, number: str) -> str:
    """The job's status; the next look sees the one after it."""
    path = os.path.join(folder, f"job-{number}")
    with open(path, encoding="utf-8") as stream:
        course = json.load(stream)
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(course[1:] or course, stream)
    return course[0]


def results(accuracy: float) -> dict:
    return {"accuracy": accuracy, "p50_ms": 12.5, "points": 120, "api_key": "k3y-of-the-geocoder", "failed": [], "city": "Example"}


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_args: object) -> None:
        pass

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _mark, query = self.path.partition("?")
        self.server.seen.append((self.command, self.path))
        first, *rest = path.strip("/").split("/")
        if first == "signed":
            if not self.signed(path, body):
                return self.send(401, {"error": "signature"})
            first, *rest = rest
        if first == "jobs" and self.command == "POST":
            return self.send(201, {"job": {"id": enqueue(self.server.folder, json.loads(body)["course"])}})
        if first == "jobs":
            number = urllib.parse.unquote(rest[0])
            try:
                said = status(self.server.folder, number)
            except FileNotFoundError:
                return self.send(404, {"error": "no such job"})
            return self.send(503, {}) if said == "503" else self.send(200, {"job": {"id": int(number), "status": said}})
        if first == "results":
            return self.send(200, results(float(dict(urllib.parse.parse_qsl(query)).get("accuracy", 0.99))))
        if first == "stop":
            self.send(200, {})
            threading.Thread(target=self.server.shutdown, daemon=True).start()
            return None
        return self.send(404, {})

    do_GET = do_POST = answer

    def signed(self, path: str, body: bytes) -> bool:
        stamp = self.headers.get("X-Auth-TS", "")
        text = "|".join((self.command, path, hashlib.sha256(body).hexdigest(), stamp))
        wanted = hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()
        return stamp.isdigit() and abs(int(stamp) - time.time()) < 300 and self.headers.get("X-Auth-Sign") == wanted

    def send(self, code: int, document: dict) -> None:
        data = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, folder: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.seen: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


def main(words: list[str]) -> int:
    what, *rest = words
    if what == "enqueue":
        print(f"enqueued job {enqueue(rest[0], rest[1:])}, token=hunter2hunter2")
    elif what == "status":
        print(status(rest[0], rest[1]))
    elif what == "results":
        print(json.dumps(results(float(rest[0]))))
        return int(rest[1])
    elif what == "serve":
        server = Server(rest[0])
        with open(f"{rest[1]}.new", "w", encoding="utf-8") as stream:
            stream.write(str(server.server_address[1]))
        os.rename(f"{rest[1]}.new", rest[1])
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
