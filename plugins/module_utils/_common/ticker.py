# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For work that can't say how far it is: at least that it still runs."""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t

from .progress import Say, clock_time, silent


@contextlib.contextmanager
def ticking(say: Say, what: str, every: float = 3.0) -> t.Iterator[None]:
    """Says ``what`` and for how long every ``every`` seconds, from a thread of its own, until the block is left."""
    if say is silent:
        yield
        return
    over, began = threading.Event(), time.monotonic()

    def work() -> None:
        while not over.wait(every):
            say(f"{what}, {clock_time(time.monotonic() - began)}")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
