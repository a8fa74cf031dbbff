# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``notify``, and the targets that they describe."""

from __future__ import annotations

import base64
import re
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput, RunbookError
from .._http.address import Target as Address
from .._http.address import parse_target
from .._http.parse import parse_hmac
from .._http.parse_expect import TOKEN
from .._http.sign import HMAC, Credentials
from .._http.transport import TlsSettings
from . import pagerduty, slack
from .discord import Discord, waiting
from .mail import PORTS, Mail, parse_address
from .message import SEVERITIES, STATES
from .pagerduty import PagerDuty
from .post import CLIENT
from .slack import SlackApi, SlackWebhook
from .target import Target
from .teams import TeamsConnector, TeamsWorkflow
from .webhook import Webhook

Options = t.Mapping[str, t.Any]

# What each kind needs, and what else it knows.
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "slack_webhook": (("url",), ()),
    "slack": (("token", "channel"), ("url", "thread_ts")),
    "discord": (("url",), ()),
    "teams_workflow": (("url",), ()),
    "teams_connector": (("url",), ()),
    "pagerduty": (("routing_key",), ("url",)),
    "email": (("host", "sender", "recipients"), ("port", "security", "username", "password")),
    "webhook": (("url",), ("token", "username", "password", "hmac", "headers")),
}
_SPECIFIC = sorted({option for needed, known in _KINDS.values() for option in (*needed, *known)})

TARGET: dict[str, t.Any] = {
    "name": {"type": "str"},
    "kind": {"type": "str", "choices": list(_KINDS), "required": True},
    "url": {"type": "str", "no_log": True},
    "token": {"type": "str", "no_log": True},
    "channel": {"type": "str"},
    "thread_ts": {"type": "str"},
    "routing_key": {"type": "str", "no_log": True},
    "headers": {"type": "dict", "no_log": True},
    "hmac": {"type": "dict", "options": HMAC},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "security": {"type": "str", "choices": list(PORTS)},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "sender": {"type": "str"},
    "recipients": {"type": "list", "elements": "str"},
    "min_severity": {"type": "str", "choices": list(SEVERITIES), "default": "info"},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
}

MESSAGE: dict[str, t.Any] = {
    "title": {"type": "str", "required": True},
    "text": {"type": "str"},
    "state": {"type": "str", "choices": list(STATES), "default": "firing"},
    "severity": {"type": "str", "choices": list(SEVERITIES), "default": "warning"},
    "key": {"type": "str", "no_log": False},
    "source": {"type": "str"},
    "fields": {"type": "dict"},
    "link": {"type": "str"},
    "targets": {"type": "list", "elements": "str"},
}

NOTIFY = ArgumentSpec(
    {
        "targets": {"type": "list", "elements": "dict", "required": True, "options": TARGET},
        "messages": {"type": "list", "elements": "dict", "default": [], "options": MESSAGE},
        "state_dir": {"type": "path", "default": "/var/lib/runbook/notify"},
        "repeat_interval": {"type": "str", "default": "4h"},
        "timeout": {"type": "float", "default": 10},
        "retries": {"type": "int", "default": 4},
        "budget": {"type": "str", "default": "60s"},
        "fail": {"type": "bool", "default": True},
    }
)


def parse_targets(items: t.Sequence[Options], warn: t.Callable[[str], None]) -> list[Target]:
    """The targets of the option ``targets``; an ``InvalidInput`` names the one that it is about, and shows no secret."""
    if not items:
        raise InvalidInput("targets is empty; give at least one")
    targets: list[Target] = []
    for position, item in enumerate(items, 1):
        name = item.get("name") or item["kind"]
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
            raise InvalidInput(f"target {position}: name {name!r} is not of letters, digits, '-', '_' and '.', at most 64")
        if any(target.name == name for target in targets):
            raise InvalidInput(f"target {name!r} is there twice; what was told is remembered by name, so give each its own")
        try:
            targets.append(_target(name, item, warn))
        except RunbookError as error:
            raise type(error)(f"target {name!r}: {error.message}") from None
    return targets


def _target(name: str, item: Options, warn: t.Callable[[str], None]) -> Target:
    kind = item["kind"]
    needed, known = _KINDS[kind]
    missing = [option for option in needed if not item.get(option)]
    if missing:
        raise InvalidInput(f"a target of kind {kind} needs {' and '.join(missing)}")
    foreign = [option for option in _SPECIFIC if item.get(option) is not None and option not in (*needed, *known)]
    if foreign:
        raise InvalidInput(f"a target of kind {kind} has no {' and '.join(foreign)}; leave out what it does not use")
    tls = TlsSettings(item.get("validate_certs") is not False, item.get("ca_path") or None)
    common: dict[str, t.Any] = {"name": name, "kind": kind, "least": item.get("min_severity") or "info"}
    if kind == "email":
        return _mail(common, item, tls, warn)
    common.update(tls=tls, address=_address(kind, item, warn), secrets=_secrets(item))
    if common["address"].scheme == "https":
        CLIENT.context(tls)  # a ca_path that can't be read is bad input, not a failing server
    if kind == "webhook":
        return _webhook(common, item)
    # Slack takes one message a second; what is sent faster costs more than the wait.
    if kind == "slack":
        _check_token(item["token"])
        thread = item.get("thread_ts") or ""
        return SlackApi(**common, pace=1.0, token=item["token"], channel=item["channel"], thread_ts=thread)
    if kind == "slack_webhook":
        return SlackWebhook(**common, pace=1.0)
    if kind == "pagerduty":
        return PagerDuty(**common, takes_events=False, routing_key=item["routing_key"])
    return {"discord": Discord, "teams_workflow": TeamsWorkflow, "teams_connector": TeamsConnector}[kind](**common)


