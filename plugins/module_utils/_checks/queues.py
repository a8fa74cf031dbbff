# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis and RabbitMQ: whether they answer, how full they are, what waits in them."""

from __future__ import annotations

import base64
import json
import time
import typing as t
import urllib.parse

from .._common.errors import InvalidInput, RunbookError
from .._common.process import Command, ProgramFailed, find_program, run
from .._http.address import parse_target
from .kind import Check, Kind, Measure, Reading

if t.TYPE_CHECKING:
    from .._database.redis_client import RedisConnection

_LOGIN = ("login_host", "login_port", "login_user", "login_password", "login_unix_socket", "login_db", "ca_cert", "ssl_mode")
_ANSWER = 1 << 20
_COUNTS = {"messages": "messages", "ready": "messages_ready", "unacknowledged": "messages_unacknowledged", "consumers": "consumers"}


# Clients are imported where they are needed, because hosts compile what they import anew each time.


def _redis(check: Check) -> RedisConnection:
    from .._database.model import Login
    from .._database.redis_client import RedisConnection

    login = Login(
        host=check.text("login_host"),
        port=int(check.given["login_port"] or 0),
        user=check.text("login_user"),
        password=check.text("login_password"),
        unix_socket=check.text("login_unix_socket"),
        ca_cert=check.text("ca_cert"),
        ssl_mode=check.text("ssl_mode") or "prefer",
    )
    connection = RedisConnection(login, check.timeout)
    if check.given["login_db"]:
        connection.command("SELECT", check.text("login_db"))
    return connection


def _redis_ping(check: Check) -> Reading:
    start = time.perf_counter()
    with _redis(check) as connection:
        connection.command("PING")
    return Reading((time.perf_counter() - start) * 1000, "log-in and PING")


def _redis_memory(check: Check) -> Reading:
    from .._database.redis_client import info

    with _redis(check) as connection:
        facts = info(connection, "memory")
    used, most = int(facts["used_memory"]), int(facts.get("maxmemory") or 0)
    if check.measure == "size":
        return Reading(used, f"of {most}" if most else "maxmemory is not set")
    if not most:
        raise RunbookError("maxmemory is not set, so there is no percentage of it; use measure size")
    return Reading(used * 100 / most, f"{used} of {most} bytes, {facts.get('maxmemory_policy', '')}")


def _redis_length(check: Check) -> Reading:
    """No such list is an empty one; another type of key is a mistake, which the server tells."""
    with _redis(check) as connection:
        return Reading(connection.command("LLEN", check.text("key")))


def _rabbitmq(check: Check) -> Reading:
    facts = _by_url(check) if check.given["url"] else _by_rabbitmqctl(check)
    field = _COUNTS[check.measure]
    # A queue that was made a moment ago has no statistics in the management interface yet.
    if not isinstance(facts.get(field), int):
        raise RunbookError(f"RabbitMQ does not tell {field} of the queue {check.text('queue')} yet")
    details = {name: facts[count] for name, count in _COUNTS.items() if isinstance(facts.get(count), int)}
    return Reading(facts[field], ", ".join(f"{count} {name}" for name, count in details.items()), details=details)


def _by_rabbitmqctl(check: Check) -> dict[str, t.Any]:
    program = find_program(["rabbitmqctl"], "rabbitmq-server")
    vhost, queue = check.text("vhost") or "/", check.text("queue")
    words = (program, "--quiet", "--formatter", "json", "--timeout", f"{max(1, int(check.timeout))}", "list_queues", "--vhost", vhost)
    try:
        printed = run(Command((*words, "name", *_COUNTS.values())), timeout=check.timeout)
    except ProgramFailed as error:
        raise RunbookError(f"RabbitMQ on this host does not tell its queues: {_first(error.stderr) or error.message}") from None
    try:
        queues = {item["name"]: item for item in json.loads(printed)}
    except (ValueError, TypeError, KeyError):
        raise RunbookError("what rabbitmqctl prints can't be understood") from None
    if queue not in queues:
        raise RunbookError(f"there is no queue {queue} in {vhost}; its consumer declares it, or the name is wrong")
    return t.cast("dict[str, t.Any]", queues[queue])


def _first(said: str) -> str:
    """rabbitmqctl explains at length; its first sentence is the reason."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0][:200] if lines else ""


def _by_url(check: Check) -> dict[str, t.Any]:
    from .._http.client import Client, Keep, Request
    from .._http.transport import NoAnswer, Route, TlsSettings

    vhost, queue = check.text("vhost") or "/", check.text("queue")
    place = f"/api/queues/{urllib.parse.quote(vhost, safe='')}/{urllib.parse.quote(queue, safe='')}"
    target = parse_target(check.text("url").rstrip("/") + place, None)
    headers = [("Accept", "application/json")]
    if check.given["login_user"]:
        words = f"{check.text('login_user')}:{check.text('login_password')}"
        headers.append(("Authorization", f"Basic {base64.b64encode(words.encode()).decode()}"))
    try:
        route = Route(tls=TlsSettings(ca_path=check.given["ca_cert"]))
        answer = Client().send(Request("GET", target, headers), route, Keep(_ANSWER), check.timeout)
    except NoAnswer as error:
        raise RunbookError(f"RabbitMQ's management interface on {target.authority}: {error}") from None
    if answer.status == 404:
        raise RunbookError(f"there is no queue {queue} in {vhost}; its consumer declares it, or the name is wrong")
    if answer.status != 200:
        raise RunbookError(f"RabbitMQ's management interface on {target.authority} answers {answer.status} {answer.reason}")
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise RunbookError(f"what answers on {target.authority} is not RabbitMQ's management interface")
    return document


def _refuse_url(given: t.Mapping[str, t.Any]) -> None:
    if given["url"]:
        parse_target(str(given["url"]), None)
    elif given["login_user"] or given["login_password"]:
        raise InvalidInput("login_user is for the management interface; give its url, or leave the log-in out")


KINDS: dict[str, Kind] = {
    "redis_ping": Kind(_redis_ping, {"time": Measure("ms", None, 1000)}, (), _LOGIN),
    "redis_memory": Kind(_redis_memory, {"percent": Measure("%", 70, 90), "size": Measure("bytes")}, (), _LOGIN),
    "redis_length": Kind(_redis_length, {"count": Measure("items", 1000, 5000)}, ("key",), _LOGIN),
    "rabbitmq_queue": Kind(
        _rabbitmq,
        {
            **{name: Measure("messages", 1000, 5000) for name in ("messages", "ready", "unacknowledged")},
            "consumers": Measure("consumers", None, 1, below=True),
        },
        ("queue",),
        ("vhost", "url", "login_user", "login_password", "ca_cert"),
        _refuse_url,
    ),
}
