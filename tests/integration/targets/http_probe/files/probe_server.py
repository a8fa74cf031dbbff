# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server that answers well or badly, as its path says, and remembers what it was asked.

Run as ``probe_server.py PORT_FILE [CERTIFICATE KEY]``: listens on a free port of the loopback and writes its number.
"""

from __future__ import annotations

import gzip
import hashlib
import http.server
import json
import os
import re
import socket
import ssl
import sys
import threading
import time
import urllib.parse
import zlib

HOME = b"<html><title>Example</title><p>Welcome to the site</p></html>\n"
# Every position is recognisable, so that a shifted range can't go unseen.
FILE = b"".join(b"%07d\n" % number for number in range(4096))
ETAG = '"v1"'
MODIFIED = "Wed, 01 Jul 2026 10:00:00 GMT"
DOCUMENT = {"status": "up", "queue": {"length": 7, "rate": 1.5}, "workers": ["a", "b"], "debug": False, "version": "2.10", "none": None}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ProbeServer

    def log_message(self, *_args: object) -> None:
        pass

    def send(self, body: bytes = b"", status: int = 200, headers: dict | None = None, stray: bytes = b"") -> None:
        """A whole answer; nothing of ``body`` for HEAD and 304, but ``stray`` always."""
        given = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body)), **(headers or {})}
        self.send_response(status)
        for name, value in given.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(stray if self.command == "HEAD" or status == 304 else body)

    def raw(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()
        self.close_connection = True

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, ssl.SSLError):
            self.close_connection = True

    def answer(self) -> None:
        path, _mark, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query))
        self.payload = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.seen.append((self.command, self.path, dict(self.headers.items())))
            self.number = self.server.counts[path] = self.server.counts.get(path, 0) + 1
        name, _slash, self.rest = path.lstrip("/").partition("/")
        getattr(self, "do_" + name.replace("-", "_") + "_", self.do__)()

    do_GET = do_HEAD = do_POST = do_PUT = do_OPTIONS = answer

    def do__(self) -> None:
        known = self.path.partition("?")[0] == "/"
        self.send(HOME if known else b"<p>not found</p>", 200 if known else 404, {"X-Frame-Options": "DENY", "X-Node": self.server.label})

    def do_status_(self) -> None:
        status = int(self.rest)
        self.send(b"" if status in (204, 304) else b"status " + self.rest.encode(), status)

    def do_echo_(self) -> None:
        seen = {"method": self.command, "path": self.path, "headers": dict(self.headers.items()), "body": self.payload.decode()}
        self.send(json.dumps(seen).encode(), headers={"Content-Type": "application/json"})

    def do_json_(self) -> None:
        self.send(json.dumps(DOCUMENT).encode(), headers={"Content-Type": "application/json"})

    def do_signed_(self) -> None:
        """Verifies a signature on its own, with the secret in the query."""
        import hmac

        head = self.headers.get("X-Timestamp", "")
        lines = "\n".join((self.command, self.path, head, hashlib.sha256(self.payload).hexdigest()))
        wanted = hmac.new(self.query["check"].encode(), lines.encode(), "sha256").hexdigest()
        fresh = head.isdigit() and abs(int(head) - time.time()) < 60
        self.send(b"signed", 200 if fresh and self.headers.get("X-Signature") == "sha256=" + wanted else 403)

    # Seconds that this server's clock is ahead.
    shift = 0.0

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(time.time() + self.shift if timestamp is None else timestamp)

    def do_clock_(self) -> None:
        """A server whose clock is ``/clock/SECONDS`` ahead; it answers after ``delay``, and says that it did so ``age`` seconds ago."""
        self.shift = float(self.rest or 0)
        now = time.time() + self.shift
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        times = {
            "seconds": int(now),
            "exact": now,
            "milliseconds": int(now * 1000),
            "text": str(int(now)),
            "iso": f"{moment}Z",
            "fraction": f"{moment}.{int(now % 1 * 1e6):06}+00:00",
            "http": self.date_time_string(),
            "soon": "soon",
        }
        time.sleep(float(self.query.get("delay", 0)))
        self.send(json.dumps(times).encode(), headers={"Age": self.query.get("age")})

    def do_heartbeat_(self) -> None:
        """What a worker sends, signed as another system does it: no signature counts whose time is not within five minutes."""
        import hmac

        self.shift = float(self.rest or 0)
        stamp = self.headers.get("X-Auth-TS", "")
        text = "|".join((self.command, self.path.partition("?")[0], hashlib.sha256(self.payload).hexdigest(), stamp))
        wanted = hmac.new(b"s3cret-key", text.encode(), "sha256").hexdigest()
        fresh = stamp.isdigit() and abs(int(stamp) - time.time() - self.shift) < 300
        good = fresh and self.headers.get("X-Auth-Sign") == wanted
        self.send(json.dumps({"ok": good}).encode(), 200 if good else 401)

    def do_count_(self) -> None:
        self.send(b"%d requests" % self.server.counts.get("/" + self.rest, 0))

    def do_stop_(self) -> None:
        self.send(b"stopped")
        threading.Thread(target=self.server.shutdown, daemon=True).start()

    # Framing

    def do_chunked_(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(HOME), 10):
            piece = HOME[start : start + 10]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def do_until_close_(self) -> None:
        self.raw(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + HOME)

    def do_cut_(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")

    def do_cut_chunked_(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nonly this")

    def do_closed_(self) -> None:
        self.raw(b"")

    def do_garbage_(self) -> None:
        self.raw(b"SSH-2.0-OpenSSH_9.2\r\n")

    def do_hints_(self) -> None:
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
        self.send(HOME)

    # Encodings

    def do_gzip_(self) -> None:
        self.send(gzip.compress(HOME), headers={"Content-Encoding": "gzip"})

    def do_gzip_chunked_(self) -> None:
        packed = gzip.compress(HOME) + gzip.compress(b"second member\n")
        pieces = b"".join(b"%x\r\n%s\r\n" % (len(packed[at : at + 7]), packed[at : at + 7]) for at in range(0, len(packed), 7))
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n")

    def do_gzip_cut_(self) -> None:
        self.send(gzip.compress(HOME)[:-12], headers={"Content-Encoding": "gzip"})

    def do_gzip_broken_(self) -> None:
        self.send(b"this is not gzip", headers={"Content-Encoding": "gzip"})

    def do_deflate_(self) -> None:
        self.send(zlib.compress(HOME), headers={"Content-Encoding": "deflate"})

    def do_deflate_bare_(self) -> None:
        packer = zlib.compressobj(wbits=-15)
        self.send(packer.compress(HOME) + packer.flush(), headers={"Content-Encoding": "deflate"})

    def do_brotli_(self) -> None:
        self.send(b"\x0b\x02\x80", headers={"Content-Encoding": "br"})

    def do_bomb_(self) -> None:
        self.send(gzip.compress(b"\0" * (64 << 20)), headers={"Content-Encoding": "gzip"})

    def do_big_(self) -> None:
        size = int(self.rest)
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for _count in range(size >> 16):
            self.wfile.write(b"\0" * 65536)
        self.wfile.write(b"\0" * (size & 0xFFFF))

    def do_latin_(self) -> None:
        self.send("Grüße".encode("latin-1"), headers={"Content-Type": "text/plain; charset=ISO-8859-1"})

    # Time

    def do_slow_(self) -> None:
        time.sleep(float(self.rest))
        self.send(HOME)

    def do_drip_(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _count in range(100):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.1)

    def do_drip_head_(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _count in range(100):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.1)

    def do_retry_(self) -> None:
        """/retry/N/AFTER: N times 429 with Retry-After AFTER (empty: none), then 200."""
        times, _slash, after = self.rest.partition("/")
        if self.number <= int(times):
            self.send(b"busy", 429, {"Retry-After": urllib.parse.unquote(after) or None})
        else:
            self.send(HOME)

    # Redirects

    def do_redirect_(self) -> None:
        self.send(b"", int(self.query.get("code", "302")), {"Location": self.query["to"]})

    def do_loop_(self) -> None:
        self.send(b"", 302, {"Location": "/loop"})

    # Caching and conditions

    def do_page_(self) -> None:
        """Does everything right: validators, conditions, ranges, HEAD."""
        headers = {
            "ETag": ETAG,
            "Last-Modified": MODIFIED,
            "Cache-Control": 'public, max-age=600, x="a, b"',
            "Vary": "Accept-Encoding, Origin",
        }
        if self.headers.get("If-None-Match") == ETAG or self.headers.get("If-Modified-Since") == MODIFIED:
            self.send(b"", 304, {**headers, "Content-Length": None})
            return
        match = re.match(r"^bytes=(\d*)-(\d*)$", self.headers.get("Range") or "")
        if not match:
            self.send(FILE, headers={**headers, "Accept-Ranges": "bytes"})
            return
        first = int(match.group(1)) if match.group(1) else len(FILE) - int(match.group(2))
        last = min(int(match.group(2)) if match.group(1) and match.group(2) else len(FILE) - 1, len(FILE) - 1)
        self.partial(first, last, headers)

    def partial(self, first: int, last: int, headers: dict, body: bytes | None = None, stated: str | None = None) -> None:
        content = stated or f"bytes {first}-{last}/{len(FILE)}"
        self.send(FILE[first : last + 1] if body is None else body, 206, {**headers, "Content-Range": content})

    def do_etag_ignored_(self) -> None:
        self.send(HOME, headers={"ETag": f'"n{self.number}"'})

    def do_etag_body_(self) -> None:
        conditional = self.headers.get("If-None-Match") is not None
        self.send(HOME, 304 if conditional else 200, {"ETag": ETAG}, stray=HOME)

    def do_etag_other_(self) -> None:
        conditional = self.headers.get("If-None-Match") is not None
        self.send(
            HOME,
            304 if conditional else 200,
            {"ETag": '"v2"' if conditional else ETAG, "Content-Length": None if conditional else str(len(HOME))},
        )

    def do_etag_weakened_(self) -> None:
        conditional = self.headers.get("If-None-Match") is not None
        self.send(
            HOME,
            304 if conditional else 200,
            {"ETag": "W/" + ETAG if conditional else ETAG, "Content-Length": None if conditional else str(len(HOME))},
        )

    def do_range_bytes_(self) -> None:
        """A part that is shifted by one byte."""
        if self.headers.get("Range"):
            self.partial(0, 99, {}, FILE[1:101])
        else:
            self.send(FILE)

    def do_range_stated_(self) -> None:
        if self.headers.get("Range"):
            self.partial(0, 99, {}, stated=f"bytes 1-100/{len(FILE)}")
        else:
            self.send(FILE)

    def do_range_unstated_(self) -> None:
        self.send(FILE[:100] if self.headers.get("Range") else FILE, 206 if self.headers.get("Range") else 200)

    def do_range_short_(self) -> None:
        if self.headers.get("Range"):
            self.partial(0, 99, {}, FILE[:50])
        else:
            self.send(FILE)

    def do_range_total_(self) -> None:
        if self.headers.get("Range"):
            self.partial(0, 99, {}, stated="bytes 0-99/12345")
        else:
            self.send(FILE)

    # HEAD

    def do_head_type_(self) -> None:
        self.send(HOME, headers={"Content-Type": "text/plain"} if self.command == "HEAD" else {})

    def do_head_status_(self) -> None:
        self.send(HOME, 405 if self.command == "HEAD" else 200)

    def do_head_length_(self) -> None:
        self.send(HOME, headers={"Content-Length": "0"} if self.command == "HEAD" else {})

    def do_head_body_(self) -> None:
        self.send(HOME, stray=HOME)


class ProbeServer(http.server.ThreadingHTTPServer):
    """``seen`` lists (method, path, headers) of all requests, ``names`` the server names that TLS clients asked for."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(
        self, certificate: tuple[str, str] | None = None, client_ca: str | None = None, label: str = "one", address: str = "127.0.0.1"
    ):
        if ":" in address:
            self.address_family = socket.AF_INET6
        super().__init__((address, 0), Handler)
        self.label = label
        self.seen: list[tuple[str, str, dict]] = []
        self.counts: dict[str, int] = {}
        self.names: list[str | None] = []
        self.lock = threading.Lock()
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
            self.context.sni_callback = lambda _sock, name, _context: self.names.append(name)
            if client_ca:
                self.context.verify_mode = ssl.CERT_REQUIRED
                self.context.load_verify_locations(client_ca)

    @property
    def port(self) -> int:
        return self.server_address[1]

    def finish_request(self, request: socket.socket, client_address: object) -> None:
        # In the request's own thread: a client that never finishes its handshake must not stop the others.
        if self.context:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except OSError:
                return
        self.RequestHandlerClass(request, client_address, self)
        if self.context:
            try:
                request.unwrap()
            except OSError:
                pass
            request.close()

    def handle_error(self, request: object, client_address: object) -> None:
        pass

    def start(self) -> ProbeServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Proxy:
    """An HTTP proxy: tunnels for CONNECT, forwarding for absolute URLs; names resolve to the loopback."""

    def __init__(self, authorization: str | None = None) -> None:
        self.authorization = authorization
        self.heads: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        with client:
            data = b""
            while b"\r\n\r\n" not in data:
                piece = client.recv(65536)
                if not piece:
                    return
                data += piece
            head, _end, rest = data.partition(b"\r\n\r\n")
            text = head.decode("latin-1")
            self.heads.append(text)
            if self.authorization and f"Proxy-Authorization: {self.authorization}" not in text:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            method, target, _version = text.split("\r\n", 1)[0].split(" ")
            if method == "CONNECT":
                with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2]))) as server:
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
                    back.start()
                    self._copy(client, server)
                    back.join(5)
                return
            parts = urllib.parse.urlsplit(target)
            path = parts.path + ("?" + parts.query if parts.query else "")
            with socket.create_connection(("127.0.0.1", parts.port or 80)) as server:
                server.sendall((f"{method} {path} HTTP/1.1\r\n" + text.split("\r\n", 1)[1] + "\r\n\r\n").encode("latin-1") + rest)
                self._copy(server, client)

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def stop(self) -> None:
        self.listener.close()


def main(arguments: list[str]) -> None:
    certificate = (arguments[1], arguments[2]) if len(arguments) > 2 else None
    server = ProbeServer(certificate)
    with open(arguments[0] + ".partial", "w") as stream:
        stream.write(str(server.port))
    os.rename(arguments[0] + ".partial", arguments[0])
    # Tests that die can't stop it, so it stops by itself.
    threading.Timer(300, server.shutdown).start()
    server.serve_forever()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
