# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums as options give them, ``sha256:<hex>`` or ``sha256:<url of a list>``, and digests of files."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

from .._common.errors import InvalidInput, Refused

_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"^[0-9a-f]+$")
_LISTED = re.compile(r"^([0-9A-Fa-f]{64,128})(?:[ \t]+[*]?(.+))?$")
_TAGGED = re.compile(r"^(SHA256|SHA384|SHA512) ?\((.+)\) ?= ?([0-9A-Fa-f]{64,128})$")


@dataclasses.dataclass(frozen=True)
class Checksum:
    """A digest that something must have. ``str()`` of it is what options take."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"

    def check(self, actual: str, what: str) -> None:
        """``Refused`` unless ``actual`` (hex) is the digest; ``what`` names the thing in the message."""
        if actual != self.digest:
            raise Refused(
                f"{what} has the {self.algorithm} checksum {actual}, not {self.digest} as asked for; "
                "it changed or was cut: check where it comes from, then the checksum"
            )


def parse_checksum(text: str) -> Checksum | str:
    """The ``Checksum``, or the URL of a checksum list when the part after the algorithm is one (see ``from_list``)."""
    algorithm, colon, rest = text.strip().partition(":")
    algorithm = algorithm.lower()
    if not colon or algorithm not in _LENGTH:
        if algorithm in ("md5", "sha1", "sha224"):
            raise InvalidInput(f"checksum {algorithm} is too weak to trust a release to; give sha256:<hex digits>")
        raise InvalidInput("checksum must look like sha256:<64 hex digits> (or sha384, sha512), or sha256:https://.../SHA256SUMS")
    if rest.startswith(("http://", "https://")):
        return rest
    return _checksum(algorithm, rest)


def from_list(algorithm: str, text: str, names: t.Sequence[str], where: str) -> Checksum:
    """The checksum that a list (``sha256sum`` or BSD format, or a lone digest) gives for the first of ``names`` it knows.

    ``where`` names the list in messages.
    """
    lone = text.split()
    if len(lone) == 1:
        return _checksum(algorithm, lone[0], f" in {where}")
    found: dict[str, str] = {}
    for line in text.splitlines():
        tagged = _TAGGED.match(line.strip())
        listed = _LISTED.match(line.strip())
        if tagged and tagged.group(1).lower() == algorithm:
            found[tagged.group(2)] = tagged.group(3)
        elif listed and listed.group(2):
            found[listed.group(2)] = listed.group(1)
    plain = {name[2:] if name.startswith("./") else name: digest for name, digest in found.items()}
    for name in names:
        if name in plain:
            return _checksum(algorithm, plain[name], f" for {name} in {where}")
    raise Refused(f"{where} lists no checksum for {names[0]}; give the checksum itself as {algorithm}:<hex digits>")


def file_digest(path: str, algorithm: str = "sha256") -> str:
    """Hex digest of a file's content."""
    digest = hashlib.new(algorithm)
    buffer = memoryview(bytearray(1 << 20))
    with open(path, "rb", buffering=0) as stream:
        while True:
            count = stream.readinto(buffer)
            if not count:
                return digest.hexdigest()
            digest.update(buffer[:count])


def _checksum(algorithm: str, digits: str, where: str = "") -> Checksum:
    digits = digits.lower()
    if len(digits) != _LENGTH[algorithm] or not _HEX.match(digits):
        raise InvalidInput(f"the {algorithm} checksum{where} must be {_LENGTH[algorithm]} hex digits, it has {len(digits)} characters")
    return Checksum(algorithm, digits)
