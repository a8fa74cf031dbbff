# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A few threads for many tasks; without ``concurrent.futures``, whose import costs more than a probe."""

from __future__ import annotations

import threading
import typing as t

T = t.TypeVar("T")
R = t.TypeVar("R")


def run_concurrently(work: t.Callable[[T], R], items: t.Sequence[T], threads: int) -> list[R]:
    """``work`` of every item, in the items' order. ``work`` must not raise."""
    results: dict[int, R] = {}
    pending = iter(enumerate(items))
    lock = threading.Lock()

    def drain() -> None:
        while True:
            with lock:
                following = next(pending, None)
            if following is None:
                return
            results[following[0]] = work(following[1])

    # Daemons: an interrupted run must not wait for a slow server.
    workers = [threading.Thread(target=drain, daemon=True) for _number in range(min(threads, len(items)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [results[index] for index in range(len(items))]
