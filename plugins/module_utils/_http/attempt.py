# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt at a probe: the request, its redirects, and everything that is expected of the answer."""

from __future__ import annotations

import dataclasses
import typing as t

from .._common.outcome import Status, overall
from .certificate import Certificate
from .client import Client, Exchange, Headers, Keep, Request
from .clock import Skew, check_clock, hint
from .conditional import check_again
from .expect import check_answer
from .limits import check_certificate
from .redirect import Journey, check_locations, request_for, route_for, travel
from .spec import Failure, Probe
from .transport import CertificateRejected, NoAnswer, Route, peek_certificate


@dataclasses.dataclass
class Attempt:
    """What came of it; ``exchange`` and ``phases`` are None without an answer, ``verified`` is of the certificate."""

    failures: list[Failure] = dataclasses.field(default_factory=list)
    exchange: Exchange | None = None
    phases: dict[str, float] | None = None
    locations: list[str] = dataclasses.field(default_factory=list)
    certificate: Certificate | None = None
    verified: bool = False
    skew: Skew | None = None
    note: str = ""

    @property
    def severity(self) -> Status:
        """The worst of its failures."""
        return overall(["ok", *(failure.status for failure in self.failures)])

    @property
    def worth_repeating(self) -> bool:
        """Whether another attempt may end better."""
        return any(failure.status != "warning" and not failure.final for failure in self.failures)


def make_attempt(probe: Probe, client: Client, keep: Keep, *, ask_again: bool) -> Attempt:
    """Ask once; with ``ask_again`` also what takes further requests (HEAD, revalidation, ranges)."""
    attempt = Attempt()

    def send(request: Request, route: Route, kept: Keep) -> Exchange:
        return client.send(request, route, kept, probe.timeout)

    try:
        journey = travel(probe, send, keep)
    except CertificateRejected as error:
        attempt.certificate = peek_certificate(probe.target, probe.route, probe.timeout) if probe.target.scheme == "https" else None
        attempt.failures.append(Failure(f"status {probe.status}", _rejected(str(error), attempt.certificate), final=True))
    except NoAnswer as error:
        attempt.failures.append(Failure(f"status {probe.status}", str(error)))
    else:
        _judge(probe, journey, attempt)
        if ask_again and not attempt.failures:
            attempt.failures += _ask_again(probe, journey, send)
    if probe.certificate:
        attempt.failures += check_certificate(probe.certificate, attempt.certificate)
    return attempt


def _rejected(reason: str, certificate: Certificate | None) -> str:
    if certificate is None:
        return reason
    names = ", ".join(certificate.names[:3]) or certificate.subject or "no name"
    return f"{reason}; it is for {names}, valid until {certificate.not_after:%Y-%m-%d} ({certificate.days_left()} days)"


def _judge(probe: Probe, journey: Journey, attempt: Attempt) -> None:
    attempt.exchange, attempt.phases = journey.last, journey.phases
    attempt.locations = [hop.request.target.display for hop in journey.hops[1:]]
    first = journey.hops[0].connection
    attempt.certificate, attempt.verified = first.certificate, first.certificate is not None and probe.route.tls.validate_certs
    attempt.failures += journey.failures
    attempt.failures += check_locations(probe, journey)
    if not journey.failures:
        attempt.failures += check_answer(probe, journey.last)
    if probe.clock:
        attempt.skew, failures = check_clock(probe.clock, journey.last)
        attempt.failures += failures
    elif probe.credentials.hmac and attempt.failures:
        attempt.note = hint(journey.last)


def _ask_again(probe: Probe, journey: Journey, send: t.Callable[[Request, Route, Keep], Exchange]) -> list[Failure]:
    target = journey.last.request.target

    def ask(method: str, headers: Headers, keep: Keep) -> Exchange:
        return send(request_for(probe, target, method, b"", headers), route_for(probe, target), keep)

    failures: list[Failure] = []
    try:
        failures.extend(check_again(probe, journey.last, ask))
    except NoAnswer as error:
        failures.append(Failure("an answer to a further request", str(error)))
    return failures
