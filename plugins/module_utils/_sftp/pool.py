# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A few SFTP connections that share work."""

from __future__ import annotations

import contextlib
import queue
import threading
import typing as t

from .client import Client, Job

T = t.TypeVar("T")
# Jobs for which another connection is worth opening.
_WORTH = 200


class Pool:
    """``first``: a session that is open. ``another``: opens one over a connection of its own. ``beside``: opens one over the first's
    connection. ``most``: connections in all."""

    def __init__(
        self,
        first: Client,
        another: t.Callable[[], Client] | None = None,
        beside: t.Callable[[], Client] | None = None,
        most: int = 1,
    ) -> None:
        self.first = first
        self._another, self._beside = another, beside
        self._most = most if another else 1
        self._more: list[Client] = []

    @contextlib.contextmanager
    def apart(self) -> t.Iterator[Client]:
        """A session of one's own, for another thread."""
        client = self._beside() if self._beside else self.first
        try:
            yield client
        finally:
            if client is not self.first:
                client.close()

    def run(self, jobs: t.Iterable[Job[T]], count: int) -> t.Iterator[T]:
        """Run about ``count`` jobs and yield their results as they end. The first error ends all."""
        clients = self._clients(count)
        if len(clients) == 1:
            yield from self.first.run(jobs)
            return
        source, lock = iter(jobs), threading.Lock()
        stopped = threading.Event()
        results: queue.Queue[tuple[str, t.Any]] = queue.Queue(1024)

        def shared() -> t.Iterator[Job[T]]:
            while not stopped.is_set():
                with lock:
                    job = next(source, None)
                if job is None:
                    return
                yield job

        def work(client: Client) -> None:
            try:
                for result in client.run(shared()):
                    results.put(("done", result))
                results.put(("end", None))
            except BaseException as error:
                stopped.set()
                results.put(("error", error))

        threads = [threading.Thread(target=work, args=(client,), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        error: BaseException | None = None
        left = len(threads)
        try:
            while left:
                what, value = results.get()
                if what == "done":
                    if error is None:
                        yield value
                    continue
                left -= 1
                error = error or value
        finally:
            stopped.set()
            while left:
                left -= results.get()[0] != "done"
            for thread in threads:
                thread.join()
        if error is not None:
            raise error

    def _clients(self, count: int) -> list[Client]:
        while self._another and len(self._more) + 1 < min(self._most, 1 + count // _WORTH):
            self._more.append(self._another())
        return [self.first, *self._more[: max(0, min(self._most - 1, count // _WORTH))]]
