# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``http_probe``: ask all probes at once, and say what came of each."""

from __future__ import annotations

import random
import time
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.outcome import Outcome, overall, summary
from .._common.runner import Run
from .attempt import Attempt, make_attempt
from .client import Client, Keep
from .expect import excerpt
from .limits import check_latency, label, percentiles, rounded
from .parse import parse_probes
from .percentile import percentile
from .pool import run_concurrently
from .retry import parse_retry_after
from .spec import Failure, Probe


def probe_all(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """``{changed, status, msg, probes}`` for the options of ``http_probe``.

    Raises ``InvalidInput`` before any request, and ``RunbookError`` with the same structure when a probe failed
    or crashed and the option ``fail`` is not false.
    """
    probes = parse_probes(options)
    client = Client()
    _read_tls_files(probes, client)
    outcomes = run_concurrently(
        lambda probe: run_probe(probe, client, check_mode=run.check_mode), probes, int(options.get("concurrency") or 16)
    )
    status = overall(outcome.status for outcome in outcomes)
    result = {"changed": False, "status": status, "probes": [outcome.to_dict() for outcome in outcomes]}
    message = summary(outcomes, "probe")
    if status in ("failed", "crashed") and options.get("fail") is not False:
        raise RunbookError(message, **result)
    return {**result, "msg": message}


def _read_tls_files(probes: t.Sequence[Probe], client: Client) -> None:
    """Files that can't be read are bad input, not a failing server."""
    for probe in probes:
        if probe.target.scheme == "https":
            try:
                client.context(probe.route.tls)
            except InvalidInput as error:
                raise InvalidInput(f"probe {probe.name!r}: {error.message}") from None


def run_probe(
    probe: Probe,
    client: Client,
    *,
    check_mode: bool = False,
    sleep: t.Callable[[float], None] = time.sleep,
    rand: t.Callable[[], float] = random.random,
) -> Outcome:
    """One probe with all its samples and retries; never raises, because the others' outcomes are wanted too."""
    if check_mode and not probe.safe:
        message = f"not sent in check mode, because {probe.method} may change something; set safe to true if it does not"
        return Outcome(probe.name, "skipped", message)
    start = time.perf_counter()
    try:
        outcome = _measure(probe, client, sleep, rand)
    except Exception as error:
        outcome = Outcome(probe.name, "crashed", probe.redact(f"{type(error).__name__}: {error} while probing {probe.where}"))
    outcome.duration_ms = round((time.perf_counter() - start) * 1000, 3)
    return outcome


def _measure(probe: Probe, client: Client, sleep: t.Callable[[float], None], rand: t.Callable[[], float]) -> Outcome:
    keep = Keep(probe.max_body if probe.needs_body else 2048)
    samples: list[dict[str, float]] = []
    attempts, number = 0, 0
    attempt = Attempt()
    for number in range(1, probe.samples + 1):
        attempt, tries = _persist(probe, client, keep, number == 1, sleep, rand)
        attempts += tries
        if attempt.phases is not None:
            samples.append(attempt.phases)
        if attempt.severity in ("failed", "crashed"):
            break  # what is broken is not measured any further
    failures = list(attempt.failures)
    if attempt.exchange is not None and number == probe.samples:
        failures += check_latency(probe, samples)
    outcome = _outcome(probe, attempt, failures, samples)
    outcome.details["attempts"] = attempts
    if probe.samples > 1:
        outcome.details["samples"] = percentiles(samples)
        if attempt.failures:
            outcome.message = f"sample {number} of {probe.samples}: {outcome.message}"
    return outcome


def _persist(
    probe: Probe, client: Client, keep: Keep, first: bool, sleep: t.Callable[[float], None], rand: t.Callable[[], float]
) -> tuple[Attempt, int]:
    """Attempts until one succeeds or there are no more retries: the last one, and how many there were."""
    tries = 1
    while True:
        attempt = make_attempt(probe, client, keep, ask_again=first)
        if not attempt.worth_repeating or tries > probe.backoff.retries:
            return attempt, tries
        after = parse_retry_after(attempt.exchange.header("Retry-After")) if attempt.exchange else None
        if after is not None and after > probe.backoff.max_delay:
            attempt.note = f"not asked again, because Retry-After is {after:.0f} s and max_delay {probe.backoff.max_delay:g} s"
            return attempt, tries
        sleep(probe.backoff.wait(tries, after, rand))
        tries += 1


def _outcome(probe: Probe, attempt: Attempt, failures: t.Sequence[Failure], samples: t.Sequence[t.Mapping[str, float]]) -> Outcome:
    status = overall(["ok", *(failure.status for failure in failures)])
    limit = probe.latency[0] if probe.latency else None
    bound = limit or probe.clock
    outcome = Outcome(probe.name, status, unit="ms", warn=bound.warn if bound else None, crit=bound.crit if bound else None)
    if probe.clock and not limit:
        outcome.unit, outcome.value = "s", abs(attempt.skew.seconds) if attempt.skew else None
    elif limit and samples:
        outcome.value = rounded(percentile([sample.get(limit.phase, 0.0) for sample in samples], limit.percentile))
    elif samples:
        outcome.value = rounded(samples[-1]["total"])
    outcome.message = _message(probe, attempt, failures, outcome.value if outcome.unit == "ms" else (attempt.phases or {}).get("total"))
    outcome.details = _details(probe, attempt, failures)
    return outcome


def _message(probe: Probe, attempt: Attempt, failures: t.Sequence[Failure], took: float | None) -> str:
    if failures:
        text = "; ".join(str(failure) for failure in failures) + f" from {probe.where}"
        return probe.redact(text + (f"; {attempt.note}" if attempt.note else ""))
    answer = attempt.exchange.status if attempt.exchange else "no answer"
    what = f" ({label(probe.latency[0])})" if probe.latency else ""
    clock = f", {attempt.skew}" if attempt.skew else ""
    return probe.redact(f"{answer} in {took or 0.0:.1f} ms{what}{clock} from {probe.where}")


def _details(probe: Probe, attempt: Attempt, failures: t.Sequence[Failure]) -> dict[str, t.Any]:
    exchange = attempt.exchange
    details: dict[str, t.Any] = {
        "method": probe.method,
        "url": probe.redact(probe.target.display),
        "connect_to": str(probe.route.node) if probe.route.node else None,
        "http_status": exchange.status if exchange else None,
        "phases": {name: rounded(value) for name, value in (attempt.phases or {}).items() if name in _PHASES},
        "failures": [
            {"expected": probe.redact(failure.expected), "got": probe.redact(failure.got), "status": failure.status} for failure in failures
        ],
    }
    if exchange:
        details["size"] = exchange.size
        details["sha256"] = exchange.sha256 or None
        if any(failure.status != "warning" for failure in failures):
            details["excerpt"] = probe.redact(excerpt(exchange))
    if attempt.locations:
        details["redirects"] = [probe.redact(location) for location in attempt.locations]
    if attempt.skew and probe.clock:
        details["clock"] = attempt.skew.to_dict(probe.clock.source)
    if attempt.certificate:
        details["certificate"] = {**attempt.certificate.to_dict(), "verified": attempt.verified}
    return details


_PHASES = ("dns", "connect", "tls", "ttfb", "total")
