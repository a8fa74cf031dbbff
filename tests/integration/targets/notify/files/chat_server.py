# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chat and paging services that keep to their published contracts, remember what they took, and fail when told to.

Run as ``chat_server.py PORT_FILE``: listens on a free port of the loopback and writes its number. The services are at

    /slack/webhook/SECRET  /slack/api/chat.postMessage  /discord/SECRET  /teams/connector/SECRET  /teams/workflow/SECRET
    /pagerduty/v2/enqueue  /webhook/SECRET

``GET /control/SERVICE`` answers ``{requests, taken}``; ``POST /control/SERVICE`` with a list sets what becomes of the next requests, one
item each: ``ok``, a status, ``429 SECONDS``, ``slow SECONDS`` (taken, answered late), ``cut`` (closed, not taken), ``cut_after`` (taken,
closed without an answer), ``cut_body`` (taken, answered in part), ``hidden SECONDS`` (Teams: throttled behind a 200).
"""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import socket
import sys
import threading
import time
import typing as t

SECRET = "T024BE7LD-xyzzy-secret-path"
TOKEN = "xoxb-fake-4711-secret"
ROUTING_KEY = "R0UT1NGKEY0123456789abcdef012345"
HMAC_SECRET = "shared-hmac-secret"
SERVICES = ("slack_webhook", "slack", "discord", "teams_connector", "teams_workflow", "pagerduty", "webhook")


class Refusal(Exception):
    """The contract's answer to what it does not take."""

    def __init__(self, status: int, body: str, kind: str = "text/plain") -> None:
        super().__init__(body)
        self.status, self.body, self.kind = status, body, kind


class Service:
    """What one service was asked, what it took, and how it is to fail."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests: list[dict] = []
        self.taken: list[dict] = []
        self.plan: list[str] = []
        self.incidents: dict[str, str] = {}

    def next(self) -> str:
        with self.lock:
            return str(self.plan.pop(0)) if self.plan else "ok"


def length(text: str) -> int:
    """As JavaScript counts, which is the strictest."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def need(condition: bool, status: int, body: str, kind: str = "text/plain") -> None:
    if not condition:
        raise Refusal(status, body, kind)


def check_blocks(document: dict, complain: t.Callable[[str], Refusal]) -> None:
    blocks = document.get("blocks", [])
    if len(blocks) > 50:
        raise complain("invalid_blocks")
    for block in blocks:
        for text in [block["text"]] if "text" in block else []:
            if not 0 < length(text["text"]) <= 3000:
                raise complain("invalid_blocks")
        for field in block.get("fields", []):
            if not 0 < length(field["text"]) <= 2000:
                raise complain("invalid_blocks")
        if len(block.get("fields", [])) > 10:
            raise complain("invalid_blocks")
    if length(document.get("text", "")) > 40000:
        raise complain("msg_too_long")
    if not document.get("text") and not blocks:
        raise complain("no_text")


def slack_webhook(service: Service, handler: Handler, document: dict) -> tuple[int, str]:
    need(handler.path == f"/slack/webhook/{SECRET}", 404, "no_service")
    check_blocks(document, lambda word: Refusal(400, word))
    return 200, "ok"


def slack(service: Service, handler: Handler, document: dict) -> tuple[int, str]:
    def no(word: str) -> Refusal:
        return Refusal(200, json.dumps({"ok": False, "error": word}), "application/json")

    if handler.headers.get("Authorization") != f"Bearer {TOKEN}":
        raise no("invalid_auth")
    if document.get("channel") != "#operations":
        raise no("channel_not_found")
    check_blocks(document, no)
    return 200, json.dumps({"ok": True, "channel": "C123456", "ts": f"{time.time():.6f}", "message": document})


def discord(service: Service, handler: Handler, document: dict) -> tuple[int, str]:
    need(handler.path.partition("?")[0] == f"/discord/{SECRET}", 401, json.dumps({"message": "Invalid Webhook Token", "code": 50027}))
    bad = json.dumps({"message": "Invalid Form Body", "code": 50035})
    need(length(document.get("content", "")) <= 2000, 400, bad)
    embeds = document.get("embeds", [])
    need(len(embeds) <= 10, 400, bad)
    total = 0
    for embed in embeds:
        need(length(embed.get("title", "")) <= 256 and length(embed.get("description", "")) <= 4096, 400, bad)
        need(length(embed.get("footer", {}).get("text", "")) <= 2048 and len(embed.get("fields", [])) <= 25, 400, bad)
        total += sum(length(embed.get(name, "")) for name in ("title", "description")) + length(embed.get("footer", {}).get("text", ""))
        for field in embed.get("fields", []):
            need(0 < length(field["name"]) <= 256 and 0 < length(field["value"]) <= 1024, 400, bad)
            total += length(field["name"]) + length(field["value"])
    need(total <= 6000, 400, bad)
    need(bool(document.get("content") or embeds), 400, json.dumps({"message": "Cannot send an empty message", "code": 50006}))
    if "wait=true" not in handler.path:
        return 204, ""
    return 200, json.dumps({"id": str(len(service.taken) + 1), "content": document.get("content", "")})


def teams_connector(service: Service, handler: Handler, document: dict) -> tuple[int, str]:
    need(handler.path == f"/teams/connector/{SECRET}", 404, "Not Found")
    need(
        document.get("@type") == "MessageCard" and bool(document.get("summary") or document.get("text")),
        400,
        "Summary or Text is required.",
    )
    need(handler.size <= 28 * 1024, 413, "Payload too large")
    return 200, "1"


