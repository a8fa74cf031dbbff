# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a server's certificate from its DER bytes.

``ssl`` explains a certificate only after it was verified, but the one that fails verification is the one whose
dates are wanted. So the few fields that matter are read here (RFC 5280, section 4.1).
"""

from __future__ import annotations

import dataclasses
import datetime
import socket
import typing as t

_COMMON_NAME = b"\x55\x04\x03"
_ALT_NAMES = b"\x55\x1d\x11"


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What a server showed of itself; times are in UTC."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime.datetime
    not_after: datetime.datetime

    def days_left(self, now: datetime.datetime | None = None) -> int:
        """Whole days until the certificate expires; negative once it has."""
        return (self.not_after - (now or datetime.datetime.now(datetime.timezone.utc))).days

    def to_dict(self) -> dict[str, t.Any]:
        """``{days, not_after, not_before, subject, issuer, names}``"""
        return {
            "days": self.days_left(),
            "not_after": self.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "not_before": self.not_before.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "subject": self.subject,
            "issuer": self.issuer,
            "names": list(self.names),
        }


def _element(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Tag, content, and the position after the element that begins at ``at``."""
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(data[at : at + size], "big"), at + size
    if at + length > len(data):
        raise ValueError("an element is longer than what holds it")
    return tag, data[at : at + length], at + length


def _elements(data: bytes) -> t.Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, content, at = _element(data, at)
        yield tag, content


def _common_name(name: bytes) -> str:
    for _set, rdn in _elements(name):
        for _sequence, pair in _elements(rdn):
            (_oid_tag, oid), (_value_tag, value) = tuple(_elements(pair))[:2]
            if oid == _COMMON_NAME:
                return value.decode("utf-8", "replace")
    return ""


def _time(tag: int, value: bytes) -> datetime.datetime:
    text = value.decode("ascii")
    if tag == 0x17:  # UTCTime: two digits of year, 1950 to 2049
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=datetime.timezone.utc)


def _alternative_names(extensions: bytes) -> t.Iterator[str]:
    for _tag, extension in _elements(_element(extensions, 0)[1]):
        fields = list(_elements(extension))
        if fields[0][1] != _ALT_NAMES:
            continue
        for tag, value in _elements(_element(fields[-1][1], 0)[1]):
            if tag == 0x82:
                yield value.decode("ascii", "replace")
            elif tag == 0x87 and len(value) in (4, 16):
                yield socket.inet_ntop(socket.AF_INET if len(value) == 4 else socket.AF_INET6, value)


def parse_certificate(der: bytes) -> Certificate:
    """The certificate in ``der``; raises ``ValueError`` when it is not one."""
    try:
        fields = list(_elements(_element(_element(der, 0)[1], 0)[1]))
        if fields[0][0] == 0xA0:  # the version, absent from version 1 certificates
            fields = fields[1:]
        _serial, _algorithm, issuer, validity, subject = fields[:5]
        (first_tag, first), (last_tag, last) = tuple(_elements(validity[1]))
        names: tuple[str, ...] = ()
        for tag, content in fields[5:]:
            if tag == 0xA3:
                names = tuple(_alternative_names(content))
        return Certificate(_common_name(subject[1]), _common_name(issuer[1]), names, _time(first_tag, first), _time(last_tag, last))
    except (IndexError, ValueError) as error:
        raise ValueError(f"the server's certificate could not be read ({error})") from None
