# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching one file over HTTP(S) with the standard library: bounded, resumable, verified, and silent about secrets."""

from __future__ import annotations

import base64
import dataclasses
import email.message
import hashlib
import http.client
import json
import os
import socket
import ssl
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request

from .._common.errors import InvalidInput, Refused, RunbookError
from .address import checked_url, safe_url, same_origin
from .checksum import Checksum, from_list, parse_checksum

_CHUNK = 1 << 18
_ATTEMPTS = 4
_MAX_LIST = 4 << 20  # bytes of a checksum list
_PASSING = (429, 500, 502, 503, 504)
# Statuses that say how the request was wrong, and what the operator can do about it.
_HINTS = {
    401: "check username and password",
    403: "check username and password, or the token in headers",
    404: "check the address, and whether the build was published",
    407: "check the credentials in https_proxy",
    410: "it was removed there for good",
}


@dataclasses.dataclass(frozen=True)
class Downloaded:
    """A complete, verified file. ``resumed`` counts the bytes that were already there."""

    path: str
    checksum: str
    bytes: int
    resumed: int


@dataclasses.dataclass(frozen=True)
class Access:
    """How to speak to the server. ``headers``, ``username`` and ``password`` go to the first host only, never to where it redirects."""

    timeout: float = 30.0
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    username: str | None = None
    password: str | None = None
    validate_certs: bool = True


class _Broken(Exception):
    """The transfer stopped half-way; what has arrived is kept and the rest may be asked for."""


def resolve_checksum(checksum: str, url: str, access: Access) -> Checksum:
    """``checksum`` itself, or the one that the list it points to gives for the last part of ``url``."""
    said = parse_checksum(checksum)
    if isinstance(said, Checksum):
        return said
    address = checked_url(said)
    request_to = access if same_origin(checked_url(url), address) else dataclasses.replace(access, headers={}, username=None, password=None)
    try:
        with _open(address, request_to, {}) as answer:
            text = answer.read(_MAX_LIST + 1)
    except (_Broken, OSError, http.client.HTTPException) as error:
        raise RunbookError(f"the checksum list {safe_url(said)} can't be read: {_reason(error)}; run again later") from None
    if len(text) > _MAX_LIST:
        raise Refused(f"{safe_url(said)} has more than {_MAX_LIST} bytes; that is no checksum list")
    path = urllib.parse.unquote(urllib.parse.urlsplit(url).path).lstrip("/")
    algorithm = checksum.strip().partition(":")[0].lower()
    return from_list(algorithm, text.decode("utf-8", "replace"), (path.rpartition("/")[2], path), safe_url(said))


def download(
    url: str,
    dest: str,
    *,
    checksum: str | Checksum | None,
    timeout: float = 30.0,
    headers: t.Mapping[str, str] | None = None,
    username: str | None = None,
    password: str | None = None,
    validate_certs: bool = True,
    max_bytes: int = 8 << 30,
) -> Downloaded:
    """Fetch ``url`` into the file ``dest``, which appears only when it is complete and verified.

    What arrives is kept in ``dest`` + ``.partial`` and resumed, also by a later run, if the server can. ``timeout``
    (seconds) bounds connecting and each wait for data. Proxies come from the environment. Without ``checksum`` the
    transport is all there is to trust. Raises ``InvalidInput``, ``Refused`` (checksum, size) or ``RunbookError``.
    """
    address = checked_url(url)
    access = Access(timeout, dict(headers or {}), username, password, validate_certs)
    wanted = resolve_checksum(checksum, url, access) if isinstance(checksum, str) else checksum
    transfer = _Transfer(address, dest + ".partial", access, wanted.algorithm if wanted else "sha256", max_bytes)
    digest = transfer.run(wanted.digest if wanted else None)
    if wanted and digest != wanted.digest and transfer.resumed:
        transfer.forget()  # the file changed on the server between two runs: once more, from its start
        digest = transfer.run()
    if wanted:
        try:
            wanted.check(digest, safe_url(url))
        except Refused:
            transfer.forget()
            raise
    os.replace(transfer.path, dest)
    transfer.forget()
    return Downloaded(dest, f"{wanted.algorithm if wanted else 'sha256'}:{digest}", transfer.size, transfer.resumed)


