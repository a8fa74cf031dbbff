# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the first request to the last answer: redirects, and what may travel along."""

from __future__ import annotations

import dataclasses
import typing as t

from .address import Node, Target
from .client import Exchange, Headers, Keep, Request
from .spec import Failure, Probe
from .transport import Route

REDIRECTS = (301, 302, 303, 307, 308)
# Headers of the probe that tell a foreign host nothing secret.
_HARMLESS = ("accept", "accept-encoding", "accept-language", "user-agent")

Send = t.Callable[[Request, Route, Keep], Exchange]


@dataclasses.dataclass
class Journey:
    """The exchanges on the way; the last is the one that expectations are about."""

    hops: list[Exchange]
    failures: list[Failure]

    @property
    def last(self) -> Exchange:
        """The final answer."""
        return self.hops[-1]

    @property
    def phases(self) -> dict[str, float]:
        """Milliseconds of each phase, over all hops: what a visitor waits."""
        total: dict[str, float] = {}
        for hop in self.hops:
            for phase, value in hop.phases.items():
                total[phase] = total.get(phase, 0.0) + value
        return total


def request_for(probe: Probe, target: Target, method: str, body: bytes, extra: Headers | None = None) -> Request:
    """A request of this probe to ``target``; credentials and own headers go only where the probe's URL may send them."""
    headers = list(probe.headers)
    if probe.target.trusts(target):
        headers += probe.credentials.headers(method, target.path, body)
    else:
        headers = [(name, value) for name, value in headers if name.lower() in _HARMLESS]
    if not body and probe.body:
        headers = [(name, value) for name, value in headers if name.lower() != "content-type"]
    names = {name.lower() for name, _value in extra or ()}
    return Request(method, target, [(name, value) for name, value in headers if name.lower() not in names] + list(extra or ()), body)


def route_for(probe: Probe, target: Target) -> Route:
    """How ``target`` is reached: the pinned node serves the probe's own host, whatever the port of a later hop."""
    route = probe.route
    if route.node and target.host != probe.target.host:
        return dataclasses.replace(route, node=None, tls=_stranger(probe, target))
    if route.node and target.port != probe.target.port:
        return dataclasses.replace(route, node=Node(route.node.host), tls=_stranger(probe, target))
    return dataclasses.replace(route, tls=_stranger(probe, target))


def _stranger(probe: Probe, target: Target) -> t.Any:
    """TLS settings without the client certificate where credentials may not go."""
    if probe.target.trusts(target):
        return probe.route.tls
    return dataclasses.replace(probe.route.tls, client_cert=None, client_key=None)


def travel(probe: Probe, send: Send, keep: Keep) -> Journey:
    """Send the probe's request and follow redirects as its rule says. Raises ``NoAnswer``."""
    rule = probe.redirects
    journey = Journey([], [])
    target, method, body = probe.target, probe.method, probe.body
    while True:
        exchange = send(request_for(probe, target, method, body), route_for(probe, target), keep)
        journey.hops.append(exchange)
        location = exchange.header("Location")
        if rule.follow == "none" or exchange.status not in REDIRECTS or location is None:
            return journey
        try:
            following = target.join(location)
        except ValueError as error:
            journey.failures.append(Failure("a redirect that can be followed", f"a Location that can't be, because {error}"))
            return journey
        if len(journey.hops) > rule.max_hops:
            journey.failures.append(Failure(f"at most {rule.max_hops} redirects", f"another one to {following.display}"))
            return journey
        if target.scheme == "https" and following.scheme == "http" and not rule.allow_downgrade:
            journey.failures.append(Failure("no redirect from https to http", f"one to {following.display}"))
            return journey
        if exchange.status == 303 or (exchange.status in (301, 302) and method == "POST"):
            method, body = ("HEAD" if method == "HEAD" else "GET"), b""
        if body and not probe.target.trusts(following):
            journey.failures.append(Failure("no redirect that sends the body to another host", f"{exchange.status} to {following.display}"))
            return journey
        target = following


def check_locations(probe: Probe, journey: Journey) -> t.Iterator[Failure]:
    """Compare the redirects on the way with those that were expected."""
    expected = probe.redirects.locations
    if expected is None:
        return
    seen = [hop for hop in journey.hops if hop.status in REDIRECTS and hop.header("Location") is not None]
    for number, hop in enumerate(seen, 1):
        got = _location(hop, t.cast(str, hop.header("Location")))
        if number > len(expected):
            yield Failure(f"{len(expected)} redirects", f"another one to {_shown(got)}")
            return
        wanted = _location(hop, expected[number - 1])
        if wanted is None or got != wanted:
            hint = " with another query" if _shown(got) == _shown(wanted) else ""
            yield Failure(f"redirect to {_shown(wanted)}", f"{_shown(got)}{hint}")
            return
    if len(seen) < len(expected):
        origin = journey.last.request.target
        try:
            wanted_text = origin.join(expected[len(seen)]).display
        except ValueError:
            wanted_text = "another URL"
        yield Failure(f"redirect to {wanted_text}", f"status {journey.last.status} without redirect")


def _location(hop: Exchange, location: str) -> Target | None:
    try:
        return hop.request.target.join(location)
    except ValueError:
        return None


def _shown(target: Target | None) -> str:
    return target.display if target else "a Location that is no http URL"