def _address(kind: str, item: Options, warn: t.Callable[[str], None]) -> Address:
    url = item.get("url") or {"slack": slack.API, "pagerduty": pagerduty.API}[kind]
    try:
        address = parse_target(url, None)
    except InvalidInput:
        # That message would show the url, which is the secret here.
        raise InvalidInput("its url is no absolute URL that begins with https:// and has no spaces or user information") from None
    if address.scheme == "http" and not _loopback(address.host):
        warn(f"target {item.get('name') or kind}: its url begins with http://, so everybody on the way can read it and what is sent")
    return waiting(address) if kind == "discord" else address


def _webhook(common: dict[str, t.Any], item: Options) -> Webhook:
    ways = [name for name in ("token", "username", "hmac") if item.get(name) is not None]
    if len(ways) > 1:
        raise InvalidInput(f"{' and '.join(ways)} exclude each other; a request authenticates in one way")
    if item.get("password") is not None and item.get("username") is None:
        raise InvalidInput("password is given without username; give both")
    if item.get("token") is not None:
        _check_token(item["token"])
    key = parse_hmac(item["hmac"]) if item.get("hmac") is not None else None
    headers = tuple((str(name), str(value)) for name, value in (item.get("headers") or {}).items())
    for name, value in headers:
        if not TOKEN.match(name) or name.lower() in ("content-length", "transfer-encoding", "connection", "host", "content-type"):
            raise InvalidInput(f"header {name!r} can't be set")
        if any(not 31 < ord(char) < 127 for char in value):
            raise InvalidInput(f"header {name} must be one line of ASCII")
    return Webhook(**common, credentials=Credentials(item.get("username"), item.get("password"), item.get("token"), key), extra=headers)


def _mail(common: dict[str, t.Any], item: Options, tls: TlsSettings, warn: t.Callable[[str], None]) -> Mail:
    security = item.get("security") or "starttls"
    port = item.get("port") or PORTS[security]
    if not 0 < port < 65536:
        raise InvalidInput(f"port {port} is not from 1 to 65535")
    if item.get("password") is not None and not item.get("username"):
        raise InvalidInput("password is given without username; give both")
    if security == "none" and item.get("username") and not _loopback(item["host"]):
        raise InvalidInput("security none would show the password to everybody on the way; use starttls or tls")
    if security == "none" and not _loopback(item["host"]):
        warn(f"target {common['name']}: without TLS everybody on the way can read the mails")
    tls.context()
    username, password = item.get("username"), item.get("password")
    plain = base64.b64encode(f"\0{username}\0{password}".encode()).decode() if username and password else ""
    secrets = [password, plain, base64.b64encode((password or "").encode()).decode()]
    return Mail(
        **common,
        secrets=tuple(secret for secret in secrets if secret and len(secret) >= 4),
        host=item["host"],
        port=port,
        security=security,
        username=username,
        password=password,
        sender=parse_address(item["sender"], "sender"),
        recipients=tuple(parse_address(recipient, "recipient") for recipient in item["recipients"]),
        tls=tls,
    )


def _loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _check_token(token: str) -> None:
    if any(not 32 < ord(char) < 127 for char in token):
        raise InvalidInput("token contains a space, line break or non-ASCII character")


def _secrets(item: Options) -> tuple[str, ...]:
    """Every text of a target that a server or an error could show, and nobody may see."""
    url = item.get("url") or ""
    path = re.sub(r"^[A-Za-z]+://[^/?#]*", "", url)
    # A short word such as "webhooks" is no secret, and stands in messages too.
    parts = [part for part in re.split(r"[/?&=#]", path) if not re.fullmatch(r"[a-z_-]{1,12}", part)]
    given = [url, path, *parts, item.get("token"), item.get("routing_key"), item.get("password"), (item.get("hmac") or {}).get("secret")]
    given += [str(value) for value in (item.get("headers") or {}).values()]
    # Shorter ones would tear holes into any text; the longest go first, because one may contain another.
    return tuple(sorted({text for text in given if text and len(text) >= 6}, key=len, reverse=True))