def teams_workflow(service: Service, handler: Handler, document: dict) -> tuple[int, str]:
    need(handler.path == f"/teams/workflow/{SECRET}", 401, json.dumps({"error": {"code": "DirectApiAuthorizationRequired"}}))
    card = document["attachments"][0]
    need(card["contentType"] == "application/vnd.microsoft.card.adaptive" and card["content"]["type"] == "AdaptiveCard", 400, "bad card")
    need(handler.size <= 28 * 1024, 413, "Payload too large")
    return 202, ""


def pagerduty(service: Service, handler: Handler, document: dict) -> tuple[int, str]:
    def no(errors: str) -> Refusal:
        return Refusal(400, json.dumps({"status": "invalid event", "message": "Event object is invalid", "errors": [errors]}))

    if document.get("routing_key") != ROUTING_KEY:
        raise no("Invalid routing key")
    if document.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        raise no("event_action")
    if length(document.get("dedup_key", "")) > 255 or handler.size > 512 * 1024:
        raise no("too long")
    payload = document.get("payload", {})
    if document["event_action"] == "trigger":
        if not (0 < length(payload.get("summary", "")) <= 1024 and payload.get("source")):
            raise no("summary")
        if payload.get("severity") not in ("critical", "error", "warning", "info"):
            raise no("severity")
    key = document.get("dedup_key") or f"srv{len(service.taken)}"
    service.incidents[key] = "resolved" if document["event_action"] == "resolve" else "triggered"
    return 202, json.dumps({"status": "success", "message": "Event processed", "dedup_key": key})


def webhook(service: Service, handler: Handler, document: dict) -> tuple[int, str]:
    need(handler.path.startswith(f"/webhook/{SECRET}"), 404, "not here")
    if "signed" in handler.path:
        head = handler.headers.get("X-Timestamp", "")
        text = "\n".join(("POST", handler.path, head, hashlib.sha256(handler.payload).hexdigest()))
        need(
            handler.headers.get("X-Signature") == hmac.new(HMAC_SECRET.encode(), text.encode(), "sha256").hexdigest(), 401, "bad signature"
        )
    need(set(document) == {"ok", "alerts", "ts"} and isinstance(document["alerts"], list), 422, "unknown document")
    return 204, ""


RULES: dict[str, t.Callable[[Service, Handler, dict], tuple[int, str]]] = {
    "slack_webhook": slack_webhook,
    "slack": slack,
    "discord": discord,
    "teams_connector": teams_connector,
    "teams_workflow": teams_workflow,
    "pagerduty": pagerduty,
    "webhook": webhook,
}
PREFIXES = {
    "/slack/webhook/": "slack_webhook",
    "/slack/api/": "slack",
    "/discord/": "discord",
    "/teams/connector/": "teams_connector",
    "/teams/workflow/": "teams_workflow",
    "/pagerduty/": "pagerduty",
    "/webhook/": "webhook",
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ChatServer

    def log_message(self, *_args: object) -> None:
        pass

    def answer(self, status: int, body: str, kind: str = "application/json", **headers: str) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if self.path == "/stop":
            self.answer(200, "{}")
            threading.Thread(target=self.server.shutdown, daemon=True).start()
            return
        service = self.server.services[name]
        with service.lock:
            self.answer(200, json.dumps({"requests": len(service.requests), "taken": service.taken, "incidents": service.incidents}))

    def do_POST(self) -> None:
        self.size = int(self.headers.get("Content-Length") or 0)
        self.payload = self.rfile.read(self.size)
        if self.path.startswith("/control/"):
            self.server.services[self.path.rpartition("/")[2]].plan = json.loads(self.payload)
            self.answer(200, "{}")
            return
        name = next((name for prefix, name in PREFIXES.items() if self.path.startswith(prefix)), None)
        if name is None:
            self.answer(404, "{}")
            return
        self.serve(name, self.server.services[name])

    def serve(self, name: str, service: Service) -> None:
        word, _space, argument = service.next().partition(" ")
        with service.lock:
            service.requests.append({"path": self.path, "headers": dict(self.headers.items()), "at": time.monotonic()})
        if word == "cut":
            self.hang_up()
            return
        if word == "hidden":
            said = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId tcid=0"
            self.answer(200, said, "text/plain")
            return
        if word.isdigit():
            self.fail(name, int(word), argument)
            return
        try:
            document = json.loads(self.payload.decode("utf-8"))
            status, body = RULES[name](service, self, document)
        except Refusal as refusal:
            self.answer(refusal.status, refusal.body, refusal.kind)
            return
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self.answer(400, f"{type(error).__name__}: {error}")
            return
        with service.lock:
            service.taken.append(document)
        if word == "slow":
            time.sleep(float(argument))
        if word == "cut_after":
            self.hang_up()
        elif word == "cut_body":
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data) + 10))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.hang_up()
        else:
            self.answer(status, body)

    def fail(self, name: str, status: int, argument: str) -> None:
        headers = {"Retry_After": argument} if argument and name != "discord" else {}
        body = json.dumps({"error": f"status {status}", "asked": self.path})
        if status == 429 and name == "discord":
            body = json.dumps({"message": "You are being rate limited.", "retry_after": float(argument or 1), "global": False})
        if status == 429 and name == "slack":
            body = json.dumps({"ok": False, "error": "ratelimited"})
        self.answer(status, body, **headers)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True


class ChatServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.services = {name: Service() for name in SERVICES}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


def main() -> None:
    server = ChatServer()
    with open(sys.argv[1], "w", encoding="ascii") as stream:
        stream.write(str(server.server_address[1]))
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
