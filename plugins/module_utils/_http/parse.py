# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the module's options to probes; everything that can be known to be wrong is refused here, before any request."""

from __future__ import annotations

import dataclasses
import json
import math
import typing as t
from urllib.parse import urlencode, urlsplit

from .._common.errors import InvalidInput, RunbookError
from . import parse_expect
from .address import Target, parse_node, parse_target, without_userinfo
from .client import Headers
from .parse_expect import TOKEN, Options
from .retry import Backoff
from .sign import Credentials, HmacKey, basic
from .spec import Probe
from .status import StatusSet, parse_status
from .transport import Proxy, Route, TlsSettings

CREDENTIALS = ("url_username", "url_password", "bearer_token", "hmac")
# Options of a probe whose default is the module's option of the same name.
SHARED = (
    "timeout", "validate_certs", "ca_path", "client_cert", "client_key", "connect_to", "headers", "http_agent", "proxy", "proxy_username",
    "proxy_password", "retries", "delay", "max_delay", "max_body", "follow_redirects", *CREDENTIALS,
)  # fmt: skip
_SECRET_HEADERS = ("authorization", "cookie", "token", "secret", "key", "password", "signature", "session")
_OWN_HEADERS = ("content-length", "transfer-encoding", "connection", "proxy-authorization")


def parse_probes(options: Options) -> list[Probe]:
    """All probes of a call; an ``InvalidInput`` names the probe that it is about."""
    items = options.get("probes") or []
    if not items:
        raise InvalidInput("probes is empty; give at least one probe with a url")
    concurrency = options.get("concurrency")
    if concurrency is not None and not 1 <= concurrency <= 256:
        raise InvalidInput(f"concurrency {concurrency} is not from 1 to 256")
    probes: list[Probe] = []
    names: set[str] = set()
    for position, item in enumerate(items, 1):
        given = item.get("name")
        try:
            probe = _probe(_merged(options, item), options.get("base_url"), given)
        except RunbookError as error:
            label = f"{given!r}" if given else f"{position} ({without_userinfo(str(item.get('url')))})"
            raise type(error)(f"probe {label}: {error.message}") from None
        if given and given in names:
            raise InvalidInput(f"probe {given!r}: another probe has this name; results are told apart by it, so choose a second one")
        name, count = probe.name, 2
        while name in names:
            name, count = f"{probe.name} #{count}", count + 1
        names.add(name)
        probes.append(probe if name == probe.name else dataclasses.replace(probe, name=name))
    return probes


def _merged(options: Options, item: Options) -> dict[str, t.Any]:
    own = {key: value for key, value in item.items() if value is not None}
    shared = {key: options.get(key) for key in SHARED}
    if any(key in own for key in CREDENTIALS):
        shared.update(dict.fromkeys(CREDENTIALS))
    merged = {**shared, **own}
    mine = {str(name).lower() for name in own.get("headers") or {}}
    inherited = {name: value for name, value in (options.get("headers") or {}).items() if str(name).lower() not in mine}
    merged["headers"] = {**inherited, **(own.get("headers") or {})}
    return merged


def _number(options: Options, name: str, default: float, low: float, high: float) -> float:
    value = options.get(name)
    value = default if value is None else value
    if not (isinstance(value, (int, float)) and math.isfinite(value) and low <= value <= high):
        raise InvalidInput(f"{name} {value} is not from {low:g} to {high:g}")
    return value


def _probe(options: Options, base_url: str | None, name: str | None) -> Probe:
    target = parse_target(str(options.get("url") or ""), base_url or None)
    method = str(options.get("method") or "GET").upper()
    if not TOKEN.match(method) or method == "CONNECT":
        raise InvalidInput(f"method {method!r} can't be probed; use for example GET, HEAD or POST")
    body, body_type = _body(options)
    credentials = _credentials(options)
    samples = int(_number(options, "samples", 1, 1, 100_000))
    redirects = parse_expect.parse_redirects(options.get("follow_redirects"), options.get("redirects"))
    route = _route(options, target)
    probe = Probe(
        name=name or f"{method} {target.display}",
        method=method,
        target=target,
        headers=_headers(options, credentials, body_type),
        body=body,
        credentials=credentials,
        route=route,
        timeout=_number(options, "timeout", 10.0, 0.001, 86_400),
        max_body=int(_number(options, "max_body", 4 << 20, 1, 1 << 31)),
        safe=method in ("GET", "HEAD", "OPTIONS", "TRACE") if options.get("safe") is None else bool(options["safe"]),
        backoff=Backoff(
            int(_number(options, "retries", 0, 0, 1000)),
            _number(options, "delay", 1.0, 0, 3600),
            _number(options, "max_delay", 30.0, 0, 86_400),
        ),
        samples=samples,
        status=_status(options),
        expect_headers=parse_expect.parse_expect_headers(options.get("expect_headers")),
        content=parse_expect.parse_content(options),
        cache=parse_expect.parse_cache(options.get("cache")),
        redirects=redirects,
        revalidate=tuple(dict.fromkeys(options.get("revalidate") or ())),
        range=parse_expect.parse_range(options.get("range")),
        head_equals_get=bool(options.get("head_equals_get")),
        latency=parse_expect.parse_latency(options.get("latency"), samples, target.scheme),
        certificate=parse_expect.parse_certificate_limit(options.get("certificate"), target.scheme),
        clock=parse_expect.parse_clock(options.get("clock_skew")),
        secrets=_secrets(options, target, route, credentials),
    )
    _check_together(probe)
    return probe


