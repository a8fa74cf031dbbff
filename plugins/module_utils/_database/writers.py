# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Those who write to a database: stopped before it is switched, started after, whatever happens between."""

from __future__ import annotations

import dataclasses
import typing as t

from .._common.commands import parse, run_one
from .._common.errors import InvalidInput, RunbookError


@dataclasses.dataclass(frozen=True)
class Writers:
    """systemd units, and commands for what is none."""

    services: tuple[str, ...] = ()
    stop_commands: tuple[tuple[str, ...], ...] = ()
    start_commands: tuple[tuple[str, ...], ...] = ()
    timeout: float = 60.0

    @classmethod
    def of(cls, options: t.Mapping[str, t.Any]) -> Writers:
        """From ``writer_services``, ``writer_stop_commands``, ``writer_start_commands``, ``writer_timeout``."""
        stop, start = (tuple(map(tuple, parse(options[f"writer_{verb}_commands"]))) for verb in ("stop", "start"))
        if bool(stop) != bool(start):
            raise InvalidInput("writer_stop_commands and writer_start_commands belong together; what is stopped has to be started again")
        for service in options["writer_services"]:
            if not service or service.startswith("-"):
                raise InvalidInput(f"{service!r} is no name of a service")
        return cls(tuple(options["writer_services"]), stop, start, options["writer_timeout"])

    def __bool__(self) -> bool:
        return bool(self.services or self.stop_commands)

    def stop(self) -> None:
        """Stop all of them; raises at the first that does not stop, with the others as they are by then."""
        for service in self.services:
            self._run(["systemctl", "stop", "--", service], f"the service {service} could not be stopped")
        for command in self.stop_commands:
            self._run(list(command), "a writer could not be stopped")

    def start(self) -> None:
        """Start all of them, in the other order; what fails is told after all were tried."""
        failures = []
        for command in self.start_commands:
            try:
                self._run(list(command), "a writer could not be started")
            except RunbookError as error:
                failures.append(error.message)
        for service in reversed(self.services):
            try:
                self._run(["systemctl", "start", "--", service], f"the service {service} could not be started")
            except RunbookError as error:
                failures.append(error.message)
        if failures:
            raise RunbookError("; ".join(failures))

    def _run(self, words: list[str], trouble: str) -> None:
        ran = run_one(words, "/", {}, self.timeout)
        if ran.rc != 0:
            said = (ran.stderr.strip() or ran.stdout.strip() or "it said nothing").splitlines()[-1]
            raise RunbookError(f"{trouble}: {ran.command} ended with {ran.rc}: {said}")
