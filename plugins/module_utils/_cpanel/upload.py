# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The body of an upload: one file in multipart/form-data, read from the disk as it is sent."""

from __future__ import annotations

import secrets
import time
import typing as t

from .._common.progress import Advance, unseen


class Upload:
    """A body that ``requests`` streams: it has a length, can be read in pieces and can be begun again.

    Memory is one piece, whatever the file's size. ``limit`` in kB/s, 0 for none.
    """

    def __init__(
        self,
        fields: t.Mapping[str, str],
        name: str,
        stream: t.BinaryIO,
        size: int,
        *,
        advance: Advance = unseen,
        limit: int = 0,
        now: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._stream, self._size, self._advance, self._limit = stream, size, advance, limit * 1000
        self._now, self._sleep = now, sleep
        self.boundary = f"runbook-{secrets.token_hex(16)}"
        head = "".join(
            f'--{self.boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()
        )
        head += (
            f'--{self.boundary}\r\nContent-Disposition: form-data; name="file-0"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        self._head = head.encode()
        self._tail = f"\r\n--{self.boundary}--\r\n".encode()
        self._told = 0
        self.rewind()

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self.boundary}"

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def rewind(self) -> None:
        """Begin again, for another attempt; what was counted as done is not counted twice."""
        self._stream.seek(0)
        self._ahead, self._left, self._behind = self._head, self._size, self._tail
        self._sent, self._began = 0, self._now()

    def read(self, count: int = -1) -> bytes:
        """The next bytes, at most ``count``; empty at the end."""
        count = len(self) if count is None or count < 0 else count
        if self._ahead:
            piece, self._ahead = self._ahead[:count], self._ahead[count:]
            return piece
        if self._left:
            piece = self._stream.read(min(count, self._left))
            if not piece:
                raise OSError("the file became shorter while it was sent")
            self._left -= len(piece)
            self._count(len(piece))
            return piece
        piece, self._behind = self._behind[:count], self._behind[count:]
        return piece

    def __iter__(self) -> t.Iterator[bytes]:
        while True:
            piece = self.read(65536)
            if not piece:
                return
            yield piece

    def _count(self, size: int) -> None:
        self._sent += size
        if self._sent > self._told:
            self._advance(0, self._sent - self._told)
            self._told = self._sent
        if self._limit:
            early = self._sent / self._limit - (self._now() - self._began)
            if early > 0:
                self._sleep(early)
