# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that a test can tell what to answer: a time server as RFC 4330 and 5905 describe it, an engine's socket as Docker's API does."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import socket
import socketserver
import struct
import threading
import time
import typing as t

ERA = 2208988800  # from 1900 to 1970


class TimeServer:
    """Answers on a port of this host with a clock that is ``skew`` seconds ahead.

    ``leap`` 3 is the alarm condition (not synchronized), ``stratum`` 0 a kiss of death with ``code``; ``drop`` loses so many requests.
    """

    def __init__(self) -> None:
        self.skew, self.leap, self.stratum, self.code, self.drop, self.forged = 0.0, 0, 2, b"LOCL", 0, False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        # A thread that waits in recvfrom keeps the port; an empty packet wakes it.
        host, port = self._socket.getsockname()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", (host, port))
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            request, client = self._socket.recvfrom(512)
            if not request:
                return
            if self.drop:
                self.drop -= 1
            elif len(request) >= 48 and request[0] & 7 == 3:
                if self.forged:
                    # What somebody sends who has not seen the request.
                    self._socket.sendto(self._answer(b"\x23" + bytes(39) + os.urandom(8), 86400), client)
                self._socket.sendto(self._answer(request, self.skew), client)

    def _answer(self, request: bytes, skew: float) -> bytes:
        version = request[0] >> 3 & 7
        received = _timestamp(time.time() + skew)
        head = struct.pack("!BBbbII4s", self.leap << 6 | version << 3 | 4, self.stratum, 6, -20, 0, 655, self.code)
        # Reference, originate (the client's own transmit timestamp), receive, transmit.
        return head + _timestamp(time.time() + skew - 16) + request[40:48] + received + _timestamp(time.time() + skew)


def _timestamp(seconds: float) -> bytes:
    return struct.pack("!II", (int(seconds) + ERA) & 0xFFFFFFFF, int(seconds % 1 * (1 << 32)))


class ContainerEngine:
    """The part of Docker's API (1.41) that tells of a container, on a unix socket. ``containers`` maps names to ``State``."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.containers: dict[str, dict[str, t.Any]] = {}
        self.restarts, self.status = 0, 200
        engine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def address_string(self) -> str:
                return "socket"

            def log_message(self, *_words: t.Any) -> None:
                pass

            def do_GET(self) -> None:
                match = re.fullmatch(r"(?:/v[0-9.]+)?/containers/([^/]+)/json", self.path)
                state = engine.containers.get(match[1]) if match else None
                status = engine.status if engine.status != 200 else 200 if state else 404
                document: dict[str, t.Any] = {"message": f"No such container: {self.path}"}
                if state:
                    document = {"State": state, "RestartCount": engine.restarts, "Config": {"Image": "registry.example.com/api:1"}}
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self._server = Server(path, Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
