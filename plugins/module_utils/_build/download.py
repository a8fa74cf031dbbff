# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as a visitor gets them over HTTP, in constant memory; the requests are those of ``http_probe``."""

from __future__ import annotations

import dataclasses
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._http.address import Target
from .._http.client import Client, CutOff, Exchange, Keep
from .._http.parse import parse_probes
from .._http.redirect import travel
from .._http.spec import Probe
from .._http.transport import NoAnswer

_PLAIN = ("validate_certs", "ca_path", "proxy", "timeout")
_SOMEWHERE = "https://www.example.com/"
# What must not go to a host that only a document names.
_OWN = ("headers", "url_username", "url_password", "bearer_token", "client_cert", "client_key")


@dataclasses.dataclass(frozen=True)
class Download:
    """An answer. ``size`` and ``sha256`` are of the whole body, ``body`` is its beginning; ``trouble`` says why it is not to be used.

    ``where`` is fit to be shown; ``target`` is what answered, after redirects.
    """

    exchange: Exchange
    where: str
    trouble: str

    @property
    def status(self) -> int:
        return self.exchange.status

    @property
    def size(self) -> int:
        return self.exchange.size

    @property
    def sha256(self) -> str:
        return self.exchange.sha256

    @property
    def body(self) -> bytes:
        return self.exchange.body

    @property
    def target(self) -> Target:
        return self.exchange.request.target

    def header(self, name: str) -> str | None:
        return self.exchange.header(name)


class Server:
    """How servers are asked: the module's options that are about HTTP."""

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        self._options = options

    def validate(self) -> None:
        """``InvalidInput`` when an option makes no sense, or names a file that can't be used, before anything is asked."""
        probe = self.probe(_SOMEWHERE, "GET")
        if self._options["ca_path"] or self._options["client_cert"]:
            Client().context(probe.route.tls)

    def target(self, url: str) -> Target:
        """The target of a url that an option gives; ``InvalidInput`` when it is none."""
        return self.probe(url, "GET").target

    def probe(self, url: Target | str, method: str, *, trusted: bool = True, pinned: bool = True) -> Probe:
        """A request as ``http_probe`` would send it; without credentials unless ``trusted``, to whatever node unless ``pinned``."""
        names = (*_PLAIN, *(_OWN if trusted else ()), *(("connect_to",) if pinned else ()))
        shared = {name: self._options[name] for name in names}
        address = url.url if isinstance(url, Target) else url
        probe = {"url": address, "method": method, "name": method, "follow_redirects": "safe"}
        try:
            return parse_probes({**shared, "probes": [probe]})[0]
        except InvalidInput as error:
            raise InvalidInput(error.message.partition(": ")[2]) from None  # without the name of a probe, which nobody gave


def fetch(probe: Probe, keep: int) -> Download:
    """Send it and read the answer to its end, keeping the first ``keep`` bytes; ``RunbookError`` when there is none."""
    client = Client()
    try:
        journey = travel(probe, lambda request, route, kept: client.send(request, route, kept, probe.timeout), Keep(keep))
    except CutOff as error:
        raise RunbookError(probe.redact(f"got {error} after {error.exchange.size} bytes from {probe.where}")) from None
    except NoAnswer as error:
        raise RunbookError(probe.redact(f"got {error} from {probe.where}")) from None
    trouble = "; ".join(str(failure) for failure in journey.failures) or journey.last.undecodable
    return Download(journey.last, probe.redact(probe.where), probe.redact(trouble))
