# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allowed addresses as the file names that a web server's snippet can test for.

A snippet knows one address, as text, and can only ask whether a file exists. So each allowed address or network becomes one or more
names, and the snippet asks for the visitor's exact address and for its prefixes at the boundaries that are names here:
IPv4 ``a``, ``a.b``, ``a.b.c`` (/8, /16, /24), IPv6 ``a:b``, ``a:b:c``, ``a:b:c:d`` (/32, /48, /64).
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from .._common.errors import InvalidInput

# More names than this for one network would make switching slow and the folder unreadable.
MOST_NAMES = 256

_NAME = re.compile(r"[0-9a-f.:]{1,45}")


def allow_names(entries: t.Iterable[str]) -> list[str]:
    """The sorted names for addresses and networks such as ``203.0.113.7``, ``198.51.100.0/22`` and ``2001:db8:1:2::/64``.

    One entry may hold several, separated by commas or white space, because a survey field has no lists.
    """
    names: set[str] = set()
    for entry in entries:
        for word in re.split(r"[,\s]+", entry):
            if word:
                names.update(_names(word))
    return sorted(names)


def is_allow_name(name: str) -> bool:
    """Whether a file's name may be one that ``allow_names`` made."""
    return _NAME.fullmatch(name) is not None


def _names(word: str) -> list[str]:
    if "%" in word:
        raise InvalidInput(f"allow_ips: {word!r} names an interface; give the address without '%…'")
    try:
        network = ipaddress.ip_network(word, strict=False)
    except ValueError:
        raise InvalidInput(f"allow_ips: {word!r} is neither an IP address nor a network; give 203.0.113.7 or 203.0.113.0/24") from None
    if "/" in word and network.prefixlen < network.max_prefixlen and ipaddress.ip_address(word.split("/")[0]) != network.network_address:
        raise InvalidInput(f"allow_ips: {word!r} has bits set beyond its length; did you mean {network} or {word.split('/')[0]}?")
    if network.prefixlen == 0:
        raise InvalidInput(f"allow_ips: {word!r} would let everybody in; switch maintenance off instead")
    if isinstance(network, ipaddress.IPv4Network):
        return _ipv4_names(network)
    return _ipv6_names(network)


def _ipv4_names(network: ipaddress.IPv4Network) -> list[str]:
    octets = -(-network.prefixlen // 8)
    return [".".join(str(part).split(".")[:octets]) for part in _expanded(network, octets * 8)]


def _ipv6_names(network: ipaddress.IPv6Network) -> list[str]:
    mapped = network.network_address.ipv4_mapped
    if mapped is not None and network.prefixlen >= 96 + 1:
        # Both servers are asked for the IPv4 form: nginx prints ::ffff:192.0.2.1 on a dual-stack socket, Apache 192.0.2.1.
        return _ipv4_names(ipaddress.IPv4Network((mapped, network.prefixlen - 96)))
    for boundary in (32, 48, 64, 128):
        if network.prefixlen <= boundary:
            break
    if 2 ** (boundary - network.prefixlen) > MOST_NAMES:
        raise InvalidInput(
            f"allow_ips: {network} can't be tested by a web server; IPv6 lengths are /24 to /32, /40 to /48, /56 to /64 and /120 to /128"
        )
    if boundary == 128:
        return [str(part.network_address) for part in network.subnets(new_prefix=128)]
    # Prefixes are tested in full hextets without leading zeros and without '::', see the snippets.
    return [
        ":".join(format(int(hextet, 16), "x") for hextet in part.network_address.exploded.split(":")[: boundary // 16])
        for part in network.subnets(new_prefix=boundary)
    ]


def _expanded(network: ipaddress.IPv4Network, length: int) -> t.Iterator[ipaddress.IPv4Address]:
    for part in network.subnets(new_prefix=length):
        yield part.network_address
