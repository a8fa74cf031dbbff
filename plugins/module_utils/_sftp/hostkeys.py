# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this the host that is meant? Its key against known_hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT) or a given fingerprint."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import os
import re
import typing as t

from .._common.errors import Refused, RunbookError
from .account import Account

_USUAL = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_REVOKED, _AUTHORITY = "@revoked", "@cert-authority"


@dataclasses.dataclass(frozen=True)
class HostKey:
    """``kind`` is as in known_hosts (``ssh-rsa`` whatever the signature), ``blob`` the public key as it goes over the wire."""

    kind: str
    blob: bytes = dataclasses.field(repr=False)
    where: str = ""

    @property
    def fingerprint(self) -> str:
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint}"


@dataclasses.dataclass(frozen=True)
class Known:
    """What the files say of one host. ``fallback`` is what they have under the name without the port: OpenSSH, too, takes such a
    key when it is the right one, and does not mind another."""

    keys: tuple[HostKey, ...] = ()
    fallback: tuple[HostKey, ...] = ()
    revoked: tuple[HostKey, ...] = ()
    authorities: tuple[HostKey, ...] = ()
    files: tuple[str, ...] = ()


def known_for(account: Account) -> Known:
    """What known_hosts says of the account's host. ``RunbookError`` when a file that was named, or one that is there, can't be read."""
    if account.known_hosts:
        files = [account.known_hosts]
    else:
        files = [path for path in map(os.path.expanduser, _USUAL) if os.path.exists(path)]
    found: dict[str, list[HostKey]] = {"": [], "fallback": [], _REVOKED: [], _AUTHORITY: []}
    for path in files:
        for marker, names, key in _lines(path):
            exact = _matches(names, account.address)
            if not exact and not _matches(names, account.host):
                continue
            found[marker or ("" if exact else "fallback")].append(key)
    return Known(tuple(found[""]), tuple(found["fallback"]), tuple(found[_REVOKED]), tuple(found[_AUTHORITY]), tuple(files))


def preferred_first(known: Known, algorithms: t.Sequence[str]) -> tuple[str, ...]:
    """Host key algorithms, those of keys that are known first: a server with several keys then shows one that can be verified."""
    kinds = {key.kind for key in (*known.keys, *known.fallback)}
    return tuple(sorted(algorithms, key=lambda name: kind_of(name) not in kinds))


def kind_of(algorithm: str) -> str:
    """The kind of key that a signature algorithm is for."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def verify(account: Account, known: Known, shown: HostKey, option: str = "remote") -> bool:
    """True when ``shown`` is the key of the account's host, False when it has not the fingerprint that was given (a server may
    have several keys), otherwise ``Refused``. ``option`` is whose suboptions to speak of."""
    host = account.address
    for key in known.revoked:
        if key.blob == shown.blob:
            raise Refused(f"the key that {host} shows ({shown}) is marked as revoked in {key.where}; do not connect, ask the host's owner")
    if account.fingerprint:
        return hmac.compare_digest(account.fingerprint, shown.fingerprint)
    if any(key.blob == shown.blob for key in (*known.keys, *known.fallback)):
        return True
    if known.keys:
        same_kind = [key for key in known.keys if key.kind == shown.kind] or list(known.keys)
        expected = ", ".join(f"{key} ({key.where})" for key in same_kind)
        raise Refused(
            f"the key of {host} has changed: it shows {shown}, known is {expected}; nothing was sent there. Somebody may be listening in. "
            f"If the host's owner confirms the new key, replace the known one, or set {option}.fingerprint to {shown.fingerprint}"
        )
    if known.authorities:
        raise Refused(
            f"for {host} there is only a @cert-authority line ({known.authorities[0].where}), and host certificates are not supported; "
            f"it shows {shown}: if the host's owner confirms that key, set {option}.fingerprint to {shown.fingerprint}"
        )
    raise Refused(
        f"the key of {host} is not known: it shows {shown}; nothing was sent there. If that is what the host's owner says, "
        f"set {option}.fingerprint to {shown.fingerprint}, or add the key to {known.files[0] if known.files else _USUAL[0]} "
        f"(ssh-keyscan -p {account.port} {account.host} prints the line)"
    )


def other_fingerprint(account: Account, shown: t.Sequence[HostKey], option: str = "remote") -> Refused:
    """What to raise when none of the keys that a server shows has the fingerprint that was given."""
    return Refused(
        f"{account.address} shows the key {' and the key '.join(map(str, shown))}, but {option}.fingerprint is {account.fingerprint}; "
        "nothing was sent there. Ask the host's owner which one is right before changing it"
    )


def _lines(path: str) -> t.Iterator[tuple[str, str, HostKey]]:
    """Marker, names and key of each line that can be understood. OpenSSH passes over the others as well, but a key
    that somebody wanted refused must not be taken because of a slip in its line."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise RunbookError(
            f"cannot read the known hosts in {path} ({error.strerror}); make it readable, or name another file as known_hosts"
        ) from None
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        where = f"{path} line {number}"
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        key = _key(fields[1], fields[2], where) if len(fields) >= 3 else None
        if key is None or marker not in ("", _REVOKED, _AUTHORITY):
            if marker == _REVOKED:
                raise RunbookError(f"{where} revokes a key but cannot be understood; correct or remove that line")
            continue
        yield marker, fields[0], key


def _key(kind: str, text: str, where: str) -> HostKey | None:
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    length = int.from_bytes(blob[:4], "big")
    return HostKey(kind, blob, where) if blob[4 : 4 + length] == kind.encode("utf-8", "surrogateescape") else None


def _matches(names: str, host: str) -> bool:
    """Whether a line's names (a hash, or patterns of which none with ``!`` may match) are of this host (``name`` or ``[name]:port``)."""
    host = host.lower()
    if names.startswith("|1|"):
        try:
            salt, digest = (base64.b64decode(part, validate=True) for part in names[3:].split("|"))
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(hmac.new(salt, host.encode(), hashlib.sha1).digest(), digest)
    found = False
    for pattern in names.lower().split(","):
        negated, pattern = pattern.startswith("!"), pattern.lstrip("!")
        if _glob(pattern, host):
            if negated:
                return False
            found = True
    return found


def _glob(pattern: str, text: str) -> bool:
    # Not fnmatch, for which [host]:port would be a set of characters.
    regex = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(regex, text) is not None
