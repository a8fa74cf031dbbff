# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the host's clock is right."""

from __future__ import annotations

import typing as t

from .._common.errors import InvalidInput
from . import sntp
from .kind import Check, Kind, Measure, Reading


def _server(given: t.Mapping[str, t.Any]) -> tuple[str, int]:
    """Host and port of ``time.example.com``, ``192.0.2.1:1123`` or ``[2001:db8::1]:123``."""
    text = str(given["server"])
    host, _colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text.strip(), "", "")
    if not host.strip("[]") or any(char.isspace() for char in host) or (port and not port.isdigit()):
        raise InvalidInput(f"server {text!r} is no time server; give its name or address, with :port if it is not {sntp.PORT}")
    if port and not 0 < int(port) < 65536:
        raise InvalidInput(f"server {text!r}: {port} is no port")
    return host.strip("[]"), int(port or sntp.PORT)


def _refuse(given: t.Mapping[str, t.Any]) -> None:
    _server(given)


def _time_skew(check: Check) -> Reading:
    found = sntp.ask(*_server(check.given), check.timeout)
    way = "behind" if found.offset > 0 else "ahead of"
    note = f"this clock is {way} {check.given['server']}, known to within {found.delay / 2:.3g} s"
    details = {"offset": round(found.offset, 6), "delay": round(found.delay, 6), "stratum": found.stratum}
    return Reading(round(abs(found.offset), 6), note, details=details)


KINDS: dict[str, Kind] = {"time_skew": Kind(_time_skew, {"offset": Measure("s", 1, 10)}, ("server",), refuse=_refuse)}
