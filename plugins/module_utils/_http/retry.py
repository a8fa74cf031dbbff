# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long to wait before asking again."""

from __future__ import annotations

import dataclasses
import re
import time
import typing as t


@dataclasses.dataclass(frozen=True)
class Backoff:
    """``retries`` further attempts, the first after about ``delay`` seconds, each later one after twice as long."""

    retries: int = 0
    delay: float = 1.0
    max_delay: float = 30.0

    def wait(self, attempt: int, retry_after: float | None, rand: t.Callable[[], float]) -> float:
        """Seconds to wait after failed attempt number ``attempt`` (from 1); ``rand`` yields numbers from 0 to 1.

        The wait is spread over the upper half of the step, so that clients that failed together do not return
        together. A server's wish is a lower bound and gets up to a tenth on top for the same reason.
        """
        step = min(self.max_delay, self.delay * 2.0 ** min(attempt - 1, 62))
        wait = step * (0.5 + 0.5 * rand())
        if retry_after is not None:
            wait = max(wait, retry_after * (1 + 0.1 * rand()))
        return wait


def parse_retry_after(value: str | None, now: float | None = None) -> float | None:
    """Seconds that a Retry-After header (seconds or HTTP date) asks for; None when there is none or it is nonsense."""
    if value is None:
        return None
    text = value.strip()
    if re.match(r"^[0-9]{1,9}(\.[0-9]+)?$", text):
        return float(text)
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return max(0.0, moment - (time.time() if now is None else now))