def _check_together(probe: Probe) -> None:
    """Refuse expectations that this request can't meet or be asked for."""
    asks_again = [
        name
        for name, asked in (("revalidate", probe.revalidate), ("range", probe.range), ("head_equals_get", probe.head_equals_get))
        if asked
    ]
    if asks_again and probe.method != "GET":
        raise InvalidInput(f"{asks_again[0]} needs method GET, not {probe.method}; make it a probe of its own")
    if probe.method == "HEAD" and (probe.needs_body or probe.content.sha256):
        raise InvalidInput("an answer to HEAD has no body to expect anything of; use method GET")
    for location in probe.redirects.locations or ():
        try:
            probe.target.join(location)
        except ValueError as error:
            shown = without_userinfo(location)
            raise InvalidInput(f"redirects location {shown!r} can't be a redirect of this url: {error}") from None
    if probe.redirects.follow == "safe" and probe.method not in ("GET", "HEAD"):
        raise InvalidInput(f"follow_redirects safe follows GET and HEAD only, not {probe.method}; set it to all or none")


def _status(options: Options) -> StatusSet:
    items = options.get("status")
    if items is None:
        expects_redirect = (options.get("redirects") or {}).get("locations") and (options.get("follow_redirects") or "none") == "none"
        items = ["3xx"] if expects_redirect else ["200"]
    return parse_status(items)


def _body(options: Options) -> tuple[bytes, str | None]:
    """The body and the Content-Type that its format asks for."""
    body, form = options.get("body"), options.get("body_format") or "raw"
    if body is None:
        return b"", None
    if form == "json":
        if isinstance(body, str):
            try:
                json.loads(body)
            except ValueError as error:
                raise InvalidInput(f"body is not JSON ({error}); correct it, give a mapping or list, or set body_format to raw") from None
            return body.encode(), "application/json"
        return json.dumps(body, sort_keys=True).encode(), "application/json"
    if form == "form-urlencoded":
        text = body if isinstance(body, str) else urlencode(body, doseq=True) if isinstance(body, t.Mapping) else None
        if text is None:
            raise InvalidInput("body of body_format form-urlencoded must be a mapping or a text")
        return text.encode(), "application/x-www-form-urlencoded"
    if isinstance(body, (t.Mapping, list)):
        raise InvalidInput("body is a mapping or list, but body_format is raw; set body_format to json or form-urlencoded")
    return str(body).encode(), None


def _headers(options: Options, credentials: Credentials, body_type: str | None) -> Headers:
    headers: Headers = []
    signed = {name.lower() for name, _value in credentials.headers("GET", "/", b"")}
    for name, value in options["headers"].items():
        if not TOKEN.match(str(name)) or str(name).lower() in _OWN_HEADERS:
            raise InvalidInput(f"header {name!r} can't be set; names are letters, digits and dashes, and framing is the module's own")
        text = value if isinstance(value, str) else str(value)
        if value is None or isinstance(value, (t.Mapping, list)) or any(char in text for char in "\r\n\0"):
            raise InvalidInput(f"header {name}: its value must be one line of text")
        try:
            text.encode("latin-1")
        except UnicodeError:
            raise InvalidInput(f"header {name}: its value has characters that no header may have; encode them") from None
        if str(name).lower() in signed:
            raise InvalidInput(f"header {name} is given twice, in headers and by the credentials; leave one of them out")
        headers.append((str(name), text))
    given = {name.lower() for name, _value in headers}
    if "user-agent" not in given:
        agent = str(options.get("http_agent") or "runbook.ops")
        if any(ord(char) < 32 or ord(char) > 255 for char in agent):
            raise InvalidInput("http_agent must be one line of text")
        headers.append(("User-Agent", agent))
    if "accept" not in given:
        headers.append(("Accept", "*/*"))
    if body_type and "content-type" not in given:
        headers.append(("Content-Type", body_type))
    return headers


