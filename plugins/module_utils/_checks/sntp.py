# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a time server once (SNTP, RFC 4330; the packet is RFC 5905's)."""

from __future__ import annotations

import dataclasses
import os
import socket
import struct
import time

from .._common.errors import RunbookError

PORT = 123
# Seconds from 1900, where NTP begins to count, to 1970.
ERA = 2208988800
_PACKET = struct.Struct("!BBbb11I")
_CLIENT, _SERVER = 3, 4
_VERSION = 4
_ALARM = 3
_TRIES = 3


@dataclasses.dataclass(frozen=True)
class Answer:
    """How far ahead the server's clock is, in seconds, known to within ``delay`` / 2; ``stratum`` 1 has a clock of its own."""

    offset: float
    delay: float
    stratum: int


def ask(host: str, port: int, timeout: float) -> Answer:
    """One answer of a time server; packets get lost, so it is asked up to three times within ``timeout`` seconds."""
    where = f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise RunbookError(f"the time server {where} has no address: {error.strerror or error}") from None
    family, kind, protocol, _name, address = found[0]
    trouble = "it does not answer"
    with socket.socket(family, kind, protocol) as sock:
        try:
            # So that the kernel drops what others send, and tells when nobody listens there.
            sock.connect(address)
            for _number in range(_TRIES):
                try:
                    return _exchange(sock, where, timeout / _TRIES)
                except (socket.timeout, TimeoutError):
                    continue
        except OSError as error:
            trouble = error.strerror or str(error)
    raise RunbookError(f"the time server {where} can't be asked: {trouble}")


def _exchange(sock: socket.socket, where: str, seconds: float) -> Answer:
    # A random number in the place of our time comes back with the answer: nobody off the path can forge one, and our clock stays ours.
    nonce = os.urandom(8)
    sent, began = time.time(), time.monotonic()
    sock.send(_PACKET.pack(_VERSION << 3 | _CLIENT, *([0] * 14))[:40] + nonce)
    while True:
        left = began + seconds - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        data = sock.recv(512)
        # The clock may be set in between, what has passed is known all the same.
        received = sent + time.monotonic() - began
        if len(data) >= _PACKET.size and data[24:32] == nonce:
            return _answer(data, sent, received, where)


def _answer(data: bytes, sent: float, received: float, where: str) -> Answer:
    first, stratum, _poll, _precision, *words = _PACKET.unpack(data[: _PACKET.size])
    if first & 7 != _SERVER:
        raise RunbookError(f"what answers on {where} is no time server (mode {first & 7})")
    if stratum == 0:
        code = data[12:16].decode("ascii", "replace").strip("\0")
        raise RunbookError(f"the time server {where} sends us away ({code}); ask another, or ask less often")
    if first >> 6 == _ALARM or stratum > 15:
        raise RunbookError(f"the time server {where} does not know the time itself")
    arrived, left = _seconds(words[7], words[8]), _seconds(words[9], words[10])
    if not (words[7] and words[9]):
        raise RunbookError(f"the time server {where} answers without a time")
    return Answer(((arrived - sent) + (left - received)) / 2, max(0.0, (received - sent) - (left - arrived)), stratum)


def _seconds(whole: int, fraction: int) -> float:
    """Seconds since 1970. What has its first bit unset is of the era that begins in 2036 (RFC 4330, section 3)."""
    return whole + (0 if whole & 0x80000000 else 1 << 32) - ERA + fraction / (1 << 32)
