# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on this host, as the kernel lists it: nobody is connected to."""

from __future__ import annotations

import ipaddress
import os
import sys
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .kind import Check, Kind, Measure, Reading

PROC = "/proc"
_STATES = {"tcp": "0A", "udp": "07"}


def _refuse(given: t.Mapping[str, t.Any]) -> None:
    if not 0 < int(given["port"]) < 65536:
        raise InvalidInput(f"port {given['port']} is not between 1 and 65535")
    if given["address"] is not None:
        try:
            ipaddress.ip_address(given["address"])
        except ValueError:
            raise InvalidInput(f"address {given['address']!r} is no address; give one such as 127.0.0.1 or ::") from None


def _port(check: Check) -> Reading:
    protocol, port = check.given["protocol"] or "tcp", int(check.given["port"])
    found = sorted(str(address) for address, number in _listening(protocol) if number == port)
    details = {"addresses": found}
    wanted = check.given["address"]
    shown = ", ".join(found)
    if not found:
        return Reading(0, f"nobody listens on {protocol} port {port}", "failed", details)
    if wanted is None:
        return Reading(len(found), f"listens on {shown}", details=details)
    asked = ipaddress.ip_address(wanted)
    wide = [text for text in found if ipaddress.ip_address(text).is_unspecified]
    if str(asked) not in found and not any(_covers(text, asked) for text in wide):
        return Reading(len(found), f"listens on {shown}, not on {asked}", "failed", details)
    if asked.is_loopback and any(not ipaddress.ip_address(text).is_loopback for text in found):
        return Reading(len(found), f"listens on {shown}: others than this host can reach it", "warning", details)
    return Reading(len(found), f"listens on {shown}", details=details)


def _covers(wide: str, asked: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """``::`` takes IPv4 too, unless the program or the host said otherwise; then ``0.0.0.0`` is listed beside it."""
    return wide == "::" or asked.version == 4


def _listening(protocol: str) -> t.Iterator[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    for name in (protocol, f"{protocol}6"):
        path = f"{PROC}/net/{name}"
        if name.endswith("6") and not os.path.exists(path):
            continue  # a host without IPv6
        with open(path, encoding="ascii") as stream:
            header = stream.readline()
            if "local_address" not in header:
                raise RunbookError(f"{path} is not as proc(5) says")
            for line in stream:
                words = line.split()
                if words[3] == _STATES[protocol]:
                    address, _colon, port = words[1].partition(":")
                    yield _address(address), int(port, 16)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Each 32 bits are in the machine's own order."""
    data = bytes.fromhex(text)
    if sys.byteorder == "little":
        data = b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))
    found = ipaddress.ip_address(data)
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


KINDS: dict[str, Kind] = {"port": Kind(_port, {"sockets": Measure("sockets")}, ("port",), ("address", "protocol"), _refuse, True)}