def _credentials(options: Options) -> Credentials:
    username, password, token = options.get("url_username"), options.get("url_password"), options.get("bearer_token")
    key = options.get("hmac")
    if password is not None and username is None:
        raise InvalidInput("url_password is given without url_username; give both")
    if (username is not None) + (token is not None) + (key is not None) > 1:
        raise InvalidInput("url_username, bearer_token and hmac exclude each other; a request authenticates in one way")
    if username is not None and ":" in username:
        raise InvalidInput("url_username contains a colon, which basic authentication can't carry")
    if token is not None and (not token or any(not 32 < ord(char) < 127 for char in token)):
        raise InvalidInput("bearer_token is empty or contains a space, line break or non-ASCII character")
    return Credentials(username, password, token, parse_hmac(key) if key is not None else None)


def parse_hmac(options: Options) -> HmacKey:
    """The key of an option ``hmac``; ``InvalidInput`` when it can't sign."""
    given = {name: value for name, value in options.items() if value is not None}
    key = HmacKey(**{**given, **({"parts": tuple(given["parts"])} if "parts" in given else {})})
    if not key.secret:
        raise InvalidInput("hmac secret is empty; give the shared secret")
    for name in ("header", "timestamp_header", "key_id_header"):
        if not TOKEN.match(getattr(key, name)):
            raise InvalidInput(f"hmac {name} {getattr(key, name)!r} is not a header name")
    if any(not 31 < ord(char) < 127 for char in key.prefix + (key.key_id or "")):
        raise InvalidInput("hmac prefix and key_id must be one line of ASCII")
    if not key.parts:
        raise InvalidInput("hmac parts is empty; name what is signed")
    if "key_id" in key.parts and not key.key_id:
        raise InvalidInput("hmac parts names key_id, but there is none; give key_id, or leave it out of parts")
    return key


def _route(options: Options, target: Target) -> Route:
    if options.get("client_key") and not options.get("client_cert"):
        raise InvalidInput("client_key is given without client_cert; give both")
    validate = options.get("validate_certs")
    tls = TlsSettings(
        True if validate is None else bool(validate),
        options.get("ca_path") or None,
        options.get("client_cert") or None,
        options.get("client_key") or None,
    )
    node, proxy = parse_node(options.get("connect_to")), _proxy(options)
    if node and proxy and target.scheme == "http":
        raise InvalidInput("connect_to and proxy exclude each other for an http url, where the proxy chooses the node; drop one of them")
    return Route(node, proxy, tls)


def _proxy(options: Options) -> Proxy | None:
    url = options.get("proxy")
    username, password = options.get("proxy_username"), options.get("proxy_password")
    if not url:
        if options.get("proxy_username") and url is None:
            raise InvalidInput("proxy_username is given without proxy; give the proxy's url")
        return None
    shown = without_userinfo(url)
    if "@" in urlsplit(url).netloc:
        raise InvalidInput(f"proxy {shown!r} contains user information; give proxy_username and proxy_password instead")
    try:
        target = parse_target(url, None)
    except InvalidInput as error:
        raise InvalidInput(f"proxy: {error.message}") from None
    if target.scheme != "http" or target.path != "/":
        raise InvalidInput(f"proxy {shown!r} is not of the form http://host:port; proxies are spoken to in plain HTTP")
    return Proxy(target.host, target.port, None if username is None else basic(username, password or ""))


def _secrets(options: Options, target: Target, route: Route, credentials: Credentials) -> tuple[str, ...]:
    found = set(credentials.secrets()) | set(target.query_values)
    if route.proxy and route.proxy.authorization:
        found |= {route.proxy.authorization.partition(" ")[2], options.get("proxy_password") or ""}
    for name, value in options["headers"].items():
        if any(word in str(name).lower() for word in _SECRET_HEADERS):
            found |= {str(value), str(value).rpartition(" ")[2]}
    # Shorter ones would tear holes into any text; the longest go first, because one may contain another.
    return tuple(sorted((item for item in found if len(item) >= 4), key=len, reverse=True))
