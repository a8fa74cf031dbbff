# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception family of the collection's use cases."""

from __future__ import annotations

import typing as t


class RunbookError(Exception):
    """A use case could not do what was asked.

    The message is one line for an operator: what happened, to what, and what to do next.
    ``result`` holds what was learnt or done before the failure; the runner returns it beside the message.
    """

    def __init__(self, message: str, **result: t.Any) -> None:
        super().__init__(message)
        self.message = message
        self.result: dict[str, t.Any] = result


class InvalidInput(RunbookError):
    """What the caller asked for makes no sense; nothing was looked at and nothing was changed."""


class Refused(RunbookError):
    """What the caller asked for makes sense but would be unsafe now; nothing was changed."""
