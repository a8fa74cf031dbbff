# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Undoing Content-Encoding piece by piece."""

from __future__ import annotations

import typing as t
import zlib

_PIECE = 65536


class UndecodableBody(Exception):
    """The body is not what its Content-Encoding says; the text follows "got"."""


class Decoder:
    """Decodes identity, gzip and deflate; other encodings raise ``UndecodableBody`` at the first byte."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        self._inflate: t.Any = None
        self._pending = False

    def decode(self, data: bytes) -> t.Iterator[bytes]:
        """The decoded pieces of ``data``, none larger than 64 KiB."""
        if self._encoding in ("", "identity"):
            yield data
            return
        if self._encoding not in ("gzip", "x-gzip", "deflate"):
            raise UndecodableBody(f"Content-Encoding {self._encoding[:40]!r}, which can't be decoded here")
        try:
            yield from self._inflated(data)
        except zlib.error as error:
            raise UndecodableBody(f"a broken {self._encoding} body ({error})") from None

    def _inflated(self, data: bytes) -> t.Iterator[bytes]:
        piece = b""
        while data or len(piece) == _PIECE:  # a full piece may have left more in zlib's own buffer
            if self._inflate is None:
                if not data:
                    break
                self._inflate = zlib.decompressobj(self._window(data))
            piece = self._inflate.decompress(data, _PIECE)
            if piece:
                yield piece
            data = self._inflate.unconsumed_tail
            self._pending = not self._inflate.eof
            if self._inflate.eof:
                data = self._inflate.unused_data
                self._inflate = None  # a gzip file may have several members

    def _window(self, data: bytes) -> int:
        if self._encoding != "deflate":
            return 16 + zlib.MAX_WBITS
        # "deflate" means zlib's format, but some servers send it bare.
        return zlib.MAX_WBITS if data[0] & 0x0F == 8 and (len(data) < 2 or (data[0] * 256 + data[1]) % 31 == 0) else -zlib.MAX_WBITS

    def end(self) -> None:
        """Say that there is no more; raises ``UndecodableBody`` when more was announced."""
        if self._pending:
            raise UndecodableBody(f"a {self._encoding} body that ends too early")
