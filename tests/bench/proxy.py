# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP proxy on 127.0.0.1 that makes a near server far away, and counts what passes."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import statistics
import threading
import time
import typing as t

CHUNK = 1 << 16
# What is under way in one direction: when it is due, and the bytes; none: the end.
Way = asyncio.Queue[t.Tuple[float, bytes]]


@dataclasses.dataclass
class Traffic:
    """What passed since it was last set to zero."""

    connections: int = 0
    to_server: int = 0
    from_server: int = 0

    @property
    def all(self) -> int:
        return self.to_server + self.from_server


class Proxy:
    """Forwards ``port`` on 127.0.0.1 to a server; every byte arrives ``round_trip / 2`` seconds later than it was sent.

    Delay only, no limit on what is under way: data is queued with the moment it is due. The handshake that a far server
    would need costs its round trip too: the server sees the connection after one and a half, and with it what the client said first.

    ``reset(cut)``: when so many bytes have passed in both directions, every connection ends and no new one is let through;
    ``silent``: they stay open, but nothing arrives any more.
    """

    def __init__(self, host: str, server_port: int, round_trip: float = 0.0) -> None:
        self.server = (host, server_port)
        self.delay = round_trip / 2
        self.traffic = Traffic()
        self.cut: int | None = None
        self.silent = False
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the proxy did not start")
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def reset(self, cut: int | None = None, silent: bool = False) -> None:
        self.traffic, self.cut, self.silent = Traffic(), cut, silent

    @property
    def broken(self) -> bool:
        """Whether the connection has been cut."""
        return self.cut is not None and self.traffic.all >= self.cut

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connected, "127.0.0.1", 0, limit=CHUNK))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.traffic.connections += 1
        _no_delay(writer)
        # After one round trip a far client has its connection; what it says first arrives together with the handshake's end.
        to_server: Way = asyncio.Queue()
        reading = self._loop.create_task(self._read(reader, to_server, "to_server", self._loop.time() + 2 * self.delay))
        self._tasks.add(reading)
        reading.add_done_callback(self._tasks.discard)
        await asyncio.sleep(3 * self.delay)
        try:
            if self.broken and not self.silent:
                raise ConnectionAbortedError
            far_reader, far_writer = await asyncio.open_connection(*self.server)
        except OSError:
            reading.cancel()
            writer.close()
            return
        _no_delay(far_writer)
        self._writers |= {writer, far_writer}
        from_server: Way = asyncio.Queue()
        await asyncio.gather(
            self._send(to_server, far_writer),
            self._send(from_server, writer),
            self._read(far_reader, from_server, "from_server"),
        )

    async def _read(self, reader: asyncio.StreamReader, way: Way, direction: str, not_before: float = 0.0) -> None:
        """Note what comes, and when it is due at the other end; ``not_before``: when the first of it could be sent."""
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                room = len(data) if self.cut is None else max(0, self.cut - self.traffic.all)
                setattr(self.traffic, direction, getattr(self.traffic, direction) + len(data))
                way.put_nowait((max(self._loop.time(), not_before) + self.delay, data[:room]))
                if self.broken and not self.silent:
                    break
        way.put_nowait((max(self._loop.time(), not_before) + self.delay, b""))

    async def _send(self, way: Way, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = await way.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                if not data and not self.silent:
                    break
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()
        self._writers.discard(writer)
        if self.broken and not self.silent:
            for other in self._writers:
                other.close()


def _no_delay(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def measured_round_trip(round_trip: float, rounds: int = 11) -> float:
    """Seconds of one question and answer through such a proxy: the median, to know what was really measured under."""
    times: t.List[float] = []
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=_echo, args=(listener,), daemon=True).start()
        proxy = stack.enter_context(Proxy("127.0.0.1", listener.getsockname()[1], round_trip))
        asking = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=10))
        for _round in range(rounds + 1):
            began = time.monotonic()
            asking.sendall(b"?")
            asking.recv(1)
            times.append(time.monotonic() - began)
    return statistics.median(times[1:])  # the first one waited for the connection


def _echo(listener: socket.socket) -> None:
    connection, _address = listener.accept()
    with connection:
        while data := connection.recv(64):
            connection.sendall(data)
