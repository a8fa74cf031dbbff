# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts' network: one of the ranges reserved for documentation, so that no real host can be meant by mistake."""

from __future__ import annotations

import ipaddress
import json
import os
import pathlib
import socket
import struct

from .engine import Engine
from .shell import STATE, TestbedError, say

NAME = "runbook-testbed"
_RANGES = ("198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24")
_MARK = STATE / "network"


def ensure(engine: Engine) -> None:
    """Make the network unless it is there.

    A range that this machine already routes is passed over: giving its gateway's address to a bridge would cut
    the machine off. TESTBED_SUBNET chooses the range.
    """
    if engine.try_("network", "inspect", NAME):
        found = json.loads(engine("network", "inspect", NAME))[0]
        subnets = [item["Subnet"] for item in found.get("IPAM", {}).get("Config") or []]
        subnets += [item["subnet"] for item in found.get("subnets") or []]  # Podman's spelling
        _MARK.write_text(subnets[0] + "\n")
        return
    wanted = os.environ.get("TESTBED_SUBNET")
    taken = _routed()
    reasons = []
    for name in [wanted] if wanted else _RANGES:
        subnet = ipaddress.IPv4Network(name)
        if subnet.prefixlen > 24:
            raise TestbedError(f"TESTBED_SUBNET {name} is too small; give a /24")
        clash = next((other for other in taken if other.overlaps(subnet)), None)
        if clash is not None:
            reasons.append(f"{name} is routed here already ({clash})")
            continue
        try:
            engine("network", "create", "--subnet", str(subnet), NAME)
        except TestbedError as error:
            reasons.append(str(error))
            continue
        say(f"network {NAME} is {subnet}")
        _MARK.write_text(f"{subnet}\n")
        return
    raise TestbedError(f"no network for the test hosts: {'; '.join(reasons)}; set TESTBED_SUBNET to a free /24")


def remove(engine: Engine) -> None:
    """Remove the network if it is there."""
    if engine.try_("network", "inspect", NAME):
        engine("network", "rm", NAME)
    _MARK.unlink(missing_ok=True)


def subnet() -> ipaddress.IPv4Network:
    """The network that was made last."""
    try:
        return ipaddress.IPv4Network(_MARK.read_text().strip())
    except FileNotFoundError:
        return ipaddress.IPv4Network(os.environ.get("TESTBED_SUBNET") or _RANGES[0])


def address(number: int) -> str:
    """The address of a host by its number in the network."""
    return str(subnet()[number])


def _routed() -> list[ipaddress.IPv4Network]:
    table = pathlib.Path("/proc/net/route")
    networks = []
    for line in table.read_text().splitlines()[1:] if table.is_file() else ():
        fields = line.split()
        # Both are numbers in the machine's byte order.
        destination, mask = (socket.inet_ntoa(struct.pack("=L", int(fields[index], 16))) for index in (1, 7))
        if mask != "0.0.0.0":
            networks.append(ipaddress.IPv4Network(f"{destination}/{mask}"))
    return networks
