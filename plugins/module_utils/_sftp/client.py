# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many SFTP requests in flight over one channel.

A round trip costs what it costs; what can be avoided is to wait for each. Work is therefore written as jobs, generators that
yield requests and are given their answers::

    def read_all(name):
        (opened,) = yield [wire.open_file(name, wire.READING)]
        ...

and many of them run at once: while one waits for its answers, others send their requests.
"""

from __future__ import annotations

import collections
import contextlib
import struct
import time
import typing as t

from .._common.errors import RunbookError
from . import wire

T = t.TypeVar("T")
Job = t.Generator[t.Sequence[wire.Request], t.List[wire.Reply], T]

# Jobs that are under way at once, and bytes that may be on their way in each direction. What the server may send without being
# read stays below the channel's window: both sides waiting for the other to read would never end.
AT_ONCE = 96
IN_FLIGHT = 1 << 20
# Requests are collected up to this size before they are sent: every send costs the same, however small.
_PARCEL = 1 << 17
_LARGEST = 64 << 20  # bytes of a packet that is believed to be one


class Channel(t.Protocol):
    """What is needed of a ``paramiko.Channel``."""

    def sendall(self, data: bytes) -> None: ...
    def recv(self, size: int) -> bytes: ...
    def close(self) -> None: ...


class Throttle:
    """Lets through so many bytes a second (0: all), over several channels together."""

    def __init__(self, rate: int) -> None:
        self._rate, self._free_at = rate, 0.0

    def pass_on(self, size: int) -> None:
        if self._rate:
            now = time.monotonic()
            wait = self._free_at - now
            self._free_at = max(now, self._free_at) + size / self._rate
            if wait > 0:
                time.sleep(wait)


class _Task:
    """A job and the answers that it waits for."""

    __slots__ = ("job", "missing", "replies")

    def __init__(self, job: Job[t.Any]) -> None:
        self.job, self.missing = job, 0
        self.replies: list[wire.Reply | None] = []


class Client:
    """An SFTP session. ``extensions``: what the server offers, by name."""

    def __init__(self, channel: Channel, where: str, throttle: Throttle | None = None) -> None:
        self._channel, self._where = channel, where
        self._throttle = throttle or Throttle(0)
        self._received = bytearray()
        self._sending: list[bytes] = []
        self._collected = self._number = self._expected = self._unanswered = 0
        self._broken = False
        self._waiting: dict[int, tuple[_Task, int, wire.Request]] = {}
        self.sent = 0
        self._send(struct.pack(">IBI", 5, wire.INIT, 3))
        self._flush()
        kind, body = self._packet()
        if kind != wire.VERSION:
            raise RunbookError(f"{where} does not speak SFTP (it answered with {kind}); does the account print something when it logs in?")
        self.version = struct.unpack_from(">I", body)[0]
        self.extensions: dict[str, bytes] = {}
        at = 4
        while at < len(body):
            name, at = wire.text_at(body, at)
            value, at = wire.text_at(body, at)
            self.extensions[name.decode("ascii", "replace")] = value

    def close(self) -> None:
        with contextlib.suppress(Exception):  # of a connection that is gone already
            self._channel.close()

    def ask(self, request: wire.Request) -> wire.Reply:
        """One request, waited for."""

        def job() -> Job[wire.Reply]:
            (reply,) = yield [request]
            return reply

        return self.do(job())

    def do(self, job: Job[T]) -> T:
        """One job, waited for."""
        (result,) = self.run([job])
        return result

    def run(self, jobs: t.Iterable[Job[T]], at_once: int = AT_ONCE) -> t.Iterator[T]:
        """Run jobs, many at once, and yield their results as they end. An error of one ends all: what they had asked for is
        waited for, so that nothing is under way behind the caller's back."""
        if self._broken:
            raise self._lost(None)  # at once: the next answer would not come either
        source = iter(jobs)
        ready: collections.deque[tuple[_Task, list[wire.Reply] | None]] = collections.deque()
        alive, exhausted = 0, False
        try:
            while True:
                while not exhausted and alive < at_once and len(ready) < at_once:
                    job = next(source, None)
                    if job is None:
                        exhausted = True
                        break
                    alive += 1
                    ready.append((_Task(job), None))
                while ready:
                    task, replies = ready.popleft()
                    try:
                        requests = task.job.send(replies) if replies is not None else next(task.job)
                    except StopIteration as end:
                        alive -= 1
                        yield end.value
                        break  # room for another
                    self._start(task, requests, ready)
                else:
                    if not alive:
                        return
                    self._flush()
                    self._receive(ready)
        except BaseException:
            if not self._broken:
                self._drain()
            raise

    # -- packets -----------------------------------------------------------------------------------------------

    def _start(self, task: _Task, requests: t.Sequence[wire.Request], ready: collections.deque[t.Any]) -> None:
        task.missing = len(requests)
        task.replies = [None] * len(requests)
        if not requests:
            ready.append((task, []))
        for index, request in enumerate(requests):
            while self._waiting and (self._expected + request.expects > IN_FLIGHT or self._unanswered > IN_FLIGHT):
                self._flush()
                self._receive(ready)
            self._number = (self._number + 1) & 0xFFFFFFFF
            self._waiting[self._number] = (task, index, request)
            self._expected += request.expects
            self._unanswered += len(request.body)
            self._send(struct.pack(">IBI", len(request.body) + 5, request.type, self._number))
            self._send(request.body)

    def _send(self, data: bytes) -> None:
        self._sending.append(data)
        self._collected += len(data)
        if self._collected >= _PARCEL:
            self._flush()

    def _flush(self) -> None:
        if not self._sending:
            return
        data = b"".join(self._sending)
        self._sending, self._collected = [], 0
        self._throttle.pass_on(len(data))
        try:
            self._channel.sendall(data)
        except (OSError, EOFError) as error:
            raise self._lost(error) from error
        self.sent += len(data)

    def _receive(self, ready: collections.deque[t.Any]) -> None:
        """Take in at least one answer, and all that have come with it."""
        while True:
            kind, body = self._packet()
            number = struct.unpack_from(">I", body)[0]
            try:
                task, index, request = self._waiting.pop(number)
            except KeyError:
                raise RunbookError(f"{self._where} answered a request that was not made; its SFTP server can't be used") from None
            self._expected -= request.expects
            self._unanswered -= len(request.body)
            task.replies[index] = wire.Reply(kind, body[4:], request.name)
            task.missing -= 1
            if not task.missing:
                # Before those that have not begun: each of these would take its memory as well.
                ready.appendleft((task, task.replies))
            if len(self._received) < 4 or len(self._received) < 4 + struct.unpack_from(">I", self._received)[0]:
                return

    def _packet(self) -> tuple[int, bytes]:
        self._need(4)
        size = struct.unpack_from(">I", self._received)[0]
        if not 1 <= size <= _LARGEST:
            raise RunbookError(f"{self._where} does not speak SFTP; does the account print something when it logs in?")
        self._need(4 + size)
        kind = self._received[4]
        body = bytes(memoryview(self._received)[5 : 4 + size])
        del self._received[: 4 + size]
        return kind, body

    def _need(self, size: int) -> None:
        while len(self._received) < size:
            try:
                data = self._channel.recv(1 << 18)
            except (OSError, EOFError) as error:
                raise self._lost(error) from error
            if not data:
                raise self._lost(None)
            self._received += data

    def _drain(self) -> None:
        ready: collections.deque[t.Any] = collections.deque()
        try:
            self._flush()
            while self._waiting:
                self._receive(ready)
        except RunbookError:
            pass

    def _lost(self, error: Exception | None) -> RunbookError:
        self._broken = True
        why = f" ({' '.join(str(error).split())})" if error and str(error) else ""
        return RunbookError(f"the connection to {self._where} was lost{why}; run it again, what had arrived is kept")
