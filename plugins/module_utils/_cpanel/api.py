# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to a cPanel server: UAPI and, for what UAPI lacks, API 2.

Contracts: https://api.docs.cpanel.net/specifications/cpanel.openapi (UAPI), https://api.docs.cpanel.net/cpanel-api-2 (API 2),
https://api.docs.cpanel.net/cpanel/tokens (the header). Parameters travel in the body, so that no log of addresses has them.

What may be repeated is, after 429, 5xx and broken connections. What may not ends in an ``ApiError`` of kind ``unknown``: the
caller looks what became of it. A 429 says that nothing was done, and is repeated in either case.
"""

from __future__ import annotations

import email.utils
import json
import random
import time
import typing as t
import urllib.parse

from .._common.errors import RunbookError
from .._common.progress import Say, silent
from .account import Account
from .answers import Answer, ApiError, api2_answer, failure, is_login_page, one_line, parse, uapi_answer
from .upload import Upload

try:
    import requests
    import urllib3
except ImportError:  # said when somebody needs it
    HAS_REQUESTS = False
else:
    HAS_REQUESTS = True

TRIES = 6
LONGEST_WAIT = 120.0  # seconds that a Retry-After is honoured for
Params = t.Mapping[str, t.Any]


def retry_after(text: str | None, now: float) -> float | None:
    """The seconds that a Retry-After header asks for (a number, or a date as seen from the epoch time ``now``); ``None`` without one."""
    if not text:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError):
        return None


class Api:
    """The functions of one account. Not for several threads: each takes its own (``another``)."""

    def __init__(self, account: Account, say: Say = silent, sleep: t.Callable[[float], None] = time.sleep) -> None:
        if not HAS_REQUESTS:
            raise RunbookError("backend cpanel needs the Python library requests on the controller; run: pip install requests")
        self.account, self._say, self.sleep = account, say, sleep
        self.calls = 0
        self.accepted = False  # whether the server has accepted the token once
        if not account.validate_certs:  # it was asked for: a warning with every call would only hide others
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "runbook.ops"
        # Some hosts put a filter before cPanel that refuses what does not look like a browser's request.
        self._session.headers["Accept"] = "application/json, text/html;q=0.5, */*;q=0.1"
        self._session.auth = self._authorize

    def __repr__(self) -> str:
        return f"Api({self.account!r})"

    def another(self) -> Api:
        """The same account over a connection of its own."""
        return Api(self.account, self._say, self.sleep)

    def close(self) -> None:
        self._session.close()

    def _authorize(self, request: t.Any) -> t.Any:
        # As ``auth``, so that no .netrc takes its place.
        request.headers["Authorization"] = f"cpanel {self.account.user}:{self.account.token}"
        return request

    # -- functions ---------------------------------------------------------------------------------------------

    def uapi(self, module: str, function: str, params: Params | None = None, *, repeat: bool = True, timeout: float = 0) -> Answer:
        """Call a function and answer its outcome; ``ApiError`` when it failed."""
        return self._done(f"{module}::{function}", self.try_uapi(module, function, params, repeat=repeat, timeout=timeout))

    def try_uapi(self, module: str, function: str, params: Params | None = None, *, repeat: bool = True, timeout: float = 0) -> Answer:
        """The same for callers that read the outcome themselves, failed or not."""
        name = f"{module}::{function}"
        body = urllib.parse.urlencode([(key, str(value)) for key, value in (params or {}).items()])
        return self._read(name, self._post(name, f"/execute/{module}/{function}", body, repeat, timeout), uapi_answer)

    def upload(self, upload: Upload, timeout: float = 0) -> Answer:
        """``Fileman::upload_files``. Repeated when it broke off: an upload replaces what an earlier one left."""
        name = "Fileman::upload_files"
        return self._read(name, self._post(name, "/execute/Fileman/upload_files", upload, True, timeout), uapi_answer)

    def batch(
        self, commands: t.Sequence[tuple[str, str, Params]], *, repeat: bool = True, timeout: float = 0
    ) -> tuple[Answer, list[Answer]]:
        """``Batch::strict``: run functions in order until one fails. Answers the whole outcome and that of each that was run."""
        fields = [
            (f"command-{index}", json.dumps([module, function, {key: str(value) for key, value in params.items()}]))
            for index, (module, function, params) in enumerate(commands)
        ]
        whole = self._read(
            "Batch::strict",
            self._post("Batch::strict", "/execute/Batch/strict", urllib.parse.urlencode(fields), repeat, timeout),
            uapi_answer,
        )
        members = []
        for each in whole.data if isinstance(whole.data, list) else []:
            try:
                members.append(uapi_answer(each))
            except ValueError:
                break
        return whole, members

    def api2(self, module: str, function: str, params: Params, *, repeat: bool = True, timeout: float = 0) -> Answer:
        """Call an API 2 function; ``ApiError`` when it failed, for any file."""
        name = f"{module}::{function}"
        fields = {
            "cpanel_jsonapi_user": self.account.user,
            "cpanel_jsonapi_apiversion": "2",
            "cpanel_jsonapi_module": module,
            "cpanel_jsonapi_func": function,
            **{key: str(value) for key, value in params.items()},
        }
        answer = self._read(name, self._post(name, "/json-api/cpanel", urllib.parse.urlencode(fields), repeat, timeout), api2_answer)
        return self._done(name, answer)

    def _done(self, name: str, answer: Answer) -> Answer:
        if not answer.ok:
            raise self.failure(name, answer)
        return answer

    def failure(self, name: str, answer: Answer) -> ApiError:
        """The error of a failed outcome."""
        answer.errors = [self._clean(text) for text in answer.errors]
        return failure(name, answer, self.account.where)

    # -- transport ---------------------------------------------------------------------------------------------

    def _clean(self, text: str) -> str:
        """A text from outside without the token, should the server have repeated it."""
        for secret in (self.account.token, urllib.parse.quote(self.account.token, safe="")):
            text = text.replace(secret, "***")
        return one_line(text)

    def _post(self, name: str, path: str, body: str | Upload, repeat: bool, timeout: float) -> t.Any:
        headers = {"Content-Type": body.content_type if isinstance(body, Upload) else "application/x-www-form-urlencoded"}
        account, trouble = self.account, ""
        for attempt in range(TRIES):
            if isinstance(body, Upload):
                body.rewind()
            self.calls += 1
            wait: float | None = None
            try:
                response = self._session.post(
                    account.url + path,
                    data=body,
                    headers=headers,
                    timeout=(account.timeout, max(timeout, account.timeout)),
                    verify=(account.ca_path or True) if account.validate_certs else False,
                    # A redirect would take the token to wherever it points.
                    allow_redirects=False,
                )
            except requests.exceptions.SSLError as error:
                raise self._no_trust(error) from None
            except (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError) as error:
                trouble = self._clean(str(error))
            except requests.exceptions.RequestException as error:
                trouble = self._broken(name, error, repeat)
            else:
                if response.status_code == 429 or (response.status_code >= 500 and repeat):
                    trouble = f"it answered HTTP {response.status_code}"
                    wait = retry_after(response.headers.get("Retry-After"), time.time())
                else:
                    return self._usable(name, response)
            if attempt + 1 < TRIES:
                pause = min(LONGEST_WAIT, wait) if wait is not None else min(30.0, 0.5 * 2**attempt) * random.uniform(0.75, 1.25)  # noqa: S311
                if pause >= 3:
                    self._say(f"{account.host} is busy or away ({trouble}); asking again in {pause:.0f} s")
                self.sleep(pause)
        raise ApiError(
            f"{name} could not be called for {account.where} ({trouble}, {TRIES} times);"
            " check remote.host and remote.port, or run again later",
            "unknown" if repeat else "other",
        )

    def _broken(self, name: str, error: Exception, repeat: bool) -> str:
        """What to say of a connection that failed, when it may be tried again."""
        text, causes = self._clean(str(error)), repr(error)
        if "NameResolutionError" in causes or "Name or service not known" in causes or "getaddrinfo" in causes:
            raise ApiError(f"there is no host named {self.account.host}; correct remote.host, the name in the address of cPanel") from None
        if "NewConnectionError" in causes:  # nothing was sent
            return "the connection was refused" if "refused" in causes else "no connection"
        if not repeat:
            raise ApiError(f"the connection to {self.account.where} ended before {name} was answered ({text})", "unknown") from None
        return "it does not answer" if isinstance(error, requests.exceptions.Timeout) else "the connection broke"

    def _no_trust(self, error: Exception) -> ApiError:
        return ApiError(
            f"the certificate of {self.account.host}:{self.account.port} is not trusted ({self._clean(str(error))[-160:]});"
            " give the name that it is for as remote.host, or its authority as remote.ca_path"
        )

    def _usable(self, name: str, response: t.Any) -> t.Any:
        """The answer, if it is the API's own."""
        account, status = self.account, response.status_code
        if 300 <= status < 400:
            to = urllib.parse.urlsplit(response.headers.get("Location", "")).hostname or "elsewhere"
            raise ApiError(
                f"{account.host}:{account.port} sends {name} on to {self._clean(to)}, where the token is not taken;"
                " give that name as remote.host if it is the same server's"
            )
        if status == 401 or (status == 403 and not self.accepted) or (status == 200 and is_login_page(response.content)):
            raise ApiError(
                f"{account.host} does not accept the token of {account.user} (HTTP {status});"
                " make one in cPanel under Security, Manage API Tokens, for this very user, and see that it has not expired",
                "token",
            )
        if status == 403:
            raise self.failure(name, Answer(False, errors=["Access denied"]))
        if status >= 500:
            raise ApiError(f"{account.host} answered {name} with HTTP {status}", "unknown")
        if status == 413:
            raise ApiError(
                f"{account.host} refuses an upload of this size (HTTP 413); ask the host to raise it, or deploy with backend: sftp"
            )
        if status != 200:
            raise ApiError(
                f"{account.host}:{account.port} answered {name} with HTTP {status}, which cPanel's API does not;"
                " check remote.host and remote.port (2083)"
            )
        return response

    def _read(self, name: str, response: t.Any, reader: t.Callable[[t.Any], Answer]) -> Answer:
        try:
            answer = reader(parse(response.content))
        except ValueError:
            raise ApiError(
                f"{self.account.host}:{self.account.port} answered {name} with something that is not cPanel's API"
                f" ({self._clean(response.headers.get('Content-Type', 'no type'))}); check remote.host and remote.port (2083)"
            ) from None
        self.accepted = True
        return answer
