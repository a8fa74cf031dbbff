# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``notify``: every target is told at the same time, each within the same budget."""

from __future__ import annotations

import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.outcome import Outcome, overall
from .._common.runner import Run, describe_os_error
from .._common.times import parse_duration
from .._http.pool import run_concurrently
from .._http.retry import Backoff
from .deliver import Effort, foresee, tell
from .message import Message, parse_message
from .options import parse_targets
from .spool import Folder
from .target import Target


def notify(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """``{changed, status, msg, deliveries}`` for the options of ``notify``.

    Raises ``InvalidInput`` before anything is sent, and ``RunbookError`` with the same structure when a message was not delivered
    and the option ``fail`` is not false.
    """
    effort = _effort(options)
    targets = parse_targets(options["targets"], run.warn)
    messages = _messages(options["messages"], targets)
    state_dir = options["state_dir"]

    def work(target: Target) -> list[Outcome]:
        folder = Folder(state_dir, target.name, run.warn)
        try:
            return (foresee if run.check_mode else tell)(target, folder, messages[target.name], effort)
        except Exception as error:
            said = describe_os_error(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            return [Outcome(target.name, "crashed", " ".join(said.split()), details={"kind": target.kind, "result": "crashed"})]

    outcomes = [outcome for found in run_concurrently(work, targets, 16) for outcome in found]
    status = overall(outcome.status for outcome in outcomes)
    result = {
        "changed": any(outcome.details["result"] not in ("suppressed", "crashed") for outcome in outcomes),
        "status": status,
        "deliveries": [outcome.to_dict() for outcome in outcomes],
    }
    message = _summary(outcomes)
    if status in ("failed", "crashed") and options["fail"]:
        raise RunbookError(message, **result)
    return {**result, "msg": message}


def _effort(options: t.Mapping[str, t.Any]) -> Effort:
    timeout, retries = options["timeout"], options["retries"]
    if not 0.1 <= timeout <= 300:
        raise InvalidInput(f"timeout {timeout:g} is not from 0.1 to 300 seconds")
    if not 0 <= retries <= 100:
        raise InvalidInput(f"retries {retries} is not from 0 to 100")
    budget = parse_duration(options["budget"], "budget")
    if not 1 <= budget <= 3600:
        raise InvalidInput(f"budget {options['budget']} is not from 1 second to 1 hour")
    return Effort(budget, timeout, parse_duration(options["repeat_interval"], "repeat_interval"), Backoff(retries))


def _messages(items: t.Sequence[t.Mapping[str, t.Any]], targets: t.Sequence[Target]) -> dict[str, list[Message]]:
    """The messages of each target, by its name."""
    found: dict[str, list[Message]] = {target.name: [] for target in targets}
    for position, item in enumerate(items, 1):
        message = parse_message(item, position)
        names = item.get("targets")
        for name in found if names is None else names:
            if name not in found:
                raise InvalidInput(f"message {message.title!r} is for target {name!r}, but there are only {', '.join(found)}")
            found[name].append(message)
    return found


def _summary(outcomes: t.Sequence[Outcome]) -> str:
    bad = [
        f"{item.name}: {item.details.get('title', '')}: {item.message}"
        for item in outcomes
        if item.status in ("warning", "failed", "crashed")
    ]
    counts = [(sum(item.details["result"] == result for item in outcomes), words) for result, words in _WORDS.items()]
    said = ", ".join(f"{count} {words}" for count, words in counts if count) or "nothing to tell"
    return said if not bad else f"{said} - " + "; ".join(bad)


_WORDS = {
    "delivered": "delivered",
    "predicted": "would be sent",
    "suppressed": "no news",
    "kept": "not delivered but kept",
    "rejected": "refused",
    "crashed": "crashed",
}