class _Transfer:
    """One partial file on its way to be complete; ``<path>.json`` tells which version of which URL it is a part of."""

    def __init__(self, address: str, path: str, access: Access, algorithm: str, max_bytes: int) -> None:
        self.path = path
        self.size = 0
        self.resumed = 0
        self._address = address
        self._access = access
        self._algorithm = algorithm
        self._max_bytes = max_bytes
        self._digest = hashlib.new(algorithm)

    def run(self, wanted: str | None = None) -> str:
        """Fetch what is missing, in several attempts if the connection breaks; the digest of the whole."""
        self._load()
        if self.size and self._digest.hexdigest() == wanted:
            return wanted  # complete since an earlier run, which was killed before it could say so
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._attempt()
                return self._digest.hexdigest()
            except _Broken as error:
                if attempt == _ATTEMPTS:
                    raise RunbookError(
                        f"{safe_url(self._address)}: {error}, after {self.size} bytes and {attempt} attempts; run again to fetch the rest"
                    ) from None
            time.sleep(0.25 * 2**attempt)
        raise AssertionError("unreachable")

    def forget(self) -> None:
        for path in (self.path, self.path + ".json"):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass

    def _load(self) -> None:
        """Take up an earlier part of the same URL, if its version is known."""
        self._digest = hashlib.new(self._algorithm)
        self.size = self.resumed = 0
        if self._validator():
            try:
                with open(self.path, "rb") as stream:
                    for chunk in iter(lambda: stream.read(1 << 20), b""):
                        self._digest.update(chunk)
                        self.size += len(chunk)
            except FileNotFoundError:
                pass
        self.resumed = self.size

    def _validator(self) -> str:
        """What names the version of the part (a strong ETag or a date); empty when resuming would be a guess."""
        try:
            with open(self.path + ".json", encoding="utf-8") as stream:
                said = json.load(stream)
        except (OSError, ValueError):
            return ""
        return str(said["validator"]) if isinstance(said, dict) and said.get("url") == self._key() and said.get("validator") else ""

    def _key(self) -> str:
        return hashlib.sha256(self._address.encode()).hexdigest()  # the URL itself may hold a secret

    def _attempt(self) -> None:
        extra = {"Range": f"bytes={self.size}-", "If-Range": self._validator()} if self.size and self._validator() else {}
        with _open(self._address, self._access, extra) as answer:
            length = answer.headers.get("Content-Length", "")
            expected = int(length) if length.isdigit() else None
            if answer.status == 206 and extra and answer.headers.get("Content-Range", "").startswith(f"bytes {self.size}-"):
                flags = os.O_WRONLY | os.O_APPEND
            elif answer.status == 200:
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
                self.size = self.resumed = 0
                self._digest = hashlib.new(self._algorithm)
                self._remember(answer.headers)
            elif extra and answer.status in (206, 416):
                self.forget()
                self._load()
                raise _Broken("the part already here is not what the server has")
            else:
                raise RunbookError(f"{safe_url(self._address)} answered {answer.status} {answer.reason}, not 200 with the file")
            if self.size + (expected or 0) > self._max_bytes:
                raise self._too_large(self.size + (expected or 0))
            self._receive(answer, flags, self.size + expected if expected is not None else None)

    def _remember(self, headers: email.message.Message) -> None:
        etag = headers.get("ETag", "")
        validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
        with open(self.path + ".json", "w", encoding="utf-8") as stream:
            json.dump({"url": self._key(), "validator": validator}, stream)

    def _receive(self, answer: t.Any, flags: int, total: int | None) -> None:
        fd = os.open(self.path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as stream:
            while True:
                try:
                    chunk = answer.read(_CHUNK)
                except (OSError, http.client.HTTPException) as error:
                    raise _Broken(f"the connection broke ({_reason(error)})") from None
                if not chunk:
                    break
                if self.size + len(chunk) > self._max_bytes:
                    raise self._too_large(None)
                stream.write(chunk)
                self._digest.update(chunk)
                self.size += len(chunk)
        if total is not None and self.size < total:  # the standard library takes a cut body for a whole one
            raise _Broken(f"the connection broke ({self.size} of {total} bytes)")

    def _too_large(self, size: int | None) -> Refused:
        self.forget()
        return Refused(f"{safe_url(self._address)} has {size or 'more'} bytes, more than {self._max_bytes} are allowed (max_bytes)")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http(s) only, never from https back to http, and takes no credentials to another host."""

    def redirect_request(self, req: urllib.request.Request, fp: t.Any, code: int, msg: str, headers: t.Any, newurl: str) -> t.Any:
        new = urllib.parse.urlsplit(newurl)
        if new.scheme not in ("http", "https") or (req.type == "https" and new.scheme == "http"):
            raise Refused(f"{safe_url(req.full_url)} redirects to {safe_url(newurl)}, which is not followed; give the final https address")
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and not same_origin(req.full_url, newurl):
            keep = {"range", "if-range", "accept-encoding", "user-agent"}
            following.headers = {name: value for name, value in following.headers.items() if name.lower() in keep}
        return following


def _open(address: str, access: Access, extra: t.Mapping[str, str]) -> t.Any:
    """The answer to a GET, whatever its status below 400 (and 416); errors in words. The caller closes it."""
    headers = {"User-Agent": "runbook.ops", "Accept-Encoding": "identity", **access.headers, **extra}
    for name, value in headers.items():
        if any(c in f"{name}{value}" for c in "\r\n\0") or not name:
            raise InvalidInput(f"the header {name!r} contains a line break or has no name")
    if access.username is not None or access.password is not None:
        pair = f"{access.username or ''}:{access.password or ''}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    context = ssl.create_default_context()
    if not access.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=context),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    shown = safe_url(address)
    try:
        return opener.open(urllib.request.Request(address, headers=headers), timeout=access.timeout)  # noqa: S310 - checked_url
    except urllib.error.HTTPError as error:
        if error.code == 416 and extra:
            return error
        error.close()
        if error.code in _PASSING:
            raise _Broken(f"the server answered {error.code} {error.reason}") from None
        hint = _HINTS.get(error.code)
        raise RunbookError(f"{shown} answered {error.code} {error.reason}" + (f"; {hint}" if hint else "")) from None
    except urllib.error.URLError as error:
        raise _unreachable(shown, error.reason, access.timeout) from None
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(shown, error, access.timeout) from None


def _unreachable(shown: str, reason: t.Any, timeout: float) -> RunbookError:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return RunbookError(
            f"{shown}: its certificate is not trusted ({reason.verify_message}); install the issuer's certificate, "
            "or set validate_certs to false if the checksum is trust enough"
        )
    if isinstance(reason, ssl.SSLError):
        return RunbookError(f"{shown}: TLS failed ({_reason(reason)}); check scheme and port")
    if isinstance(reason, socket.gaierror):
        return RunbookError(
            f"{shown}: its host name has no address ({_reason(reason)}); check the name, or https_proxy if a proxy is needed"
        )
    if isinstance(reason, (socket.timeout, TimeoutError)):
        return RunbookError(f"{shown} did not answer within {timeout:g} s; check network and proxy, or raise timeout")
    return RunbookError(f"{shown} can't be reached ({_reason(reason)}); check address, network and proxy")


def _reason(error: t.Any) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]
